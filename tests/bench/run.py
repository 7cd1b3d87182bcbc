"""`make bench`: runs every `bench_*.py` in a process of its own, one after another, and writes the section of each in one page.

Usage: python -m tests.bench.run [--write FILE] [--limit-s SECONDS] [NAME …]
Exit code 1 when a row is over its budget or a benchmark fails.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.bench import Row
from tests.page import Company, commit_of_tree, computer, renewed

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HEAD = """# Benchmarks
Written by `make bench`. Every ratio is ours / theirs, measured beside each other in one run; smaller is better.
Where the budget says ≥ it is theirs / ours, and larger is better.
A budget is a promise: `make bench` fails when a row is over it. Every section is one run of its own, and says which."""
OPTIONAL = {"thingsboard", "aarch64"}
"""Run only when asked for by name: what they need takes an environment or a build of its own."""

LIMIT_S = 450.0
_MARK = "ROWS "


def main() -> int:
    """Run what was asked for and return the exit code."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run, e.g. kernels; default: all but the optional")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the page there as well")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="all of it must be done after so many seconds")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(_MARK + json.dumps([list(row) for row in importlib.import_module(f"tests.bench.{args.only}").rows()]))
        return 0
    known = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    if unknown := set(args.names) - set(known):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    end = time.monotonic() + args.limit_s
    wanted = args.names or set(known) - OPTIONAL
    results, new = {}, {}
    for name in (name for name in known if name in wanted):
        company = Company()
        results[name] = measure(name, end)
        new[title(name)] = section(name, results[name], company.cores())
    before = args.write.read_text(encoding="utf-8") if args.write and args.write.exists() else ""
    text = renewed(before, HEAD, new, map(title, known))
    print(text)
    for rows in results.values():
        print(*(row.line for row in rows if isinstance(row, Row)), sep="\n")
    if args.write:
        args.write.write_text(text, encoding="utf-8")
    good = all(isinstance(rows, list) and all(row.verdict in {"", "ok"} for row in rows) for rows in results.values())
    return 0 if good else 1


def measure(name: str, end: float) -> list[Row] | str:
    """Run one benchmark alone on the computer; return its rows, or in words why there are none."""
    print(f"measuring {name} …", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "tests.bench.run", "--only", f"bench_{name}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=max(1.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            return "did not end within the time all benchmarks have together"
        finally:
            if process.poll() is None:  # late, or Ctrl-C: the peers it started go with it
                os.killpg(process.pid, signal.SIGKILL)
    lines = [line for line in output.splitlines() if line.startswith(_MARK)]
    if process.returncode or not lines:
        return f"failed with exit code {process.returncode}; its words stand above"
    return [Row(*row) for row in json.loads(lines[-1].removeprefix(_MARK))]


def section(name: str, rows: list[Row] | str, others: float) -> str:
    """Return the section of a benchmark as Markdown; `others` are the processors that other programs kept busy meanwhile."""
    how = f"Measured at commit {commit_of_tree()}; {computer()}. Other programs kept {others:.1f} of them busy meanwhile."
    lines = [f"## {title(name)}", _summary(name), "", how, ""]
    if isinstance(rows, str):
        return "\n".join([*lines, f"**{rows}**"])
    lines += ["| what | ratio | budget | | figures |", "|---|--:|--:|---|---|"]
    for row in rows:
        budget = "" if row.budget is None else f"{'≥ ' if row.at_least else ''}{row.budget:.3g}"
        what, figures = (text.replace("|", "/") for text in (row.name, row.note))
        lines.append(f"| {what} | {row.ratio:.3g} | {budget} | {row.verdict} | {figures} |")
    return "\n".join(lines)


def title(name: str) -> str:
    """Return the heading of a benchmark's section."""
    return name.replace("_", " ").capitalize()


def _summary(name: str) -> str:
    """Return the first sentence of a benchmark's own description, without importing it."""
    text = (HERE / f"bench_{name}.py").read_text(encoding="utf-8")
    match = re.match(r'"""(.+?)(\n\n|""")', text, re.DOTALL)
    return " ".join(match[1].split()) if match else ""


if __name__ == "__main__":
    sys.exit(main())
