"""`gateway captures`: the waveforms that were kept when an alarm came; they lie in the data folder and never leave it."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.cli.run import add_data_argument, data_folder

SUMMARY = "list the waveforms that were kept when alarms came, and where they lie"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("machine", metavar="MACHINE", nargs="?", default="", help="only those of this machine")
    add_data_argument(parser)
    parser.add_argument("--json", action="store_true", help="print them as one JSON object, with all that is known of each")


def run(args: argparse.Namespace) -> int:
    """List them; 2: no such machine, 3: the data folder cannot be read. The gateway need not run."""
    from gateway.config.words import meant, quoted

    folder = data_folder(args) / "captures"
    try:
        found = captures(folder)
    except OSError as error:
        print(f"gateway captures: {folder} cannot be read: {error.strerror}; run it as the user of the gateway", file=sys.stderr)
        return 3
    machines = dict.fromkeys(capture["machine"] for capture in found)
    if args.machine and args.machine not in machines:
        words = f"there is no capture of a machine {quoted(args.machine)}{meant(args.machine, machines)}"
        print(f"gateway captures: {words}", file=sys.stderr)
        return 2
    found = [capture for capture in found if args.machine in {"", capture["machine"]}]
    if args.json:
        print(json.dumps({"captures": found}, ensure_ascii=False))
    else:
        print("\n".join(render(found, folder)))
    return 0


def captures(folder: Path) -> list[dict[str, Any]]:
    """Return what is known of every capture, the oldest first, each with the `path` of its WAV; one without a JSON is left out.

    Raises:
        OSError: the folder cannot be read.
    """
    found = []
    if not folder.parent.exists():
        return []
    folder.parent.stat()
    for path in folder.glob("*/*.wav"):
        try:
            about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            continue
        if isinstance(about, dict) and {"machine", "point", "alarms", "start", "rate_hz", "samples"} <= about.keys():
            found.append({**about, "path": str(path.absolute())})
    return sorted(found, key=lambda capture: str(capture["start"]))


def render(found: list[dict[str, Any]], folder: Path) -> list[str]:
    """Return captures as lines for a terminal."""
    if not found:
        return [f"no captures in {folder}; they are made when an alarm comes on a machine with 'vibration:' and 'alarms:'"]
    lines = []
    for capture in found:
        alarm = capture["alarms"][0]
        length, before = capture["samples"] / capture["rate_hz"], capture["alarm_after_s"]
        unit = "" if alarm.get("unit") == "1" else alarm.get("unit", "")
        value = "" if alarm.get("value") is None else f", {alarm['value']:.4g} {unit}".rstrip()
        lines += [
            f"{_when(alarm)}  {capture['machine']} {capture['point']}: {alarm['after']}{value}",
            f"  {length:.1f} s at {capture['rate_hz']:g} Hz, {capture['unit']}, the alarm {before:.1f} s after its start",
            f"  {capture['path']}",
        ]
    return lines


def _when(alarm: dict[str, Any]) -> str:
    """Return when an alarm came, in the time of this computer."""
    return f"{datetime.fromtimestamp(alarm['stamp']['wall_ns'] / 1e9, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
