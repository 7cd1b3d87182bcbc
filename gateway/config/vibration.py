"""What stands under `vibration:`: windows of a waveform and what is computed of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Self

from msgspec import Meta, field

from gateway.config.base import Name, Spec
from gateway.config.capture import Capture
from gateway.config.features import CATALOGUE, ELEMENTS, ZONE, FeatureSpec, VibrationFeature
from gateway.config.often import too_often
from gateway.config.quantity import Angle, Duration, Length, Resolution
from gateway.config.rotation import FrequencyBand, Shaft, SpeedRange
from gateway.config.zones import IsoGroup

__all__ = ["AccelerationUnit", "Estimate", "Vibration", "VibrationFeature", "announced", "axis_of", "chosen", "points_of", "texts"]

AccelerationUnit = Literal["g", "m/s²", "m/s2"]

MOST_WINDOW_S = 600.0
GIVEN = "the site file"
"""Source of a bearing whose geometry or rates were written down."""
_AXES = ("x", "y", "z")


class Estimate(Spec, frozen=True, kw_only=True):
    """A speed that nobody tells: it is looked for in the waveform itself."""

    estimate: Annotated[SpeedRange, Meta(description="between which speeds the shaft turns")]


class BearingType(str):
    """What is printed on a bearing; a bare number is one, too."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a designation.

        Raises:
            ValueError: it is none.
        """
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise ValueError("expected the type of a bearing, as printed on it: 6205-2RS")
        return cls(value)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written forms."""
        return {"type": ["string", "integer"], "examples": ["6205-2RS"]}


class BearingSpec(Spec, frozen=True, kw_only=True):
    """A rolling bearing: its type, or its geometry, or how often its parts pass one another in a turn of the shaft."""

    name: Annotated[Name, Meta(description="which one it is, where a machine has several", examples=["drive-end"])] | None = None
    type: Annotated[BearingType, Meta(description="as printed on it", examples=["6205-2RS"])] | None = None
    balls: Annotated[int, Meta(ge=3, description="number of rolling elements in one row")] | None = None
    ball: Annotated[Length, Meta(description="diameter of a rolling element")] | None = None
    pitch: Annotated[Length, Meta(description="diameter of the circle through their middles")] | None = None
    angle: Annotated[Angle, Meta(description="contact angle")] = Angle(0)
    outer: (
        Annotated[float, Meta(gt=0, description="rolling elements that pass the outer race in a turn of the shaft (BPFO)")] | None
    ) = None
    inner: Annotated[float, Meta(gt=0, description="that pass the inner race (BPFI)")] | None = None
    element: Annotated[float, Meta(gt=0, description="turns of a rolling element about itself (BSF)")] | None = None
    cage: Annotated[float, Meta(gt=0, description="turns of the cage (FTF)")] | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        ways: dict[str, list[object]] = {
            "type": [self.type],
            "balls, ball and pitch": [self.balls, self.ball, self.pitch],
            "outer, inner, element and cage": [self.outer, self.inner, self.element, self.cage],
        }
        begun = [keys for keys, values in ways.items() if any(value is not None for value in values)]
        if not begun:
            yield "", f"a bearing needs {', or '.join(ways)}"
        elif len(begun) > 1:
            yield "", f"a bearing is given in one way; keep {' or '.join(begun)}"
        elif any(value is None for value in ways[begun[0]]):
            yield "", f"a bearing given this way needs {begun[0]}"


class GearSpec(Spec, frozen=True, kw_only=True):
    """A gear on the shaft that `speed:` is about."""

    teeth: Annotated[int, Meta(ge=6, le=1000, description="number of its teeth")]


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
    bearing: (
        Annotated[
            BearingSpec | list[BearingSpec | BearingType] | BearingType,
            Meta(description="type of the bearing on the shaft, or what is known of it; or a list", examples=["6205-2RS"]),
        ]
        | None
    ) = None
    gear: Annotated[GearSpec, Meta(description="gear on the shaft")] | None = None
    iso: (
        Annotated[IsoGroup, Meta(description="group of the machine in ISO 20816-3, 10816-1 or 10816-7, for its zone A to D")] | None
    ) = None
    capture: Annotated[Capture, Meta(description="what is kept of the waveform when an alarm of this machine comes")] = field(
        default_factory=Capture
    )
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
        for key in ("bearing", "gear"):
            if _has(self, key) and self.speed is None:
                yield key, "needs the speed of the shaft; write 'speed:' beside it"
        names = [one.name for one in _listed(self)]
        if len(names) > 1 and None in names:
            yield "bearing", "lists several, so each needs a name: {name: drive-end, type: 6205-2RS}"
        elif len(names) > len(set(names)):
            yield "bearing", "lists two of one name; give each its own"
        yield from too_often(self.every)


def _listed(spec: Vibration) -> list[BearingSpec]:
    if spec.bearing is None:
        return []
    listed = spec.bearing if isinstance(spec.bearing, list) else [spec.bearing]
    return [BearingSpec(type=one) if isinstance(one, str) else one for one in listed]


def bearings_of(spec: Vibration) -> dict[str, BearingSpec]:
    """Return the bearings by name; one that stands alone may have none."""
    return {one.name or "": one for one in _listed(spec)}


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
    """Return what a key asks for without `features:`: a speed that is not written down is worth knowing."""
    return () if spec.speed is None or (isinstance(spec.speed, Shaft) and spec.speed.rpm is not None) else ("speed",)


def points_of(spec: Vibration) -> dict[str, str]:
    """Return what stands behind `vibration.` in the names of the points, each with its unit; empty: that of the waveform."""
    points: dict[str, str] = {}
    for line in chosen(spec):
        if line.name == "bearing":
            for bearing in bearings_of(spec):
                head = f"bearing.{bearing}" if bearing else "bearing"
                points |= {head: "", f"{head}.score": "dB"} | {f"{head}.{part}": "dB" for part in ELEMENTS}
        elif line.name == "bands":
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
    names = {ZONE, *(f"bearing.{name}" if name else "bearing" for name in bearings_of(spec))}
    ends = tuple(f".{name}" for name in names)
    return frozenset(point for point in announced(spec, waves) if point.endswith(ends))


def axis_of(point: str) -> tuple[str, str]:
    """Part the name of a waveform into that of its sensor and its axis: `vibration.x` into `vibration` and `x`."""
    sensor, _, axis = point.rpartition(".")
    return (sensor, axis) if sensor and axis in _AXES else (point, "")
