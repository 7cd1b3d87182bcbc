"""Samples of fixed width at a known place in a file: what .wav, .npy and raw float32 have in common."""

from __future__ import annotations

from array import array
from typing import BinaryIO, cast

from msgspec import Struct


class FormatError(ValueError):
    """The content of a recording is not what it should be; the sentence does not name the file."""


class Layout(Struct, frozen=True, kw_only=True):
    """Where the samples are and how they are stored, always little-endian.

    `kind` is the array code of a sample (`h`, `i`, `f`, `d`) or `3` for 24-bit integers; `factor` makes integers of a .wav
    fractions of full scale; `rate_hz` is None where the file does not say.
    """

    offset: int
    frames: int
    kind: str
    channels: int = 1
    factor: float = 1.0
    rate_hz: float | None = None


WIDTH = {"h": 2, "3": 3, "i": 4, "f": 4, "d": 8}


def decode(data: bytes, kind: str, channels: int, channel: int, factor: float) -> array[float]:
    """Return one channel (from 0) of interleaved samples as float32, each multiplied by `factor`."""
    if kind == "3":
        stride, at = 3 * channels, 3 * channel
        wide = bytearray(4 * (len(data) // stride))
        for byte in range(3):
            wide[byte + 1 :: 4] = data[at + byte :: stride]
        stored = array("i", bytes(wide))
        factor /= 256
    else:
        stored = array(kind, data)
        if channels > 1:
            stored = stored[channel::channels]
    if factor == 1.0:
        return cast("array[float]", stored) if kind == "f" else array("f", stored)
    return array("f", [value * factor for value in stored])


class PcmFile:
    """One channel of a file of fixed-width samples, read forward in pieces; never the whole file, never mapped.

    A mapped file that somebody truncates would end the process with SIGBUS; a short read is only an error.
    """

    gap = False

    def __init__(self, file: BinaryIO, layout: Layout, *, rate_hz: float, channel: int = 1, scale: float = 1.0) -> None:
        self.rate_hz = rate_hz
        self._file = file
        self._layout = layout
        self._channel = channel - 1
        self._factor = layout.factor * scale
        self._width = WIDTH[layout.kind] * layout.channels
        self._at = 0

    def take(self, n: int) -> array[float]:
        """Return the next `n` samples, fewer at the end, none after it.

        Raises:
            FormatError: the file has become shorter.
        """
        frames = min(n, self._layout.frames - self._at)
        if frames <= 0:
            return array("f")
        self._file.seek(self._layout.offset + self._at * self._width)
        data = self._file.read(frames * self._width)
        if len(data) < frames * self._width:
            raise FormatError("has become shorter while it was played")
        self._at += frames
        return decode(data, self._layout.kind, self._layout.channels, self._channel, self._factor)

    def rewind(self) -> None:
        """Go back to the first sample."""
        self._at = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
