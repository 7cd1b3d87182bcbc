"""mbpoll's flags, with mbpoll's meaning, and a sentence for each that is not ours."""

from __future__ import annotations

import argparse
import re
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from drivers.modbus.address import LAST_ADDRESS, Address
from drivers.modbus.spec import BUS_SCHEMES, ModbusLink, ModbusPoint, ModbusUnit
from gateway.cli._rules import RuleBook
from gateway.cli._site import Usage
from gateway.config.quantity import Duration
from gateway.config.spec import Link, Machine
from gateway.driver import find, schemes

TABLES: Final = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
FORMS: Final = ("", "hex", "int16", "int", "float", "string")
MOST: Final = 2000
"""Most values of one call."""

_PARITY: Final = {"none": "N", "even": "E", "odd": "O"}


class Wanted(Struct, frozen=True):
    """What to read: `machines` holds one per unit, `form` says how values are shown, `first` how the first is called.

    `note` is what the user should know besides.
    """

    machines: list[Machine]
    form: str
    first: int
    step: int
    unit_numbers: list[int]
    once: bool
    every_s: float
    note: str = ""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare mbpoll's flags."""
    add = parser.add_argument
    add("device", metavar="DEVICE|HOST", nargs="?", help="serial port (/dev/ttyUSB0), or host name or address")
    add("values", metavar="VALUE", nargs="*", help=argparse.SUPPRESS)
    add("-m", dest="mode", choices=("rtu", "tcp", "ascii"), help="mode (default: rtu for a device that begins with /, else tcp)")
    add("-a", dest="units", metavar="LIST", default="1", help="unit numbers: 1, 1,3 or 1:10 (default 1)")
    add("-r", dest="first", metavar="N", type=int, default=None, help="first reference, counted from 1 (default 1)")
    add("-c", dest="count", metavar="N", type=int, default=1, help=f"number of values, 1 to {MOST} (default 1)")
    add(
        "-t",
        dest="type",
        metavar="TYPE",
        default="4",
        help="0 coils, 1 discrete inputs, 3 input registers, 4 holding registers (default); "
        "after 3 or 4 also :hex, :int16, :int, :float (32 bits, low word first) or :string",
    )
    add("-0", dest="zero", action="store_true", help="references count from 0, as on the wire")
    add("-B", dest="big", action="store_true", help="high word first in 32-bit values")
    add("-1", dest="once", action="store_true", help="read once only")
    add("-l", dest="rate", metavar="MS", type=float, default=1000.0, help="time between two reads in ms (default 1000)")
    add("-o", dest="timeout", metavar="S", type=float, default=1.0, help="timeout in s, 0.01 to 10 (default 1)")
    add("-p", dest="port", metavar="PORT", type=int, default=None, help="TCP port (default 502)")
    add("-b", dest="baud", metavar="BAUD", type=_baud, default=None, help="bits per second (default 19200)")
    add("-d", dest="databits", metavar="N", type=int, default=None, help="data bits, 7 or 8 (default 8, in ASCII 7)")
    add("-s", dest="stop", metavar="N", type=int, default=None, help="stop bits, 1 or 2 (default 1)")
    add("-P", dest="parity", metavar="PARITY", default=None, help="none, even or odd (default even)")
    add("-v", dest="frames", action="store_true", help="show every frame as a hexdump (also --frames)")
    add("--frames", dest="frames", action="store_true", help=argparse.SUPPRESS)
    add("-q", dest="quiet", action="store_true", help="print the values only")
    for flag in ("-u", "-R", "-F", "-W"):
        add(flag, dest=f"not_{flag[1]}", action="store_true", help=argparse.SUPPRESS)


