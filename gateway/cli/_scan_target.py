"""What is to be scanned: a serial port, a host, a network; read from the words of the command line."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

from msgspec import Struct

from drivers.modbus.check import check_address
from drivers.modbus.ports import present
from drivers.modbus.spec import BUS_SCHEMES

_NETWORK = re.compile(r"[0-9a-fA-F.:]+/\d{1,3}")
_SERIAL_NAME = re.compile(r"(tty[A-Za-z]+\d*|rs485[\w-]*|ttyUSB\d+)")
_WINDOWS = re.compile(r"COM\d+", re.IGNORECASE)
_SHORT = ("tcp", "tls", "udp", "rtu", "ascii")
_SCHEMES = {**{word: f"modbus-{word}" for word in _SHORT}, **{f"modbus-{word}": f"modbus-{word}" for word in _SHORT}}
WIDEST = 22
"""Prefix length of the widest network that is scanned without --yes."""


class Serial(Struct, frozen=True):
    """A serial port of this computer, and the framings in which it is asked."""

    path: str
    framings: tuple[Literal["rtu", "ascii"], ...] = ("rtu", "ascii")


class Host(Struct, frozen=True):
    """One host and port, and the URL scheme of a connection to it. `given`: the port was named by the user."""

    host: str
    port: int
    scheme: str = "modbus-tcp"
    given: bool = True

    @property
    def bus(self) -> bool:
        """Whether it is a serial server that hands the frames of a bus on."""
        return self.scheme in BUS_SCHEMES

    @property
    def address(self) -> str:
        """Host and port as they stand in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Network(Struct, frozen=True):
    """All hosts of a network."""

    hosts: tuple[str, ...]
    text: str


Target = Serial | Host | Network


def parse(text: str, port: int | None = None, *, wide: bool = False) -> Target:
    """Read a target; `port` is that of `--port`, `wide` allows networks larger than /22.

    Raises:
        ValueError: it is none; the message says what to write.
    """
    if _NETWORK.fullmatch(text):
        return _network(text, wide)
    scheme, separator, rest = text.partition("://")
    if not separator:
        if text.startswith("/"):
            return Serial(check_address("modbus-rtu", text))
        if _WINDOWS.fullmatch(text):
            raise ValueError(f"{text} is the name of a serial port under Windows; {present()}")
        if _SERIAL_NAME.fullmatch(text):
            return Serial(f"/dev/{text}")
        scheme, rest = "tcp", text
    if "?" in rest:
        raise ValueError("options do not stand in the target: say --baud, --parity, --units, --timeout or --pause instead")
    if scheme not in _SCHEMES:
        raise ValueError(
            f"'{scheme}://' cannot be scanned; write /dev/ttyUSB0, tcp://10.0.0.5 (or tls://, udp://), modbus-rtu://10.0.0.5:4001 "
            "or 10.0.0.0/28"
        )
    scheme = _SCHEMES[scheme]
    if "/" in rest.strip("/") and not rest.startswith("/"):
        raise ValueError(f"'{text}' is no host and port; a network is written without a scheme, such as 10.0.0.0/28")
    given = bool(re.search(r":\d+/?$", rest)) and not (rest.count(":") > 1 and not rest.startswith("["))
    if port is not None and not given and not rest.startswith("/"):
        rest, given = f"{rest.rstrip('/')}:{port}", True
    address = check_address(scheme, rest)
    if address.startswith("/"):
        return Serial(address, ("ascii",) if scheme == "modbus-ascii" else ("rtu",))
    host, _, number = address.rpartition(":")
    return Host(host.strip("[]"), int(number), scheme, given)


def _network(text: str, wide: bool) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is no network; write it like 10.0.0.0/28") from None
    if network.version != 4:
        raise ValueError("a network of IPv6 addresses is too large to be tried out; name the host: tcp://[fd00::5]")
    if network.prefixlen < WIDEST and not wide:
        count = network.num_addresses
        raise ValueError(f"{text} has {count} addresses; take a smaller network (up to /{WIDEST}), or say --yes")
    return Network(tuple(str(host) for host in network.hosts()), str(network))


def parse_units(text: str) -> list[int]:
    """Read `1:20`, `1-20`, `7`, `1,5,10:12`.

    Raises:
        ValueError: it is none of these, or a number is not between 0 and 255.
    """
    units: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:[:-]\s*(\d+)\s*)?", part)
        if not match:
            raise ValueError(f"'{part.strip()}' is no unit; write 7, 1:20 or 1,5,10:12")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ValueError(f"'{part.strip()}' runs backwards; did you mean {last}:{first}?")
        if last > 255:
            raise ValueError(f"unit {last} does not exist; units are 1 to 247, on TCP also 0 and 255")
        units.update(dict.fromkeys(range(first, last + 1)))
    return list(units)


def parse_bauds(text: str) -> list[int]:
    """Read `19200` or `9600,19200`.

    Raises:
        ValueError: it is none of these.
    """
    bauds = []
    for part in text.split(","):
        if not part.strip().isdecimal() or not 50 <= int(part) <= 4_000_000:
            raise ValueError(f"'{part.strip()}' is no baud rate; write 19200, or several: 9600,19200")
        bauds.append(int(part))
    return list(dict.fromkeys(bauds))


_PARITIES = {"e": "E", "even": "E", "8e1": "E", "n": "N", "none": "N", "8n1": "N", "o": "O", "odd": "O", "8o1": "O"}
_PARITIES |= {"n2": "N2", "8n2": "N2"}


def parse_parities(text: str) -> list[str]:
    """Read `E`, `even`, `8E1` or several: `E,N`; `N2` is no parity and two stop bits.

    Raises:
        ValueError: it is none of these.
    """
    names = []
    for part in text.split(","):
        if part.strip()[:1] == "7":
            raise ValueError(
                f"'{part.strip()}': 7 data bits belong to ASCII; name the target modbus-ascii:///dev/… and say E, N, O or N2"
            )
        if (name := _PARITIES.get(part.strip().lower())) is None:
            raise ValueError(f"'{part.strip()}' is no parity; write E (even), N (none), O (odd) or N2 (none, two stop bits)")
        names.append(name)
    return list(dict.fromkeys(names))
