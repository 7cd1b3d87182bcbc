"""What a power density tells: velocity, displacement, bands and high frequency; and what it cannot, in words."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator

from cython_ext.bands import band_energies, displacement_rms, high_frequency_index
from cython_ext.bands import velocity_rms as velocity_rms_of
from cython_ext.spectrum import Welch, next_fast_length

STANDARD_GRAVITY = 9.80665
"""m/s² in one g (CGPM 1901)."""

TO_M_S2 = {"m/s²": 1.0, "m/s2": 1.0, "g": STANDARD_GRAVITY}
"""m/s² in the units of acceleration."""

HIGHEST_HZ = 1000.0
LOWEST_HZ = 10.0
LOWEST_SLOW_HZ = 2.0
SLOW_RPM = 600.0
"""Below this speed a machine is judged from 2 Hz on (ISO 20816-3)."""

LOWEST_RATE_HZ = 2.56 * HIGHEST_HZ
"""The rate that 1000 Hz needs: the usual 2.56 times, for a filter is not infinitely steep."""

COARSEST_BIN_HZ = 2.5
"""With wider bins than this the lower edge at 10 Hz cannot be told from what lies below it."""

COARSEST_SLOW_BIN_HZ = 0.5

HIGH_FREQUENCY_HZ = (5000.0, 10_000.0)
HIGHEST_SHARE = 0.95
"""Of half the rate, where the high frequency ends at the latest; both as the kernel has them."""

LONG_S = 5.0
"""From this length of a window on segments are 2 s, for bins of 0.5 Hz; four of them fit, half over each other."""


class Spectrum:
    """The density of windows of `length` samples; it owns what it computes in.

    Attributes:
        bin_hz: distance of two bins.
        averages: how many segments a window has.
        segment_s: length of one.
        refusal: why there is no velocity and no displacement, in words; empty when there are.
    """

    def __init__(self, length: int, rate_hz: float, unit: str, *, slow: bool = False) -> None:
        segment = segment_length(length, rate_hz, slow=slow)
        self._welch = Welch(segment, rate_hz)
        self._psd = array("d", bytes(8 * (segment // 2 + 1)))
        self._factor = TO_M_S2.get(unit, math.nan)
        self._rate_hz = rate_hz
        self._length = length
        self.bin_hz = rate_hz / segment
        self.segment_s = segment / rate_hz
        self.averages = 1 + (length - segment) // max(1, segment // 2)
        self.refusal = _refusal(length, rate_hz, unit, self.bin_hz)

    def measure(self, samples: array[float]) -> None:
        """Take the density of a window, on which everything else rests."""
        self._welch.psd(samples, self._psd)

    def low_hz(self, rpm: float | None) -> float:
        """Return where the band of velocity begins at this speed; 10 Hz where the bins are too wide for 2 Hz."""
        slow = rpm is not None and rpm < SLOW_RPM and self.bin_hz <= COARSEST_SLOW_BIN_HZ * 1.001
        return LOWEST_SLOW_HZ if slow else LOWEST_HZ

    def velocity_rms(self, low_hz: float) -> float:
        """Return the velocity in mm/s from `low_hz` to 1000 Hz."""
        return velocity_rms_of(self._psd, self.bin_hz, low_hz, HIGHEST_HZ) * self._factor

    def displacement_rms(self, low_hz: float) -> float:
        """Return the displacement in µm from `low_hz` to 1000 Hz."""
        return displacement_rms(self._psd, self.bin_hz, low_hz, HIGHEST_HZ) * self._factor

    def bands(self, edges: array[float], out: array[float]) -> Iterator[float]:
        """Yield the RMS in each band, in the unit of the waveform; NaN for one that begins above the density."""
        band_energies(self._psd, self.bin_hz, edges, out)
        return (math.sqrt(energy) if energy >= 0 else math.nan for energy in out)

    def high_frequency(self, samples: array[float]) -> tuple[float, float]:
        """Return the RMS from 5 to 10 kHz, NaN where the rate has no room for it, and the peaks per second."""
        found = high_frequency_index(samples, self._psd, self.bin_hz)
        return found.rms, found.peaks * self._rate_hz / self._length

    @property
    def high_frequency_band_hz(self) -> tuple[float, float]:
        """Where the high frequency is looked for at this rate."""
        low, high = HIGH_FREQUENCY_HZ
        return low, min(high, HIGHEST_SHARE * self._rate_hz / 2)


def segment_length(length: int, rate_hz: float, *, slow: bool = False) -> int:
    """Return the longest fast even FFT length in the window that gives bins of 1 Hz, of 0.5 Hz in a long one, or a little less."""
    length_s = length / rate_hz
    wanted_s = 2.0 if length_s >= LONG_S or (slow and length_s >= 2.0) else 1.0
    target = min(length, round(wanted_s * rate_hz))
    while next_fast_length(target) > min(length, max(2, target)) and target > 2:
        target -= 1
    return max(2, next_fast_length(target))


def _refusal(length: int, rate_hz: float, unit: str, bin_hz: float) -> str:
    if rate_hz < LOWEST_RATE_HZ:
        return f"10-1000 Hz needs a rate of {LOWEST_RATE_HZ:g} Hz or more, this is {rate_hz:g} Hz"
    if bin_hz > COARSEST_BIN_HZ:
        return f"a window of {length / rate_hz:g} s is too short for 10 Hz, use 1s"
    if unit not in TO_M_S2:
        if not unit:
            return "the source does not tell its unit; write 'unit: g' or 'unit: m/s²' under 'vibration:', as its data sheet says"
        return f"it needs acceleration in m/s² or g, not '{unit}'"
    return ""