def _baud(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is no baud rate; write a number such as 9600 or 19200")
    return int(text)


def wanted(args: argparse.Namespace) -> Wanted:
    """Return what to read.

    Raises:
        Usage: the flags do not make sense, or ask for something else than reading.
    """
    _refuse(args)
    table, form = _type(args.type)
    bits = table in {"coil", "discrete"}
    width = 2 if form in {"int", "float"} else 1
    if not 1 <= args.count <= MOST:
        raise Usage(f"-c {args.count}: from 1 to {MOST} values")
    first = args.first if args.first is not None else (0 if args.zero else 1)
    wire = first - (0 if args.zero else 1)
    last = wire + args.count * width - 1
    if wire < 0:
        cure = "add -0 if you count from 0" if first == 0 else "references begin at 1, with -0 at 0"
        raise Usage(f"-r {first}: {cure}")
    if last > LAST_ADDRESS:
        cure = ""
        if (digit := first // 10000) in {1, 3, 4} and first % 10000:
            flags = f"-t {digit} -r {first % 10000}"
            cure = f"; for the reference number {first} of a manual write {flags}"
        raise Usage(f"-r {first}: {args.count} values from there end behind the last register ({LAST_ADDRESS + 1}){cure}")
    if not 0.01 <= args.timeout <= 10:
        raise Usage(f"-o {args.timeout:g}: from 0.01 to 10 s")
    if not args.rate >= 10:
        raise Usage(f"-l {args.rate:g}: at least 10 ms")
    units = _units(args.units)
    link = _link(args)
    if link.scheme in BUS_SCHEMES and (none := [unit for unit in units if not 1 <= unit <= 247]):
        why = "0 is the broadcast address of a bus, nobody answers it" if none[0] == 0 else "a bus has units 1 to 247"
        raise Usage(f"-a {args.units}: {why}")
    points = _points(table, form, wire, args.count, width, bits=bits, big=args.big)
    machines = [Machine(f"unit {unit}", link, ModbusUnit(unit=unit), args.rate / 1e3, points) for unit in units]
    step = 1 if form == "string" else width
    return Wanted(machines, form, first, step, units, args.once, args.rate / 1e3)


def within_rules(plan: Wanted, book: RuleBook) -> Wanted:
    """Return the same plan, kept to what the site file allows of these units also when a request is halved or repeated.

    Raises:
        Usage: it asks for something that is forbidden there.
    """
    rules = book.at(plan.machines[0].link.address)
    machines = []
    for machine in plan.machines:
        allowed = rules.of(machine.options.unit)
        for point in machine.points.values():
            if not allowed.holds(point.at.function, point.at.wire, point.end):
                raise Usage(f"unit {machine.options.unit}: {point.at} may not be asked for: {rules.whose}")
        machines.append(replace(machine, options=replace(machine.options, allow=allowed.areas)))
    return replace(plan, machines=machines, note=book.note)


def _refuse(args: argparse.Namespace) -> None:
    if args.device is None:
        raise Usage("which device? name a serial port (/dev/ttyUSB0) or a host; see gateway poll --help")
    if args.values:
        raise Usage(
            f"{' '.join(args.values)}: this gateway only reads, it writes nothing to a machine; leave the values out"
            " (or use mbpoll, if you know what they do)"
        )
    if args.not_W:
        raise Usage("-W writes; this gateway only reads")
    if args.not_u:
        raise Usage("-u asks what device it is; that is done by: gateway scan")
    if args.not_R or args.not_F:
        raise Usage("-R and -F switch the direction of RS-485 by RTS; most adapters do that by themselves, so leave it out")


def _type(text: str) -> tuple[str, str]:
    digit, _, form = text.partition(":")
    if digit not in TABLES or form not in FORMS or (form and digit in "01"):
        raise Usage(f"-t {text}: write 0, 1, 3 or 4, and after 3 or 4 also {', '.join(f':{form}' for form in FORMS[1:])}")
    return TABLES[digit], form


def _units(text: str) -> list[int]:
    """Return the numbers of a list such as `1,3,5:8`."""
    units: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,3})(?:\s*:\s*(\d{1,3}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if first > last or last > 255:
            raise Usage(f"-a {text}: write unit numbers from 0 to 255, such as 1, 1,3 or 1:10")
        units += range(first, last + 1)
    return list(dict.fromkeys(units))


def _link(args: argparse.Namespace) -> Link:
    """Return the connection that the flags describe."""
    mode = args.mode or ("rtu" if args.device.startswith(("/", "COM")) else "tcp")
    given = {"baud": args.baud, "data": args.databits, "stop": args.stop, "parity": args.parity}
    serial = {key: value for key, value in given.items() if value is not None}
    options: dict[str, Any] = {"timeout": Duration(args.timeout), "connect_timeout": Duration(max(3.0, args.timeout))}
    scheme = f"modbus-{mode}"
    if scheme not in schemes():
        raise Usage(f"-m {mode}: there is no driver for it; known: rtu, tcp")
    if mode == "tcp":
        if args.device.startswith("/"):
            raise Usage(f"{args.device} is a serial port; write -m rtu")
        if serial:
            flags = ", ".join({"baud": "-b", "data": "-d", "stop": "-s", "parity": "-P"}[flag] for flag in serial)
            belong, them = ("belongs", "it") if len(serial) == 1 else ("belong", "them")
            raise Usage(f"{flags} {belong} to a serial port; with -m tcp leave {them} out")
        address = args.device
        if args.port is not None:
            address = f"[{address}]:{args.port}" if address.count(":") > 1 and "[" not in address else f"{address}:{args.port}"
    else:
        if not args.device.startswith("/") and args.port is None:
            raise Usage(f"{args.device} is no serial port; write a path such as /dev/ttyUSB0, or -p PORT for a serial server")
        address = args.device if args.port is None else f"{args.device}:{args.port}"
        if "parity" in serial:
            if serial["parity"].lower() not in _PARITY:
                raise Usage(f"-P {serial['parity']}: write none, even or odd")
            serial["parity"] = _PARITY[serial["parity"].lower()]
        options |= serial
    try:
        link_options = ModbusLink(**options)
        for key, sentence in link_options.problems():
            raise ValueError(f"{key}: {sentence}")
        if (baud := serial.get("baud")) is not None and not 50 <= baud <= 4_000_000:
            raise ValueError(f"-b {baud}: from 50 to 4000000 bits per second")
        if serial.get("stop", 1) not in {1, 2} or serial.get("data", 8) not in {7, 8}:
            raise ValueError("-s is 1 or 2, -d is 7 or 8")
        return Link(scheme, find(scheme).check_address(scheme, address), link_options)
    except ValueError as error:
        raise Usage(str(error)) from None


def _points(table: str, form: str, wire: int, count: int, width: int, *, bits: bool, big: bool) -> dict[str, ModbusPoint]:
    if form == "string":
        return {"0": ModbusPoint(at=Address(table, wire), type="string", length=min(count, 125), encoding="latin-1")}
    kind: Any = None if bits else {"int": "int32", "float": "float32", "int16": "int16"}.get(form, "uint16")
    order: Any = ("ABCD" if big else "CDAB") if width == 2 else None
    return {str(i): ModbusPoint(at=Address(table, wire + i * width), type=kind, order=order) for i in range(count)}
