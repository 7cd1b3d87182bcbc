"""Certificates for tests: an authority that issues server and client certificates, in the past or future when asked."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Pair:
    """A certificate and its key as PEM files; `key_pem` is the key's text."""

    def __init__(self, folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.certificate = folder / f"{name}.crt"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key = folder / f"{name}.key"
        self.key.write_text(self.key_pem)
        self.key.chmod(0o600)


class Authority:
    """A certificate authority; its own certificate lies at `file`."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None), [], 3650)
        self.file = Pair(folder, name.replace(" ", "-"), self._certificate, self._key).certificate

    def issue(self, name: str, *, hosts: tuple[str, ...] = (), expired: bool = False, days: float = 365) -> Pair:
        """Return a certificate for `name`, that holds for `days`; `hosts` are names or addresses that a server may be called by."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = []
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        days = -1 if expired else days
        certificate = self._sign(_name(name), key, x509.BasicConstraints(ca=False, path_length=None), names, days)
        return Pair(self._folder, name, certificate, key)

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        constraints: x509.BasicConstraints,
        names: list[x509.GeneralName],
        days: float,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=3))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(constraints, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if constraints.ca:
            usage = {"key_cert_sign": True, "crl_sign": True}
            others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
            flags = dict.fromkeys((*others, "decipher_only", "digital_signature"), False)
            builder = builder.add_extension(x509.KeyUsage(**usage, **flags), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())
