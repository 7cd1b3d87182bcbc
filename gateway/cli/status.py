"""`gateway status`: how the running gateway is doing, in words."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from typing import Any

from gateway.cli.run import add_data_argument, data_folder

SUMMARY = "show how the running gateway is doing: machines, outbox, uplink, clock"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_data_argument(parser)
    parser.add_argument("--json", action="store_true", help="print it as one JSON object; the latest values only with --points")
    parser.add_argument("--metrics", action="store_true", help="print it as OpenMetrics text, for a collector")
    parser.add_argument("--points", action="store_true", help="also show the latest value of every point")


def run(args: argparse.Namespace) -> int:
    """Print the status; 1: something needs a person, 3: no gateway runs."""
    from gateway.control import NotRunning, request

    try:
        if args.metrics:
            print(request(data_folder(args), "metrics")["metrics"], end="")
            return 0
        status = request(data_folder(args), "status", points=args.points)
    except NotRunning as error:
        print(f"gateway status: {error}", file=sys.stderr)
        return 3
    if args.json:
        print(json.dumps(status, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size().columns
        print("\n".join(wrapped(line, width) for line in render(status, points=args.points)))
    return 1 if troubles(status) else 0


def troubles(status: dict[str, Any]) -> list[str]:
    """Return one sentence for everything that needs a person."""
    found = []
    for name, machine in status["machines"].items():
        if machine["state"] == "bad":
            hint = f"; {machine['hint']}" if machine["hint"] else ""
            found.append(f"{name}: {machine['error']}{hint}")
    for name, recipient in status["recipients"].items():
        if words := _connection(recipient["uplink"]):
            found.append(f"{name}: {words}")
        if recipient["outbox"]["trouble"]:
            found.append(f"{name}: {recipient['outbox']['trouble']}")
        if (live := recipient.get("live")) and not live["connected"] and not live["rests"] and live["last_error"]:
            found.append(f"{name}, live: {live['last_error']}")
    found.extend(f"{name}: {words}" for name, plain in status.get("plain", {}).items() if (words := _connection(plain)))
    found.extend(_alarm(alarm) for alarm in status["alarms"])
    found.extend(_kept(status))
    found.extend(f"stands still: {loop}" for loop in status["stuck"])
    return found


def _kept(status: dict[str, Any]) -> list[str]:
    """Return what is wrong with what is kept here."""
    history = status.get("history", {}).get("trouble", "")
    return [words for words in (status.get("data_trouble", ""), history and f"history: {history}") if words]


def render(status: dict[str, Any], *, points: bool) -> list[str]:
    """Return the status as lines for a terminal of 80 columns."""
    in_step = status["clock"]["quality"] == "synced"
    clock = "in step" if in_step else "NOT synchronised: times are marked uncertain, and repaired once it is"
    lines = [
        f"{status['site']} / {status['gateway']}   up {span(status['uptime_s'])}   version {status['version']}",
        f"configuration {status['configuration']}",
        f"clock {clock}   last stop {status['last_stop']}",
        "",
    ]
    width = max([7, *(len(name) for name in status["machines"])])
    for name, machine in status["machines"].items():
        seen = "never" if machine["age_s"] is None else f"{span(machine['age_s'])} ago"
        count = f"{machine['points']} point{'' if machine['points'] == 1 else 's'}"
        what = f"{count} every {machine['every_s']:g} s" if machine["points"] else "waveform"
        missed = f", {machine['missed']} missed" if machine["missed"] else ""
        lines.append(f"{_MARK[machine['state']]} {name:<{width}}  {machine['state']:<8} {what}, last {seen}{missed}")
        if machine["state"] == "bad":
            lines.append(f"  {'':<{width}}  {machine['error']}")
            if machine["hint"]:
                lines.append(f"  {'':<{width}}  → {machine['hint']}")
        lines.extend(f"  {'':<{width}}  {note}" for note in machine.get("condition", ()))
        lines.extend(f"  {'':<{width}}  ! {warning}" for warning in machine["warnings"])
        if lost := _lost(machine.get("line", {})):
            lines.append(f"  {'':<{width}}  ! {lost}")
        if points:
            lines.extend(f"  {'':<{width}}  {latest_line(point, latest)}" for point, latest in machine.get("latest", {}).items())
    for name, recipient in status["recipients"].items():
        uplink, outbox = recipient["uplink"], recipient["outbox"]
        state = f"connected to {uplink['broker']}" if uplink["connected"] else "not connected"
        lines += [
            "",
            f"{'●' if uplink['connected'] else '✗'} {name}: {state}, {uplink['published_records']} records sent",
            f"  may have: {recipient['contract']}",
            f"  outbox: {outbox_line(outbox)}",
        ]
        if uplink.get("held"):
            held = ", ".join(f"{log}s" if log != "bulk" else log for log in uplink["held"])
            lines.append(f"  ! the bytes of today run short: {held} wait in the outbox, alarms are sent")
        if (words := _connection(uplink)) and (uplink["last_error"] or uplink["trouble"]):
            lines.append(f"  {words}")
        if outbox["trouble"]:
            lines.append(f"  {outbox['trouble']}")
        lines.extend(f"  ! {warning}" for warning in uplink["warnings"])
        if live := recipient.get("live"):
            lines.append(f"  live: {_lane(live)}")
            lines.extend(f"  ! {warning}" for warning in live["warnings"])
    for name, plain in status.get("plain", {}).items():
        state = f"connected to {plain['broker']}" if plain["connected"] else "not connected"
        lines += [
            "",
            f"{'●' if plain['connected'] else '✗'} {name}: {state}, {plain['points']} points stand at {plain['topic']}/…",
            f"  may have: {plain['contract']}",
        ]
        if words := _connection(plain):
            lines.append(f"  {words}")
        lines.extend(f"  ! {warning}" for warning in plain["warnings"])
    if not status["recipients"] and not status.get("plain"):
        lines += ["", "no uplink: everything stays here"]
    lines.extend(f"✗ {_alarm(alarm)}" for alarm in status["alarms"])
    lines.extend(f"✗ {words}" for words in _kept(status))
    lines.extend(f"✗ stands still: {loop}" for loop in status["stuck"])
    return lines


def _lost(line: dict[str, Any]) -> str:
    """Return how often samples of a waveform were missing, `samples were missing 3 times, at least 47 besides 51200 that came`."""
    if not (times := line.get("overruns")):
        return ""
    how_many = f", at least {line['lost']} besides {line['samples']} that came" if line.get("lost") else ""
    return f"samples were missing {'once' if times == 1 else f'{times} times'}{how_many}"


def outbox_line(outbox: dict[str, Any]) -> str:
    """Return what an outbox holds, e.g. `7 records wait, 41.0 of 512 MB used, 36 h left at today's rate, 0.2 GB/day written`."""
    words = [f"{outbox['waiting']} records wait", f"{outbox['used_bytes'] / 1e6:.1f} of {outbox['max_bytes'] / 1e6:.0f} MB used"]
    if (hours := outbox.get("hours_left")) is not None:
        words.append(f"{span(3600 * hours) if hours < _YEAR_H else 'more than a year'} left at today's rate")
    if written := outbox.get("written_per_day"):
        words.append(f"{written / 1e9:.1f} GB/day written" if written >= 0.1e9 else f"{written / 1e6:.1f} MB/day written")
    if outbox["lost"]:
        words.append(f"{outbox['lost']} LOST")
    return ", ".join(words)


_YEAR_H = 8760
_MARK = {"good": "●", "bad": "✗", "starting": "○", "ended": "○"}


def _connection(uplink: dict[str, Any]) -> str:
    """Say what is wrong with a connection, also one that stands: the broker may refuse what is sent over it."""
    if uplink["connected"]:
        return str(uplink["trouble"])
    return uplink["last_error"] or "not connected yet"


def _lane(live: dict[str, Any]) -> str:
    """Say how a live lane is doing."""
    if live["rests"]:
        return "rests, as the bytes of today run short"
    if not live["connected"]:
        return f"not connected; {live['last_error']}" if live["last_error"] else "not connected yet"
    if live["waits_for"]:
        return f"connected to {live['broker']}, waits for the primary host '{live['waits_for']}'"
    machines = f"{live['devices']} machine{'' if live['devices'] == 1 else 's'}"
    return f"connected to {live['broker']}, tells {live['metrics']} values of {machines}"


def _alarm(alarm: dict[str, Any]) -> str:
    unit = "" if alarm["unit"] == "1" else alarm["unit"]
    value = "no value" if alarm["value"] is None else f"{_shown(alarm['value'])} {unit}".rstrip()
    if alarm.get("kind") == "alarm":
        return f"{alarm['machine']}.{alarm['point']}: {alarm['after']}, {value}; see 'gateway alarms'"
    return f"{alarm['machine']}.{alarm['point']} went too {alarm['after']}: {value}"


def wrapped(line: str, width: int) -> str:
    """Break a line that is too long for the terminal at its spaces, under its own beginning."""
    indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
    return (
        textwrap.fill(line, max(40, width), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        if line
        else ""
    )


def latest_line(name: str, latest: dict[str, Any]) -> str:
    """Return the latest value of a point, as the status has it, as `oil_temp = 41.9 °C`."""
    if latest["quality"] != "good":
        return f"{name} = {latest['quality']}: {latest['reason']}"
    unit = "" if latest["unit"] == "1" else latest["unit"]
    return f"{name} = {_shown(latest['value'])} {unit}".rstrip()


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def span(seconds: float) -> str:
    """Return a length of time as a person says it: `90 s`, `45 min`, `7 h`, `3 d`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} d"
