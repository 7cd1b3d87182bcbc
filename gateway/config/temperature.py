"""What stands under `temperature:`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, field

from gateway.config.base import Name, Spec
from gateway.config.often import too_often
from gateway.config.quantity import Duration, Resolution

TO_KELVIN = {"°C": 1.0, "K": 1.0, "°F": 5.0 / 9.0}
"""Kelvin per step of the unit, for differences of temperature."""


class Temperature(Spec, frozen=True, kw_only=True):
    """What temperatures are about to do; features are points named `<point>.slope`, `.rise`, `.time_to_limit` and `.change`."""

    points: Annotated[list[Name], Meta(description="names of points; empty: all points whose unit is °C, K or °F")] = field(
        default_factory=list
    )
    window: Annotated[Duration, Meta(description="length of the sliding window the slope is taken over")] = Duration(600)
    every: Annotated[Duration, Meta(description="time between two slopes")] = Duration(60)
    ambient: Annotated[Name | None, Meta(description="the point that measures around the machine; gives <point>.rise in K")] = None
    limit: Annotated[
        float | dict[Name, float] | None,
        Meta(
            description="upper limit of all points, or of each by name, in its unit; gives <point>.time_to_limit in min",
            examples=[80, {"oil_temp": 80}],
        ),
    ] = None
    change: Annotated[
        float | None,
        Meta(
            gt=0, description="tell steps and drifts of at least so many K from how it was in an hour of run; gives <point>.change"
        ),
    ] = None
    resolution: (
        Annotated[Resolution, Meta(description="how far a slope that is sent may be off: of itself (0.5%), or in K/min")] | None
    ) = None

    def limit_of(self, point: str) -> float | None:
        """Return the upper limit of a point, None where it has none."""
        return self.limit.get(point) if isinstance(self.limit, dict) else self.limit

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.window <= 0:
            yield "window", "must be longer than 0s"
        if self.ambient is not None and self.ambient in self.points:
            yield "ambient", f"'{self.ambient}' stands under points, too; it cannot rise over itself"
        for name in self.limit if isinstance(self.limit, dict) else ():
            if self.points and name not in self.points:
                yield "limit", f"has '{name}', which is not one of the points: {', '.join(self.points)}"
        yield from too_often(self.every)


def features_of(spec: Temperature, units: dict[str, str]) -> dict[str, str]:
    """Return the features by name, each with its unit, of a machine whose points have these units."""
    chosen = spec.points or [name for name, unit in units.items() if unit in TO_KELVIN and name != spec.ambient]
    features: dict[str, str] = {}
    for name in chosen:
        features |= names_of(name, limit=spec.limit_of(name) is not None, ambient=spec.ambient is not None)
        if spec.change is not None:
            features[f"{name}.change"] = "K"
    return features


def names_of(point: str, *, limit: bool, ambient: bool) -> dict[str, str]:
    """Return the features of a point that are taken over the window, by name, each with its unit."""
    names = {f"{point}.slope": "K/min"}
    if ambient:
        names[f"{point}.rise"] = "K"
    if limit:
        names |= {f"{point}.time_to_limit{end}": "min" for end in ("", "_low", "_high")}
    return names
