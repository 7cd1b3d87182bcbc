"""The whole campaign against the Modbus driver, several jobs at a time, and the page with what was really run.

Usage: python -m tests.campaign.run [--write FILE] [--results FILE] [--reads N] [--inputs N] [--fuzz-s SECONDS] [--pty-s SECONDS]
A job whose result stands in FILE already is not run again. Exit code 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tests.campaign import fuzz, noise, wrong_values

ROOT = Path(__file__).parents[2]
PTY_MOODS = ("late once in a while", "twice", "another unit", "bit flips 1e-3", "everything")

Job = tuple[str, str, list[Any]]
"""Section, name of the job, its arguments."""


def jobs(reads: int, inputs: int, fuzz_s: float, pty_s: float) -> list[Job]:
    """Return everything there is to do: `reads` in all, `inputs` for each target."""
    counts = [(mood, wrong_values.MIXED) for mood in wrong_values.MOODS]
    counts += [("bit flips 1e-2", wrong_values.LONG), ("bit flips 1e-2", wrong_values.SMALL)]
    each = -(-reads // len(counts))
    found: list[Job] = [("noise", "continuous noise", [3.0])]
    found += [("reads", f"{mood} pty", [mood, pty_s]) for mood in PTY_MOODS if pty_s]
    found += [("reads", f"{mood} {sizes[-1]}", [mood, each, list(sizes), 11 + i]) for i, (mood, sizes) in enumerate(counts)]
    return found + [("fuzz", target, [target, inputs, 1, fuzz_s]) for target in fuzz.TARGETS]


def do(job: Job) -> list[Any]:
    """Run one job; its result as a list."""
    section, name, arguments = job
    if section == "noise":
        return [*asyncio.run(noise.noise(*arguments))]
    if section == "fuzz":
        return [*fuzz.fuzz(*arguments)]
    if name.endswith(" pty"):
        mood, seconds = arguments
        return [*asyncio.run(wrong_values.on_pty(mood, seconds, 10**6))]
    mood, reads, sizes, seed = arguments
    return [*wrong_values.in_memory(mood, reads, tuple(sizes), seed)]


def run(wanted: list[Job], results: Path | None = None, at_once: int = 0) -> dict[str, dict[str, list[Any]]]:
    """Run what `results` does not hold yet and add it there; the noise goes alone, since it measures the processor."""
    done: dict[str, dict[str, list[Any]]] = {"reads": {}, "noise": {}, "fuzz": {}}
    if results is not None and results.exists():
        for line in results.read_text(encoding="utf-8").splitlines():
            section, name, result = json.loads(line)
            done[section][name] = result
    todo = [job for job in wanted if job[1] not in done[job[0]]]

    def keep(job: Job, result: list[Any]) -> None:
        done[job[0]][job[1]] = result
        print(f"{job[1]}: {result}", file=sys.stderr, flush=True)
        if results is not None:
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps([job[0], job[1], result]) + "\n")

    for job in todo:
        if job[0] == "noise":
            keep(job, do(job))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once or os.cpu_count(), mp_context=context, max_tasks_per_child=1) as pool:
        waiting = {pool.submit(do, job): job for job in todo if job[0] != "noise"}
        for future in as_completed(waiting):
            keep(waiting[future], future.result())
    return done


def broken(done: dict[str, dict[str, list[Any]]]) -> list[str]:
    """Return which promises were not kept."""
    found = []
    for one in (wrong_values.Result(*row) for row in done["reads"].values()):
        if one.wrong or one.resync_s > (3.0 if "seconds" in one.mood else 1.0):
            found.append(f"{one.mood} ({one.where}): {one.wrong} wrong values, well again after {one.resync_s:.2f} s")
    for quiet in (noise.Result(*row) for row in done["noise"].values()):
        if quiet.wrong or quiet.cpu_share > 0.1 or quiet.resync_s > 1.0:
            found.append(f"continuous noise: {quiet}")
    for target in (fuzz.Result(*row) for row in done["fuzz"].values()):
        if target.uncaught or target.hangs:
            found.append(f"{target.target}: {target.uncaught} uncaught, {target.hangs} hangs; first: {target.first}")
    return found


def page(done: dict[str, dict[str, list[Any]]], duration_s: float) -> str:
    """Return the page as Markdown."""
    reads = [wrong_values.Result(*row) for row in done["reads"].values()]
    lines = [
        "# Campaigns",
        "Written by `make campaign`; the figures are those of one run, and small versions of it are part of `make test`.",
        "",
        f"Duration: {duration_s:.0f} s of computing. Commit: {_commit()}. {_computer()}.",
        "",
        "## Wrong values",
        "Slaves of our own that misbehave (`tests/peers/modbus_evil.py`); every register holds its own address, so a wrong value",
        "shows. `memory`: the real exchange at 115200 baud in virtual time, frames of up to 253 bytes, each read asked for once;",
        "`pty`: the whole driver in real time, which asks once more for what was damaged; reads are requests, errors are",
        "scans in which a point was bad.",
        "A read that fails is bad with a reason. `resync` is the longest time until the last failure, measured every",
        f"{wrong_values.SETTLE_EVERY} reads after the slave has become honest.",
        "",
        *_table(
            ["mood", "line", "reads", "good", "wrong", "errors", "resync s"],
            [[r.mood, r.where, _n(r.reads), _n(r.good), _n(r.wrong), _n(r.errors), f"{r.resync_s:.2f}"] for r in reads]
            + [
                [
                    "all",
                    "",
                    *(_n(sum(r[i] for r in reads)) for i in (2, 3, 4, 5)),
                    f"{max((r.resync_s for r in reads), default=0):.2f}",
                ]
            ],
        ),
        "",
        "## Continuous noise",
        "Random bytes at 115200 baud without a pause on a pseudo terminal while a machine is read; promise: CPU of the reading",
        "process below 10 %, and all well within 1 s after the noise ends.",
        "",
        *_table(
            ["seconds", "bytes sent", "bytes thrown away", "scans", "wrong", "CPU", "resync s"],
            [
                [
                    f"{q.seconds:.1f}",
                    _n(q.noise_bytes),
                    _n(q.seen_bytes),
                    _n(q.reads),
                    _n(q.wrong),
                    f"{q.cpu_share:.1%}",
                    f"{q.resync_s:.2f}",
                ]
                for q in (noise.Result(*row) for row in done["noise"].values())
            ],
        ),
        "",
        "## Mutated and random inputs",
        f"A hang is a batch of {fuzz.BATCH} inputs that computes for more than {fuzz.BATCH_CPU_S:g} s.",
        "",
        *_table(
            ["target", "inputs", "uncaught", "hangs", "µs per input"],
            [
                [f.target, _n(f.inputs), _n(f.uncaught), _n(f.hangs), f"{1e6 * f.cpu_s / max(1, f.inputs):.0f}"]
                for f in (fuzz.Result(*row) for row in done["fuzz"].values())
            ],
        ),
        "",
        *([f"**Broken:** {one}" for one in broken(done)] or ["Every promise was kept."]),
    ]
    return "\n".join(lines) + "\n"


def _n(number: int) -> str:
    return f"{number:,}"


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _computer() -> str:
    return f"{os.cpu_count()} cores, CPython {platform.python_version()}, Linux {platform.machine()}"


def _commit() -> str:
    result = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def main(arguments: list[str] | None = None) -> int:
    """Run, print and write."""
    parser = argparse.ArgumentParser(prog="make campaign", description=__doc__.splitlines()[0])
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the page there as well")
    parser.add_argument("--results", metavar="FILE", type=Path, help="keep the results there, and go on with them")
    parser.add_argument("--reads", type=int, default=1_040_000, help="reads in memory, all moods together")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs for each decoder and planner")
    parser.add_argument("--fuzz-s", type=float, default=3600.0, help="most seconds of computing for each of them")
    parser.add_argument("--pty-s", type=float, default=60.0, help="seconds on a pseudo terminal for each mood; 0: none")
    args = parser.parse_args(arguments)
    done = run(jobs(args.reads, args.inputs, args.fuzz_s, args.pty_s), args.results)
    cpu_s = sum(row[-1] for row in done["reads"].values()) + sum(row[4] for row in done["fuzz"].values())
    text = page(done, cpu_s)
    print(text)
    if args.write:
        args.write.write_text(text, encoding="utf-8")
    return 1 if broken(done) else 0


if __name__ == "__main__":
    sys.exit(main())
