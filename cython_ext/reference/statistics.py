"""Statistics of a signal and the robust slope, in plain Python."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, groupby, pairwise

from cython_ext.results import Statistics

LEVEL_SAMPLES = 65_536
CLIPPED_RUN = 3


class Moments:
    """Statistics of a signal that comes in buffers; see `cython_ext.statistics.Moments`."""

    def __init__(self) -> None:
        self._parts: list[list[Sequence[float]]] = []  # runs and crossings do not span two of these, but two buffers of one

    def update(self, x: Sequence[float]) -> None:
        """Take the next samples of the signal."""
        if not self._parts:
            self._parts.append([])
        if len(x):
            self._parts[-1].append(x)

    def merge(self, other: Moments) -> None:
        """Take in what another accumulator has seen."""
        self._parts.extend(part[:] for part in other._parts)

    def result(self) -> Statistics:
        """Return the statistics of everything so far."""
        x = [v for part in self._parts for buffer in part for v in buffer]
        n = len(x)
        if n == 0:
            raise ValueError("no samples")
        if wrong := sum(not math.isfinite(v) for v in x):
            return Statistics(n, *[math.nan] * 14, nonfinite=wrong)
        low, high = min(x), max(x)
        if low == high:
            return Statistics(n, low, 0.0, 0.0, 0.0, *[math.nan] * 3, low, low, *[math.nan] * 3, 0.0, 0.0, 0)
        mean = math.fsum(x) / n
        second, third, fourth = (math.fsum((v - mean) ** power for v in x) / n for power in (2, 3, 4))
        rms, peak = math.sqrt(second), max(high - mean, mean - low)
        distances = [abs(v - level) for part in self._parts for buffer in part for level in [_level(buffer)] for v in buffer]
        distance, root = math.fsum(distances) / n, math.fsum(map(math.sqrt, distances)) / n
        return Statistics(
            count=n,
            mean=mean,
            rms=rms,
            peak=peak,
            peak_to_peak=high - low,
            crest=peak / rms,
            skewness=third / rms**3,
            kurtosis=fourth / second**2,
            minimum=low,
            maximum=high,
            shape=rms / distance if distance else math.nan,
            impulse=peak / distance if distance else math.nan,
            clearance=peak / root**2 if root else math.nan,
            zero_crossings=float(sum(map(_crossings, self._parts))),
            clipped=sum(_clipped(part, (low, high)) for part in self._parts) / n,
            nonfinite=0,
        )


def statistics(x: Sequence[float]) -> Statistics:
    """Return the `Statistics` of `x`."""
    moments = Moments()
    moments.update(x)
    return moments.result()


def _level(buffer: Sequence[float]) -> float:
    first = buffer[:LEVEL_SAMPLES]
    return array("f", [math.fsum(first) / len(first)])[0]


def _crossings(part: list[Sequence[float]]) -> int:
    above = [v >= level for buffer in part for level in [_level(buffer)] for v in buffer]
    return sum(a != b for a, b in pairwise(above))


def _clipped(part: list[Sequence[float]], ends: tuple[float, float]) -> int:
    runs = ((value, len(list(run))) for value, run in groupby(v for buffer in part for v in buffer))
    return sum(length for value, length in runs if value in ends and length >= CLIPPED_RUN)


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


def theil_sen_interval(t: Sequence[float], y: Sequence[float], z: float = 1.959963984540054) -> tuple[float, float, float]:
    """Return the Theil-Sen slope and the slopes at the ranks that Kendall's score gives for its interval."""
    slope, n = theil_sen(t, y), len(t)
    if math.isnan(slope):
        return slope, slope, slope
    slopes = sorted((yb - ya) / (tb - ta) for (ta, ya), (tb, yb) in combinations(zip(t, y, strict=True), 2) if ta != tb)
    ties = sum(k * (k - 1) * (2 * k + 5) for x in (t, y) for k in Counter(x).values())
    reach = z * math.sqrt(max(0, n * (n - 1) * (2 * n + 5) - ties) / 18)
    first, last = max(round((len(slopes) - reach) / 2) - 1, 0), min(round((len(slopes) + reach) / 2), len(slopes) - 1)
    return slope, min(slope, slopes[first]), max(slope, slopes[last])
