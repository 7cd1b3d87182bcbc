"""How fast the shaft of a machine turns, and what turns with it: amplitudes per order and the figures of a gear.

A window is resampled to the angle of the shaft, so that orders stay where they are while the speed wanders. Amplitudes are peak
values, in the unit of the waveform.
"""

from __future__ import annotations

import math
from array import array
from itertools import pairwise

from cython_ext.bands import harmonics
from cython_ext.comb import SpeedComb
from cython_ext.gears import SIDEBANDS, Gear
from cython_ext.orders import AngleResampler, drift, synchronous_average
from cython_ext.shaft import shaft_speed
from cython_ext.spectrum import Welch, next_fast_length

ORDERS = tuple(half / 2 for half in range(1, 21))
"""Orders of the shaft whose amplitudes are told: 0.5, 1, 1.5 … 10."""

ORDER_NAMES = tuple(f"order_{order:g}" for order in ORDERS)
GEAR_UNITS = {"gear_mesh": "", "sideband_index": "1", "fm0": "1", "fm4": "1", "na4": "1", "residual_kurtosis": "1"}

SLIP = 0.02
"""A speed that is told is looked for so far about it: what the load makes of a motor's rated speed, and a display of a drive's."""

LEAST_DB = 8.0
"""Mean level of the harmonics from which a speed near the one told is believed; noise gives 5 dB or less."""

FEWEST_REVOLUTIONS = 6
"""With fewer in a window half orders cannot be told from each other."""

MOST_REVOLUTIONS = 32
"""Length of a segment of the order spectrum; longer windows are averaged."""

LONGEST_SEARCH_S = 4.0
"""Length of record from which a speed is taken; over a longer one it changes more than the bins become finer."""

COHERENT = 0.5
"""A mesh whose phase moves more evenly than this from one revolution to the next is followed; noise comes to 0.1."""


