"""Certificates: what the server offers, which of it we take, and whether it is the server we know."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies, uacrypto
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from drivers.opcua.spec import OpcuaLink, Security
from gateway.driver import LinkError
from gateway.model import Reason


def offers(endpoints: list[ua.EndpointDescription]) -> str:
    """Return what a server offers, as it would be written in the YAML file, e.g. `Basic256Sha256/Sign`."""
    found = []
    for endpoint in endpoints:
        policy = _policy(endpoint)
        mode = endpoint.SecurityMode.name
        found.append("insecure: true" if mode == "None_" else policy if mode == "SignAndEncrypt" else f"{policy}/{mode}")
    return ", ".join(dict.fromkeys(found)) or "nothing"


def choose(endpoints: list[ua.EndpointDescription], security: Security, place: str) -> ua.EndpointDescription:
    """Return the endpoint with the wanted security.

    Raises:
        LinkError: the server does not offer it; the message says what it offers.
    """
    for endpoint in endpoints:
        if _policy(endpoint) == security.policy and endpoint.SecurityMode.name == security.mode:
            return endpoint
    raise LinkError(f"{place} does not offer {security}", hint=f"it offers: {offers(endpoints)}", reason=Reason.REFUSED)


def _policy(endpoint: ua.EndpointDescription) -> str:
    """Return the policy as engineering tools write it: `Aes256Sha256RsaPss` for `…#Aes256_Sha256_RsaPss`."""
    return str(endpoint.SecurityPolicyUri).rpartition("#")[2].replace("_", "")


def load_certificate(path: Path, cure: str = "") -> x509.Certificate:
    """Read a certificate, PEM or DER; `cure` says how to get it where it is missing.

    Raises:
        LinkError: it is missing or none.
    """
    content = _read(path, "certificate", cure)
    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError:
        raise LinkError(f"{path} is not a certificate", hint="it must be a .pem or .der file", reason=Reason.REFUSED) from None


def load_key(path: Path, cure: str = "") -> tuple[bytes, bool]:
    """Read a private key; return it as DER, and whether others than its owner may read the file. `cure` as above.

    Raises:
        LinkError: it is missing, none, or encrypted.
    """
    content = _read(path, "private key", cure)
    try:
        load: Any = serialization.load_pem_private_key if b"-----BEGIN" in content else serialization.load_der_private_key
        key = load(content, None)
    except TypeError:
        raise LinkError(f"{path} is encrypted", hint="store the key without a password, mode 0600", reason=Reason.REFUSED) from None
    except ValueError:
        raise LinkError(f"{path} is not a private key", hint="it must be a .pem file", reason=Reason.REFUSED) from None
    der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    return der, bool(path.stat().st_mode & 0o077)


def _read(path: Path, what: str, cure: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise LinkError(f"the {what} {path} is missing", hint=cure) from None
    except OSError as error:
        raise LinkError(f"the {what} {path} cannot be read: {error.strerror}", hint="is the gateway's user allowed to?") from None


class Identity:
    """The files a secured connection needs, read; blocks on the disk, so make it in a thread.

    Raises:
        LinkError: one is missing or not what it should be.
    """

    def __init__(self, options: OpcuaLink, base: Path) -> None:
        assert options.security
        self.security = options.security
        cures = {file.key: file.cure for file in options.files()}
        self._certificate = load_certificate(base / options.certificate, cures["certificate"])
        self._key, self.key_is_open = load_key(base / options.key_file, cures["key_file"])
        pinned = options.server_certificate
        self._pinned = load_certificate(base / pinned, cures["server_certificate"]) if pinned else None

    @property
    def uri(self) -> str:
        """The application URI in the certificate; the server compares it with the one we say."""
        try:
            names = self._certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            return names.get_values_for_type(x509.UniformResourceIdentifier)[0]
        except (x509.ExtensionNotFound, IndexError):
            return ""

    async def secure(self, client: Client, endpoints: list[ua.EndpointDescription], place: str) -> None:
        """Prepare a client for the wanted endpoint.

        Raises:
            LinkError: the server does not offer it, or is another one than it was.
        """
        endpoint = choose(endpoints, self.security, place)
        server: x509.Certificate | None = cast("Any", uacrypto).x509_from_der(endpoint.ServerCertificate)
        if server is None:
            raise LinkError(f"{place} shows no certificate", reason=Reason.REFUSED)
        if self._pinned and server != self._pinned:
            raise LinkError(
                f"{place} shows another certificate than the one in server_certificate",
                hint="if the server was replaced or got a new one, check that with its owner and store the new one",
                reason=Reason.REFUSED,
            )
        if self.uri:
            client.application_uri = self.uri
        der = serialization.Encoding.DER
        await client.set_security(
            getattr(security_policies, f"SecurityPolicy{self.security.policy}"),
            uacrypto.CertProperties(self._certificate.public_bytes(der), "der"),
            uacrypto.CertProperties(self._key, "der"),
            server_certificate=uacrypto.CertProperties(server.public_bytes(der), "der"),
            mode=ua.MessageSecurityMode[self.security.mode],
        )
