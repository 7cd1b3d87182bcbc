"""What is read from a certificate agrees with the library that everybody uses; garbage is none."""

import base64
import contextlib
import hashlib
import re
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.clock import ManualClock
from gateway.config.spec import SecretRef, Tls
from gateway.uplink.certificate import read, read_file
from gateway.uplink.report import Report
from gateway.uplink.tls import expiries
from tests.peers.certificates import Authority

KEYS = {
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def made(kind, ends):
    key = KEYS[kind]()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gerät " * 9)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(2**100)
    builder = builder.not_valid_before(datetime(1960, 1, 1, tzinfo=UTC)).not_valid_after(ends)
    certificate = builder.sign(key, None if kind == "ed25519" else hashes.SHA256())
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_bytes(serialization.Encoding.DER), public


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("year", [1999, 2027, 2049, 2050, 9999])
def test_it_reads_what_the_library_wrote(kind, year):
    ends = datetime(year, 12, 31, 23, 59, 58, tzinfo=UTC)
    der, public = made(kind, ends)
    found = read(der)
    assert found.not_after_s == ends.timestamp()
    assert found.pin == "sha256/" + base64.b64encode(hashlib.sha256(public).digest()).decode()


DER, _ = made("ec", datetime(2030, 1, 1, tzinfo=UTC))


@given(st.binary(max_size=200))
def test_garbage_is_no_certificate(data):
    with pytest.raises(ValueError, match="this is no certificate"):
        read(data)


@given(st.integers(0, len(DER) - 1), st.integers(1, 255), st.integers(0, len(DER)))
def test_a_damaged_one_is_read_or_refused_and_nothing_else(at, flip, cut):
    damaged = bytearray(DER)
    damaged[at] ^= flip
    for data in (bytes(damaged), DER[:cut]):
        with contextlib.suppress(ValueError):  # as a ValueError only
            read(data)


def test_a_file_may_hold_several(tmp_path):
    path = tmp_path / "several.pem"
    path.write_text("words before\n" + ssl.DER_cert_to_PEM_cert(DER) + "and between\n" + ssl.DER_cert_to_PEM_cert(DER))
    assert read_file(path) == [read(DER)] * 2
    path.write_text("nothing")
    assert read_file(path) == []


def test_our_own_certificates_are_watched_and_told_in_time(tmp_path):
    authority = Authority(tmp_path)
    authority.issue("hall-1", days=29.5)
    tls = Tls(ca=authority.file.name, certificate="hall-1.crt", key=SecretRef(secret="k"))
    found = expiries(tls, tmp_path)
    assert set(found) == {"the client certificate 'hall-1.crt'", "the certificate authority 'Test-CA.crt'"}

    clock = ManualClock(int(datetime.now(UTC).timestamp() * 1e9))
    report = Report("cooperative", clock)
    with capture_logs() as logs:
        for _ in range(32):
            report.certificates(found)
            report.certificates(found)
            clock.advance(timedelta(days=1).total_seconds())
        assert [line["event"] for line in logs] == ["certificate_expires"] * 6
        assert re.fullmatch("the client certificate 'hall-1.crt' expires in (29|30) days", logs[0]["reason"])
        assert logs[-1]["reason"] == "the client certificate 'hall-1.crt' has expired"
    status = report.status()
    assert status["warnings"] == ["the client certificate 'hall-1.crt' has expired"]
    assert status["certificates"]["the client certificate 'hall-1.crt'"] < 0
    assert status["certificates"]["the certificate authority 'Test-CA.crt'"] > 3600


def test_what_cannot_be_read_is_left_to_the_connection_to_tell(tmp_path):
    (tmp_path / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "empty.pem").write_text("")
    for name in ("bad.pem", "empty.pem", "missing.pem"):
        assert expiries(Tls(ca=name), tmp_path) == {}
