"""The speed of a shaft and the floor of a density in plain Python; see `cython_ext.shaft`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .bearing import clipped, median, nearest

_NAN = math.nan


def shaft_speed(psd: Sequence[float], bin_hz: float, shaft_hz: float, tolerance: float = 0.03) -> tuple[float, float]:
    """Return the speed whose harmonics fit the density best, and their mean level in dB."""
    lowest, highest = shaft_hz * (1 - tolerance) / bin_hz, shaft_hz * (1 + tolerance) / bin_hz
    fitting = [k * highest + 2 < len(psd) and k * lowest >= 2 for k in range(1, 11)]
    lines = [*fitting, False].index(False)
    if lines < 3:
        return _NAN, 0.0
    half = max(5, int(0.4 * shaft_hz / bin_hz))
    floors = []
    for k in range(1, lines + 1):
        middle = nearest(k * shaft_hz / bin_hz)
        around = psd[max(1, middle - half) : middle + half + 1]
        if not all(map(math.isfinite, around)):
            return _NAN, 0.0
        floors.append(median(around))
    n = max(3, int(8 * tolerance * shaft_hz * lines / bin_hz) + 1)
    found = []
    for j in range(n):
        hz = shaft_hz * (1 - tolerance) + 2 * tolerance * shaft_hz / (n - 1) * j
        db = math.fsum(_between(psd, k * hz / bin_hz, floor) for k, floor in enumerate(floors, 1)) / lines
        found.append((db - 2 * (100 * (hz / shaft_hz - 1)) ** 2, hz, db))
    _, hz, db = max(found, key=lambda one: one[0])
    return hz, db


def _between(psd: Sequence[float], position: float, floor: float) -> float:
    """Return the level in dB at a position between bins, by a parabola through the three nearest."""
    i = nearest(position)
    if not (floor > 0 and all(v > 0 for v in psd[i - 1 : i + 2])):
        return 0.0
    below, here, above = (10 * math.log10(v / floor) for v in psd[i - 1 : i + 2])
    offset = position - i
    return clipped(here + offset * (above - below) / 2 + offset**2 * (below - 2 * here + above) / 2)


def floor_of(psd: Sequence[float], first: int) -> tuple[float, float]:
    """Return the power of a density and that of its floor from bin `first` on."""
    if not all(map(math.isfinite, psd)):
        return _NAN, _NAN
    return math.fsum(psd), median(psd[first:]) * (len(psd) - first)
