"""`gateway scan`: what hangs on this bus, behind this host, in this network; ends with a ready site.yaml."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.cli._scan_job import Options, Outcome
    from gateway.cli._scan_target import Target

SUMMARY = "find out what hangs on a bus or in a network; only reads, and ends with a ready site.yaml"
_INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  gateway scan /dev/ttyUSB0                       which speed, parity and units?\n"
        "  gateway scan /dev/ttyUSB0 --baud 9600 --units 1:20\n"
        "  gateway scan tcp://10.0.0.5                     all units behind one host (or udp://)\n"
        "  gateway scan tls://plc-1.example --ca plant.pem  the same inside TLS\n"
        "  gateway scan modbus-rtu://10.0.0.9:4001         a bus behind a serial server\n"
        "  gateway scan 10.0.0.0/28 --write site.yaml      all hosts of a network"
    )
    parser.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        help="/dev/ttyUSB0, tcp://host[:port] (or tls://, udp://), modbus-rtu://host:port (serial server) or 10.0.0.0/28",
    )
    parser.add_argument("--units", metavar="1:20", help="units to ask (default: all, the likely ones first)")
    parser.add_argument("--baud", metavar="9600,19200", help="serial: speeds to try (default: all, the likely ones first)")
    parser.add_argument("--parity", metavar="E,N", help="serial: E, N, O, N2 (two stop bits) (default: all of them)")
    parser.add_argument("--port", type=int, metavar="PORT", help="TCP port (default 502)")
    parser.add_argument("--ca", metavar="FILE", help="TLS: authority of the device's certificate (default: the system's)")
    parser.add_argument("--certificate", metavar="FILE", help="TLS: client certificate")
    parser.add_argument("--key-file", metavar="FILE", help="TLS: private key of the client certificate")
    parser.add_argument("--insecure", action="store_true", help="TLS: do not check who the device is")
    parser.add_argument("--pause", metavar="50ms", help="rest between two requests (default 50ms, TCP 20ms)")
    parser.add_argument("--timeout", metavar="500ms", help="how long an answer may take to begin (default 500ms, TCP 1s)")
    parser.add_argument("--yes", action="store_true", help="do not ask before more than a thousand requests or a network above /22")
    parser.add_argument("--write", metavar="FILE", help="write the site file there instead of to the output; never overwrites")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    """Print the site file to stdout, everything else to stderr.

    0: something was found and the line is well, 1: nothing was found, or the line has a fault, 2: usage, 3: not reachable.
    """
    from gateway.cli._scan_job import Outcome, scan
    from gateway.cli._scan_screen import Screen

    try:
        target, options = _read(args)
    except ValueError as error:
        print(f"gateway scan: {error}", file=sys.stderr)
        return 2
    outcome = Outcome()
    with Screen(yes=args.yes, quiet=args.json and not sys.stderr.isatty()) as screen:
        try:
            asyncio.run(scan(target, options, screen, outcome))
        except KeyboardInterrupt:
            outcome.interrupted = True
    return _tell(outcome, args)


def _read(args: argparse.Namespace) -> tuple[Target, Options]:
    from drivers.modbus.ports import present
    from drivers.modbus.scan_bus import BAUDS, FORMATS, candidates
    from gateway.cli import _scan_target as words
    from gateway.cli._scan_job import Options
    from gateway.config.quantity import Duration

    if args.target is None:
        raise ValueError(f"which line, host or network? write /dev/ttyUSB0, tcp://10.0.0.5 or 10.0.0.0/28; {present()}")
    if args.port is not None and not 0 < args.port < 65536:
        raise ValueError(f"port {args.port} does not exist; a TCP port is 1 to 65535")
    target = words.parse(args.target, args.port, wide=args.yes)
    serial = isinstance(target, words.Serial)
    if not serial and (args.baud or args.parity):
        raise ValueError("--baud and --parity belong to a serial port; this target is reached over the network")
    if serial and args.port is not None:
        raise ValueError("--port belongs to a host; this target is a serial port")
    units = words.parse_units(args.units) if args.units else None
    bus = serial or (isinstance(target, words.Host) and target.bus)
    if bus and units and (bad := [unit for unit in units if not 1 <= unit <= 247]):
        raise ValueError(f"unit {bad[0]} does not exist on a bus; units are 1 to 247")
    if args.write and Path(args.write).exists():
        raise ValueError(f"{args.write} exists and is not overwritten; name another file")
    bauds = words.parse_bauds(args.baud) if args.baud else BAUDS
    formats = words.parse_parities(args.parity) if args.parity else FORMATS
    timeout = Duration.parse(args.timeout) if args.timeout else None
    if timeout is not None and not 0.005 <= timeout <= 60:
        raise ValueError(f"--timeout must be between 5ms and 60s, not {args.timeout}")
    framings = target.framings if isinstance(target, words.Serial) else ()
    return target, Options(
        settings=tuple(one for framing in framings for one in candidates(bauds, formats, framing)),
        units=tuple(units) if units else None,
        timeout=float(timeout) if timeout is not None else None,
        pause=float(Duration.parse(args.pause)) if args.pause else None,
        port=args.port,
        tls=_tls(args, isinstance(target, words.Host) and target.scheme == "modbus-tls"),
    )


def _tls(args: argparse.Namespace, wanted: bool) -> dict[str, Any]:
    """Return the options of TLS, its files as absolute paths, so that the site file may stand anywhere."""
    from drivers.modbus.spec import ModbusLink

    files = {key: value for key in ("ca", "certificate", "key_file") if (value := getattr(args, key))}
    if (files or args.insecure) and not wanted:
        raise ValueError("--ca, --certificate, --key-file and --insecure belong to TLS; write the target as tls://host")
    for key, value in files.items():
        if not Path(value).is_file():
            raise ValueError(f"--{key.replace('_', '-')} {value}: there is no such file")
    tls: dict[str, Any] = {key: str(Path(value).absolute()) for key, value in files.items()}
    tls |= {"insecure": True} if args.insecure else {}
    for _, problem in ModbusLink(**tls).problems():
        raise ValueError(problem)
    return tls


def _tell(outcome: Outcome, args: argparse.Namespace) -> int:
    """Print what was found, what is wrong with the line, and the site file; return the exit code."""
    text = outcome.yaml()
    written = ""
    if args.write and text:
        try:
            with Path(args.write).open("x", encoding="utf-8") as file:
                file.write(text)
            written = args.write
        except OSError as error:
            print(f"gateway scan: {args.write} could not be written ({error.strerror}); here it is", file=sys.stderr)
    if args.json:
        print(json.dumps({**outcome.as_json(), "written": written or None}, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size().columns if sys.stderr.isatty() else 10_000
        for line in _findings(outcome):
            print("\n".join(textwrap.wrap(line, width, subsequent_indent="    ", break_long_words=False)), file=sys.stderr)
        if written:
            print(f"written to {written}; next: gateway check {written}", file=sys.stderr)
        elif text:
            sys.stderr.flush()
            print(text, end="")
    return _code(outcome)


def _findings(outcome: Outcome) -> list[str]:
    lines = []
    for section in outcome.sections:
        report = section.report
        where = f"{section.place().url}: " if len(outcome.sections) > 1 else ""
        for verdict in report.verdicts:
            lines += [f"! {where}{verdict.sentence}", f"  → {verdict.cure}"]
        lines += [f"! {where}{report.stopped}"] if report.stopped else []
        lines += [f"  {where}{note}" for note in _short(report.notes)]
    lines += [f"  {note}" for note in outcome.notes]
    if outcome.error:
        lines += [f"✗ {outcome.error.message}", *([f"  → {_as_flags(outcome.error.hint)}"] if outcome.error.hint else [])]
    count = sum(len(section.report.found) for section in outcome.sections) + len(outcome.opcua)
    asked = sum(section.report.requests for section in outcome.sections)
    early = "stopped by Ctrl-C, " if outcome.interrupted else ""
    if outcome.sections or outcome.opcua or outcome.interrupted:
        lines.append(f"{early}{count} found, {asked} requests; nothing was written to any device")
    return lines


def _as_flags(hint: str) -> str:
    """Return a hint about keys of a site file as one about the flags of this command."""
    for key, flag in (("in 'ca'", "with --ca"), ("'certificate' and 'key_file'", "--certificate and --key-file")):
        hint = hint.replace(key, flag)
    return hint


def _short(notes: list[str]) -> list[str]:
    """Put the settings that a port cannot do into one line."""
    cannot = [note.removeprefix("the port cannot do ") for note in notes if note.startswith("the port cannot do ")]
    others = [note for note in notes if not note.startswith("the port cannot do ")]
    if cannot:
        shown = ", ".join(cannot[:3]) + (f" and {len(cannot) - 3} more" if len(cannot) > 3 else "")
        others.append(f"this port cannot do {shown}")
    return others


def _code(outcome: Outcome) -> int:
    found = any(section.report.found for section in outcome.sections) or bool(outcome.opcua)
    if outcome.interrupted:
        return _INTERRUPTED
    if outcome.error:
        return 3
    faults = [v for section in outcome.sections for v in section.report.verdicts if v.code != "echo"]
    stopped = any(section.report.stopped for section in outcome.sections)
    return 0 if found and not faults and not stopped else 1
