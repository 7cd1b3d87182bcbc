"""Modbus TCP inside TLS (Modbus/TCP Security, port 802): the device is verified, TLS 1.2 or later, with a client certificate."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Final

from drivers.modbus.spec import ModbusLink
from drivers.modbus.tcp import TcpExchange
from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.driver import LinkError
from gateway.model import Reason

_OTHERS_MAY_READ: Final = 0o077

# OpenSSL's X509_V_ERR_*: what it means, what to do
_VERIFY: Final = {
    9: ("is not valid yet", "check the clock of this gateway (gateway status) and of the device"),
    10: ("has expired", "give the device a new certificate, or check the clock of this gateway (gateway status)"),
    18: ("is signed by itself", "copy it from the device and name the file in 'ca'"),
    19: ("comes from an authority that is not known here", "name its file in 'ca'"),
    20: ("comes from an authority that is not known here", "name its file in 'ca'"),
    21: ("comes from an authority that is not known here", "name its file in 'ca'"),
    62: ("is for another host name", "write the name that stands in the certificate into 'connect'"),
    64: ("is for another address", "write the name or address that stands in the certificate into 'connect'"),
}

_ALERTS: Final = (
    ("CERTIFICATE_REQUIRED", "wants a client certificate", "give it with 'certificate' and 'key_file'"),
    ("UNKNOWN_CA", "does not know the authority of the client certificate", "load that authority into the device"),
    ("BAD_CERTIFICATE", "does not accept the client certificate", "look into the device's list of clients"),
    ("CERTIFICATE_EXPIRED", "says that the client certificate has expired", "issue a new one"),
    ("CERTIFICATE_UNKNOWN", "does not accept the client certificate", "look into the device's list of clients"),
    ("HANDSHAKE_FAILURE", "refuses the TLS handshake", "it may want a client certificate, or TLS below 1.2, which is not safe"),
    ("PROTOCOL_VERSION", "speaks no TLS that is still safe (1.2 or later)", "update the device, or use modbus-tcp:// knowingly"),
    (
        "UNSUPPORTED_PROTOCOL",
        "speaks no TLS that is still safe (1.2 or later)",
        "update the device, or use modbus-tcp:// knowingly",
    ),
    ("WRONG_VERSION_NUMBER", "does not speak TLS on this port", "check the port (usually 802), or write modbus-tcp://"),
    ("RECORD_LAYER_FAILURE", "does not speak TLS on this port", "check the port (usually 802), or write modbus-tcp://"),
)

_MAY_WANT: Final = "it may want a client certificate: give it with 'certificate' and 'key_file'"


class TlsExchange(TcpExchange):
    """Exchange over MBAP frames inside TLS."""

    def __init__(self, link: Link, clock: Clock) -> None:
        super().__init__(link, clock)
        self._link = link
        self._certificate: str = link.options.certificate

    async def open(self) -> None:
        """Connect and verify the device.

        Raises:
            LinkError: as on TCP, or a file cannot be used, or the certificate of the device does not hold.
        """
        context, self.warnings = context_of(self._link)
        host, port = self._link.address.rsplit(":", 1)
        self.line.comm_params.sslctx = context
        self.line.init_setup_connect_listen(host.strip("[]"), int(port))
        create = self.line.call_create

        async def create_in_words() -> Any:
            try:
                return await create()
            except ssl.SSLError as error:
                raise described(self.line.place, error) from None
            except (ConnectionResetError, ConnectionAbortedError):
                raise hung_up(self.line.place) from None

        self.line.call_create = create_in_words
        await super().open()

    def _gone(self, error: LinkError) -> None:
        """Say what the device has against the client certificate: in TLS 1.3 it tells only after the handshake."""
        alert = _alert(self.line.place, error.message)
        if alert is None and "closed the connection" in error.message and not self._answered_units and not self._certificate:
            alert = LinkError(error.message, hint=_MAY_WANT, reason=Reason.REFUSED)
        super()._gone(alert or error)


def context_of(link: Link) -> tuple[ssl.SSLContext, tuple[str, ...]]:
    """Return the TLS context of a link, and what stays unsafe about it, in words.

    Raises:
        LinkError: a file is missing or is not what it should be.
    """
    options: ModbusLink = link.options
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    warnings = []
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        warnings.append(f"{link.url}: who the device is, is not checked (insecure: true); everyone in between can forge values")
    elif options.ca:
        _load(link, "ca", options.ca, lambda path: context.load_verify_locations(path))
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if options.certificate:
        key = str(Path(link.base, options.key_file))
        _load(link, "key_file", options.key_file, lambda path: Path(path).open("rb").close())
        _load(link, "certificate", options.certificate, lambda path: context.load_cert_chain(path, key, password=_no_password))
        if Path(key).stat().st_mode & _OTHERS_MAY_READ:
            warnings.append(f"{link.url}: the private key {options.key_file} can be read by others; chmod 600 it")
    return context, tuple(warnings)


def described(place: str, error: ssl.SSLError) -> LinkError:
    """Put a failed handshake in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        fallback = (f"does not hold: {error.verify_message}", "look at it: openssl s_client -connect " + place)
        words, hint = _VERIFY.get(error.verify_code, fallback)
        return LinkError(f"the certificate of {place} {words}", hint=hint, reason=Reason.REFUSED)
    if isinstance(error, ssl.SSLEOFError):
        return hung_up(place)
    hint = "look at the TLS settings of the device"
    return _alert(place, str(error)) or LinkError(f"TLS with {place} does not work: {error}", hint=hint, reason=Reason.REFUSED)


def hung_up(place: str) -> LinkError:
    """Say what it may mean that a device ends the connection before a word was said."""
    return LinkError(
        f"{place} hung up during the TLS handshake", hint=f"check the port (usually 802); {_MAY_WANT}", reason=Reason.REFUSED
    )


def _alert(place: str, text: str) -> LinkError | None:
    for name, words, hint in _ALERTS:
        if name in text or name.lower().replace("_", " ") in text:
            return LinkError(f"{place} {words}", hint=hint, reason=Reason.REFUSED)
    return None


def _load(link: Link, key: str, name: str, use: Any) -> None:
    path = str(Path(link.base, name))
    try:
        use(path)
    except ssl.SSLError:
        hint = "it must be PEM (-----BEGIN …), and a private key must fit its certificate and have no passphrase"
        raise LinkError(f"{link.url}: the file {path} given as '{key}' cannot be used", hint=hint) from None
    except OSError as error:
        hint = "paths are relative to site.yaml; the user of the gateway must be able to read it"
        raise LinkError(f"{link.url}: the file {path} given as '{key}' cannot be read ({error.strerror})", hint=hint) from None


def _no_password() -> str:
    """Answer for OpenSSL, which would otherwise ask on the terminal."""
    return ""
