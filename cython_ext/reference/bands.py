"""Measures taken from a power spectral density, in plain Python."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from cython_ext.results import HighFrequency


def _weights(bins: int, bin_hz: float, low_hz: float, high_hz: float) -> dict[int, float]:
    """Bins of a band and their weights: 1 inside, 1/2 where the edge of the band lies within the bin but not on its middle."""
    last_hz = (bins - 1) * bin_hz
    if not (bin_hz > 0 and bins > 0 and 0 <= low_hz < high_hz and low_hz <= last_hz):
        raise ValueError("no such band")
    low, high = low_hz / bin_hz, min(high_hz, last_hz) / bin_hz
    first, last = math.floor(low + 0.5), math.floor(high + 0.5)
    weights = dict.fromkeys(range(first, last + 1), 1.0)
    for edge, nearest in ((low, first), (high, last)):
        if abs(edge - nearest) >= 1e-6:
            weights[nearest] = 0.5
    return weights


def _rms(psd: Sequence[float], bin_hz: float, low_hz: float, high_hz: float, integrations: int) -> float:
    weights = _weights(len(psd), bin_hz, low_hz, high_hz)
    if not integrations:
        return math.sqrt(math.fsum(weight * psd[k] for k, weight in weights.items()) * bin_hz)
    power = 2 * integrations
    return math.sqrt(math.fsum(w * psd[k] / (2 * math.pi * k * bin_hz) ** power for k, w in weights.items() if k) * bin_hz)


def band_rms(psd: Sequence[float], bin_hz: float, low_hz: float, high_hz: float) -> float:
    """Return the RMS in the band, in the unit of the signal."""
    return _rms(psd, bin_hz, low_hz, high_hz, 0)


def velocity_rms(psd: Sequence[float], bin_hz: float, low_hz: float = 10.0, high_hz: float = 1000.0) -> float:
    """Return the velocity RMS in mm/s from a density of acceleration in (m/s²)²/Hz."""
    return _rms(psd, bin_hz, low_hz, high_hz, 1) * 1e3


def displacement_rms(psd: Sequence[float], bin_hz: float, low_hz: float = 10.0, high_hz: float = 1000.0) -> float:
    """Return the displacement RMS in µm from a density of acceleration in (m/s²)²/Hz."""
    return _rms(psd, bin_hz, low_hz, high_hz, 2) * 1e6


def band_energies(psd: Sequence[float], bin_hz: float, edges: Sequence[float], out: array[float]) -> array[float]:
    """Write the mean square in each band."""
    for i, (low_hz, high_hz) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        above = low_hz > (len(psd) - 1) * bin_hz
        out[i] = math.nan if above else band_rms(psd, bin_hz, low_hz, high_hz) ** 2
    return out


def harmonics(
    psd: Sequence[float], bin_hz: float, shaft_hz: float, first_order: float, step: float, out: array[float]
) -> array[float]:
    """Write the peak amplitude of each order of the shaft."""
    for i in range(len(out)):
        position = (first_order + i * step) * shaft_hz / bin_hz
        half_width = max(1.5, 0.01 * position)
        bins = [k for k in range(-2, int(position + half_width) + 3) if abs(k - position) <= half_width + 1e-6]
        apart = step * shaft_hz / bin_hz >= 3 * (1 - 1e-6)
        known = apart and bins[0] >= 1 and bins[-1] < len(psd)
        out[i] = math.sqrt(2 * math.fsum(psd[k] for k in bins) * bin_hz) if known else math.nan
    return out


def high_frequency_index(x: Sequence[float], psd: Sequence[float], bin_hz: float) -> HighFrequency:
    """Return the RMS from 5 to 10 kHz, and how often the signal leaves 3.5 times its RMS."""
    if not all(map(math.isfinite, x)):
        return HighFrequency(math.nan, math.nan)
    high_hz = min(10_000.0, 0.95 * (len(psd) - 1) * bin_hz)
    rms = band_rms(psd, bin_hz, 5000.0, high_hz) if high_hz > 5000.0 else math.nan
    mean = math.fsum(x) / len(x)
    level = 3.5 * math.sqrt(math.fsum((v - mean) ** 2 for v in x) / len(x))
    beyond = [abs(v - mean) > level for v in x]
    return HighFrequency(rms, float(sum(now and not before for before, now in zip([False, *beyond], beyond, strict=False))))
