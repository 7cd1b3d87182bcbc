"""What strangers may send to the live lane: whatever it is, it is read or refused at once, and nothing else happens."""

from __future__ import annotations

from tests.campaign import Job, Results
from tests.campaign.sparkplug.fuzz import TARGETS, Result, fuzz
from tests.page import table

INPUTS = 1_000_000
LONGEST_MS = 1000.0
"""No input may compute for longer."""


def jobs(scale: float) -> list[Job]:
    """Return a job for each decoder."""
    return [Job("inputs", target, fuzz, (target, max(1000, round(scale * INPUTS)))) for target in TARGETS]


def broken(results: Results) -> list[str]:
    """Return which promises were not kept."""
    return [
        f"{target}: {one.uncaught} uncaught, the longest {one.longest_ms:g} ms; {one.first}"
        for target, one in _named(results)
        if one.uncaught or one.longest_ms > LONGEST_MS or not 0 < one.taken < one.inputs
    ]


def lines(results: Results) -> list[str]:
    """Return the section of the page."""
    return [
        "Valid messages with one to six changes: bytes replaced, put in, repeated, cut off.",
        "",
        *table(
            ["target", "inputs", "taken", "refused", "uncaught", "longest ms"],
            [
                [
                    target,
                    f"{one.inputs:,}",
                    f"{one.taken:,}",
                    f"{one.inputs - one.taken:,}",
                    str(one.uncaught),
                    f"{one.longest_ms:g}",
                ]
                for target, one in _named(results)
            ],
        ),
    ]


def _named(results: Results) -> list[tuple[str, Result]]:
    return [(target, Result(*row)) for target, row in results["inputs"].items()]
