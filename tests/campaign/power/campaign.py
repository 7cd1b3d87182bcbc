"""The outbox under kill -9 and power cuts: what `append` returned for is there afterwards, once, in order, and no gap is silent.

A writer process appends to an outbox on a real file system and takes out of it; it is killed, or the ext4 below it is shut down
without writing back what was not synchronised, which is what a power cut leaves. Then another process opens what is left.
"""

from __future__ import annotations

from typing import Any

from tests.campaign import Job, Results
from tests.campaign.power.cuts import Result, kills, power_cuts
from tests.campaign.power.disk import possible
from tests.page import table

KILLS = 1000
CUTS = 200
CONTROLS = 20
SERIES = 50
"""Ends of one series, on one store."""


def jobs(scale: float) -> list[Job]:
    """Return the series; power cuts only where a file can be mounted."""
    found = [Job("ends", f"kill {seed}", kills, (count, seed)) for seed, count in _series(KILLS, scale)]
    if possible():
        return found
    found += [Job("ends", f"cut {seed}", power_cuts, (count, seed)) for seed, count in _series(CUTS, scale)]
    return [*found, *(Job("ends", f"control {seed}", power_cuts, (count, seed, False)) for seed, count in _series(CONTROLS, scale))]


def _series(total: int, scale: float) -> list[tuple[int, int]]:
    """Return a seed and a count for each series of at most `SERIES` ends."""
    wanted = max(1, round(total * scale))
    return [(seed, min(SERIES, wanted - begin)) for seed, begin in enumerate(range(0, wanted, SERIES))]


def totals(results: Results) -> list[Result]:
    """Return one result for each way to end, all its series added up."""
    found: dict[str, Result] = {}
    for one in (Result(*row) for row in results["ends"].values()):
        if before := found.get(one.how):
            added = {name: getattr(before, name) + getattr(one, name) for name in Result._fields[1:7]}
            most = {name: max(getattr(before, name), getattr(one, name)) for name in Result._fields[7:]}
            one = one._replace(**added, **most)
        found[one.how] = one
    return list(found.values())


def broken(results: Results) -> list[str]:
    """Return which promises were not kept; a control that loses nothing says that the campaign is blind."""
    found = []
    for one in totals(results):
        if "control" in one.how:
            if not one.lost:
                found.append(f"{one.how}: nothing was lost, so this campaign would not notice a loss")
        elif one.lost or one.corrupt or one.gaps or one.told:
            found.append(f"{one.how}: {one.lost} lost, {one.corrupt} corrupt, {one.gaps} silent gaps, {one.told} told as lost")
    return found


def lines(results: Results) -> list[str]:
    """Return the section of the page."""
    rows: list[list[Any]] = [
        [
            one.how,
            f"{one.ends:,}",
            f"{one.promised:,}",
            f"{one.lost:,}",
            f"{one.corrupt:,}",
            f"{one.gaps:,}",
            f"{one.beyond:,}",
            f"{one.longest_look_s:.2f}",
        ]
        for one in totals(results)
    ]
    why = possible()
    return [
        "`promised`: records that `append` had returned for; `beyond`: the most records of a log that were there without",
        "having been promised, all of one commit; `opened`: the longest time until everything left was read. The control is the",
        "same outbox with fdatasync and fsync switched off: a harness that finds no loss there would be blind.",
        *([f"No power was cut: {why}."] if why else []),
        "",
        *table(["ended by", "times", "promised", "lost", "corrupt", "silent gaps", "beyond", "opened s"], rows),
    ]
