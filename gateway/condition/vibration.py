"""Features of one window of acceleration, each with its unit and band.

Statistics are taken of the mean-removed signal; kurtosis is not excess (a Gaussian signal has 3). Velocity RMS is the broad-band
velocity of ISO 20816-1, 10-1000 Hz, by integration in the spectrum.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import get_args

from msgspec import Struct

from cython_ext.bands import velocity_rms
from cython_ext.spectrum import Welch, next_fast_length
from cython_ext.statistics import statistics
from gateway.config.vibration import Vibration, VibrationFeature
from gateway.model import Block, Feature, Quality, Reason

from .windows import Window, Windower, later

STANDARD_GRAVITY = 9.80665
"""m/s² in one g (CGPM 1901)."""

VELOCITY_BAND_HZ = (10.0, 1000.0)
COARSEST_BIN_HZ = 2.5
"""With wider bins than this the lower edge at 10 Hz cannot be told from what lies below it."""


class _Value(Struct, frozen=True):
    name: str
    value: float
    unit: str
    band_hz: tuple[float, float] | None = None


_UNITS = {"crest": "1", "kurtosis": "1", "skewness": "1", "velocity_rms": "mm/s"}


def announced(spec: Vibration) -> Iterator[tuple[str, str]]:
    """Yield point and unit of every feature that a waveform may give; the unit is empty where it is that of the waveform."""
    for name in spec.features or get_args(VibrationFeature):
        yield f"vibration.{name}", _UNITS.get(name, "")


class Job:
    """The features of one window, computed by `run`, which may be called beside the event loop: it touches nothing but its own.

    Jobs of one waveform share the memory they compute in, so one of them runs at a time.
    """

    def __init__(self, analysis: Analysis, window: Window) -> None:
        self._analysis = analysis
        self._window = window
        self.features: list[Feature] = []

    @property
    def samples(self) -> int:
        """How many samples the window has."""
        return len(self._window.samples)

    def run(self) -> None:
        """Compute `features`."""
        self.features = list(self._analysis.features(self._window))


class VibrationFeatures:
    """Cuts the Blocks of one sensor into windows; unit and rate come with the first Block."""

    def __init__(self, machine: str, spec: Vibration) -> None:
        self._machine = machine
        self._spec = spec
        self._windower: Windower | None = None
        self._analysis: Analysis | None = None
        self._too_short = ""
        self._piece = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What cannot be computed, and why."""
        return tuple(filter(None, (self._too_short, self._analysis.left_out if self._analysis else "")))

    def cut(self, block: Block) -> list[Job]:
        """Take a Block and return a job for every window it completes."""
        if self._windower is None or self._analysis is None or self._windower.rate_hz != block.rate_hz:
            self._prepare(block)
        assert self._windower is not None
        assert self._analysis is not None
        self._measure(block, self._windower.length)
        jobs = [Job(self._analysis, window) for window in self._windower.push(block)]
        if jobs:
            self._too_short = ""
        return jobs

    def _measure(self, block: Block, length: int) -> None:
        """Note when a waveform ends, or begins anew, before it has filled a window: a short recording never gives a feature."""
        if block.gap and 0 < self._piece < length:
            has, needs = f"{self._piece / block.rate_hz:.3g} s", f"{length / block.rate_hz:g} s"
            self._too_short = f"no features yet: the waveform breaks off after {has}, a window needs {needs}; shorten 'window'"
        self._piece = len(block.samples) + (0 if block.gap else self._piece)

    def _prepare(self, block: Block) -> None:
        self._piece = 0
        length = max(2, round(self._spec.window * block.rate_hz))
        self._windower = Windower(length, max(1, round(self._spec.every * block.rate_hz)), block.rate_hz)
        self._analysis = Analysis(self._machine, block.point, self._spec, length, block.rate_hz, block.unit)


class Analysis:
    """Computes the features `<point>.<feature>` of windows of `length` samples at one rate and unit.

    Attributes:
        left_out: what cannot be computed, and why; empty when everything can.
    """

    def __init__(self, machine: str, point: str, spec: Vibration, length: int, rate_hz: float, unit: str) -> None:
        self._machine = machine
        self._point = point
        self._spec = spec
        self._rate_hz = rate_hz
        self._unit = unit
        self._welch: Welch | None = None
        self.left_out = ""
        segment = _segment_length(length, rate_hz)
        if rate_hz < 2.56 * VELOCITY_BAND_HZ[1]:
            self.left_out = f"velocity_rms is left out: 10-1000 Hz needs a rate of 2560 Hz or more, this is {rate_hz:g} Hz"
        elif rate_hz / segment > COARSEST_BIN_HZ:
            self.left_out = f"velocity_rms is left out: a window of {length / rate_hz:g} s is too short for 10 Hz, use 1s"
        elif unit not in _TO_M_S2:
            self.left_out = f"velocity_rms is left out: it needs acceleration in m/s² or g, not '{unit}'"
        else:
            self._welch = Welch(segment, rate_hz)

    def features(self, window: Window) -> Iterable[Feature]:
        """Yield the features of a window."""
        length_s = len(window.samples) / self._rate_hz
        end = later(window.start, length_s)
        for item in self._values(window.samples, self._unit):
            if self._spec.features and item.name not in self._spec.features:
                continue
            finite = abs(item.value) < float("inf")
            yield Feature(
                machine=self._machine,
                point=f"{self._point}.{item.name}",
                value=item.value if finite else None,
                stamp=end,
                unit=item.unit,
                quality=Quality.GOOD if finite else Quality.BAD,
                reason=Reason.NONE if finite else Reason.NO_SENSOR,
                window_s=length_s,
                band_hz=item.band_hz,
            )

    def _values(self, samples: array[float], unit: str) -> Iterable[_Value]:
        s = statistics(samples)
        yield _Value("rms", s.rms, unit)
        yield _Value("peak", s.peak, unit)
        yield _Value("peak_to_peak", s.peak_to_peak, unit)
        yield _Value("crest", s.crest, _UNITS["crest"])
        yield _Value("kurtosis", s.kurtosis, _UNITS["kurtosis"])
        yield _Value("skewness", s.skewness, _UNITS["skewness"])
        if self._welch is not None:
            low, high = VELOCITY_BAND_HZ
            psd = self._welch.psd(samples)
            speed = velocity_rms(psd, self._welch.bin_hz, low, high) * _TO_M_S2[unit]
            yield _Value("velocity_rms", speed, _UNITS["velocity_rms"], VELOCITY_BAND_HZ)


_TO_M_S2 = {"m/s²": 1.0, "m/s2": 1.0, "g": STANDARD_GRAVITY}


def _segment_length(length: int, rate_hz: float) -> int:
    """Return the longest fast even FFT length within the window that gives bins of 1 Hz or a little less."""
    target = min(length, round(rate_hz))
    while next_fast_length(target) > min(length, max(2, target)) and target > 2:
        target -= 1
    return max(2, next_fast_length(target))
