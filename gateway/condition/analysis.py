"""Everything that is computed of one window of a waveform: a pure class, which the daemon's jobs and `gateway features` share.

Statistics are taken of the signal without its mean; kurtosis is not the excess (a Gaussian signal has 3).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator

from msgspec import Struct

from cython_ext.results import Statistics
from cython_ext.statistics import statistics
from gateway.config.features import CATALOGUE, HALF_ORDERS, ORDERS
from gateway.config.vibration import Vibration, chosen
from gateway.config.zones import Boundaries
from gateway.model import Quality, Reason

from .fitness import fitness
from .iso import Verdict, judge, refusal
from .spectrum import HIGHEST_HZ, SLOW_RPM, Spectrum
from .speed import lowest_rpm

_OF_STATISTICS = ("mean", "rms", "peak", "peak_to_peak", "crest", "shape", "impulse", "clearance", "skewness", "kurtosis")
_HIGHEST_SHARE = 0.5


class Value(Struct, frozen=True):
    """One feature of one window.

    Attributes:
        name: what stands behind the name of the sensor and a dot, `rms`, `band.low`, `harmonic.1`.
        value: the number; None when there is none.
        unit: its unit of measure.
        text: the value where it is a text.
        band_hz: the band of frequencies it was taken over.
        quality: how far it can be trusted.
        reason: why not.
    """

    name: str
    value: float | None
    unit: str
    text: str = ""
    band_hz: tuple[float, float] | None = None
    quality: Quality = Quality.GOOD
    reason: Reason = Reason.NONE


class Result(Struct, frozen=True):
    """What one window gave.

    Attributes:
        values: its features, in the order of the catalogue; the zone is not among them, for it is one of all axes.
        quality: of the window as a whole.
        reason: why it is not good.
        zone: the verdict of the standard on this axis; None when none was asked for.
        notes: what has to be said beside, in words.
    """

    values: tuple[Value, ...]
    quality: Quality
    reason: Reason
    zone: Verdict | None = None
    notes: tuple[str, ...] = ()


class Analysis:
    """Computes the features of windows of `length` samples at one rate and unit; it owns what it computes in.

    Attributes:
        left_out: what cannot be computed, and why, a sentence each.
        spectrum: what the density tells; of the last window.
    """

    def __init__(self, spec: Vibration, length: int, rate_hz: float, unit: str, zones: Boundaries | None = None) -> None:
        """Prepare for windows; this takes time for long ones, and belongs where they are computed.

        Args:
            spec: what is to be computed.
            length: samples in a window.
            rate_hz: samples per second.
            unit: of the samples, as the source tells it; `spec.unit` comes first.
            zones: the boundaries of the machine's group, for its zone.
        """
        self.unit = spec.unit or unit
        self.length = length
        self.rate_hz = rate_hz
        self._names = [line.name for line in chosen(spec)]
        self._zones = zones
        self._bands = [(name, band) for name, band in spec.bands.items() if band.high_hz <= rate_hz * _HIGHEST_SHARE]
        self._edges = array("d", [edge for _, band in self._bands for edge in band])
        self._energies = array("d", bytes(8 * len(self._bands)))
        self._orders = array("d", bytes(8 * len(ORDERS)))
        self._half_orders = array("d", bytes(8 * len(HALF_ORDERS)))
        self.spectrum = Spectrum(length, rate_hz, self.unit, slow=lowest_rpm(spec) < SLOW_RPM)
        self.left_out = tuple(self._sentences(spec))

    def measure(self, samples: array[float], rpm: float | None = None) -> Result:
        """Return the features of a window.

        Args:
            samples: float32, `length` of them.
            rpm: speed of the shaft; None when it is not known.
        """
        if len(samples) != self.length:
            raise ValueError(f"{len(samples)} samples for windows of {self.length}")
        found = statistics(samples)
        quality, reason = fitness(found)
        if quality is Quality.BAD:
            values = (Value(item.name, None, item.unit, "", item.band_hz, quality, reason) for item in self._blank(rpm))
            zone = Verdict(refused=f"the waveform is bad: {reason.words}") if "iso_zone" in self._names else None
            return Result(tuple(values), quality, reason, zone)
        self.spectrum.measure(samples)
        values = (_judged(item, quality, reason) for item in self._values(samples, found, rpm))
        verdict = judge(self._zones, self.spectrum, self.length / self.rate_hz, rpm) if "iso_zone" in self._names else None
        return Result(tuple(values), quality, reason, verdict, verdict.notes if verdict else ())

    def _values(self, samples: array[float], found: Statistics, rpm: float | None) -> Iterator[Value]:
        """Yield the features that can be computed, good ones as far as their numbers are finite."""
        spectrum, low_hz = self.spectrum, self.spectrum.low_hz(rpm)
        for name in self._names:
            unit = CATALOGUE[name].unit or self.unit
            if name in _OF_STATISTICS:
                yield Value(name, getattr(found, name), unit)
            elif name == "zero_crossings":
                yield Value(name, found.zero_crossings * self.rate_hz / self.length, unit)
            elif name == "velocity_rms" and not spectrum.refusal:
                yield Value(name, spectrum.velocity_rms(low_hz), unit, "", (low_hz, HIGHEST_HZ))
            elif name == "displacement_rms" and not spectrum.refusal:
                yield Value(name, spectrum.displacement_rms(low_hz), unit, "", (low_hz, HIGHEST_HZ))
            elif name == "bands" and self._bands:
                levels = spectrum.bands(self._edges, self._energies)
                for (band, limits), level in zip(self._bands, levels, strict=True):
                    yield Value(f"band.{band}", level, unit, "", (limits.low_hz, limits.high_hz))
            elif name in {"high_frequency", "high_frequency_peaks"}:
                yield from self._high_frequency(name, unit, samples)
            elif name == "speed":
                yield Value(name, rpm, unit)
            elif name in {"harmonics", "half_orders"}:
                yield from self._harmonics(name, rpm)

    def _high_frequency(self, name: str, unit: str, samples: array[float]) -> Iterator[Value]:
        rms, peaks = self.spectrum.high_frequency(samples)
        if name == "high_frequency_peaks":
            yield Value(name, peaks, unit)
        elif not math.isnan(rms):
            yield Value(name, rms, unit, "", self.spectrum.high_frequency_band_hz)

    def _harmonics(self, name: str, rpm: float | None) -> Iterator[Value]:
        orders, out = (ORDERS, self._orders) if name == "harmonics" else (HALF_ORDERS, self._half_orders)
        if rpm:
            self.spectrum.orders(rpm / 60.0, orders[0], 1.0, out)
        for order, amplitude in zip(orders, out, strict=True):
            yield Value(f"harmonic.{order:g}", amplitude if rpm else None, self.unit)

    def _blank(self, rpm: float | None) -> Iterable[Value]:
        """Return the features of a window that gives none: their names, units and bands."""
        quiet = array("f", bytes(4 * self.length))
        self.spectrum.measure(quiet)
        return self._values(quiet, statistics(quiet), rpm)

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
            if band.high_hz > self.rate_hz * _HIGHEST_SHARE:
                words = f"it ends at {band.high_hz:g} Hz, and {self.rate_hz:g} samples/s reach up to {self.rate_hz / 2:g} Hz"
                yield f"band.{name} is left out: {words}"


def _judged(item: Value, quality: Quality, reason: Reason) -> Value:
    """Return a value with the quality of its window; a number that is none is bad."""
    if item.value is None or not math.isfinite(item.value):
        if item.text:
            return Value(item.name, None, item.unit, item.text, item.band_hz, quality, reason)
        return Value(item.name, None, item.unit, "", item.band_hz, Quality.BAD, Reason.NO_DATA)
    if quality is Quality.GOOD:
        return item
    return Value(item.name, item.value, item.unit, item.text, item.band_hz, quality, reason)
