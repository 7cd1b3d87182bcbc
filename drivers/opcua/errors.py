"""What asyncua and the network raise, as sentences: what happened, and what to do about it."""

from __future__ import annotations

import socket

from asyncua import ua
from asyncua.ua.uaerrors._base import UaStatusCodeError

from gateway.driver import DeviceError, LinkError
from gateway.model import Reason

TRUST = "tell the server to trust this gateway: in its list of rejected certificates, move ours to the trusted ones"

# status name: (message, hint, reason)
_SERVICE: dict[str, tuple[str, str, Reason]] = {
    "BadTooManySessions": (
        "the server has no session left",
        "close other clients, or raise its session limit; sessions of a crashed client end by themselves after a while",
        Reason.DEVICE_BUSY,
    ),
    "BadUserAccessDenied": ("the server does not let this gateway in", "allow anonymous users on the server", Reason.REFUSED),
    "BadIdentityTokenInvalid": ("the server does not let anonymous users in", "allow them on the server", Reason.REFUSED),
    "BadIdentityTokenRejected": ("the server does not let anonymous users in", "allow them on the server", Reason.REFUSED),
    "BadCertificateUntrusted": ("the server does not trust this gateway's certificate", TRUST, Reason.REFUSED),
    "BadSecurityChecksFailed": ("the server refuses this gateway's certificate", TRUST, Reason.REFUSED),
    "BadCertificateInvalid": ("the server finds this gateway's certificate invalid", "make a new one", Reason.REFUSED),
    "BadCertificateTimeInvalid": (
        "the certificate is expired or not valid yet",
        "make a new one, and check the clocks on both sides",
        Reason.REFUSED,
    ),
    "BadCertificateUriInvalid": (
        "the certificate does not name this gateway",
        "make it with a URI as subject alternative name",
        Reason.REFUSED,
    ),
    "BadCertificateUseNotAllowed": (
        "the certificate is not meant for this use",
        "make it with digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment and clientAuth",
        Reason.REFUSED,
    ),
    "BadSecurityPolicyRejected": ("the server does not offer this security", "", Reason.REFUSED),
    "BadSecurityModeRejected": ("the server does not offer this security", "", Reason.REFUSED),
    "BadTcpEndpointUrlInvalid": ("the server has nothing under this path", "check what stands after host:port", Reason.REFUSED),
    "BadTcpServerTooBusy": ("the server is too busy", "close other clients", Reason.DEVICE_BUSY),
    "BadServerTooBusy": ("the server is too busy", "close other clients", Reason.DEVICE_BUSY),
    "BadServerHalted": ("the server is halted", "start it in its engineering tool", Reason.DEVICE_FAILURE),
    "BadShutdown": ("the server is shutting down", "", Reason.NOT_CONNECTED),
    "BadTooManySubscriptions": (
        "the server has no subscription left",
        "close other clients, or write mode: read",
        Reason.DEVICE_BUSY,
    ),
    "BadTimeout": ("the server gave up waiting", "", Reason.TIMEOUT),
    "BadRequestTimeout": ("the server did not answer in time", "", Reason.TIMEOUT),
}

_LOST = {
    "BadSessionIdInvalid",
    "BadSessionClosed",
    "BadSessionNotActivated",
    "BadSecureChannelIdInvalid",
    "BadSecureChannelClosed",
    "BadSecureChannelTokenUnknown",
    "BadConnectionClosed",
    "BadNotConnected",
    "BadServerNotConnected",
    "BadServerHalted",
    "BadShutdown",
    "BadTcpSecureChannelUnknown",
    "BadSubscriptionIdInvalid",
    "BadNoSubscription",
}


def name_of(error: UaStatusCodeError) -> str:
    """Return the name of a status, e.g. `BadTooManySessions`."""
    return str(ua.StatusCode(error.code).name)


def link_error(error: BaseException, place: str, timeout_s: float) -> LinkError:
    """Turn whatever kept a session from being opened, or ended it, into words; `place` is host:port."""
    if isinstance(error, LinkError):
        return error
    if isinstance(error, TimeoutError):
        return LinkError(
            f"no answer from {place} within {timeout_s:g} s",
            hint="is the machine switched on, and this address right?",
            reason=Reason.TIMEOUT,
        )
    if isinstance(error, UaStatusCodeError):
        name = name_of(error)
        message, hint, reason = _SERVICE.get(
            name, (f"the server answers {name}: {ua.StatusCode(error.code).doc}", "", Reason.REFUSED)
        )
        return LinkError(f"{place}: {message}", hint=hint, reason=reason)
    if isinstance(error, ConnectionRefusedError):
        return LinkError(
            f"nobody listens on {place}",
            hint="is the OPC UA server of the machine active, and the port right?",
            reason=Reason.REFUSED,
        )
    if isinstance(error, socket.gaierror):
        return LinkError(f"the name {place.rpartition(':')[0]} is unknown in this network", hint="write the address as numbers")
    if isinstance(error, ConnectionError):
        return LinkError(f"the connection to {place} was cut", hint="does an OPC UA server, and no other, listen there?")
    if isinstance(error, OSError):
        return LinkError(f"{place} cannot be reached: {error.strerror or error}", hint="check cable, address and firewall")
    return LinkError(f"{place} answers what this gateway does not understand: {error!r}")


def request_error(error: BaseException, place: str, timeout_s: float) -> DeviceError:
    """Turn a failed request into words: a LinkError when the session is gone, else a DeviceError for this machine."""
    if isinstance(error, DeviceError):
        return error
    if isinstance(error, UaStatusCodeError) and name_of(error) not in _LOST:
        name = name_of(error)
        message, hint, reason = _SERVICE.get(
            name, (f"the server answers {name}: {ua.StatusCode(error.code).doc}", "", Reason.DEVICE_FAILURE)
        )
        return DeviceError(f"{place}: {message}", hint=hint, reason=reason)
    if isinstance(error, UaStatusCodeError):
        return LinkError(f"{place}: the session has ended ({name_of(error)})")
    return link_error(error, place, timeout_s)
