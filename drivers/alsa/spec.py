"""What can be written about a sound card with an accelerometer: which, how fast, how it is scaled; checked offline."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from cython_ext import scans
from gateway.config.quantity import Acceleration, Duration, Rate
from gateway.config.spec import Link, PointSpec, Spec
from gateway.driver import Finding

FormatName = Literal["S16_LE", "S24_3LE", "S24_LE", "S32_LE", "FLOAT_LE"]


class Format(Struct, frozen=True):
    """A format of samples: bytes of one, how many bits of it count, and what full scale is."""

    size: int
    bits: int
    full: float
    kind: int = scans.SIGNED


FORMATS: dict[str, Format] = {
    "S16_LE": Format(2, 16, 2.0**15),
    "S24_3LE": Format(3, 24, 2.0**23),
    "S24_LE": Format(4, 24, 2.0**23),
    "S32_LE": Format(4, 32, 2.0**31),
    "FLOAT_LE": Format(4, 32, 1.0, scans.FLOAT),
}

_DEVICE = re.compile(r"[A-Za-z_][\w:,.=-]*")
_CONVERTS = ("plug", "default", "sysdefault", "pulse", "pipewire", "dsnoop", "front")


class AlsaLink(Spec, frozen=True, kw_only=True):
    """How a sound card records."""

    rate: Annotated[Rate, Meta(description="samples per second, one of those the card has", examples=["48kHz"])]
    format: Annotated[FormatName, Meta(description="format of a sample, as 'arecord' names it")] = "S16_LE"
    channels: Annotated[int, Meta(ge=1, le=64, description="channels the card records, all of them")] = 2
    buffer: Annotated[Duration, Meta(description="what the kernel keeps while the gateway is busy")] = Duration(0.5)
    block: Annotated[Duration, Meta(description="length of a block of samples")] = Duration(0.1)
    timeout: Annotated[Duration, Meta(description="longest silence before the card counts as gone")] = Duration(5)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if not 1 <= self.rate <= 1_000_000 or not float(self.rate).is_integer():
            yield "rate", "a card records at a whole number of samples per second, from 1Hz to 1MHz"
        if not 0.01 <= self.block <= 10:
            yield "block", "a block lasts from 10ms to 10s"
        elif not 2 * self.block <= self.buffer <= 60:
            yield "buffer", f"lasts at least two blocks ({Duration(2 * self.block).written}) and at most 60s"
        if self.timeout <= self.block:
            yield "timeout", "must be longer than a block"


class AlsaUnit(Spec, frozen=True, kw_only=True):
    """Which channel of the card belongs to a machine, and what its samples stand for."""

    channel: Annotated[int, Meta(ge=1, le=64, description="channel, counted from 1")] = 1
    unit: Annotated[Acceleration, Meta(description="unit of the samples after scaling, 'm/s²' or 'g'")]
    scale: Annotated[float | None, Meta(description="value in the unit at full scale", examples=[20])] = None
    counts: Annotated[
        float | None, Meta(description="instead of 'scale': steps of the format for one of the unit", examples=[85538])
    ] = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.scale is None and self.counts is None:
            words = "the sensitivity is missing; write scale=… (value at full scale), or counts=… (steps for one of the unit)"
            yield "scale", f"{words}, as the calibration sheet says"
        elif self.scale is not None and self.counts is not None:
            yield "counts", "'scale' and 'counts' say the same twice; leave one out"
        elif not (self.scale or self.counts):
            yield "scale" if self.counts is None else "counts", "cannot be 0"

    def factor(self, form: Format) -> float:
        """Return what to multiply a stored sample by."""
        return 1 / self.counts if self.counts else (self.scale or 0.0) / form.full


class AlsaPoint(PointSpec, frozen=True, kw_only=True):
    """A sound card has no points to poll; only its waveform."""


def check_address(scheme: str, address: str) -> str:
    """Return the name of a device, as `arecord -D` takes it.

    Raises:
        ValueError: it is none.
    """
    name = address.removeprefix("//").rstrip("/")
    if name.isascii() and name.replace(",", "", 1).isdigit() and name[-1:] != ",":
        raise ValueError(f"'{name}' is not the name of a device; did you mean 'hw:{name}'?")
    if not _DEVICE.fullmatch(name):
        raise ValueError(f"'{address}' is not the name of a device; write it like hw:1,0 ('arecord -l' lists cards and devices)")
    return name


def check(link: Link, unit: Any, points: dict[str, Any]) -> Iterable[Finding]:
    """Find what does not fit between card and machine, devices that change samples, and points, which a card has not."""
    options: AlsaLink = link.options
    if unit.channel > options.channels:
        words = f"there is no channel {unit.channel} among {options.channels}; correct it, or write channels={unit.channel}"
        yield Finding(words, key="channel")
    if unit.counts and options.format == "FLOAT_LE":
        yield Finding("samples of FLOAT_LE are no counts but fractions of full scale; write scale=… instead", key="counts")
    if link.address.startswith(_CONVERTS):
        words = f"'{link.address}' may convert rate and format, which changes a spectrum; hw:… gives what the sensor gives"
        yield Finding(words, level="warning")
    for name in points:
        yield Finding("a sound card has no points to poll; its features appear by themselves as vibration.*", point=name)
