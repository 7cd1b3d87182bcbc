"""The outbox: nothing that was promised is lost by a power cut, a bit that flips or a disk that fails, and no loss goes untold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

from tests.campaign import Job, Results
from tests.gateway.outbox.damage import SIZE, Specimen
from tests.gateway.outbox.power_cuts import BrokenPromiseError, Campaign
from tests.page import table

ROOMY, SMALL = 4_000_000, 64 * 1024
STATES = 24_000
SEEDS = 60
LIVES = {
    "a store with room": (ROOMY, False, 0.0),
    "a store that is full": (SMALL, True, 0.0),
    "with room, on a disk that fails now and then": (ROOMY, False, 0.02),
    "full, on a disk that fails now and then": (SMALL, True, 0.02),
}
"""Size, whether it may lose (told), how likely a write or sync fails."""

PIECES = 8


class Cuts(NamedTuple):
    """What became of the states after power cuts."""

    states: int
    records: int
    failures: int
    broken: int
    first: str


class Sweep(NamedTuple):
    """What became of bits that were flipped, and files that were cut."""

    tried: int
    wrong: int
    first: str


def jobs(scale: float) -> list[Job]:
    """Return everything there is to do."""
    states = max(8, round(scale * STATES / len(LIVES) / SEEDS))
    seeds = max(1, round(SEEDS * min(1.0, scale * 10)))
    step = max(1, round(1 / scale))
    return [
        *(Job("cuts", name, power_cuts, (*life, seeds, states)) for name, life in LIVES.items()),
        Job("control", "a store that waits for no disk", control, (seeds,)),
        *(
            Job("damage", f"{'closed' if clean else 'killed'} before, part {piece + 1} of {PIECES}", sweep, (clean, piece, step))
            for clean in (True, False)
            for piece in range(PIECES)
        ),
    ]


@contextmanager
def silence() -> Iterator[None]:
    """Keep the stores' own log to themselves: it tells every thinning, eviction and fault."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        yield


def power_cuts(max_bytes: int, may_lose: bool, faults: float, seeds: int, states: int) -> Cuts:
    """Judge so many states of each of so many seeds."""
    judged = records = failures = broken = 0
    first = ""
    for seed in range(seeds):
        campaign = Campaign(1000 + seed, max_bytes, may_lose=may_lose, faults=faults)
        try:
            with silence():
                campaign.live(300 if may_lose else 60, states)
        except BrokenPromiseError as error:
            broken += 1
            first = first or str(error)
        judged, records, failures = judged + campaign.states, records + campaign.records, failures + campaign.failures
    return Cuts(judged, records, failures, broken, first)


def control(seeds: int) -> list[int]:
    """Let a store live on a disk whose syncs do nothing; return how many lives there were, and how many were found out."""
    found = 0
    for seed in range(seeds):
        try:
            with silence():
                Campaign(seed, ROOMY, may_lose=False, syncs=False).live(60, 100)
        except BrokenPromiseError:
            found += 1
    return [seeds, found]


def sweep(clean: bool, piece: int, step: int) -> Sweep:
    """Try a part of all bits and lengths of a log of 64 KB and of its cursor."""
    with silence():
        specimen = Specimen(clean=clean)
        tried, wrong = specimen.sweep(specimen.files, step * PIECES, piece * step)
    return Sweep(tried, len(wrong), wrong[0] if wrong else "")


def broken(results: Results) -> list[str]:
    """Return which promises were not kept."""
    cuts = {name: Cuts(*row) for name, row in results["cuts"].items()}
    sweeps = {name: Sweep(*row) for name, row in results["damage"].items()}
    blind = [f"{name}: {lives - found} of {lives} were not found out" for name, (lives, found) in results["control"].items()]
    return [
        *(f"{name}: {one.broken} broken, first: {one.first}" for name, one in cuts.items() if one.broken),
        *(f"{name}: {one.wrong} wrong, first: {one.first}" for name, one in sweeps.items() if one.wrong),
        *(words for words, (lives, found) in zip(blind, results["control"].values(), strict=True) if lives != found),
    ]


def lines(results: Results) -> list[str]:
    """Return the section of the page."""
    return [*_about_cuts(results), "", *_about_damage(results)]


def _about_cuts(results: Results) -> list[str]:
    cuts = {name: Cuts(*row) for name, row in results["cuts"].items()}
    controls = [f"{found:,} of {lives:,} lives of {name} were found out." for name, (lives, found) in results["control"].items()]
    return [
        "### Power cuts, simulated",
        "Stores live on a disk in memory that knows what is synchronised. At random steps the power goes: unsynchronised writes",
        "are lost, kept or torn at 512 or 4096 bytes, in any order, and names may be old or new, one by one. Each state is",
        "opened, emptied, and compared with what had been promised; one of them is the beginning of the next life. Broken: a",
        "record that was promised is gone or another, a loss is not told, a number is given twice, the store does not open.",
        "",
        *table(
            ["life", "states", "records found", "commits refused", "broken"],
            [
                *([name, _n(one.states), _n(one.records), _n(one.failures), _n(one.broken)] for name, one in cuts.items()),
                ["all", *(_n(sum(one[i] for one in cuts.values())) for i in range(4))],
            ],
        ),
        "",
        f"The control must fail: {' '.join(controls) or 'it was not run.'}",
    ]


def _about_damage(results: Results) -> list[str]:
    sweeps = [Sweep(*row) for row in results["damage"].values()]
    return [
        "### Every bit and every length",
        f"A log of {SIZE // 1024} KB and its cursor, closed or killed before: each bit is flipped, each length cut off. Wrong: the",
        "store does not start, a record that was not hit is lost or another, or a loss is not told or not counted.",
        "",
        *table(["tried", "wrong"], [[_n(sum(one.tried for one in sweeps)), _n(sum(one.wrong for one in sweeps))]]),
    ]


def _n(number: Any) -> str:
    return f"{number:,}"
