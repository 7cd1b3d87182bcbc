"""Scores of bearing faults in plain Python; see `cython_ext.bearing`."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

_NAN = math.nan
_MOST_DB = 40.0
_WEIGHTS = (2, 1, 1, 1)


def nearest(position: float) -> int:
    """Return the bin nearest to a position."""
    return math.floor(position + 0.5)


def median(values: Sequence[float]) -> float:
    """Return the value with half of the others before it."""
    return sorted(values)[len(values) // 2]


def clipped(db: float) -> float:
    """Return a level from 0 to 40 dB."""
    return min(max(db, 0.0), _MOST_DB)


class BearingScores:
    """Scores one bearing on spectra; see `cython_ext.bearing.BearingScores`."""

    def __init__(self, bins: int, bin_hz: float, outer: float, inner: float, element: float, cage: float) -> None:
        self._bins = bins
        self.bin_hz = bin_hz
        self._rates = (outer, inner, 2 * element, cage)

    def scores(self, spectrum: Sequence[float], shaft_hz: float, out: array[float] | None = None) -> array[float]:
        """Return four scores, the level of the cage's tail and the four rates found."""
        out = array("d", [_NAN] * 9) if out is None else out
        out[:] = array("d", [_NAN] * 9)
        if not all(map(math.isfinite, spectrum)):
            return out
        for kind, rate in enumerate(self._rates):
            slip = 0.015 if kind == 3 else 0.008
            out[kind], out[5 + kind] = self._comb(spectrum, shaft_hz, rate * shaft_hz, slip, kind == 1)
        if out[8] > 0 and self._fits(7 * out[8]):
            out[4] = median([self.level(spectrum, shaft_hz, k * out[8]) for k in (5, 6, 7)])
        return out

    def level(self, spectrum: Sequence[float], shaft_hz: float, hz: float) -> float:
        """Return the level of the line at `hz` in dB."""
        if not (hz > 0 and self._fits(hz)) or not all(map(math.isfinite, spectrum)):
            return _NAN
        return self._level(spectrum, nearest(hz / self.bin_hz), shaft_hz, self._around(spectrum, hz, shaft_hz))

    def _fits(self, hz: float) -> bool:
        return hz / self.bin_hz + 0.5 < self._bins - 1

    def _around(self, spectrum: Sequence[float], hz: float, shaft_hz: float) -> float:
        middle, half = nearest(hz / self.bin_hz), max(5, int(0.3 * shaft_hz / self.bin_hz))
        return median(spectrum[max(1, middle - half) : middle + half + 1])

    def _level(self, spectrum: Sequence[float], i: int, shaft_hz: float, median: float) -> float:
        if not 1 <= i <= self._bins - 2:
            return 0.0
        peak = max(spectrum[n] for n in (i - 1, i, i + 1) if not self._is_shaft(n, shaft_hz)) if self._any(i, shaft_hz) else 0.0
        if not peak > 0:
            return 0.0
        return clipped(20 * math.log10(peak / median)) if median > 0 else _MOST_DB

    def _any(self, i: int, shaft_hz: float) -> bool:
        return not all(self._is_shaft(n, shaft_hz) for n in (i - 1, i, i + 1))

    def _is_shaft(self, i: int, shaft_hz: float) -> bool:
        hz = i * self.bin_hz
        order = nearest(hz / shaft_hz)
        return order >= 1 and abs(hz - order * shaft_hz) <= max(2 * self.bin_hz, 0.001 * hz) * 1.000001

    def _comb(self, spectrum: Sequence[float], shaft_hz: float, rate: float, slip: float, sidebands: bool) -> tuple[float, float]:
        n = min(max(int(16 * slip * rate / self.bin_hz) + 1, 3), int(8 * 0.015 * self._bins) + 4)
        rates = [rate * (1 - slip) + 2 * slip * rate / (n - 1) * j for j in range(n)]
        lines, weights = [], []
        for k, weight in enumerate(_WEIGHTS, 1):
            if levels := self._levels(spectrum, shaft_hz, rate, rates, k, 0.0):
                lines.append([weight * level for level in levels])
                weights.append(weight)
        if len(lines) < 2:
            return _NAN, _NAN
        means = [sum(levels) / sum(weights) for levels in zip(*lines, strict=True)]
        offsets = [(k, side * shaft_hz) for k in (1, 2, 3) for side in (-1, 1)] if sidebands else []
        if sides := [levels for k, hz in offsets if (levels := self._levels(spectrum, shaft_hz, rate, rates, k, hz))]:
            means = [(mean + sum(levels) / len(sides)) / 2 for mean, *levels in zip(means, *sides, strict=True)]
        best = max(means)
        first = last = means.index(best)
        while last + 1 < n and means[last + 1] == best:
            last += 1
        return best, (rates[first] + rates[last]) / 2

    def _levels(
        self, spectrum: Sequence[float], shaft_hz: float, rate: float, rates: Sequence[float], k: int, beside_hz: float
    ) -> list[float]:
        if not self._fits(k * rates[-1] + beside_hz) or k * rates[0] + beside_hz <= 0:
            return []
        median = self._around(spectrum, k * rate + beside_hz, shaft_hz)
        return [self._level(spectrum, nearest((k * hz + beside_hz) / self.bin_hz), shaft_hz, median) for hz in rates]
