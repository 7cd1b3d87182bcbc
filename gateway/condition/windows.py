"""Blocks of any length become windows of one length; a window never spans a gap."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from msgspec import Struct

from gateway.model import Block, Stamp

_ZERO = array("f", [0.0])


class Window(Struct, eq=False):
    """`samples` (float32, exactly the window's length) and the stamp of the first one."""

    start: Stamp
    samples: array[float]


class Windower:
    """Cuts a waveform into windows of `length` samples, one every `hop` samples; a gap starts afresh.

    With `hop` > `length` the samples between two windows are passed over, with `hop` < `length` windows overlap. A sample is copied
    once for every window that it stands in, straight to its place; this runs on the event loop.
    """

    def __init__(self, length: int, hop: int, rate_hz: float) -> None:
        self.length = length
        self.hop = hop
        self.rate_hz = rate_hz
        self._samples: array[float] | None = None
        self._filled = 0
        self._start: Stamp | None = None
        self._skip = 0

    def push(self, block: Block) -> Iterator[Window]:
        """Take a Block and yield the windows it completes, in order."""
        if block.gap:
            self._filled = self._skip = 0
        source = memoryview(block.samples)
        offset = min(self._skip, len(source))
        self._skip -= offset
        while offset < len(source):
            if self._samples is None:
                self._samples = _ZERO * self.length
            if not self._filled:
                self._start = later(block.start, offset / self.rate_hz)
            take = min(self.length - self._filled, len(source) - offset)
            memoryview(self._samples)[self._filled : self._filled + take] = source[offset : offset + take]
            self._filled += take
            offset += take
            if self._filled == self.length:
                window = Window(self._start, self._samples)  # type: ignore[arg-type]  # set with its first sample
                self._follow(window)
                skip = max(0, self.hop - self.length)
                passed = min(skip, len(source) - offset)
                offset += passed
                self._skip = skip - passed
                yield window

    def _follow(self, window: Window) -> None:
        """Begin the window behind one that is complete, with what both have in common."""
        self._start = later(window.start, self.hop / self.rate_hz)
        self._samples = None
        self._filled = max(0, self.length - self.hop)
        if self._filled:
            self._samples = _ZERO * self.length
            memoryview(self._samples)[: self._filled] = memoryview(window.samples)[self.hop :]


def later(stamp: Stamp, seconds: float) -> Stamp:
    """Return the stamp `seconds` after `stamp`."""
    step = round(seconds * 1e9)
    return Stamp(stamp.wall_ns + step, stamp.mono_ns + step, stamp.boot, stamp.quality)
