"""What of a window has to do with the shaft: its speed, the orders, the gear on it and its bearings."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from gateway.config.bearing import Bearing
from gateway.config.features import CATALOGUE, ELEMENTS, HALF_ORDERS, ORDERS
from gateway.config.vibration import GIVEN, Estimate, Vibration
from gateway.model import Quality

from .bearing import HIGHEST_SHARE, LOWEST_HZ, BearingDetector, Diagnosis
from .result import Value
from .rotation import Rotation

_GEAR = {"mesh": "gear_mesh", "sidebands": "sideband_index", "fm0": "fm0", "fm4": "fm4", "na4": "na4"}
"""Points of a gear, by what the measurement calls them."""


class Turned(Struct, frozen=True):
    """What was found: the speed, the features, the verdict on each bearing, and what has to be said."""

    rpm: float | None
    values: tuple[Value, ...]
    bearings: Mapping[str, Diagnosis] = {}
    notes: tuple[str, ...] = ()


class Turning:
    """Measures windows of `length` samples.

    Attributes:
        left_out: what cannot be computed, and why, a sentence each.
    """

    def __init__(
        self,
        spec: Vibration,
        names: Sequence[str],
        length: int,
        rate_hz: float,
        unit: str,
        bearings: Mapping[str, Bearing],
    ) -> None:
        self._names = [name for name in names if CATALOGUE[name].needs in {"speed", "bearing", "gear"}]
        self._unit = unit
        self._band_hz = (LOWEST_HZ, HIGHEST_SHARE * rate_hz)
        self._rotation: Rotation | None = None
        self._bearings = dict(bearings) if "bearing" in self._names else {}
        self._detectors: dict[str, BearingDetector] = {}
        self.left_out: tuple[str, ...] = ()
        if self._names and spec.speed is not None:
            self._rotation = Rotation(
                length, rate_hz, _search_hz(spec), spec.gear.teeth if "gear" in self._names and spec.gear else 0
            )
            self.left_out = tuple(filter(None, [self._rotation.left_out]))
        if length >= 16:
            self._detectors = {name: BearingDetector(length, rate_hz, bearing) for name, bearing in self._bearings.items()}

    @property
    def memory(self) -> tuple[int, float]:
        """What the gear's NA4 remembers of the windows before: how many, and the mean variance of their residuals."""
        return self._rotation.memory if self._rotation else (0, 0.0)

    def resume(self, records: int, mean_variance: float) -> None:
        """Go on from an earlier `memory`."""
        if self._rotation:
            self._rotation.resume(records, mean_variance)

    def measure(self, samples: array[float], rpm: float | None) -> Turned:
        """Return what is found in a window, with the speed as it is told; None: only what is found in the window counts."""
        if self._rotation is None:
            return Turned(rpm, ())
        found = self._rotation.measure(samples, math.nan if rpm is None else rpm / 60.0)
        speed = found["shaft_speed"]
        rpm = speed if math.isfinite(speed) else rpm
        shaft_hz = None if rpm is None else rpm / 60.0
        verdicts = {name: detector.diagnose(samples, shaft_hz) for name, detector in self._detectors.items()}
        return Turned(rpm, tuple(self._values(rpm, found, verdicts)), verdicts, tuple(self._notes(verdicts)))

    def nothing(self) -> Iterator[Value]:
        """Yield the features of a window that gives none: names, units and bands."""
        yield from self._values(None, {}, dict.fromkeys(self._bearings, Diagnosis(quality=Quality.BAD)))

    def _values(self, rpm: float | None, found: Mapping[str, float], verdicts: Mapping[str, Diagnosis]) -> Iterator[Value]:
        for name in self._names:
            if name == "speed":
                yield Value(name, rpm, CATALOGUE[name].unit)
            elif name in {"harmonics", "half_orders"}:
                for order in ORDERS if name == "harmonics" else HALF_ORDERS:
                    yield Value(f"harmonic.{order:g}", found.get(f"order_{order:g}"), self._unit)
            elif name == "gear":
                for point, key in _GEAR.items():
                    yield Value(f"gear.{point}", found.get(key), self._unit if point == "mesh" else CATALOGUE[name].unit)
            elif name == "bearing":
                for bearing, verdict in verdicts.items():
                    yield from self._bearing(f"bearing.{bearing}" if bearing else "bearing", verdict)

    def _bearing(self, head: str, verdict: Diagnosis) -> Iterator[Value]:
        yield Value(head, None, "", verdict.verdict if verdict.quality is not Quality.BAD else "", self._band_hz)
        yield Value(f"{head}.score", verdict.score_db, "dB", None, self._band_hz)
        for part in ELEMENTS:
            yield Value(f"{head}.{part}", getattr(verdict.scores, part), "dB", None, self._band_hz)

    def _notes(self, verdicts: Mapping[str, Diagnosis]) -> Iterator[str]:
        for name, verdict in verdicts.items():
            bearing = self._bearings[name]
            called = f"bearing {name or bearing.name}".rstrip()
            if verdict.reason:
                yield f"{called}: {'no verdict, ' if verdict.quality is Quality.BAD else ''}{verdict.reason}"
            if not bearing.verified and bearing.source != GIVEN:
                yield f"{called}: its insides are verified: no; where its maker tells them, write them down"


def _search_hz(spec: Vibration) -> tuple[float, float] | None:
    """Return where the speed is looked for in the waveform; None where it is told."""
    if not isinstance(spec.speed, Estimate):
        return None
    return spec.speed.estimate.low_rpm / 60.0, spec.speed.estimate.high_rpm / 60.0
