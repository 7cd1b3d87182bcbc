"""Campaigns: long runs against a promise; small ones of the same kind are part of the normal tests.

A campaign is a folder `tests/campaign/NAME` with a module `campaign`, whose own first sentence opens its section of
docs/campaigns.md, and which has three functions:

    jobs(scale: float) -> list[Job]            what there is to do; a scale of 1 is the whole campaign, 0.01 a look at it
    lines(results: Results) -> list[str]       the section of the page, as lines of Markdown
    broken(results: Results) -> list[str]      the promises that were not kept, each in words

and may have a fourth, `missing() -> str`: what it lacks here that the project does not have, in words; empty where it can run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Results = dict[str, dict[str, list[Any]]]
"""What the jobs of a campaign returned, by part and name; a part without results is empty, not missing."""


class Job(NamedTuple):
    """One call in a process of its own.

    Attributes:
        part: which table of the section its result belongs to.
        name: unique within its part.
        call: a function at the top of its module; what it returns is made of what JSON knows.
        arguments: of the call.
        alone: nothing else of the campaign runs beside it, since it measures the processor or the time.
    """

    part: str
    name: str
    call: Callable[..., Sequence[Any]]
    arguments: tuple[Any, ...] = ()
    alone: bool = False
