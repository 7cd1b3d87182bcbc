"""A context from the spec; every file that is wrong is named."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.config.spec import SecretRef, Tls
from gateway.uplink.errors import TlsProblem
from gateway.uplink.tls import describe, make_context
from tests.peers.certificates import Authority

KEY = SecretRef(secret="client-key")


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def refuse(tls, base, read=lambda _: ""):
    with pytest.raises(TlsProblem) as problem:
        make_context(tls, base, read)
    return str(problem.value)


def test_the_default_is_strict(tmp_path):
    context = make_context(Tls(), tmp_path, lambda _: "")
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_files_that_are_missing_or_wrong(tmp_path):
    (tmp_path / "rubbish.pem").write_text("hello")
    client = Authority(tmp_path).issue("client")
    assert "cannot read the certificate authority" in refuse(Tls(ca="nowhere.pem"), tmp_path)
    assert "rubbish.pem' holds no certificate in PEM form" in refuse(Tls(ca="rubbish.pem"), tmp_path)
    assert "cannot read the client certificate" in refuse(Tls(certificate="nowhere.crt", key=KEY), tmp_path)
    assert "rubbish.pem' holds no certificate" in refuse(
        Tls(certificate="rubbish.pem", key=KEY), tmp_path, lambda _: client.key_pem
    )
    assert "secret 'client-key' holds no private key" in refuse(Tls(certificate="client.crt", key=KEY), tmp_path, lambda _: "hello")


def test_a_key_of_another_certificate(tmp_path):
    authority = Authority(tmp_path)
    authority.issue("client")
    other = authority.issue("other")
    said = refuse(Tls(certificate="client.crt", key=KEY), tmp_path, lambda _: other.key_pem)
    assert "the key in secret 'client-key' does not belong to certificate" in said
    assert not any(line in said for line in other.key_pem.splitlines())


def test_a_key_with_a_pass_phrase_is_told_and_nobody_is_asked_on_the_terminal(tmp_path):
    client = Authority(tmp_path).issue("client")
    key = serialization.load_pem_private_key(client.key_pem.encode(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"phrase")
    ).decode()
    assert "has a pass phrase" in refuse(Tls(certificate="client.crt", key=KEY), tmp_path, lambda _: locked)


def test_the_key_is_gone_when_the_context_is_made(tmp_path):
    client = Authority(tmp_path).issue("client")
    client.key.unlink()
    before = descriptors()
    make_context(Tls(certificate="client.crt", key=KEY), tmp_path, lambda _: client.key_pem)
    assert descriptors() == before


def test_texts_that_are_not_about_tls():
    assert describe("failed to receive on socket: [Errno 104] Connection reset by peer") is None
    assert "does not know the authority" in str(
        describe("failed to receive on socket: [SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca")
    )
