"""Host names as a user writes them: what can never be looked up is told before anybody tries; a leaf, without I/O."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

_LONGEST_LABEL = 63
_LONGEST_NAME = 253
_SHOWN = 60
_LABEL = re.compile(r"[\w](?:[\w-]*[\w])?")


def check_host(host: str) -> str:
    """Return `host` when it can be a host name, an IPv4 address, or an IPv6 address in brackets or without; offline.

    Raises:
        ValueError: it can be none; the sentence says why and what was probably meant.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare or bare != host:
        _check_ipv6(bare, host)
    else:
        _check_name(host)
    return host


def is_loopback(host: str) -> bool:
    """Say whether a host is surely this computer: `localhost`, 127.0.0.0/8 or ::1."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


class LoopbackAddress(str):
    """A port of this computer that only programs on it can reach: `127.0.0.1:9464`."""

    __slots__ = ()

    @property
    def pair(self) -> tuple[str, int]:
        """Host and port, as sockets take them."""
        host, _, port = self.rpartition(":")
        return host.strip("[]"), int(port)

    @classmethod
    def parse(cls, value: object) -> LoopbackAddress:
        """Read an address.

        Raises:
            ValueError: it is none, or others than this computer could reach it.
        """
        text = str(value)
        host, colon, port = text.rpartition(":")
        if isinstance(value, bool) or not isinstance(value, str | int) or not (port if colon else text).isascii():
            raise ValueError("expected an address and a port such as '127.0.0.1:9464'")
        if not colon:
            meant = f"; did you mean '127.0.0.1:{text}'?" if text.isdecimal() else ""
            raise ValueError(f"'{text}' has no {'host' if text.isdecimal() else 'port'}{meant or '; write it like 127.0.0.1:9464'}")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"'{port}' is not a port; it is a number from 1 to 65535")
        if not is_loopback(host):
            raise ValueError(
                f"'{host}' is not this computer; write '127.0.0.1:{port}': what is offered there has no password, so only programs "
                "on this computer may read it"
            )
        return cls(text)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {"type": "string", "pattern": r"^(127(\.\d{1,3}){3}|\[::1\]|localhost):\d{1,5}$", "examples": ["127.0.0.1:9464"]}


def _check_ipv6(bare: str, host: str) -> None:
    try:
        ipaddress.IPv6Address(bare)
    except ValueError:
        raise ValueError(f"{_shown(host)} is not an IPv6 address; write it like [fe80::1]") from None


def _check_name(host: str) -> None:
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdecimal():  # only an address ends in a number
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise ValueError(f"{_shown(host)} is not an IPv4 address; it has four numbers from 0 to 255{_guess(host)}") from None
        return
    for label in labels:
        if not label:
            raise ValueError(f"{_shown(host)} is not a host name: nothing stands between two dots{_guess(host)}")
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{_shown(host)} is not a host name: it has letters, digits and '-' inside{_guess(host)}")
        if _wire_length(label, host) > _LONGEST_LABEL:
            most = f"{len(label)} characters stand between two dots, at most {_LONGEST_LABEL} are possible"
            raise ValueError(f"{_shown(host)} is not a host name: {most}")
    if sum(_wire_length(label, host) + 1 for label in labels) - 1 > _LONGEST_NAME:
        raise ValueError(f"{_shown(host)} is not a host name: it has {len(host)} characters, at most {_LONGEST_NAME} are possible")


def _wire_length(label: str, host: str) -> int:
    """Return how long a part of a name is as it is looked up: letters beyond ASCII take the form `xn--…`."""
    if label.isascii():
        return len(label)
    try:
        return len(label.encode("idna"))
    except UnicodeError:
        raise ValueError(f"{_shown(host)} is not a host name: {_shown(label)} cannot be looked up; write the IP address") from None


def _guess(host: str) -> str:
    """Return the end of the sentence: what was probably meant, if that can be a host."""
    meant = re.sub(r"[.,;]+", ".", host.strip())
    meant = re.sub(r"\s+", "-", meant)
    meant = ".".join(part.strip("-") for part in meant.strip(".").split("."))
    if meant != host and _LABEL.sub("", meant).strip(".") == "" and meant:
        try:
            return f"; did you mean '{check_host(meant)}'?"
        except ValueError:
            pass
    return ""


def _shown(text: str) -> str:
    return f"'{text}'" if len(text) <= _SHOWN else f"'{text[: _SHOWN - 1]}…'"
