"""The TLS side of an uplink: a context from the spec, and what went wrong in words."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.config.spec import Tls
from gateway.uplink import certificate
from gateway.uplink.errors import TlsProblem

_CLOCK = "check that the clock of this gateway is right (gateway status), then ask the operator of the broker"

# OpenSSL's X509_V_ERR_*: what it means, what to do
_VERIFY: dict[int, tuple[str, str]] = {
    9: ("the broker's certificate is not valid yet", _CLOCK),
    10: ("the broker's certificate has expired", _CLOCK),
    18: ("the broker's certificate is signed by itself", "give its certificate authority with tls: {ca: FILE}"),
    19: ("the broker's certificate authority is not known here", "give it with tls: {ca: FILE}"),
    20: ("the broker's certificate authority is not known here", "give it with tls: {ca: FILE}"),
    21: ("the broker's certificate authority is not known here", "give it with tls: {ca: FILE}"),
    23: ("the broker's certificate has been revoked", "ask the operator of the broker"),
    62: ("the broker's certificate is for another host name", "write the name that stands in the certificate into 'broker'"),
    64: ("the broker's certificate is for another address", "write the name that stands in the certificate into 'broker'"),
}

# Alerts and errors by the name OpenSSL gives them
_ALERTS: tuple[tuple[str, str, str], ...] = (
    ("CERTIFICATE_REQUIRED", "the broker wants a client certificate", "give it with tls: {certificate: FILE, key: {secret: NAME}}"),
    ("CERTIFICATE_EXPIRED", "the broker says the client certificate has expired", "get a new one from the operator of the broker"),
    ("UNKNOWN_CA", "the broker does not know the authority of the client certificate", "get one from the operator of the broker"),
    ("CERTIFICATE_REVOKED", "the broker says the client certificate has been revoked", "ask the operator of the broker"),
    ("BAD_CERTIFICATE", "the broker does not accept the client certificate", "ask the operator of the broker"),
    ("CERTIFICATE_UNKNOWN", "the broker does not accept the client certificate", "ask the operator of the broker"),
    ("HANDSHAKE_FAILURE", "the broker refused the TLS handshake", "it may want a client certificate, or TLS below 1.2"),
    ("PROTOCOL_VERSION", "the broker speaks no TLS that is still safe (1.2 or later)", "ask the operator of the broker"),
    ("UNSUPPORTED_PROTOCOL", "the broker speaks no TLS that is still safe (1.2 or later)", "ask the operator of the broker"),
    (
        "WRONG_VERSION_NUMBER",
        "the broker does not speak TLS on this port",
        "check the port (usually 8883), or write mqtt://",
    ),
    ("RECORD_LAYER_FAILURE", "the broker does not speak TLS on this port", "check the port (usually 8883), or write mqtt://"),
)


def expiries(tls: Tls, base: Path) -> dict[str, float]:
    """Return until when each of our own certificates holds, in seconds since 1970 UTC, by a name for people.

    Of a file with several authorities the last one to expire counts. What cannot be read is told when it is needed.
    """
    found: dict[str, float] = {}
    for what, name, last in (("client certificate", tls.certificate, False), ("certificate authority", tls.ca, True)):
        if not name:
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            ends = [item.not_after_s for item in certificate.read_file(base / name)]
            found[f"the {what} '{name}'"] = max(ends) if last else ends[0]
    return found


def describe(error: ssl.SSLError | str) -> TlsProblem | None:
    """Put a TLS error, or paho's text of one, in words; None when the text is not about TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words, hint = _VERIFY.get(
            error.verify_code, (f"the broker's certificate does not hold: {error.verify_message}", "ask the operator of the broker")
        )
        return TlsProblem(words, hint)
    text = str(error)
    for name, words, hint in _ALERTS:
        if name in text or name.lower().replace("_", " ") in text:
            return TlsProblem(words, hint)
    if isinstance(error, ssl.SSLEOFError) or "EOF occurred in violation of protocol" in text:
        return hung_up()
    if isinstance(error, ssl.SSLError) or "[SSL" in text:
        return TlsProblem(f"TLS does not work: {text}", "ask the operator of the broker")
    return None