class Rotation:
    """Features of windows of one length and rate; computes in memory of its own, so one window at a time.

    Args:
        length: samples of a window.
        rate_hz: samples per second.
        range_hz: where to look for the speed, best without the mains, whose harmonics are a comb, too; None: it is told with every
            window, and looked for within 2 %.
        teeth: number of teeth of the gear on this shaft, 0 without one.
    """

    def __init__(self, length: int, rate_hz: float, range_hz: tuple[float, float] | None = None, teeth: int = 0) -> None:
        self._length = length
        self._rate_hz = rate_hz
        self._teeth = teeth
        self._search = Welch(_fast_length_up_to(min(length, round(LONGEST_SEARCH_S * rate_hz))), rate_hz)
        self._density = array("d", bytes(8 * (self._search.nfft // 2 + 1)))
        self._comb: SpeedComb | None = None
        self.left_out = ""
        if range_hz is not None:
            try:
                self._comb = SpeedComb(len(self._density), self._search.bin_hz, *range_hz)
            except ValueError as error:
                self.left_out = f"the speed of the shaft is not looked for: {error}"
        # a step of the angle is at most half the time of two samples, so a window becomes less than twice as long
        self._angle = memoryview(array("f", bytes(8 * length)))
        self._amplitudes = array("d", bytes(8 * len(ORDERS)))
        self._ahead = array("d", bytes(8))
        self._average = array("d")
        self._resampler: AngleResampler | None = None
        self._orders: Welch | None = None
        self._gear: Gear | None = None
        self._memory = (0, 0.0)

    @property
    def memory(self) -> tuple[int, float]:
        """What NA4 remembers: windows, and the mean variance of their residuals."""
        return self._memory

    def resume(self, records: int, mean_variance: float) -> None:
        """Go on from an earlier `memory`."""
        self._memory = (records, mean_variance)

    def measure(self, samples: array[float], shaft_hz: float = math.nan) -> dict[str, float]:
        """Return `shaft_speed` in rpm, an `order_…` for each of `ORDERS` and, with teeth, the names of `GEAR_UNITS`; NaN: unknown.

        Args:
            samples: a window.
            shaft_hz: the speed known without it, NaN where it is not, 0 where it stands; of no use where a range is searched.
        """
        hz = self._speed(samples, shaft_hz)
        values = {"shaft_speed": hz * 60.0} | dict.fromkeys(ORDER_NAMES, math.nan)
        if self._teeth:
            values |= dict.fromkeys(GEAR_UNITS, math.nan)
        if not hz > 0 or (self._length - 5) / self._rate_hz * hz < FEWEST_REVOLUTIONS + 1:
            return values
        steps = 1 << max(5, math.ceil(math.log2(self._rate_hz / hz)))
        if self._resampler is None or self._resampler.samples_per_rev != steps:
            self._resampler = AngleResampler(steps, self._rate_hz)
            self._orders = None
        revs = self._resampler.constant(samples, hz, self._angle)
        if self._teeth and steps > 2 * (self._teeth + SIDEBANDS):
            revs = self._measure_gear(samples, hz, steps, revs, values)
        self._measure_orders(steps, revs, values)
        return values

    def _speed(self, samples: array[float], told_hz: float) -> float:
        """Return the speed that the harmonics show, within the range or near the one told; that stands where they show none."""
        if self._comb is not None:
            return self._comb.estimate(self._search.psd(samples, self._density)).hz
        if not told_hz > 0:
            return told_hz
        found_hz, level_db = shaft_speed(self._search.psd(samples, self._density), self._search.bin_hz, told_hz, SLIP)
        return found_hz if level_db >= LEAST_DB else told_hz

    def _measure_orders(self, steps: int, revs: int, values: dict[str, float]) -> None:
        if revs < FEWEST_REVOLUTIONS:
            return
        segment = _fast_length_up_to(min(revs, MOST_REVOLUTIONS))
        if self._orders is None or self._orders.nfft != segment * steps:
            self._orders = Welch(segment * steps, steps)
            self._order_density = array("d", bytes(8 * (self._orders.nfft // 2 + 1)))
        psd = self._orders.psd(self._angle[: revs * steps], self._order_density)
        harmonics(psd, self._orders.bin_hz, 1.0, ORDERS[0], ORDERS[1] - ORDERS[0], self._amplitudes)
        values |= zip(ORDER_NAMES, self._amplitudes, strict=True)

    def _measure_gear(self, samples: array[float], hz: float, steps: int, revs: int, values: dict[str, float]) -> int:
        """Add the figures of the gear where its mesh stands out, and leave the samples resampled along it; return revolutions."""
        assert self._resampler is not None
        if len(self._ahead) < revs:
            self._ahead = array("d", bytes(16 * revs))
        if not drift(self._angle[: revs * steps], steps, self._teeth, self._ahead) > COHERENT:
            return revs
        steps_ahead = [b - a for a, b in pairwise(self._ahead[:revs])]
        times = array("d", [2 / self._rate_hz + (rev + 1) / hz for rev in range(revs - 1)])
        revs = self._resampler.profile(samples, times, array("d", [hz * (1 + step) for step in steps_ahead]), self._angle)
        values["shaft_speed"] = hz * (1 + sum(steps_ahead) / len(steps_ahead)) * 60.0
        if revs == 0:
            return revs
        if self._gear is None or self._gear.samples_per_rev != steps:
            self._gear = Gear(steps, self._teeth)
            self._average = array("d", bytes(8 * steps))
        self._gear.resume(*self._memory)
        synchronous_average(self._angle[: revs * steps], self._average)
        figures = self._gear.measure(self._average)
        self._memory = (self._gear.records, self._gear.mean_variance)
        values |= zip(GEAR_UNITS, figures, strict=True)
        return revs


def _fast_length_up_to(most: int) -> int:
    """Return the longest length that the FFT takes and that is not above `most`, 2 or more."""
    length = most - most % 2
    while next_fast_length(length) > most:
        length -= 2
    return length
