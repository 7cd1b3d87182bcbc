"""Spectral kurtosis of a 1/3-binary tree of bands in plain Python, each band on all samples."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from itertools import pairwise

from cython_ext.results import Band

from .envelope import analytic
from .spectrum import next_fast_length

NOISE = 10.0


class Kurtogram:
    """Where the blows are; see `cython_ext.kurtogram.Kurtogram`."""

    def __init__(self, samples: int, rate_hz: float, levels: int, *, low_hz: float = 0.0, high_hz: float | None = None) -> None:
        step = 128 if samples >= 4096 else 2
        self.samples = samples
        self.n = next(n for n in range(samples - samples % step, 0, -step) if next_fast_length(n) == n)
        self.bin_hz = rate_hz / self.n
        self._first = max(1, math.floor(low_hz / self.bin_hz + 0.5))
        last = min(self.n // 2 - 1, math.floor((rate_hz / 2 if high_hz is None else high_hz) / self.bin_hz + 0.5))
        self._count = last - self._first + 1
        self._parts = sorted([2**level for level in range(levels + 1)] + [3 * 2 ** (level - 1) for level in range(1, levels)])
        self.cells = sum(self._parts)

    def _begins(self) -> list[tuple[int, int]]:
        at = [[self._first + cell * self._count // parts for cell in range(parts + 1)] for parts in self._parts]
        return [pair for row in at for pair in pairwise(row)]

    def bands(self) -> list[tuple[float, float]]:
        """Return low and high edge of every band."""
        return [(begin * self.bin_hz, end * self.bin_hz) for begin, end in self._begins()]

    def table(self, x: Sequence[float], out: array[float] | None = None) -> array[float]:
        """Return the spectral kurtosis of every band."""
        if len(x) != self.samples:
            raise ValueError("the number of samples does not fit")
        out = array("f", bytes(4 * self.cells)) if out is None else out
        for i, (begin, end) in enumerate(self._begins()):
            squares = [abs(value) ** 2 for value in analytic(x[: self.n], self.n, begin, end - 1)]
            power = math.fsum(squares)
            out[i] = math.fsum(square * square for square in squares) * self.n / power**2 - 2 if power else 0.0
        return out

    def best(self, x: Sequence[float]) -> Band:
        """Return the band with the highest kurtosis of those that stand out, or the one nearest to it."""
        found = []
        for (low_hz, high_hz), kurtosis in zip(self.bands(), self.table(x), strict=True):
            deviations = kurtosis * math.sqrt((high_hz - low_hz) / self.bin_hz) / 2
            found.append(Band(low_hz, high_hz, kurtosis, deviations, deviations >= NOISE))
        standing = [band for band in found if band.stands_out]
        return max(standing, key=lambda band: band.kurtosis) if standing else max(found, key=lambda band: band.deviations)