def hung_up() -> TlsProblem:
    """Return the problem of a handshake that the other side broke off without a word."""
    return TlsProblem("the broker hung up during the TLS handshake", "check the port (usually 8883) and the broker's log")


class _Socket(ssl.SSLSocket):
    """Looks at the broker's key after the handshake, and says why the other side hung up."""

    pins: frozenset[str] = frozenset()

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        if self.pins and (pin := certificate.read(self.getpeercert(True) or b"").pin) not in self.pins:
            raise TlsProblem(
                f"the broker has another key than those in tls: pin ({pin})",
                "ask the operator of the broker whether it has a new one; if not, somebody stands between",
            )

    def send(self, data: Any, flags: int = 0) -> int:
        try:
            return super().send(data, flags)
        except ssl.SSLEOFError:
            # In TLS 1.3 a client certificate is refused after the handshake; the alert lies unread, and reading raises it.
            with contextlib.suppress(ssl.SSLWantReadError):
                self.recv(1)
            raise


def make_context(tls: Tls, base: Path, read_secret: Callable[[str], str]) -> ssl.SSLContext:
    """Return a client context: TLS 1.2 or later, host name checked, nothing of the private key left on a disk.

    Reads files, so call it in a thread.

    Args:
        tls: what stands in the uplink's `tls:`.
        base: folder that relative paths start from.
        read_secret: returns the text of a secret by name.

    Raises:
        TlsProblem: a file is missing or holds something else; says which one and what to do.
    """
    ca = base / tls.ca if tls.ca else None
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as exc:
        raise _bad_file("certificate authority", ca, exc) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = type("_Socket", (_Socket,), {"pins": frozenset(tls.pin)})
    if tls.certificate and tls.key is not None:
        _load_pair(context, base / tls.certificate, tls.key.secret, read_secret(tls.key.secret))
    return context


def _load_pair(context: ssl.SSLContext, certificate: Path, secret: str, key: str) -> None:
    """Load certificate and key. The ssl module reads keys from files only: this one lives in memory and has no name."""
    try:
        certificate.open("rb").close()
    except OSError as exc:
        raise _bad_file("client certificate", certificate, exc) from None
    descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, key.encode())
        # an empty pass phrase, else OpenSSL asks for one on the terminal
        context.load_cert_chain(certificate, f"/proc/self/fd/{descriptor}", password=lambda: "")
    except ssl.SSLError as exc:
        if "KEY_VALUES_MISMATCH" in str(exc):
            raise TlsProblem(
                f"the key in secret '{secret}' does not belong to certificate '{certificate}'", "store the key made with it"
            ) from None
        if "ENCRYPTED" in key:
            raise TlsProblem(
                f"the key in secret '{secret}' has a pass phrase", "store it without: openssl pkey -in KEY -out KEY.plain"
            ) from None
        if "BEGIN" in key and "PRIVATE KEY-----" in key:
            raise TlsProblem(
                f"'{certificate}' holds no certificate in PEM form, or the key in secret '{secret}' is broken"
            ) from None
        raise TlsProblem(
            f"secret '{secret}' holds no private key in PEM form", "it begins with -----BEGIN PRIVATE KEY-----"
        ) from None
    finally:
        os.close(descriptor)


def _bad_file(what: str, path: Path | None, exc: OSError) -> TlsProblem:
    if isinstance(exc, ssl.SSLError):
        return TlsProblem(f"the file '{path}' holds no certificate in PEM form", "it begins with -----BEGIN CERTIFICATE-----")
    return TlsProblem(f"cannot read the {what} '{path}': {(exc.strerror or str(exc)).lower()}", "check tls in site.yaml")
