"""`make bench`: runs every `bench_*.py` in a process of its own, one after another, and writes one page.

Usage: python -m tests.bench.run [--write FILE] [--limit-s SECONDS] [NAME …]
Exit code 1 when a row is over its budget or a benchmark fails.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.bench import Row

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIMIT_S = 450.0
_MARK = "ROWS "


def main() -> int:
    """Run what was asked for and return the exit code."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run, e.g. kernels; default: all")
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
    results = {name: measure(name, end) for name in known if not args.names or name in args.names}
    text = page(results)
    print(text)
    if args.write:
        args.write.write_text(text, encoding="utf-8")
    good = all(isinstance(rows, list) and all(row.verdict != "OVER" for row in rows) for rows in results.values())
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


def page(results: dict[str, list[Row] | str]) -> str:
    """Return the page as Markdown."""
    lines = [
        "# Benchmarks",
        "Written by `make bench`. Every ratio is ours / theirs, measured beside each other in one run; smaller is better.",
        "A budget is a promise: `make bench` fails when a row is over it.",
        "",
        f"Measured on {_processor()}, {os.cpu_count()} cores, CPython {platform.python_version()}, Linux {platform.machine()}.",
    ]
    for bench, rows in results.items():
        lines += ["", f"## {bench.replace('_', ' ').capitalize()}", _summary(bench), ""]
        if isinstance(rows, str):
            lines.append(f"**{rows}**")
            continue
        lines += ["| what | ratio | budget | | figures |", "|---|--:|--:|---|---|"]
        for row in rows:
            budget = "" if row.budget is None else f"{row.budget:.3g}"
            name, figures = (text.replace("|", "/") for text in (row.name, row.note))
            lines.append(f"| {name} | {row.ratio:.3g} | {budget} | {row.verdict} | {figures} |")
    return "\n".join(lines) + "\n"


def _summary(name: str) -> str:
    """Return the first sentence of a benchmark's own description, without importing it."""
    text = (HERE / f"bench_{name}.py").read_text(encoding="utf-8")
    match = re.match(r'"""(.+?)(\n\n|""")', text, re.DOTALL)
    return " ".join(match[1].split()) if match else ""


def _processor() -> str:
    """Return the name of the processor as the kernel or the device tree tells it."""
    model = Path("/proc/device-tree/model")
    if model.exists():
        return model.read_text(encoding="utf-8").strip("\0\n ")
    match = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
