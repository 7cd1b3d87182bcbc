"""What can be written about a sensor of Industrial I/O: which device, how fast, which axes; checked offline."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta

from gateway.config.quantity import Acceleration, Duration, Rate
from gateway.config.spec import Link, PointSpec, Spec
from gateway.driver import Finding

POINT = "vibration"
"""Name under which the features of one axis stand; those of several stand under `vibration.x`, …"""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:,+-]*")
_CHANNEL = re.compile(r"[a-z][a-z0-9_-]*")


class Axes(str):
    """Which axes of an accelerometer are taken: `x`, `y`, `z`, or several: `xyz`."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Axes:
        """Read the axes.

        Raises:
            ValueError: it is none of x, y and z, or one stands twice.
        """
        text = str(value).strip().lower().replace(",", "").replace(" ", "")
        if not text or set(text) - set("xyz") or len(set(text)) < len(text):
            raise ValueError(f"'{value}' is not an axis; write x, y or z, or xyz for all three")
        return cls("".join(sorted(text)))

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {"type": "string", "pattern": "^[xyzXYZ]{1,3}$", "examples": ["x", "xyz"]}


class IioLink(Spec, frozen=True, kw_only=True):
    """How a device of Industrial I/O samples."""

    rate: Annotated[Rate, Meta(description="samples per second, one of those the device offers")]
    clock: Annotated[
        Rate | None, Meta(description="samples per second that the sensor's own clock really gives; default: as 'rate'")
    ] = None
    trigger: Annotated[str, Meta(description="trigger that starts every sample, for devices without a clock of their own")] = ""
    buffer: Annotated[Duration, Meta(description="what the kernel keeps while the gateway is busy")] = Duration(1)
    block: Annotated[Duration, Meta(description="length of a block of samples")] = Duration(0.1)
    timeout: Annotated[Duration, Meta(description="longest silence before the sensor counts as gone")] = Duration(5)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.rate <= 0:
            yield "rate", "a rate must be above 0Hz"
        elif self.clock is not None and not 0.8 <= self.clock / self.rate <= 1.25:
            yield "clock", f"is the true rate of a sensor that is asked for {self.rate.written}; it cannot be that far off"
        if not 0 < self.block <= 60:
            yield "block", "a block lasts more than 0s and at most 60s"
        elif not 2 * self.block <= self.buffer <= 120:
            yield "buffer", f"lasts at least two blocks ({Duration(2 * self.block).written}) and at most 2min"
        if self.timeout <= self.block:
            yield "timeout", "must be longer than a block"


class IioUnit(Spec, frozen=True, kw_only=True):
    """Which channels of the device belong to one machine."""

    axis: Annotated[Axes | None, Meta(description="axes of an accelerometer: x, y, z, or xyz for all three; default: x")] = None
    channel: Annotated[
        str, Meta(description="an analogue input with a vibration sensor instead of an axis", examples=["voltage0"])
    ] = ""
    unit: Annotated[Acceleration | None, Meta(description="with 'channel': unit of what the sensor measures, 'm/s²' or 'g'")] = None
    sensitivity: Annotated[
        float | None, Meta(gt=0, description="with 'channel': millivolts the sensor gives for one of its unit", examples=[40])
    ] = None

    @property
    def axes(self) -> str:
        """The axes that are taken, in order; one where an input is named instead."""
        return self.axis or "x"

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if not self.channel:
            for key in ("unit", "sensitivity"):
                if getattr(self, key) is not None:
                    yield key, f"an accelerometer tells its own scale and gives m/s²; '{key}' belongs to 'channel'"
            return
        if self.axis:
            yield "axis", "'axis' and 'channel' exclude each other; leave one out"
        if not _CHANNEL.fullmatch(self.channel):
            yield "channel", f"'{self.channel}' is not a channel; write it as in in_voltage0_raw, without in_ and _raw: voltage0"
        elif self.channel.startswith("accel"):
            yield "channel", f"an acceleration is named by its axis; write axis={self.channel[-1:]} instead"
        if self.unit is None:
            yield "unit", "the unit of the sensor at this input is missing; write unit=g or unit=m/s², it is never guessed"
        if self.sensitivity is None:
            yield (
                "sensitivity",
                "is missing; the sensor's data sheet tells how many millivolts it gives per unit, e.g. sensitivity=40",
            )


class IioPoint(PointSpec, frozen=True, kw_only=True):
    """A sensor has no points to poll; only its waveform."""


def check_address(scheme: str, address: str) -> str:
    """Return the name of a device, or its number as `iio:deviceN`.

    Raises:
        ValueError: it is neither.
    """
    name = address.removeprefix("//").rstrip("/").rpartition("/")[2]
    if name.isascii() and name.isdigit():
        return f"iio:device{int(name)}"
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"'{address}' is not the name of a device; write it as in /sys/bus/iio/devices/*/name: iio://adxl355?rate=4kHz"
        )
    return name


def check(link: Link, unit: Any, points: dict[str, Any]) -> Iterable[Finding]:
    """Find points, which a sensor has not."""
    for name in points:
        yield Finding("a sensor has no points to poll; its features appear by themselves as vibration.*", point=name)


def waves(link: Link, unit: Any) -> tuple[str, ...]:
    """Return the names of the waveforms of one machine."""
    axes = unit.axes
    return (POINT,) if len(axes) == 1 else tuple(f"{POINT}.{axis}" for axis in axes)
