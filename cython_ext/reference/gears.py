"""Figures of a gear, in plain Python."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable, Sequence

from cython_ext.results import GearFigures

_FLOOR = 1e-6
_LEAST = 1e-150


class Gear:
    """Figures of one gear from its synchronous average; see `cython_ext.gears.Gear`."""

    def __init__(self, samples_per_rev: int, teeth: int) -> None:
        self.samples_per_rev = samples_per_rev
        self.teeth = teeth
        self.variances: list[float] = []

    def measure(self, average: Sequence[float]) -> GearFigures:
        """Return the figures of a mean revolution."""
        n, teeth = self.samples_per_rev, self.teeth
        if not all(map(math.isfinite, average)):
            return GearFigures(*[math.nan] * 6)
        mean = math.fsum(average) / n
        signal = [v - mean for v in average]
        rms = math.sqrt(math.fsum(v * v for v in signal) / n)
        lines = [
            2 / n * sum(v * cmath.rect(1, -2 * math.pi * (k * i % n) / n) for i, v in enumerate(signal))
            for k in range((n + 1) // 2)
        ]
        meshes = range(teeth, len(lines), teeth)
        beside = {k + side for k in range(teeth, len(lines) + 1, teeth) for side in (-1, 1)}
        residual = _without(signal, lines, {1, 2, *meshes})
        second, fourth = _moments(residual)
        na4 = math.nan
        if second > max(_LEAST, (_FLOOR * rms) ** 2):
            self.variances.append(second)
            na4 = fourth / (math.fsum(self.variances) / len(self.variances)) ** 2
        mesh = abs(lines[teeth])
        harmonics = math.fsum(abs(lines[k]) for k in meshes)
        sides = math.fsum(abs(lines[teeth + side]) for side in (-3, -2, -1, 1, 2, 3))
        return GearFigures(
            mesh,
            sides / mesh if mesh > _FLOOR * rms else math.nan,
            (max(average) - min(average)) / harmonics if harmonics > _FLOOR * rms else math.nan,
            _kurtosis(_without(signal, lines, {1, 2, *meshes, *beside}), rms),
            na4,
            _kurtosis(residual, rms),
        )


def _without(signal: Sequence[float], lines: Sequence[complex], orders: Iterable[int]) -> list[float]:
    n = len(signal)
    gone = [k for k in orders if k < len(lines)]
    return [
        v - math.fsum((lines[k] * cmath.rect(1, 2 * math.pi * (k * i % n) / n)).real for k in gone) for i, v in enumerate(signal)
    ]


def _moments(x: Sequence[float]) -> tuple[float, float]:
    return math.fsum(v**2 for v in x) / len(x), math.fsum(v**4 for v in x) / len(x)


def _kurtosis(x: Sequence[float], rms: float) -> float:
    second, fourth = _moments(x)
    return fourth / second**2 if second > max(_LEAST, (_FLOOR * rms) ** 2) else math.nan
