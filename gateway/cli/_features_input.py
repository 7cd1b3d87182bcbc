"""What `gateway features` is given: the flags with their units, and the recording as a whole."""

from __future__ import annotations

import argparse
import re
from array import array
from pathlib import Path

from msgspec import Struct

from drivers.replay.files import open_recording
from drivers.replay.pcm import FormatError
from drivers.replay.spec import Column, ReplayLink, check_address, kind_of
from gateway.config.quantity import Acceleration, Rate
from gateway.config.rotation import Shaft, SpeedRange
from gateway.config.vibration import Estimate
from gateway.driver import LinkError

_MOST_SAMPLES = 1 << 24
_PLAIN = re.compile(r"\s*\d+(?:\.\d+)?\s*")


class UsageError(Exception):
    """A flag or a file that cannot be used, in words."""


class Waveform(Struct, frozen=True):
    """A whole recording: float32 samples, their rate, and the unit that was declared; empty when none was."""

    path: str
    samples: array[float]
    rate_hz: float
    unit: str

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate_hz


def rate_of(text: str) -> Rate:
    """Read a rate: `25.6kHz`, or a bare number of hertz.

    Raises:
        UsageError: it is neither.
    """
    try:
        rate = Rate(float(text)) if _PLAIN.fullmatch(text) else Rate.parse(text)
    except ValueError as error:
        raise UsageError(f"--rate: {error}") from None
    if rate <= 0:
        raise UsageError("--rate: a rate is above 0 Hz")
    return rate


def speed_of(text: str) -> Shaft | Estimate:
    """Read a speed: `1480`, `1480rpm`, `24.7Hz`, or `1400-1500` to look for it between the two.

    Raises:
        UsageError: it is none of these.
    """
    try:
        if "-" in text.strip().rstrip("0123456789") and not text.strip().startswith("-"):
            return Estimate(estimate=SpeedRange.parse(text if text.strip()[-1:].isalpha() else f"{text}rpm"))
        shaft = Shaft.parse(f"{text}rpm" if _PLAIN.fullmatch(text) else text)
    except ValueError as error:
        raise UsageError(f"--rpm: {error}") from None
    if shaft.rpm is None:
        raise UsageError(f"--rpm: '{text}' is not a speed in revolutions per minute, such as 1480")
    return shaft


def read(args: argparse.Namespace) -> Waveform:
    """Read the recording that the flags describe.

    Raises:
        UsageError: a flag does not fit, or the file cannot be read, is none, or is empty or too long.
    """
    try:
        address = check_address("replay", args.file)
        kind = kind_of(address)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if kind in {"tcp", "pipe"}:
        raise UsageError(f"{args.file} is no recording; record it first, then name the file")
    if args.channel != 1 and kind != "wav":
        raise UsageError("--channel: only a .wav has channels" + ("; a .csv has --column" if kind == "csv" else ""))
    if args.column is not None and kind != "csv":
        raise UsageError("--column: only a .csv has columns" + ("; a .wav has --channel" if kind == "wav" else ""))
    try:
        unit = str(Acceleration.parse(args.unit)) if args.unit else ""
        column = Column.parse(args.column) if args.column is not None else None
    except ValueError as error:
        raise UsageError(str(error)) from None
    options = ReplayLink(
        unit=Acceleration(unit or "g"),
        rate=rate_of(args.rate) if args.rate else None,
        scale=args.scale,
        channel=args.channel,
        column=column,
    )
    try:
        recording = open_recording(Path(address), options)
    except LinkError as error:
        raise UsageError(str(error).replace("rate=25.6kHz", "--rate 25600").replace("column=…", "--column")) from None
    try:
        samples = recording.take(_MOST_SAMPLES + 1)
    except (FormatError, OSError, ValueError) as error:
        raise UsageError(f"{args.file} {error}") from None
    finally:
        recording.close()
    if len(samples) > _MOST_SAMPLES:
        raise UsageError(f"{args.file} has more than {_MOST_SAMPLES:,} samples; cut it into pieces of some seconds")
    if len(samples) < 2:
        raise UsageError(f"{args.file} holds {'one sample' if samples else 'no samples'}; a recording has 2 or more, 8 s are good")
    return Waveform(args.file, samples, recording.rate_hz, unit)
