"""Offline check of Modbus addresses and options across keys; needs no protocol library and no device."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import Literal

from drivers.modbus.spec import ModbusLink, ModbusPoint, ModbusUnit
from gateway.config.host import check_host
from gateway.config.spec import Link
from gateway.driver import Finding

_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/@\[\]]+)(?::(?P<port>[^:/@]*))?")
_SERIAL_NAME = re.compile(r"(dev/.+|tty[A-Za-z]+\d*|rs485.*|COM\d+)", re.IGNORECASE)
_SERIAL_ONLY = ("baud", "parity", "stop", "data", "echo")


def check_address(scheme: str, address: str) -> str:
    """Return the normal form: `host:port`, or the path of a serial port for `modbus-rtu`.

    Raises:
        ValueError: it is none of these; the message says what to write.
    """
    if address.startswith("/"):
        if scheme == "modbus-rtu":
            if address.rstrip("/") in {"", "/dev"}:
                raise ValueError("the serial port is missing; write it like 'modbus-rtu:///dev/ttyUSB0?baud=19200&parity=E'")
            return posixpath.normpath("/" + address.lstrip("/"))
        raise ValueError(f"'{address}' is a serial port; did you mean 'modbus-rtu://{address}'?")
    if scheme == "modbus-rtu" and _SERIAL_NAME.fullmatch(address):
        path = address if address.startswith("dev/") else f"dev/{address}"
        raise ValueError(f"a serial port is written with three slashes; did you mean 'modbus-rtu:///{path}'?")
    example = "modbus-tcp://10.0.0.21:502" if scheme == "modbus-tcp" else "modbus-rtu://10.0.0.21:4001"
    if "@" in address:
        raise ValueError(f"Modbus knows no user or password; write '{scheme}://{address.rsplit('@', 1)[1]}'")
    match = _HOST.fullmatch(address.rstrip("/"))
    if not match:
        raise ValueError(f"'{address}' is no host and port; write it like '{example}'")
    host, port = check_host(match["host"].lower()), match["port"]
    if port is None:
        if scheme == "modbus-rtu":
            raise ValueError(f"RTU over TCP needs the port of the serial server; write it like 'modbus-rtu://{host}:4001'")
        port = "502"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"'{port}' is no TCP port (1 to 65535); write it like '{example}'")
    return f"{host}:{int(port)}"


def medium(scheme: str, address: str) -> Literal["serial", "tcp"]:
    """Return what kind of line a checked address is."""
    return "serial" if address.startswith("/") else "tcp"


def check(link: Link, unit: ModbusUnit, points: dict[str, ModbusPoint]) -> Iterable[Finding]:
    """Yield what does not fit together between the line, the unit and the points of one machine."""
    serial = medium(link.scheme, link.address) == "serial"
    options: ModbusLink = link.options
    if not serial:
        for key in _SERIAL_ONLY:
            if getattr(options, key) not in {None, False}:
                yield Finding(f"'{key}' is an option of a serial port; {link.url} is a TCP connection, leave it out", key=key)
    if link.scheme == "modbus-rtu" and unit.unit == 0:
        yield Finding(
            "unit 0 is the broadcast address on a bus, nobody answers it; give the unit's own number, 1 to 247", key="unit"
        )
    if link.scheme == "modbus-rtu" and unit.unit > 247:
        yield Finding(f"unit {unit.unit} does not exist on a bus; units are numbered 1 to 247", key="unit")
    for name, point in points.items():
        if not point.at.bits and point.width > unit.max_registers:
            need = f"takes {point.width} registers, but max_registers allows {unit.max_registers} per request"
            yield Finding(
                f"'{name}' {need}; a value is never put together from two answers",
                point=name,
                key="length" if point.length else "at",
            )
    yield from _overlaps(points)


def _overlaps(points: dict[str, ModbusPoint]) -> Iterable[Finding]:
    """Yield pairs of points that read the same register in ways that cannot both be right."""
    registers = sorted(
        ((p.at.table, p.at.wire, p.end, name) for name, p in points.items() if not p.at.bits and p.bit_number is None),
    )
    for i, (table, start, end, name) in enumerate(registers):
        for other_table, other_start, _, other in registers[i + 1 :]:
            if other_table != table or other_start >= end:
                break
            mine, theirs = points[name], points[other]
            if (start, mine.kind, mine.width) == (other_start, theirs.kind, theirs.width):
                continue  # the same value twice, for example with another scale
            yield Finding(
                f"'{other}' ({theirs.kind} at {theirs.at}) lies within '{name}' ({mine.kind} at {mine.at}, "
                f"{mine.width} register{'s' if mine.width > 1 else ''}); one of the addresses or types is probably wrong",
                point=other,
                key="at",
                level="warning",
            )
