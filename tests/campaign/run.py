"""Runs campaigns, several jobs at a time, and writes the section of each in docs/campaigns.md; the others keep their text.

Usage: python -m tests.campaign.run [NAME …] [--write FILE] [--results FILE] [--scale NUMBER] [--at-once NUMBER]
A job whose result of the same commit and scale stands in the results already is not run again. Exit code 1: a promise was broken,
or a campaign that was named cannot run here; without a name, such a one is told and left out, and its section stays as it is.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import re
import resource
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from tests.campaign import Job, Results
from tests.page import commit_of_tree, computer, renewed

HERE = Path(__file__).parent
HEAD = """# Campaigns
Written by `make campaign`; small versions of each are part of `make test`. Every section is one run of its own, and says which."""


class Kept(NamedTuple):
    """What a results file holds of one job; times in seconds, `began` and `ended` since 1970."""

    campaign: str
    commit: str
    scale: float
    part: str
    name: str
    result: list[Any]
    cpu_s: float
    began: float
    ended: float


class Outcome(NamedTuple):
    """A campaign that was run: on which commit, the results, what failed by name of the job, and how long it took."""

    commit: str
    results: Results
    failed: dict[str, str]
    cpu_s: float
    clock_s: float


def known() -> list[str]:
    """Return the names of all campaigns."""
    return sorted(path.parent.name for path in HERE.glob("*/campaign.py"))


def module(name: str) -> ModuleType:
    """Return the campaign of this name; see `tests.campaign` for what it holds."""
    return importlib.import_module(f"tests.campaign.{name}.campaign")


def run(name: str, scale: float = 1.0, results: Path | None = None, at_once: int = 0) -> Outcome:
    """Run the jobs of a campaign that `results` does not hold yet, those that go alone first, and add to it what they return."""
    commit, jobs = commit_of_tree(), module(name).jobs(scale)
    wanted = {(job.part, job.name) for job in jobs}
    assert len(wanted) == len(jobs), "two jobs of one name"
    done = {(one.part, one.name): one for one in _held(results) if (one.campaign, one.commit, one.scale) == (name, commit, scale)}
    done = {key: one for key, one in done.items() if key in wanted}
    todo = [job for job in jobs if (job.part, job.name) not in done]
    failed: dict[str, str] = {}

    def take(job: Job, future: Future[tuple[list[Any], float, float, float]]) -> None:
        try:
            one = Kept(name, commit, scale, job.part, job.name, *future.result())
        except Exception as error:  # of whatever kind: the other jobs go on, and the page tells
            failed[job.name] = f"{type(error).__name__}: {error}"
            print(f"{job.name} failed: {failed[job.name]}", file=sys.stderr, flush=True)
            return
        done[job.part, job.name] = one
        print(f"{job.name}, {one.ended - one.began:.0f} s: {one.result}", file=sys.stderr, flush=True)
        if results is not None:
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(one) + "\n")

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once or os.cpu_count(), mp_context=context, max_tasks_per_child=1) as pool:
        for job in todo:
            if job.alone:
                future = pool.submit(_work, job)
                future.exception()  # waits
                take(job, future)
        waiting = {pool.submit(_work, job): job for job in todo if not job.alone}
        for future in as_completed(waiting):
            take(waiting[future], future)
    found: Results = {job.part: {} for job in jobs}
    for job in jobs:
        if (job.part, job.name) in done:
            found[job.part][job.name] = done[job.part, job.name].result
    all_kept = done.values()
    clock_s = max((one.ended for one in all_kept), default=0) - min((one.began for one in all_kept), default=0)
    return Outcome(commit, found, failed, sum(one.cpu_s for one in all_kept), clock_s)


def _held(results: Path | None) -> list[Kept]:
    if results is None or not results.exists():
        return []
    return [Kept(*json.loads(line)) for line in results.read_text(encoding="utf-8").splitlines()]


def _work(job: Job) -> tuple[list[Any], float, float, float]:
    began, cpu_s = time.time(), _cpu_s()
    result = [*job.call(*job.arguments)]
    return result, _cpu_s() - cpu_s, began, time.time()


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def section(name: str, outcome: Outcome, scale: float) -> str:
    """Return the section of a campaign as Markdown."""
    took = f"{_duration(outcome.clock_s)} on the clock, {_duration(outcome.cpu_s)} of computing"
    part = "" if scale == 1 else f" Not the whole campaign: {scale:.3g} of it."
    lines = [
        f"## {title(name)}",
        _summary(name),
        "",
        f"{took}, commit {outcome.commit}; {computer()}.{part}",
        "",
        *module(name).lines(outcome.results),
        "",
        *([f"**Broken:** {one}" for one in broken(name, outcome)] or ["Every promise was kept."]),
    ]
    return "\n".join(lines)


def broken(name: str, outcome: Outcome) -> list[str]:
    """Return the promises that were not kept; a job that failed has kept none."""
    return [*module(name).broken(outcome.results), *(f"{job} did not run: {words}" for job, words in outcome.failed.items())]


def missing(name: str) -> str:
    """Return in words what a campaign lacks here that the project does not have; empty where it can run."""
    lacks: str = getattr(module(name), "missing", str)()
    return lacks


def title(name: str) -> str:
    """Return the heading of a campaign's section."""
    return name.replace("_", " ").capitalize()


def _summary(name: str) -> str:
    text = (HERE / name / "campaign.py").read_text(encoding="utf-8")
    match = re.match(r'"""(.+?)(\n\n|""")', text, re.DOTALL)
    return " ".join(match[1].split()) if match else ""


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"


def main(arguments: list[str] | None = None) -> int:
    """Run, print and write; the section of a campaign is written as soon as it has ended."""
    parser = argparse.ArgumentParser(prog="make campaign", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"campaigns to run: {', '.join(known())}; default: all")
    parser.add_argument("--write", metavar="FILE", type=Path, help="renew the sections of the campaigns there as well")
    parser.add_argument("--results", metavar="FILE", type=Path, help="keep the results there, and go on with them")
    parser.add_argument("--scale", type=float, default=1.0, help="0.01 runs about a hundredth of it; default: 1")
    parser.add_argument("--at-once", type=int, default=0, help="so many jobs at a time; default: one per processor")
    args = parser.parse_args(arguments)
    if unknown := set(args.names) - set(known()):
        parser.error(f"unknown campaign {', '.join(sorted(unknown))}; known: {', '.join(known())}")
    good = True
    for name in args.names or known():
        if lacks := missing(name):
            print(f"{name} was not run: {lacks}.", file=sys.stderr, flush=True)
            good = good and not args.names
            continue
        outcome = run(name, args.scale, args.results, args.at_once)
        text = section(name, outcome, args.scale)
        print(text, flush=True)
        good = good and not broken(name, outcome)
        if args.write:
            before = args.write.read_text(encoding="utf-8") if args.write.exists() else ""
            page = renewed(before, HEAD, {title(name): text}, map(title, known()))
            args.write.write_text(page, encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
