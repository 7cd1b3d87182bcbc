"""Offline check of Modbus addresses and options across keys; needs no protocol library and no device."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from drivers.modbus.address import Address
from drivers.modbus.allowed import Allowed
from drivers.modbus.area import Area
from drivers.modbus.spec import BUS_SCHEMES, PIPELINED_SCHEMES, ModbusLink, ModbusPoint, ModbusUnit
from gateway.config.host import check_host
from gateway.config.spec import Link
from gateway.driver import Finding

_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/@\[\]]+)(?::(?P<port>[^:/@]*))?")
_SERIAL_NAME = re.compile(r"(dev/.+|tty[A-Za-z]+\d*|rs485.*|COM\d+)", re.IGNORECASE)
_SERIAL_ONLY = ("baud", "parity", "stop", "data", "echo")
_TLS_ONLY = ("ca", "certificate", "key_file", "insecure")
_LISTED: Final = 4
_PORTS = {"modbus-tcp": "502", "modbus-udp": "502", "modbus-tls": "802"}


def check_address(scheme: str, address: str) -> str:
    """Return the normal form: `host:port`, or the path of a serial port for `modbus-rtu` and `modbus-ascii`.

    Raises:
        ValueError: it is none of these; the message says what to write.
    """
    if address.startswith("/"):
        if scheme in BUS_SCHEMES:
            if address.rstrip("/") in {"", "/dev"}:
                raise ValueError(f"the serial port is missing; write it like '{scheme}:///dev/ttyUSB0?baud=19200&parity=E'")
            return posixpath.normpath("/" + address.lstrip("/"))
        raise ValueError(f"'{address}' is a serial port; did you mean 'modbus-rtu://{address}'?")
    if scheme in BUS_SCHEMES and _SERIAL_NAME.fullmatch(address):
        path = address if address.startswith("dev/") else f"dev/{address}"
        raise ValueError(f"a serial port is written with three slashes; did you mean '{scheme}:///{path}'?")
    example = f"{scheme}://10.0.0.21:{_PORTS.get(scheme, '4001')}"
    if "@" in address:
        raise ValueError(f"Modbus knows no user or password; write '{scheme}://{address.rsplit('@', 1)[1]}'")
    match = _HOST.fullmatch(address.rstrip("/"))
    if not match:
        raise ValueError(f"'{address}' is no host and port; write it like '{example}'")
    host, port = check_host(match["host"].lower()), match["port"]
    if port is None:
        if scheme in BUS_SCHEMES:
            form = scheme.rpartition("-")[2].upper()
            raise ValueError(f"{form} over TCP needs the port of the serial server; write it like '{scheme}://{host}:4001'")
        port = _PORTS[scheme]
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"'{port}' is no TCP port (1 to 65535); write it like '{example}'")
    return f"{host}:{int(port)}"


def medium(scheme: str, address: str) -> Literal["serial", "tcp", ""]:
    """Return what kind of line a checked address is; datagrams know no connections, so nobody can take the only one."""
    if address.startswith("/"):
        return "serial"
    return "" if scheme == "modbus-udp" else "tcp"


def check(link: Link, unit: ModbusUnit, points: dict[str, ModbusPoint]) -> Iterable[Finding]:
    """Yield what does not fit together between the line, the unit and the points of one machine."""
    yield from _check_link(link)
    bus = link.scheme in BUS_SCHEMES
    if bus and unit.unit == 0:
        yield Finding(
            "unit 0 is the broadcast address on a bus, nobody answers it; give the unit's own number, 1 to 247", key="unit"
        )
    if bus and unit.unit > 247:
        yield Finding(f"unit {unit.unit} does not exist on a bus; units are numbered 1 to 247", key="unit")
    if unit.waveform is not None and points:
        words = (
            "a machine has either points or a waveform; give the points a machine of their own with the same 'connect' and 'unit'"
        )
        yield Finding(words, key="waveform")
    for name, point in points.items():
        if not point.at.bits and point.width > unit.max_registers:
            need = f"takes {point.width} registers, but max_registers allows {unit.max_registers} per request"
            yield Finding(
                f"'{name}' {need}; a value is never put together from two answers",
                point=name,
                key="length" if point.length else "at",
            )
    yield from _pipeline(link, unit)
    yield from _forbidden(unit, points)
    yield from _overlaps(points)


def _pipeline(link: Link, unit: ModbusUnit) -> Iterable[Finding]:
    if unit.pipeline == 1:
        return
    options: ModbusLink = link.options
    if link.scheme not in PIPELINED_SCHEMES:
        words = "sends several requests at a time, which only Modbus TCP (modbus-tcp, modbus-tls) carries safely"
        yield Finding(f"'pipeline' {words}; {link.url} is none, leave it out", key="pipeline")
    elif options.pause:
        words = f"waits after every answer ('pause: {options.pause.written}'), so there is never more than one request under way"
        yield Finding(f"'pipeline: {unit.pipeline}' has no use on a line that {words}; leave one of them out", key="pipeline")
    elif options.window == 1:
        words = "says that the device cannot stand two requests at a time"
        yield Finding(f"'window: 1' {words}, 'pipeline: {unit.pipeline}' that it can; leave one of them out", key="pipeline")


def _forbidden(unit: ModbusUnit, points: dict[str, ModbusPoint]) -> Iterable[Finding]:
    """Yield what must not be asked for although a point, its scale factor or the waveform needs it."""
    allowed = Allowed.of(unit)
    if not allowed.restricted:
        return
    if allowed.empty:
        yield Finding("'deny' takes away all that 'allow' gives, so nothing could be read; narrow it", key="deny")
        return
    for name, point in points.items():
        if words := not_allowed(unit, allowed, point.at, point.width):
            yield Finding(f"'{name}' at {words}, or leave the point out", point=name, key="at")
        if point.scale_from is not None and (words := not_allowed(unit, allowed, point.scale_from)):
            yield Finding(f"the scale factor of '{name}' at {words}, or leave 'scale_from' out", point=name, key="scale_from")
    if (wave := unit.waveform) is not None:
        if words := not_allowed(unit, allowed, wave.at, wave.count * wave.width):
            yield Finding(f"the waveform at {words}", key="waveform")
        if wave.ready is not None and (words := not_allowed(unit, allowed, wave.ready.at)):
            yield Finding(f"the ready register of the waveform at {words}, or leave 'ready' out", key="waveform")


def not_allowed(unit: ModbusUnit, allowed: Allowed, at: Address, width: int = 1) -> str:
    """Return place, fault and cure of registers that must not be asked for, in words; "" where they may be."""
    at = unit.place(at)
    end = at.wire + width
    if allowed.holds(at.function, at.wire, end):
        return ""
    place = f"{at}, {width} registers," if width > 1 else str(at)
    for area in unit.deny:
        first, last = unit.place(area.first).wire, unit.place(area.last).wire
        if area.table == at.table and first < end and at.wire <= last:
            return f"{place} lies in what 'deny' forbids ({area}); narrow 'deny'"
    return f"{place} is not within 'allow' ({_listed(unit.allow, at.table)}); extend 'allow'"


def _listed(areas: Sequence[Area], table: str) -> str:
    own = [str(area) for area in areas if area.table == table]
    if not own:
        return f"which has nothing of the table '{table}'"
    return ", ".join(own[:_LISTED]) + (f" and {len(own) - _LISTED} more" if len(own) > _LISTED else "")


def _check_link(link: Link) -> Iterable[Finding]:
    options: ModbusLink = link.options
    serial = link.address.startswith("/")
    if not serial:
        for key in _SERIAL_ONLY:
            if getattr(options, key) not in {None, False}:
                what = "UDP" if link.scheme == "modbus-udp" else "a TCP connection"
                yield Finding(f"'{key}' is an option of a serial port; {link.url} is {what}, leave it out", key=key)
    if link.scheme == "modbus-rtu" and serial and options.data == 7:
        yield Finding("Modbus RTU has 8 data bits; 7 would be Modbus ASCII, which is written modbus-ascii://", key="data")
    if link.scheme != "modbus-tls":
        for key in _TLS_ONLY:
            if getattr(options, key):
                yield Finding(f"'{key}' is an option of TLS; did you mean modbus-tls://, port 802?", key=key)
    if serial or link.scheme == "modbus-udp":
        for key in ("one_connection", "close_after_read"):
            if getattr(options, key):
                yield Finding(f"'{key}' is about TCP connections; {link.url} is none, leave it out", key=key)


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
