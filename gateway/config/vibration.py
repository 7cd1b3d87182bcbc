"""What stands under `vibration:`: windows of a waveform and what is computed of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, field

from gateway.config.base import Spec
from gateway.config.often import too_often
from gateway.config.quantity import Duration, Resolution

VibrationFeature = Literal["rms", "peak", "peak_to_peak", "crest", "kurtosis", "skewness", "velocity_rms"]


class Vibration(Spec, frozen=True, kw_only=True):
    """Windows of a waveform and the features taken from each; features are points named `vibration.<feature>`."""

    window: Annotated[Duration, Meta(description="length of a window")] = Duration(1)
    every: Annotated[Duration, Meta(description="time from the start of one window to the start of the next")] = Duration(10)
    features: Annotated[list[VibrationFeature], Meta(description="features to compute; empty: all")] = field(default_factory=list)
    resolution: (
        Annotated[Resolution, Meta(description="how far a feature that is sent may be off, of itself; default: exact")] | None
    ) = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if not 0 < self.window <= 600:
            yield "window", "a window lasts more than 0s and at most 10min"
        if self.resolution and not self.resolution.relative:
            yield "resolution", "of features of different units is relative, for example 0.5%"
        yield from too_often(self.every)
