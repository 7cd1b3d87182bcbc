"""Order tracking, in plain Python."""

from __future__ import annotations

import cmath
import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

_REACH = 2


def _between(x: Sequence[float], position: float) -> float:
    """Lagrange's polynomial through the three samples on either side."""
    first = math.floor(position) - _REACH
    places = range(first, first + 6)
    return math.fsum(x[j] * math.prod((position - m) / (j - m) for m in places if m != j) for j in places)


class AngleResampler:
    """Reads a waveform at equal steps of the shaft's angle; see `cython_ext.orders.AngleResampler`."""

    def __init__(self, samples_per_rev: int, rate_hz: float) -> None:
        self.samples_per_rev = samples_per_rev
        self.rate_hz = rate_hz

    def constant(self, x: Sequence[float], shaft_hz: float, out: array[float]) -> int:
        """Resample at a steady speed."""
        return self._write(x, lambda revs: _REACH / self.rate_hz + revs / shaft_hz, out)

    def profile(self, x: Sequence[float], times_s: Sequence[float], speeds_hz: Sequence[float], out: array[float]) -> int:
        """Resample along a speed that is linear between its values."""

        def speed(t: float) -> float:
            j = bisect_right(times_s, t)
            if j in (0, len(times_s)):
                return speeds_hz[min(j, len(times_s) - 1)]
            share = (t - times_s[j - 1]) / (times_s[j] - times_s[j - 1])
            return speeds_hz[j - 1] + share * (speeds_hz[j] - speeds_hz[j - 1])

        start = _REACH / self.rate_hz
        knots = [start, *(t for t in times_s if t > start)]
        phases = [0.0, *accumulate((speed(a) + speed(b)) / 2 * (b - a) for a, b in pairwise(knots))]

        def time(revs: float) -> float:
            j = bisect_right(phases, revs) - 1
            low, high = knots[j], knots[j + 1] if j + 1 < len(knots) else knots[j] + (revs - phases[j]) / speed(knots[j])
            for _ in range(80):  # the phase is searched, not solved for
                middle = (low + high) / 2
                gained = (speed(knots[j]) + speed(middle)) / 2 * (middle - knots[j])
                low, high = (middle, high) if phases[j] + gained < revs else (low, middle)
            return high

        return self._write(x, time, out)

    def tacho(self, x: Sequence[float], edges_s: Sequence[float], out: array[float], pulses_per_rev: int = 1) -> int:
        """Resample between the pulses of a tacho."""
        edges = [t for t in edges_s if t * self.rate_hz >= _REACH]
        skipped = len(edges_s) - len(edges)

        def pace(i: int) -> float:
            i += skipped
            if i in (0, len(edges_s) - 1):
                return edges_s[max(i, 1)] - edges_s[max(i, 1) - 1]
            before, behind = edges_s[i] - edges_s[i - 1], edges_s[i + 1] - edges_s[i]
            return min((before + behind) / 2, 3 * before, 3 * behind)

        def time(revs: float) -> float:
            i = math.floor(revs * pulses_per_rev)
            if i + 1 >= len(edges):
                return math.inf
            u = revs * pulses_per_rev - i
            return (
                edges[i] * (1 + 2 * u) * (1 - u) ** 2
                + pace(i) * u * (1 - u) ** 2
                + edges[i + 1] * u * u * (3 - 2 * u)
                + pace(i + 1) * u * u * (u - 1)
            )

        return self._write(x, time, out) if len(edges_s) > 1 else 0

    def _write(self, x: Sequence[float], time: Callable[[float], float], out: array[float]) -> int:
        for k in range(len(out)):
            position = time(k / self.samples_per_rev) * self.rate_hz
            if position >= len(x) - _REACH - 1:
                return k // self.samples_per_rev
            out[k] = _between(x, position)
        return len(out) // self.samples_per_rev


def order_spectrum(psd: Sequence[float], bin_orders: float, out: array[float]) -> array[float]:
    """Write the peak amplitude of every bin of a Hann-windowed density."""
    for k, density in enumerate(psd):
        out[k] = math.sqrt(2 * 1.5 * density * bin_orders)
    return out


def synchronous_average(x: Sequence[float], out: array[float]) -> int:
    """Write the mean revolution; return the number of revolutions."""
    revs = len(x) // len(out)
    for i in range(len(out)):
        out[i] = math.fsum(x[r * len(out) + i] for r in range(revs)) / revs
    return revs


def difference(x: Sequence[float], average: Sequence[float], out: array[float]) -> array[float]:
    """Write `x` without its mean revolution."""
    for i, value in enumerate(x):
        out[i] = value - average[i % len(average)]
    return out


def drift(x: Sequence[float], samples_per_rev: int, order: int, out: array[float]) -> float:
    """Write how far ahead the shaft was, per revolution; return the coherence."""
    revs = len(x) // samples_per_rev
    wave = [cmath.rect(1, -2 * math.pi * order * i / samples_per_rev) for i in range(samples_per_rev)]
    lines = [sum(v * w for v, w in zip(x[r * samples_per_rev :], wave, strict=False)) for r in range(revs)]
    if revs < 2:
        return math.nan
    steps = [b * a.conjugate() for a, b in pairwise(lines)]
    for r, ahead in enumerate(accumulate([0.0, *map(cmath.phase, steps)])):
        out[r] = ahead / (2 * math.pi * order)
    total = math.fsum(map(abs, steps))
    return abs(sum(steps)) / total if total else 0.0
