"""`gateway baseline`: what was learned of the machines, and how to begin anew after maintenance."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from gateway.cli.run import add_data_argument, data_folder

SUMMARY = "show what was learned of the machines, and let one be learned anew after maintenance"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("machine", metavar="MACHINE", nargs="?", default="", help="name of a machine; default: all")
    parser.add_argument("--forget", action="store_true", help="forget its baseline and its trends: a new bearing has other ones")
    add_data_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the answer as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Show or forget; 2: a mistake in the command, 3: no gateway runs."""
    from gateway.control import NotRunning, request

    if args.forget and not args.machine:
        return _wrong("name the machine: gateway baseline MACHINE --forget")
    try:
        if args.forget:
            answer = request(data_folder(args), "forget", machine=args.machine)
        else:
            answer = _learned(request(data_folder(args), "status"), args.machine)
    except NotRunning as error:
        print(f"gateway baseline: {error}", file=sys.stderr)
        return 3
    if args.json:
        print(json.dumps(answer, ensure_ascii=False))
    elif "error" in answer:
        return _wrong(answer["error"])
    elif args.forget:
        print(f"{args.machine}: {' and '.join(answer['forgot'])} forgotten; it is learned anew from now on")
    else:
        print("\n".join(render(answer["machines"])))
    return 2 if "error" in answer else 0


def render(machines: dict[str, list[str]]) -> list[str]:
    """Return what is known of each machine as lines."""
    if not any(machines.values()):
        return ["nothing is learned; 'baseline:' or 'trend:' in the site file lets it (docs/state.md)"]
    width = max(map(len, machines))
    return [f"{name if i == 0 else '':<{width}}  {note}" for name, notes in machines.items() for i, note in enumerate(notes)]


def _learned(status: dict[str, Any], machine: str) -> dict[str, Any]:
    from gateway.config.words import meant, quoted

    if machine and machine not in status["machines"]:
        return {"error": f"there is no machine {quoted(machine)}{meant(machine, status['machines'])}"}
    wanted = {name: one for name, one in status["machines"].items() if machine in {"", name}}
    return {"machines": {name: one["condition"] for name, one in wanted.items()}}


def _wrong(words: str) -> int:
    print(f"gateway baseline: {words}", file=sys.stderr)
    return 2
