"""`gateway doctor`: look over this computer, the configuration and everything it names; each finding comes with a cure."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli._site import MISSING, is_missing
from gateway.cli.run import add_data_argument, data_folder

if TYPE_CHECKING:
    from gateway.cli._doctor_checks import Finding

SUMMARY = "check this computer: clock, permissions, disk, broker, devices; with a cure for each finding"
_PLACES = ("site.yaml", "/etc/retrofit-gateway/site.yaml")
_MARK = {"ok": "●", "warn": "!", "fail": "✗"}
_COLOUR = {"ok": "32", "warn": "33", "fail": "31"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    places = ", ".join(_PLACES)
    parser.add_argument(
        "site", metavar="site.yaml", nargs="?", help=f"the configuration (default: the running gateway's, else {places})"
    )
    add_data_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    """Print every finding and change nothing.

    0: nothing fails (warnings are printed), 1: something does, 2: there is no such file.
    """
    if args.site is not None and is_missing("doctor", args.site):
        return MISSING
    found = asyncio.run(examine(Path(args.site) if args.site else None, data_folder(args)))
    count = {verdict: sum(finding.verdict == verdict for finding in found) for verdict in _MARK}
    if args.json:
        checks = [{"check": item.check, "verdict": item.verdict, "sentence": item.sentence, "cure": item.cure} for item in found]
        print(json.dumps({"checks": checks, **count}, ensure_ascii=False))
    else:
        print("\n".join(render(found, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ)))
        print(f"\n{count['ok']} good, {count['warn']} to look at, {count['fail']} to repair")
    return 1 if count["fail"] else 0


async def examine(site: Path | None, folder: Path) -> list[Finding]:
    """Make every check and return the findings in the order in which they help."""
    from gateway.cli import _doctor_broker as broker
    from gateway.cli import _doctor_checks as here
    from gateway.cli import _doctor_reach as reach

    status, running = reach.running(folder)
    config, found = reach.configuration(site or _configured(status))
    found += [*here.data_folder(folder), *here.disk_space(folder, config), *here.clock()]
    if config is not None:
        found += [*reach.serial_ports(config), *reach.files(config), *reach.secrets(config), *broker.certificates(config)]
        machines, brokers = await asyncio.gather(reach.machines(config, status), broker.brokers(config))
        found += [*machines, *brokers]
    return [*found, *running, *here.board(), *here.program()]


def _configured(status: dict[str, object] | None) -> Path | None:
    places = [str(status["configuration"])] if status else []
    return next((Path(place) for place in [*places, *_PLACES] if Path(place).is_file()), None)


def render(found: list[Finding], *, colour: bool) -> list[str]:
    """Return the findings as lines: mark, check, sentence; the cure below what is not well."""
    width = max(len(finding.check) for finding in found)
    lines = []
    for finding in found:
        mark = _MARK[finding.verdict]
        mark = f"\x1b[{_COLOUR[finding.verdict]}m{mark}\x1b[0m" if colour else mark
        lines.append(f"{mark} {finding.check:<{width}}  {finding.sentence}")
        if finding.cure:
            lines.append(f"  {'':<{width}}  → {finding.cure}")
    return lines
