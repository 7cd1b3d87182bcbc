"""Goertzel's line and control charts in plain Python, from the definitions: every verdict from all values so far."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence


def goertzel(x: Sequence[float], rate_hz: float, hz: float) -> float:
    """Return the peak amplitude of the line at `hz`."""
    if not x or not 0 <= hz <= rate_hz / 2:
        raise ValueError("no samples or no such line")
    amplitude = abs(sum(v * cmath.rect(1, -2 * math.pi * hz / rate_hz * i) for i, v in enumerate(x))) / len(x)
    return amplitude if hz in {0, rate_hz / 2} else 2 * amplitude


def _sign(high: float, low: float, limit: float) -> int:
    if max(high, low) <= limit:
        return 0
    return 1 if high >= low else -1


def ewma(values: Sequence[float], mean: float, deviation: float, weight: float = 0.2, width: float = 3.0) -> int:
    """Return where `Ewma` stands after these values."""
    t = len(values)
    average = (1 - weight) ** t * mean + sum(weight * (1 - weight) ** (t - 1 - i) * v for i, v in enumerate(values))
    reach = width * deviation * math.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * t)))
    return _sign(average - mean, mean - average, reach)


def cusum(values: Sequence[float], mean: float, deviation: float, k: float = 0.5, h: float = 5.0) -> int:
    """Return where `Cusum` stands after these values: the largest sum of the last values, of however many."""
    z = [(v - mean) / deviation for v in values]
    high = max((sum(v - k for v in z[i:]) for i in range(len(z))), default=0.0)
    low = max((sum(-v - k for v in z[i:]) for i in range(len(z))), default=0.0)
    return _sign(high, low, h)


def page_hinkley(values: Sequence[float], delta: float, threshold: float, least: int = 30) -> int:
    """Return where `PageHinkley` stands after these values: how far the sums lie above their smallest."""
    rise, fall = [0.0], [0.0]
    for i, v in enumerate(values):
        mean = sum(values[: i + 1]) / (i + 1)
        rise.append(rise[-1] + v - mean - delta)
        fall.append(fall[-1] - v + mean - delta)
    if len(values) < least:
        return 0
    return _sign(rise[-1] - min(rise), fall[-1] - min(fall), threshold)
