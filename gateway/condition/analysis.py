"""Everything that is computed of one window of a waveform: a pure class, which the daemon's jobs and `gateway features` share.

Statistics are taken of the signal without its mean; kurtosis is not the excess (a Gaussian signal has 3).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping

from cython_ext.results import Statistics
from cython_ext.statistics import statistics
from gateway.config.bearing import Bearing
from gateway.config.features import CATALOGUE
from gateway.config.vibration import Vibration, chosen
from gateway.config.zones import Boundaries
from gateway.model import Quality

from .fitness import fitness
from .iso import Verdict, judge, refusal
from .result import Result, Value
from .spectrum import HIGHEST_HZ, SLOW_RPM, Spectrum
from .speed import lowest_rpm
from .turning import Turning

_OF_STATISTICS = ("mean", "rms", "peak", "peak_to_peak", "crest", "shape", "impulse", "clearance", "skewness", "kurtosis")
_NO_BEARINGS: Mapping[str, Bearing] = {}


class Analysis:
    """Computes the features of windows of `length` samples at one rate and unit; it owns what it computes in.

    Attributes:
        left_out: what cannot be computed, and why, a sentence each.
        spectrum: what the density tells; of the last window.
    """

    def __init__(
        self,
        spec: Vibration,
        length: int,
        rate_hz: float,
        unit: str,
        zones: Boundaries | None = None,
        bearings: Mapping[str, Bearing] = _NO_BEARINGS,
    ) -> None:
        """Prepare for windows; this takes time for long ones, and belongs where they are computed.

        Args:
            spec: what is to be computed.
            length: samples in a window.
            rate_hz: samples per second.
            unit: of the samples, as the source tells it; `spec.unit` comes first.
            zones: the boundaries of the machine's group, for its zone.
            bearings: those of `spec.bearing`, by name, with their geometry.
        """
        self.unit = spec.unit or unit
        self.length = length
        self.rate_hz = rate_hz
        self._names = [line.name for line in chosen(spec)]
        self._zones = zones
        self._bands = [(name, band) for name, band in spec.bands.items() if band.high_hz <= rate_hz / 2]
        self._edges = array("d", [edge for _, band in self._bands for edge in band])
        self._energies = array("d", bytes(8 * len(self._bands)))
        self.spectrum = Spectrum(length, rate_hz, self.unit, slow=lowest_rpm(spec) < SLOW_RPM)
        self._turning = Turning(spec, self._names, length, rate_hz, self.unit, bearings)
        self.left_out = (*self._sentences(spec), *self._turning.left_out)

    @property
    def memory(self) -> tuple[int, float]:
        """What goes on from window to window, see `Turning.memory`."""
        return self._turning.memory

    def resume(self, records: int, mean_variance: float) -> None:
        """Go on from an earlier `memory`."""
        self._turning.resume(records, mean_variance)

    def measure(self, samples: array[float], rpm: float | None = None) -> Result:
        """Return the features of a window.

        Args:
            samples: float32, `length` of them.
            rpm: speed of the shaft; None when nobody tells it.
        """
        if len(samples) != self.length:
            raise ValueError(f"{len(samples)} samples for windows of {self.length}")
        found = statistics(samples)
        quality, reason = fitness(found)
        if quality is Quality.BAD:
            refused = Verdict(refused=f"the waveform is bad: {reason.words}") if "iso_zone" in self._names else None
            return Result(tuple(item.spoilt(quality, reason) for item in self._nothing(rpm)), quality, reason, rpm, refused)
        self.spectrum.measure(samples)
        turned = self._turning.measure(samples, rpm)
        values = [*self._values(samples, found, turned.rpm), *turned.values]
        verdict = None
        if "iso_zone" in self._names:
            verdict = judge(self._zones, self.spectrum, self.length / self.rate_hz, turned.rpm)
        return Result(
            tuple(item.judged(quality, reason) for item in values),
            quality,
            reason,
            turned.rpm,
            verdict,
            turned.bearings,
            (*(verdict.notes if verdict else ()), *turned.notes),
        )

    def _values(self, samples: array[float], found: Statistics, rpm: float | None) -> Iterator[Value]:
        """Yield the features that can be computed and have nothing to do with what turns."""
        spectrum, low_hz = self.spectrum, self.spectrum.low_hz(rpm)
        for name in self._names:
            unit = CATALOGUE[name].unit or self.unit
            if name in _OF_STATISTICS:
                yield Value(name, getattr(found, name), unit)
            elif name == "zero_crossings":
                yield Value(name, found.zero_crossings * self.rate_hz / self.length, unit)
            elif name == "velocity_rms" and not spectrum.refusal:
                yield Value(name, spectrum.velocity_rms(low_hz), unit, None, (low_hz, HIGHEST_HZ))
            elif name == "displacement_rms" and not spectrum.refusal:
                yield Value(name, spectrum.displacement_rms(low_hz), unit, None, (low_hz, HIGHEST_HZ))
            elif name == "bands" and self._bands:
                levels = spectrum.bands(self._edges, self._energies)
                for (band, limits), level in zip(self._bands, levels, strict=True):
                    yield Value(f"band.{band}", level, unit, None, (limits.low_hz, limits.high_hz))
            elif name in {"high_frequency", "high_frequency_peaks"}:
                yield from self._high_frequency(name, unit, samples)

    def _high_frequency(self, name: str, unit: str, samples: array[float]) -> Iterator[Value]:
        rms, peaks = self.spectrum.high_frequency(samples)
        if name == "high_frequency_peaks":
            yield Value(name, peaks, unit)
        elif not math.isnan(rms):
            yield Value(name, rms, unit, None, self.spectrum.high_frequency_band_hz)

    def _nothing(self, rpm: float | None) -> Iterator[Value]:
        """Yield the features of a window that gives none: names, units and bands."""
        quiet = array("f", [0.0]) * self.length
        self.spectrum.measure(quiet)
        yield from self._values(quiet, statistics(quiet), rpm)
        yield from self._turning.nothing()

    def _sentences(self, spec: Vibration) -> Iterator[str]:
        """Yield what cannot be computed of what was asked for."""
        spectrum = self.spectrum
        for name in ("velocity_rms", "displacement_rms"):
            if name in self._names and spectrum.refusal:
                yield f"{name} is left out: {spectrum.refusal}"
        if "iso_zone" in self._names and (refused := refusal(self._zones, spectrum, self.length / self.rate_hz, None)):
            yield f"no zone: {refused}"
        low, high = spectrum.high_frequency_band_hz
        if "high_frequency" in self._names and high <= low:
            yield f"high_frequency is left out: it needs a rate above {2 * low / 0.95:.0f} Hz, this is {self.rate_hz:g} Hz"
        for name, band in spec.bands.items() if "bands" in self._names else ():
            if band.high_hz > self.rate_hz / 2:
                words = f"it ends at {band.high_hz:g} Hz, and {self.rate_hz:g} samples/s reach up to {self.rate_hz / 2:g} Hz"
                yield f"band.{name} is left out: {words}"
