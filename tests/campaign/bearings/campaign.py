"""Recordings of bearings that were damaged on purpose: how many verdicts are right, and how often a sound bearing is accused.

The hard part are the sound ones: each lies on the same shaft as a damaged bearing, which is heard at its sensor too. The rule and
its threshold are fixed (docs/bearings.md).
"""

from __future__ import annotations

from tests.campaign import Job, Results
from tests.campaign.bearings.recordings import Verdict, judged, missing
from tests.page import table

__all__ = ["broken", "jobs", "lines", "missing"]

RIGHT = 0.68
"""Of the damaged bearings, at least so many must be told with the right part when the records are used whole."""

FALSE_ALARMS = 0.03
"""Of the sound ones, at most so many may be called damaged."""

LENGTHS = {"whole records": 0.0, "5 s": 5.0, "2.5 s": 2.5, "1.28 s": 1.28}
PARTS = ("outer", "inner", "element")


def jobs(scale: float) -> list[Job]:
    """Return a job for each length of record."""
    return [Job("lengths", name, judged, (seconds,)) for name, seconds in LENGTHS.items() if scale >= 1 or not seconds]


def broken(results: Results) -> list[str]:
    """Return which promises were not kept, with whole records."""
    whole = _verdicts(results).get("whole records", [])
    damaged, sound = [one for one in whole if one.truth != "none"], [one for one in whole if one.truth == "none"]
    right, alarms = sum(one.label == one.truth for one in damaged), sum(one.label != "none" for one in sound)
    told = [] if damaged and sound else ["recordings of damaged and of sound bearings are needed"]
    if right < RIGHT * len(damaged):
        told.append(f"{right} of {len(damaged)} damaged bearings told right, fewer than {RIGHT:.0%}")
    if alarms > FALSE_ALARMS * len(sound):
        told.append(f"{alarms} of {len(sound)} sound bearings accused, more than {FALSE_ALARMS:.0%}")
    return told


def lines(results: Results) -> list[str]:
    """Return the section of the page."""
    rows = []
    for name, verdicts in _verdicts(results).items():
        rows.append([name, *_counts(verdicts)])
        if name == "whole records":
            loads = sorted({one.load for one in verdicts})
            rows += [[f"- load {load} hp", *_counts([one for one in verdicts if one.load == load])] for load in loads]
    wrong = [one for one in _verdicts(results).get("whole records", []) if one.label not in {one.truth, "none"}]
    return [
        "Right verdicts of all, by the part that is damaged; the bearing beside a damaged one is sound.",
        "",
        *table(["records", "outer race", "inner race", "rolling element", "all damaged", "wrong part", "sound ones accused"], rows),
        "",
        "Wrong with whole records: " + (", ".join(f"{one.file} ({one.truth}, said {one.label})" for one in wrong) or "none") + ".",
    ]


def _counts(verdicts: list[Verdict]) -> list[str]:
    damaged, sound = [one for one in verdicts if one.truth != "none"], [one for one in verdicts if one.truth == "none"]
    by_part = [[one.label == part for one in damaged if one.truth == part] for part in PARTS]
    return [
        *(f"{sum(right)}/{len(right)}" for right in by_part),
        f"{sum(map(sum, by_part))}/{len(damaged)}",
        str(sum(one.label not in {one.truth, "none"} for one in damaged)),
        f"{sum(one.label != 'none' for one in sound)}/{len(sound)}",
    ]


def _verdicts(results: Results) -> dict[str, list[Verdict]]:
    return {name: [Verdict(*row) for row in rows] for name, rows in results["lengths"].items()}
