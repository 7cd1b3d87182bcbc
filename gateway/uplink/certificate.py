"""What we need to know of a certificate: until when it holds, and the fingerprint of its key. Without a library of 9 MB.

Reads the few fields of X.509 (RFC 5280, 4.1) that are wanted from DER (X.690). It trusts nothing: whether a certificate is
genuine, OpenSSL has checked before.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

_SEQUENCE, _CONTEXT_0, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class Certificate(Struct, frozen=True):
    """One certificate.

    Attributes:
        not_after_s: the last moment it holds, in seconds since 1970 UTC.
        pin: `sha256/` and the SHA-256 of its public key (SubjectPublicKeyInfo) in base64.
    """

    not_after_s: float
    pin: str


def read(der: bytes) -> Certificate:
    """Return what stands in a certificate.

    Raises:
        ValueError: it is none.
    """
    try:
        fields = list(_values(der, *_inside(der, *_inside(der, 0, len(der)))))
        if fields[0][0] == _CONTEXT_0:  # the version, left out in those of version 1
            del fields[0]
        validity, key = fields[3], fields[5]
        _, (tag, start, end, _) = _values(der, validity[1], validity[2])
        if key[0] != _SEQUENCE:
            raise ValueError("no key")
        digest = hashlib.sha256(der[key[3] : key[2]]).digest()
        return Certificate(_time(tag, der[start:end].decode("ascii")), f"sha256/{base64.b64encode(digest).decode()}")
    except (ValueError, IndexError) as exc:  # UnicodeDecodeError is one of them
        raise ValueError(f"this is no certificate: {exc}") from None


def read_file(path: Path) -> list[Certificate]:
    """Return the certificates in a PEM file, in their order.

    Raises:
        OSError: it cannot be read.
        ValueError: one of them is none.
    """
    text = path.read_text(encoding="ascii", errors="replace")
    parts = (part.partition(_END)[0] for part in text.split(_BEGIN)[1:])
    return [read(ssl.PEM_cert_to_DER_cert(f"{_BEGIN}{part}{_END}\n")) for part in parts]


def _value(der: bytes, at: int, end: int) -> tuple[int, int, int, int]:
    """Return tag, start and end of the content, and start of the whole, of the value that begins at `at`."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4:
            raise ValueError("a length makes no sense")
        length, start = int.from_bytes(der[start : start + octets]), start + octets
    if start + length > end:
        raise ValueError("it is cut off")
    return tag, start, start + length, at


def _values(der: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    while at < end:
        value = _value(der, at, end)
        yield value
        at = value[2]


def _inside(der: bytes, at: int, end: int) -> tuple[int, int]:
    tag, start, stop, _ = _value(der, at, end)
    if tag != _SEQUENCE:
        raise ValueError("it does not begin like one")
    return start, stop


def _time(tag: int, text: str) -> float:
    if tag == _UTC_TIME:  # RFC 5280: two digits of the year, 50 and more are of the last century
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
