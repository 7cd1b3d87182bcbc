"""One number a day: the median of what was measured on it, of a bounded sample; kept over restarts."""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec import Struct

from gateway.model import Stamp, TimeQuality

from .robust import median

MOST_DAYS = 400
MOST_SAMPLES = 96
FEWEST_SAMPLES = 3
"""A day with fewer values than this says nothing."""

DAY_NS = 86_400 * 10**9


class KeptDays(Struct):
    """What is kept: medians by day (since 1970, UTC), and the sample of the day that is not over."""

    days: list[tuple[int, float]] = []
    today: int | None = None
    seen: int = 0
    sample: list[float] = []


class Days:
    """Collects values into medians by day; a day ends when a later one begins by a clock that is known."""

    def __init__(self, draw: random.Random) -> None:
        self.kept = KeptDays()
        self._draw = draw

    @property
    def days(self) -> Sequence[tuple[int, float]]:
        """The days that are over, each with its median."""
        return self.kept.days

    def take(self, value: float, stamp: Stamp) -> bool:
        """Take a value; return whether a day has ended with it. While the clock is not known it belongs to the day that is open."""
        kept = self.kept
        ended = False
        if stamp.quality is not TimeQuality.UNCERTAIN:
            day = stamp.wall_ns // DAY_NS
            if kept.today is None:
                kept.today = day
            elif day > kept.today:
                ended = self._end()
                kept.today = day
        kept.seen += 1
        if len(kept.sample) < MOST_SAMPLES:
            kept.sample.append(_rounded(value))
        elif (place := self._draw.randrange(kept.seen)) < MOST_SAMPLES:
            kept.sample[place] = _rounded(value)
        return ended

    def _end(self) -> bool:
        kept = self.kept
        enough = len(kept.sample) >= FEWEST_SAMPLES and kept.today is not None
        if enough and kept.today is not None and (not kept.days or kept.days[-1][0] < kept.today):
            kept.days = [*kept.days[1 - MOST_DAYS :], (kept.today, median(kept.sample))]
        kept.seen, kept.sample = 0, []
        return enough


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
