"""What one window gave: its features with unit, band and quality, and the verdicts that go beyond numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct

from gateway.model import Quality, Reason

from .bearing import Diagnosis
from .iso import Verdict


class Value(Struct, frozen=True):
    """One feature of one window.

    Attributes:
        name: what stands behind the name of the sensor, `rms`, `band.low`, `harmonic.1`.
        value: the number; None when there is none.
        unit: its unit of measure.
        text: the value of a feature that is a text, empty when there is none; None for one that is a number.
        band_hz: the band of frequencies it was taken over.
        quality: how far it can be trusted.
        reason: why not.
    """

    name: str
    value: float | None
    unit: str
    text: str | None = None
    band_hz: tuple[float, float] | None = None
    quality: Quality = Quality.GOOD
    reason: Reason = Reason.NONE

    def spoilt(self, quality: Quality, reason: Reason) -> Value:
        """Return it without a value."""
        return Value(self.name, None, self.unit, None if self.text is None else "", self.band_hz, quality, reason)

    def judged(self, quality: Quality, reason: Reason) -> Value:
        """Return it with the quality of its window; a number that is none, and a text that is none, is bad."""
        there = self.text if self.text is not None else (self.value is not None and math.isfinite(self.value))
        if not there:
            return self.spoilt(Quality.BAD, Reason.NO_DATA)
        return (
            self if quality is Quality.GOOD else Value(self.name, self.value, self.unit, self.text, self.band_hz, quality, reason)
        )


class Result(Struct, frozen=True):
    """What one window gave.

    Attributes:
        values: its features, in the order of the catalogue; the zone is not among them, for it is one of all axes.
        quality: of the window as a whole.
        reason: why it is not good.
        rpm: the speed of the shaft that was taken, told or found; None when it is not known.
        zone: the verdict of the standard on this axis; None when none was asked for.
        bearings: the verdict on each bearing, by its name in the machine.
        notes: what has to be said beside, in words.
    """

    values: tuple[Value, ...]
    quality: Quality
    reason: Reason
    rpm: float | None = None
    zone: Verdict | None = None
    bearings: Mapping[str, Diagnosis] = {}
    notes: tuple[str, ...] = ()
