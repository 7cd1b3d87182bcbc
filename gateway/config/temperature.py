"""What stands under `temperature:`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, field

from gateway.config.base import Name, Spec
from gateway.config.often import too_often
from gateway.config.quantity import Duration, Resolution


class Temperature(Spec, frozen=True, kw_only=True):
    """Slopes of temperature points; features are points named `<point>.slope` in K/min."""

    points: Annotated[list[Name], Meta(description="names of points; empty: all points whose unit is °C, K or °F")] = field(
        default_factory=list
    )
    window: Annotated[Duration, Meta(description="length of the sliding window the slope is taken over")] = Duration(600)
    every: Annotated[Duration, Meta(description="time between two slopes")] = Duration(60)
    resolution: (
        Annotated[Resolution, Meta(description="how far a slope that is sent may be off: of itself (0.5%), or in K/min")] | None
    ) = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.window <= 0:
            yield "window", "must be longer than 0s"
        yield from too_often(self.every)
