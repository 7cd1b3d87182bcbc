"""`gateway try MACHINE`: read one machine once, with its real driver, and show everything that helps to find a mistake."""  # noqa: N999  (the verb is called so)

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from gateway.cli.run import add_data_argument

if TYPE_CHECKING:
    from gateway.cli._busy import Held
    from gateway.cli._try_live import Screen
    from gateway.config.spec import Machine

SUMMARY = "read one machine once: addresses, bytes, values, and what is wrong, in words"
_EPILOG = """\
exit codes: 0 all points good, 1 some are bad, 2 usage, 3 not reachable

examples:
  gateway try press-1                  one read as a table
  gateway try press-1 --repeat         every second, with min, max and changes
  gateway try press-1 --frames         also every byte, and what it means
  gateway try press-1 --at "holding 40017" --shows 41.9
                                       find type, byte order and scale from
                                       what the display of the machine says
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from gateway.cli._site import PLACES

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("machine", metavar="MACHINE", nargs="?", help="name of a machine; may be left out where there is only one")
    parser.add_argument("site", metavar="site.yaml", nargs="?", help=f"the configuration (default: {PLACES})")
    parser.add_argument("--repeat", metavar="TIME", nargs="?", const="1s", help="read again every TIME (1s) until Ctrl-C")
    parser.add_argument("--frames", action="store_true", help="show every frame as a hexdump, with time and meaning")
    parser.add_argument("--at", metavar="ADDRESS", help="with --shows: a register, as in site.yaml: 'holding 40017'")
    parser.add_argument("--shows", metavar="NUMBER", help="what the display of the machine says there, as '41.9' or '41.9 °C'")
    parser.add_argument("--write", metavar="NAME", help="with --shows: append the best line to the points under this name")
    add_data_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object; with --repeat one a line")


def run(args: argparse.Namespace) -> int:
    """Read; 0: all good, 1: bad points, 2: usage, 3: not reachable."""
    from gateway.cli._busy import folders, held
    from gateway.cli._site import Usage, load, machine_of, site_path
    from gateway.cli.status import wrapped
    from gateway.config.quantity import Duration

    try:
        if args.site is None and args.machine is not None and args.machine.endswith((".yaml", ".yml")):
            args.machine, args.site = None, args.machine
        path = site_path(args.site)
        machine = machine_of(load(path), path, args.machine)
        every = _duration(Duration, args.repeat)
        _fits_together(args)
    except Usage as mistake:
        print(f"gateway try: {mistake}", file=sys.stderr)
        return 2
    if not args.json:
        print(wrapped(f"{machine.name} in {path}, {machine.link.url}{_unit_of(machine)}", shutil.get_terminal_size().columns))
    occupied = held(folders(args), machine.link)
    if occupied is not None and occupied.exclusive:
        return _instead(occupied, machine, args)
    if occupied is not None and not args.json:
        print(wrapped(f"! {occupied.sentence}", shutil.get_terminal_size().columns))
    if args.at is not None:
        from gateway.cli._try_guess import find

        return asyncio.run(find(machine, path, args))
    return asyncio.run(_repeat(machine, args, every) if every is not None else _once(machine, args))


def _duration(kind: Any, text: str | None) -> float | None:
    from gateway.cli._site import Usage

    if text is None:
        return None
    try:
        every = float(kind.parse(text))
    except ValueError as error:
        raise Usage(f"--repeat: {error}") from None
    if not 0.05 <= every <= 3600:
        raise Usage(f"--repeat: from 50ms to 1h, not {text}")
    return every


def _fits_together(args: argparse.Namespace) -> None:
    from gateway.cli._site import Usage

    if (args.at is None) != (args.shows is None):
        lacking, present = ("--shows", "--at") if args.shows is None else ("--at", "--shows")
        raise Usage(f"{present} needs {lacking} too: --at 'holding 40017' --shows 41.9, with what the display says there")
    if args.write is not None and args.at is None:
        raise Usage("--write belongs to --at and --shows: it writes the line that was found")
    if args.at is not None and args.repeat is not None:
        raise Usage("--repeat and --at exclude each other; when the display moves, run it again")


def _unit_of(machine: Machine) -> str:
    unit = getattr(machine.options, "unit", None)
    return "" if unit is None else f", unit {unit}"


def _instead(occupied: Held, machine: Machine, args: argparse.Namespace) -> int:
    """Say that the running gateway holds the line, and show what it has read itself."""
    from gateway.cli._busy import CURE
    from gateway.cli.status import latest_line, wrapped

    latest = occupied.latest.get(machine.name, {})
    if args.json:
        print(json.dumps({"machine": machine.name, "held": occupied.sentence, "latest": latest}, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size().columns
        print(wrapped(f"! {occupied.sentence}", width))
        print(wrapped(f"  → {CURE}", width))
        if latest:
            print("what the gateway has read itself:")
        for name, value in latest.items():
            print(f"  {latest_line(name, value)}   {value['age_s']:.0f} s ago")
    if not latest:
        return 3
    return 0 if all(value["quality"] == "good" for value in latest.values()) else 1


async def _once(machine: Machine, args: argparse.Namespace) -> int:
    from gateway.cli import _try_show as show
    from gateway.cli._try_read import Session

    session = Session(machine)
    begun = time.monotonic()
    width = shutil.get_terminal_size().columns
    try:
        attempt = await session.round()
    finally:
        await session.close()
    if args.json:
        print(json.dumps({"machine": machine.name, "connection": machine.link.url} | show.as_json(attempt), ensure_ascii=False))
        return attempt.code
    if args.frames:
        if not attempt.frames:
            print("no frames: nothing was sent, or this driver does not show its bytes")
        print("\n".join(show.dump(attempt.frames, attempt.frames[0].at_s if attempt.frames else begun, width)), end="\n\n")
    print("\n".join(show.report(attempt, width)))
    return attempt.code


async def _repeat(machine: Machine, args: argparse.Namespace, every_s: float) -> int:
    from gateway.cli._try_live import Screen, repeat

    screen: Screen = Screen(sys.stdout, json=args.json, frames=args.frames)
    return await repeat(machine, screen, every_s)
