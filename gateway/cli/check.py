"""`gateway check site.yaml`: every problem of a configuration at once, offline."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from gateway.cli._site import MISSING, is_missing, trouble

if TYPE_CHECKING:
    from gateway.config.spec import Config

SUMMARY = "check a configuration offline: all problems at once, each with its place and a cure"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("site", metavar="site.yaml", help="the configuration; share.yaml beside it is checked too")
    parser.add_argument("--strict", action="store_true", help="warnings count as findings: exit 1")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    """Print the problems, or one line that says what the configuration does.

    0: it can run (warnings are printed), 1: it cannot (or `--strict` and there are warnings), 2: there is no such file.
    """
    from gateway.config.check import check
    from gateway.config.problem import render

    if args.json and (words := trouble(args.site)):
        problem = {"file": args.site, "line": 0, "column": 0, "level": "error", "message": words}
        print(json.dumps({"good": False, "problems": [problem], "summary": ""}, ensure_ascii=False))
        return MISSING
    if is_missing("check", args.site):
        return MISSING
    checked = check(args.site)
    errors = sum(problem.level == "error" for problem in checked.problems)
    warnings = len(checked.problems) - errors
    if args.json:
        problems = [
            {"file": p.file, "line": p.line, "column": p.column, "level": p.level, "message": p.message} for p in checked.problems
        ]
        summary = summarise(checked.config) if checked.config else ""
        print(json.dumps({"good": not errors, "problems": problems, "summary": summary}, ensure_ascii=False))
    else:
        if checked.problems:
            print(render(checked.problems, checked.sources))
        if checked.config:
            print(f"{args.site}: good. {summarise(checked.config)}")
        else:
            also = f" and {_count(warnings, 'warning')}" if warnings else ""
            print(f"{_count(errors, 'problem')}{also}")
    return 1 if errors or (args.strict and warnings) else 0


def summarise(config: Config) -> str:
    """Return what a configuration does, in one line of plain words."""
    machines = config.machines.values()
    points = sum(len(machine.points) for machine in machines)
    lines = len({machine.link for machine in machines})
    what = f"{_count(len(config.machines), 'machine')}, {_count(points, 'point')}, {_count(lines, 'connection')}"
    if waves := sum(machine.vibration is not None for machine in machines):
        what += f", {_count(waves, 'waveform')}"
    who = f"recipients: {', '.join(config.uplinks)}" if config.uplinks else "no recipient"
    return f"{what}; {who}; {_leaving(config)}."


def _leaving(config: Config) -> str:
    if not config.contract.rules:
        return "nothing leaves"
    parts = [f"{'+'.join(rule.machines)} ({', '.join(rule.points)}) to {rule.to}" for rule in config.contract.rules]
    more = f" and {len(parts) - 3} more rules" if len(parts) > 3 else ""
    return f"what leaves: {'; '.join(parts[:3])}{more}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
