"""What is usual, learned of samples of which some may be wrong: robust centre and spread, and the distance of many values together.

Centre is the median, spread 1.4826 times the median absolute deviation, which is the standard deviation of Gaussian values. The
distance is Mahalanobis' over standardised logarithms, their covariance shrunk by the rule of Ledoit and Wolf (Journal of
Multivariate Analysis 88, 2004). No numpy: at most a dozen values at a time.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from operator import mul

from msgspec import Struct

GAUSSIAN = 1.4826
"""Standard deviations per median absolute deviation of Gaussian values: 1 / 0.67449."""

MOST_AT_ONCE = 12
"""How many values a distance is taken of at most."""

_CLIPPED_AT = 5.0
_LEAST_SPREAD = 1e-3
_LEAST_SHARE = 1e-3


def median(values: Sequence[float]) -> float:
    """Return the median of one or more values."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def spread(values: Sequence[float], centre: float) -> float:
    """Return the robust standard deviation of values about their centre; 0 where more than half of them are equal."""
    return GAUSSIAN * median([abs(value - centre) for value in values])


class Usual(Struct):
    """What is usual of a group of values that are taken together.

    Attributes:
        centre: median of each.
        spread: robust standard deviation of each, at least a thousandth of the centre; 0 where nothing ever varied about 0.
        together: places of the values whose distance is taken: those that are always positive.
        scale: robust standard deviation of the logarithm of each of these.
        factor: lower Cholesky factor of the covariance of their standardised logarithms, row by row.
        shrinkage: how far that covariance was moved towards independence, 0 to 1.
    """

    centre: list[float]
    spread: list[float]
    together: list[int]
    scale: list[float]
    factor: list[list[float]]
    shrinkage: float

    def z(self, place: int, value: float) -> float | None:
        """Return by how many robust standard deviations a value lies above its centre; None where it never varied."""
        return (value - self.centre[place]) / self.spread[place] if self.spread[place] > 0 else None

    def distance(self, values: Sequence[float | None]) -> float | None:
        """Return how far values lie from the usual ones, about 1 for usual ones; None when one of them is missing.

        It is Mahalanobis' distance divided by the root of the number of values, so that it means the same for few and for many.
        """
        standard: list[float] = []
        for place, scale in zip(self.together, self.scale, strict=True):
            if (value := values[place]) is None:
                return None
            centre = self.centre[place]
            standard.append(math.log(max(value / centre, _LEAST_SHARE)) / scale)
        if not standard:
            return None
        solved = _solved(self.factor, standard)
        return math.sqrt(sum(map(mul, solved, solved)) / len(solved))


def usual(rows: Sequence[Sequence[float]]) -> Usual:
    """Return what is usual of rows of values that were taken together; two or more rows."""
    work = finding(rows)
    while True:
        try:
            next(work)
        except StopIteration as done:
            found: Usual = done.value
            return found


def finding(rows: Sequence[Sequence[float]]) -> Generator[None, None, Usual]:
    """Find what is usual of rows step by step, each so short that an event loop can take it in between; returns it at the end."""
    centres: list[float] = []
    spreads: list[float] = []
    together: list[int] = []
    scales: list[float] = []
    standard: list[list[float]] = []
    for place, column in enumerate(zip(*rows, strict=True)):
        centre = median(column)
        centres.append(centre)
        spreads.append(max(spread(column, centre), _LEAST_SPREAD * abs(centre)))
        yield
        if min(column) <= 0 or len(together) == MOST_AT_ONCE:
            continue
        logs = [math.log(value / centre) for value in column]
        scale = max(spread(logs, 0.0), _LEAST_SPREAD)
        together.append(place)
        scales.append(scale)
        standard.append([min(_CLIPPED_AT, max(-_CLIPPED_AT, value / scale)) for value in logs])
        yield
    covariance, shrinkage = (yield from shrinking(_plausible(standard))) if together else ([], 1.0)
    return Usual(centres, spreads, together, scales, cholesky(covariance), shrinkage)


def _plausible(columns: list[list[float]]) -> list[list[float]]:
    """Return columns without the rows in which a value lies beyond all reason; all of them where that is more than a quarter."""
    kept = [row for row in zip(*columns, strict=True) if max(map(abs, row)) < _CLIPPED_AT]
    if 4 * len(kept) < 3 * len(columns[0]):
        return columns
    return [list(column) for column in zip(*kept, strict=True)]


def shrinking(columns: Sequence[Sequence[float]]) -> Generator[None, None, tuple[list[list[float]], float]]:
    """Find the covariance of columns about 0, shrunk towards a multiple of the identity, and by how much (0 to 1)."""
    n, p = len(columns[0]), len(columns)
    raw = [[0.0] * p for _ in range(p)]
    for i, first in enumerate(columns):
        for j in range(i + 1):
            raw[i][j] = raw[j][i] = sum(map(mul, first, columns[j])) / n
        yield
    mean = sum(raw[i][i] for i in range(p)) / p
    square = sum(sum(map(mul, row, row)) for row in raw)
    away = square - p * mean * mean
    lengths = [sum(map(mul, row, row)) for row in zip(*columns, strict=True)]
    noise = (sum(map(mul, lengths, lengths)) / n - square) / n
    shrinkage = 1.0 if away <= 0 else min(1.0, max(0.0, noise / away))
    for i in range(p):
        for j in range(p):
            raw[i][j] *= 1 - shrinkage
        raw[i][i] += shrinkage * mean
    return raw, shrinkage


def cholesky(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return the lower factor L of a symmetric positive definite matrix L L', row by row; a tiny pivot is held off 0."""
    lower: list[list[float]] = []
    for i, row in enumerate(matrix):
        made: list[float] = []
        for j in range(i):
            made.append((row[j] - sum(map(mul, made, lower[j][:j]))) / lower[j][j])
        pivot = row[i] - sum(map(mul, made, made))
        made.append(math.sqrt(max(pivot, 1e-9 * max(row[i], 1e-9))))
        lower.append(made)
    return lower


def _solved(lower: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Return x of L x = right."""
    found: list[float] = []
    for row, value in zip(lower, right, strict=True):
        found.append((value - sum(map(mul, row[:-1], found))) / row[-1])
    return found
