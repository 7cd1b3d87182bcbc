"""Statistics of a signal and the robust slope, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from cython_ext.results import Statistics


def statistics(x: Sequence[float]) -> Statistics:
    """Return the `Statistics` of `x`."""
    n = len(x)
    if n == 0:
        raise ValueError("no samples")
    if not all(map(math.isfinite, x)):
        return Statistics(n, *[math.nan] * 9)
    mean = math.fsum(x) / n
    second, third, fourth = (math.fsum((v - mean) ** power for v in x) / n for power in (2, 3, 4))
    low, high = min(x), max(x)
    if low == high:
        return Statistics(n, low, 0.0, 0.0, 0.0, math.nan, math.nan, math.nan, low, high)
    rms = math.sqrt(second)
    peak = max(abs(v - mean) for v in x)
    return Statistics(n, mean, rms, peak, high - low, peak / rms, third / rms**3, fourth / second**2, low, high)


def theil_sen(t: Sequence[float], y: Sequence[float]) -> float:
    """Return the median of the slopes between all pairs of points at different t."""
    if not all(map(math.isfinite, (*t, *y))):
        return math.nan
    pairs = combinations(zip(t, y, strict=True), 2)
    slopes = sorted((yb - ya) / (tb - ta) for (ta, ya), (tb, yb) in pairs if ta != tb)
    if not slopes:
        raise ValueError("no two different times")
    upper, lower = slopes[len(slopes) // 2], slopes[(len(slopes) - 1) // 2]
    return lower + (upper - lower) / 2
