"""A straight line through points, how sure its slope is, and when it reaches a level.

Ordinary least squares with Student's t; a point further than five robust standard deviations from the line of Theil and Sen is left
out first, so that one wrong day does not make a trend. The time at which a level is reached has the interval of Fieller (Journal of
the Royal Statistical Society B 16, 1954), which knows that level and slope are uncertain together.
"""

from __future__ import annotations

import functools
import math
from array import array
from collections.abc import Sequence

from msgspec import Struct

from cython_ext.statistics import theil_sen

from .robust import median, spread

FEWEST = 7
"""With fewer points than this nothing is said of a slope."""

_OUTLIER = 5.0
_FEWEST_TO_JUDGE = 14
"""With fewer points nobody can say which one is wrong: leaving the furthest out would make the interval too small."""


class Line(Struct):
    """A straight line y = centre_y + slope (t - centre_t).

    Attributes:
        low: lower end of the interval of the slope.
        high: its upper end.
        used: how many points it goes through; `left_out` is how many were too far away.
    """

    centre_t: float
    centre_y: float
    slope: float
    low: float
    high: float
    used: int
    left_out: int
    quantile: float
    error: float  # standard deviation of the residuals
    square: float  # sum of (t - centre_t)²

    @property
    def sure(self) -> bool:
        """Whether the interval of the slope leaves out 0."""
        return self.low > 0 or self.high < 0

    def at(self, t: float) -> float:
        """Return y at a time."""
        return self.centre_y + self.slope * (t - self.centre_t)

    def reaches(self, level: float) -> tuple[float, float, float] | None:
        """Return the time at which the line reaches a level, and the interval of that time; None when its slope is not sure."""
        if not self.sure:
            return None
        away = level - self.centre_y
        scatter = (self.quantile * self.error) ** 2
        a = self.slope**2 - scatter / self.square
        root = math.sqrt(max(0.0, (self.slope * away) ** 2 - a * (away**2 - scatter / self.used)))
        ends = sorted(((self.slope * away - root) / a, (self.slope * away + root) / a))
        return self.centre_t + away / self.slope, self.centre_t + ends[0], self.centre_t + ends[1]


def line(t: Sequence[float], y: Sequence[float], *, confidence: float = 0.8) -> Line | None:
    """Return the line through points, with the interval of its slope; None with fewer than `FEWEST` or all at one time."""
    if len(t) < FEWEST or min(t) == max(t):
        return None
    kept = _without_outliers(t, y)
    if len(kept) < FEWEST or len({time for time, _ in kept}) < 3:
        kept = list(zip(t, y, strict=True))
    n = len(kept)
    centre_t, centre_y = math.fsum(time for time, _ in kept) / n, math.fsum(value for _, value in kept) / n
    square = math.fsum((time - centre_t) ** 2 for time, _ in kept)
    slope = math.fsum((time - centre_t) * (value - centre_y) for time, value in kept) / square
    rest = math.fsum((value - centre_y - slope * (time - centre_t)) ** 2 for time, value in kept)
    error = math.sqrt(rest / (n - 2))
    quantile = student_t(0.5 + confidence / 2, n - 2)
    margin = quantile * error / math.sqrt(square)
    return Line(centre_t, centre_y, slope, slope - margin, slope + margin, n, len(t) - n, quantile, error, square)


def _without_outliers(t: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    if len(t) < _FEWEST_TO_JUDGE:
        return list(zip(t, y, strict=True))
    start = t[0]
    slope = theil_sen(array("d", [time - start for time in t]), array("d", y))
    rests = [value - slope * (time - start) for time, value in zip(t, y, strict=True)]
    middle = median(rests)
    most = _OUTLIER * spread(rests, middle)
    return [(time, value) for time, value, rest in zip(t, y, rests, strict=True) if abs(rest - middle) <= most or most == 0]


@functools.lru_cache(maxsize=512)
def student_t(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t for 0.5 <= probability < 1 and a whole number of degrees of freedom, to 1e-9."""
    if probability == 0.5:
        return 0.0
    low, high = 0.0, 1.0
    while _student(high, freedom) < probability:
        low, high = high, high * 2
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _student(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _student(t: float, freedom: int) -> float:
    """Return the distribution function of Student's t at t >= 0: the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine = math.cos(angle)
    term, total = (cosine, 0.0) if freedom % 2 else (1.0, 0.0)
    for k in range(1 if freedom % 2 else 0, freedom - 1, 2):
        total += term
        term *= cosine * cosine * (k + 1) / (k + 2)
    if freedom % 2:
        return 0.5 + (angle + math.sin(angle) * total) / math.pi
    return 0.5 + math.sin(angle) * total / 2
