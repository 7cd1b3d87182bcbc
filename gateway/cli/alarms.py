"""`gateway alarms`: what is wrong with the machines, since when, and what a person does about it."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from datetime import UTC, datetime
from typing import Any

from gateway.cli.run import add_data_argument, data_folder
from gateway.cli.status import span, wrapped

SUMMARY = "list the alarms of the machines; acknowledge, shelve, or take one out of service"

_DEEDS = {
    "ack": "say that you know: it stays listed until the value has come back, and is then gone",
    "shelve": "put it aside for a time, 2h for example; then it comes back by itself",
    "unshelve": "end the shelving now",
    "out-of-service": "put it aside without an end, for repairs",
    "in-service": "let it watch again",
}
_MARK = {"unacknowledged": "✗", "returned-unacknowledged": "✗", "acknowledged": "●"}
_STANDING = tuple(_MARK)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    _common(parser, below=False)
    parser.add_argument("--every", action="store_true", help="also list those that are normal")
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", title="what can be done about one")
    for deed, what in _DEEDS.items():
        below = deeds.add_parser(deed, help=what, description=f"{what[:1].upper()}{what[1:]}.")
        needed = None if deed != "ack" else "?"
        below.add_argument("machine", metavar="MACHINE", nargs=needed, default="")
        below.add_argument("point", metavar="POINT", nargs=needed, default="")
        if deed == "shelve":
            below.add_argument("time", metavar="TIME", help="for how long, with its unit: 30min, 2h, 1d; at most 30d")
        if deed == "ack":
            below.add_argument("--all", action="store_true", help="all that wait to be acknowledged, of all machines")
        _common(below, below=True)


def _common(parser: argparse.ArgumentParser, *, below: bool) -> None:
    """Declare what stands before or behind the deed; there it says nothing unless it is written."""
    add_data_argument(parser, argparse.SUPPRESS if below else None)
    default: Any = argparse.SUPPRESS if below else False
    parser.add_argument("--json", action="store_true", default=default, help="print the answer as one JSON object")


def run(args: argparse.Namespace) -> int:
    """List or act; 1: an alarm stands, 2: a mistake in the command, 3: no gateway runs."""
    from gateway.control import NotRunning, request

    try:
        if args.deed:
            return _act(args)
        answer = request(data_folder(args), "alarms")
    except NotRunning as error:
        print(f"gateway alarms: {error}", file=sys.stderr)
        return 3
    if args.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size().columns
        print("\n".join(render(answer, every=args.every, width=width)))
    return 1 if standing(answer) else 0


def _act(args: argparse.Namespace) -> int:
    from gateway.config.quantity import LongDuration
    from gateway.control import request

    asked: dict[str, Any] = {"deed": args.deed, "machine": args.machine, "point": args.point}
    everything = getattr(args, "all", False)
    if everything == bool(args.machine) or (args.machine and not args.point):
        return _wrong(f"write 'gateway alarms {args.deed} MACHINE POINT'" + (", or --all" if args.deed == "ack" else ""))
    if args.deed == "shelve":
        try:
            asked["for_s"] = float(LongDuration.parse(args.time))
        except ValueError as error:
            return _wrong(str(error))
    answer = request(data_folder(args), "alarm", **asked)
    if args.json:
        print(json.dumps(answer, ensure_ascii=False))
    elif "error" not in answer:
        for change in answer["done"]:
            print(f"{change['machine']} {change['point']}: {change['was']} → {change['now']}")
        if not answer["done"]:
            print(
                "nothing waits to be acknowledged"
                if everything
                else f"{args.machine} {args.point}: is {answer['state']}; nothing to do"
            )
    if "error" in answer and not args.json:
        print(f"gateway alarms: {answer['error']}", file=sys.stderr)
    return 2 if "error" in answer else 0


def _wrong(words: str) -> int:
    print(f"gateway alarms: {words}", file=sys.stderr)
    return 2


def standing(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the alarms and crossed limits that stand."""
    return [*(alarm for alarm in answer["alarms"] if alarm["state"] in _STANDING), *answer["limits"]]


def render(answer: dict[str, Any], *, every: bool, width: int = 80) -> list[str]:
    """Return the alarms as lines for a terminal: those that stand, then those that somebody put aside, then what else there is."""
    alarms = answer["alarms"]
    shown = [
        alarm
        for alarm in alarms
        if every or alarm["state"] not in {"normal", "suppressed"} or alarm["stale"] or alarm["chattering"]
    ]
    names = max([0, *(len(f"{alarm['machine']} {alarm['point']}") for alarm in shown + answer["limits"])])
    lines: list[str] = []
    for alarm in shown:
        lines += _alarm(alarm, names, width)
    for event in answer["limits"]:
        name, value = f"{event['machine']} {event['point']}", _value(event["value"], event["unit"])
        lines.append(wrapped(f"✗ {name:<{names}}  limit: went too {event['after']}, {value}; ends by itself", width))
    left = {state: sum(alarm["state"] == state for alarm in alarms if alarm not in shown) for state in ("suppressed", "normal")}
    rest = ", ".join(f"{count} {state}" for state, count in left.items() if count)
    waiting = [alarm for alarm in alarms if alarm["state"] in {"unacknowledged", "returned-unacknowledged"}]
    if not shown and not answer["limits"]:
        lines.append(f"● no alarm stands: {rest}" if rest else "no alarms are configured; 'alarms:' in the site file makes some")
    elif rest:
        lines.append(f"  and {rest}")
    if waiting:
        first = waiting[0]
        lines += [
            "",
            f"→ gateway alarms ack {first['machine']} {first['point']}" + ("" if len(waiting) == 1 else "   or ack --all"),
        ]
    return lines


def _alarm(alarm: dict[str, Any], names: int, width: int) -> list[str]:
    mark, name = _MARK.get(alarm["state"], "○"), f"{alarm['machine']} {alarm['point']}"
    what = f"{alarm['level']} {alarm['state']}".strip() if alarm["state"] in _STANDING else alarm["state"]
    value = _value(alarm["value"], alarm["unit"])
    if alarm["limit"] is not None:
        value += f", limit {alarm['limit']:.4g}"
    lines = [f"{mark} {name:<{names}}  {what}", f"  {'':<{names}}  {value}, {_since(alarm)}"]
    if alarm["shelved_s"] is not None:
        lines[-1] += f", for another {span(alarm['shelved_s'])}"
    if alarm["by"]:
        lines[-1] += f", by {alarm['by']}"
    if alarm["stale"]:
        lines.append(f"  {'':<{names}}  ! no good value: nothing is watched")
    if alarm["chattering"]:
        lines.append(f"  {'':<{names}}  ! chatters: came {alarm['raises']} times in 10 min; give it a hysteresis or a delay")
    return [wrapped(line, width) for line in lines]


def _value(value: float | None, unit: str) -> str:
    return "no value yet" if value is None else f"{value:.4g} {'' if unit == '1' else unit}".rstrip()


def _since(alarm: dict[str, Any]) -> str:
    if not alarm["since_wall_ns"]:
        return "since the start"
    then, now = datetime.fromtimestamp(alarm["since_wall_ns"] / 1e9, UTC).astimezone(), datetime.now(UTC).astimezone()
    clock = f"{then:%H:%M}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M}"
    return f"since {clock} ({span(alarm['since_s'])})"
