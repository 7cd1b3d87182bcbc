"""The speed of a shaft in a spectrum, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median, pstdev

from cython_ext.results import ShaftSpeed

_BESIDE = (0.15, 0.18, 0.21, 0.29, 0.38, 0.41, 0.44, 0.56, 0.59, 0.62, 0.71, 0.79, 0.82, 0.85)


class SpeedComb:
    """Finds the speed of a shaft in densities of one shape; see `cython_ext.comb.SpeedComb`."""

    def __init__(self, bins: int, bin_hz: float, low_hz: float, high_hz: float) -> None:
        self.bins, self.bin_hz, self.low_hz, self.high_hz = bins, bin_hz, low_hz, high_hz
        self.harmonics = min(10, math.floor((bins - 2) * bin_hz / high_hz))
        self._step = bin_hz / (2 * self.harmonics)
        self._speeds = [low_hz + i * self._step for i in range(math.floor((high_hz - low_hz) / self._step) + 1)]
        self._used = min(bins, math.ceil(self.harmonics * high_hz / bin_hz) + 2)
        self._level: list[float] = []

    def estimate(self, psd: Sequence[float]) -> ShaftSpeed:
        """Return the speed that a density shows."""
        if not all(map(math.isfinite, psd)):
            return ShaftSpeed(math.nan, math.nan)
        width = min(128, max(8, math.floor(0.4 * self.low_hz / self.bin_hz)))
        self._level = [0.0]
        for k in range(1, self._used):
            middle = median(psd[max(1, k - width) : k + width + 1])
            above = psd[k] > middle
            self._level.append(min(200.0, 10 * math.log10(psd[k] / middle) if middle > 0 else 200.0) if above else 0.0)
        best = max(self._speeds, key=self._score)
        score = self._score(best)
        hz = best
        for part in (2, 3):
            here = max((best / part + i * self._step for i in range(-4, 5)), key=self._score)
            if here >= self.low_hz and self._score(here) >= 0.75 * score:
                hz = here
        if hz != best:
            score = self._score(hz)
        chances = [max(self._score(speed, beside) for speed in self._speeds) for beside in _BESIDE]
        chance = fmean(chances) + 3 * pstdev(chances)
        confidence = max(0.0, 1 - chance / score) if self._is_shaft(hz) else 0.0
        return ShaftSpeed(self._refined(hz) if confidence >= 0.2 else math.nan, confidence)

    def _score(self, hz: float, beside: float = 0.0) -> float:
        total = 0.0
        for h in range(1, self.harmonics + 1):
            k, share = divmod((h - beside) * hz / self.bin_hz, 1)
            if k + 1 < self._used:
                left, right = (min(20.0, level) for level in self._level[int(k) : int(k) + 2])
                total += (left + share * (right - left)) / math.sqrt(h)
        return total / math.fsum(1 / math.sqrt(h) for h in range(1, self.harmonics + 1))

    def _is_shaft(self, hz: float) -> bool:
        places = [math.floor(h * hz / self.bin_hz + 0.5) for h in range(1, self.harmonics + 1)]
        lines = [k + 1 < self._used and max(self._level[k - 1 : k + 2]) >= 6 for k in places]
        return lines[0] or 2 * sum(lines) >= self.harmonics

    def _refined(self, hz: float) -> float:
        votes = []
        for h in range(1, self.harmonics + 1):
            k = math.floor(h * hz / self.bin_hz + 0.5)
            if not 2 <= k < self._used - 2:
                continue
            k += self._level[k + 1] > self._level[k] or -(self._level[k - 1] > self._level[k])
            left, top, right = self._level[k - 1 : k + 2]
            if top >= max(6, left, right):
                bend = left - 2 * top + right
                votes.append((h * min(20.0, top), (k + (0.5 * (left - right) / bend if bend else 0.0)) * self.bin_hz / h))
        return sum(w * f for w, f in votes) / sum(w for w, _ in votes) if votes else hz
