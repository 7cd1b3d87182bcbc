"""What stands under `vibration:`: windows of a waveform and what is computed of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from msgspec import Meta, field

from gateway.config.base import Name, Spec
from gateway.config.features import CATALOGUE, TEXTS, ZONE, FeatureSpec, VibrationFeature
from gateway.config.often import too_often
from gateway.config.quantity import Duration, Resolution
from gateway.config.rotation import FrequencyBand, Shaft, SpeedRange
from gateway.config.zones import IsoGroup

__all__ = ["AccelerationUnit", "Estimate", "Vibration", "VibrationFeature", "announced", "axis_of", "chosen", "points_of", "texts"]

AccelerationUnit = Literal["g", "m/s²", "m/s2"]

MOST_WINDOW_S = 600.0
_AXES = ("x", "y", "z")


class Estimate(Spec, frozen=True, kw_only=True):
    """A speed that nobody tells: it is looked for in the waveform itself."""

    estimate: Annotated[SpeedRange, Meta(description="between which speeds the shaft turns")]


class Vibration(Spec, frozen=True, kw_only=True):
    """Windows of a waveform and the features taken from each; features are points named `vibration.<feature>`."""

    window: Annotated[Duration, Meta(description="length of a window; 8s and more for bearings")] = Duration(1)
    every: Annotated[Duration, Meta(description="time from the start of one window to the start of the next")] = Duration(10)
    features: Annotated[
        list[VibrationFeature] | Literal["all"],
        Meta(description="features to compute; empty: the usual ones, and what the keys below ask for (docs/features.md)"),
    ] = field(default_factory=list)
    unit: (
        Annotated[AccelerationUnit, Meta(description="unit of the waveform, where its source does not tell or tells another")]
        | None
    ) = None
    bands: Annotated[
        dict[Name, FrequencyBand],
        Meta(description="bands by name; the RMS in each is a point vibration.band.<name>", examples=[{"low": "50-300Hz"}]),
    ] = field(default_factory=dict)
    speed: (
        Annotated[
            Shaft | Estimate,
            Meta(description="speed of the shaft, or the point that tells it in rpm (MACHINE/POINT), or {estimate: …}"),
        ]
        | None
    ) = None
    iso: (
        Annotated[IsoGroup, Meta(description="group of the machine in ISO 20816-3, 10816-1 or 10816-7, for its zone A to D")] | None
    ) = None
    resolution: (
        Annotated[Resolution, Meta(description="how far a feature that is sent may be off, of itself; default: exact")] | None
    ) = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if not 0 < self.window <= MOST_WINDOW_S:
            yield "window", f"a window lasts more than 0s and at most {Duration(MOST_WINDOW_S).written}"
        if self.resolution and not self.resolution.relative:
            yield "resolution", "of features of different units is relative, for example 0.5%"
        for name in self.features if self.features != "all" else ():
            need = CATALOGUE[name].needs
            if need and not _has(self, need):
                yield "features", f"'{name}' has nothing to rest on; write '{need}:' beside 'features:', or leave it out"
        yield from too_often(self.every)


def _has(spec: Vibration, need: str) -> bool:
    return bool(getattr(spec, need, None))


def chosen(spec: Vibration) -> Iterator[FeatureSpec]:
    """Yield the lines of the catalogue that are computed, in its order."""
    for name, line in CATALOGUE.items():
        if line.needs and not _has(spec, line.needs):
            continue
        if spec.features == "all" or name in spec.features or (not spec.features and (line.usual or name in _asked_for(spec))):
            yield line


def _asked_for(spec: Vibration) -> tuple[str, ...]:
    """Return what a key asks for without `features:`: an estimated speed is worth knowing."""
    return ("speed",) if isinstance(spec.speed, Estimate) else ()


def points_of(spec: Vibration) -> dict[str, str]:
    """Return what stands behind `vibration.` in the names of the points, each with its unit; empty: that of the waveform."""
    points: dict[str, str] = {}
    for line in chosen(spec):
        if line.name == "bands":
            points |= {f"band.{name}": "" for name in spec.bands}
        else:
            points |= dict(line.points or ((line.name, line.unit),))
    return points


def announced(spec: Vibration, waves: Iterable[str] = ("vibration",)) -> dict[str, str]:
    """Return the points of a machine's waveforms, each with its unit; the zone is one for all axes of a sensor."""
    names = points_of(spec)
    points = {f"{wave}.{name}": unit for wave in waves for name, unit in names.items() if name != ZONE}
    return points | {f"{axis_of(wave)[0]}.{ZONE}": "" for wave in waves if ZONE in names}


def texts(spec: Vibration, waves: Iterable[str] = ("vibration",)) -> frozenset[str]:
    """Return those of `announced` whose values are texts."""
    ends = tuple(f".{name}" for name in TEXTS)
    return frozenset(point for point in announced(spec, waves) if point.endswith(ends))


def axis_of(point: str) -> tuple[str, str]:
    """Part the name of a waveform into that of its sensor and its axis: `vibration.x` into `vibration` and `x`."""
    sensor, _, axis = point.rpartition(".")
    return (sensor, axis) if sensor and axis in _AXES else (point, "")
