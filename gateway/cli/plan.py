"""`gateway plan site.yaml`: how the machines will be read, before anything is asked."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.config.budget import Group, Load

SUMMARY = "show how machines will be read: requests, bytes and time per scan, and whether their periods can be kept"

HEAD = ("read", "by the manual", "on the wire", "count", "points", "bytes", "ms")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("site", metavar="site.yaml", help="the configuration; nothing is connected")
    parser.add_argument("--machine", metavar="NAME", help="show this machine only; totals are those of its whole connection")
    parser.add_argument(
        "--turnaround", metavar="TIME", help="how long devices take to begin an answer, e.g. 12ms, instead of a usual time"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def run(args: argparse.Namespace) -> int:
    """Print a table per machine and period, and a total per connection.

    0: all periods can be kept, 1: not all, or the configuration has problems, 2: no such file or machine.
    """
    from gateway.cli._site import Usage, machine_of, site_path
    from gateway.config import ConfigError, load_config
    from gateway.config.budget import loads
    from gateway.config.quantity import Duration

    try:
        path = site_path(args.site)
    except Usage as mistake:
        print(f"gateway plan: {mistake}", file=sys.stderr)
        return 2
    try:
        turnaround_s = None if args.turnaround is None else float(Duration.parse(args.turnaround))
    except ValueError as error:
        print(f"gateway plan: --turnaround: {error}", file=sys.stderr)
        return 2
    try:
        config = load_config(str(path))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        if args.machine is not None:
            machine_of(config, path, args.machine)
    except Usage as mistake:
        print(f"gateway plan: {mistake}", file=sys.stderr)
        return 2
    found = loads(config.machines.values(), turnaround_s)
    if args.machine is not None:
        found = [load for load in found if any(group.machine == args.machine for group in load.groups)]
    if args.json:
        print(json.dumps({"connections": [_plain(load, args.machine) for load in found]}, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size().columns
        print(
            "\n\n".join(render(load, args.machine, width) for load in found) or "no driver here plans requests: nothing is polled"
        )
    return 1 if any(load.overrun for load in found) else 0


def render(load: Load, machine: str | None = None, width: int = 80) -> str:
    """Return the tables of a connection and its total."""
    from gateway.cli.status import wrapped

    out: list[str] = []
    for group in load.groups:
        if machine is None or group.machine == machine:
            table = _table(HEAD, map(_cells, group.requests))
            if max(map(len, table)) > width:  # on a phone each request has lines of its own
                table = [wrapped("  " + _told(_cells(request)), width) for request in group.requests]
            remarks = [wrapped(f"  {remark}", width) for remark in group.remarks]
            out += [wrapped(_title(group), width), *remarks, *table, ""]
    rate = f"{load.requests_per_s:.3g} request{'' if load.requests_per_s == 1 else 's'}/s"
    total = f"{load.link.url}: {rate}, {_size(load.bytes_per_s)}/s, busy {load.share:.1%} of the time"
    out.append(wrapped(f"{'✗' if load.overrun else '●'} {total}", width))
    if load.overrun:
        out.append(wrapped(f"  {load.overrun}", width))
    return "\n".join(out)


def _title(group: Group) -> str:
    from gateway.config.quantity import Duration

    requests = f"{len(group.requests)} request{'' if len(group.requests) == 1 else 's'}"
    points = f"{group.points} point{'' if group.points == 1 else 's'}"
    took = f"{group.bytes} bytes, {group.seconds * 1e3:.3g} ms = {group.share:.1%} of the period"
    return f"{group.machine}: {points} every {Duration(group.every_s).written} in {requests}, {took}"


def _cells(request: Any) -> tuple[str, ...]:
    spent = f"{request.seconds * 1e3:.1f}"
    return request.what, request.place, request.wire, str(request.count), str(len(request.points)), str(request.bytes), spent


def _told(cells: Sequence[str]) -> str:
    """Return one request as a sentence."""
    what, manual, wire, count, points, size, spent = cells
    return f"{what} {manual} (wire {wire}): {count} for {points} point{'' if points == '1' else 's'}, {size} bytes, {spent} ms"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns: the first three to the left, numbers to the right."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return [
        "  " + "  ".join(f"{cell:{'<' if i < 3 else '>'}{width}}" for i, (cell, width) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]


def _plain(load: Load, machine: str | None) -> dict[str, Any]:
    from msgspec import to_builtins

    groups = [
        {"machine": group.machine, "every_s": group.every_s, "points": group.points, "seconds": group.seconds, "bytes": group.bytes}
        | {"share": group.share, "remarks": list(group.remarks), "requests": to_builtins(group.requests)}
        for group in load.groups
        if machine is None or group.machine == machine
    ]
    return {
        "connection": load.link.url,
        "requests_per_s": load.requests_per_s,
        "bytes_per_s": load.bytes_per_s,
        "share": load.share,
        "overrun": load.overrun,
        "groups": groups,
    }


def _size(count: float) -> str:
    return f"{count / 1e3:.3g} kB" if count >= 1000 else f"{count:.0f} B"
