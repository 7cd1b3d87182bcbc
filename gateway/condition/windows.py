"""Blocks of any length become windows of one length; a window never spans a gap."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from msgspec import Struct

from gateway.model import Block, Stamp


class Window(Struct, eq=False):
    """`samples` (float32, exactly the window's length) and the stamp of the first one."""

    start: Stamp
    samples: array[float]


class Windower:
    """Cuts a waveform into windows of `length` samples, one every `hop` samples; a gap starts afresh.

    With `hop` > `length` the samples between two windows are passed over, with `hop` < `length` windows overlap. A sample is copied
    once for every window that it stands in, and a window grows with its Blocks, for this runs on the event loop: preparing the
    memory of a long one at once would hold the loop up.
    """

    def __init__(self, length: int, hop: int, rate_hz: float) -> None:
        self.length = length
        self.hop = hop
        self.rate_hz = rate_hz
        self._samples: array[float] = array("f")
        self._start: Stamp | None = None
        self._skip = 0

    def push(self, block: Block) -> Iterator[Window]:
        """Take a Block and yield the windows it completes, in order."""
        if block.gap:
            self._samples = array("f")
            self._skip = 0
        source = memoryview(block.samples).cast("B")
        total = len(block.samples)
        offset = min(self._skip, total)
        self._skip -= offset
        while offset < total:
            if not self._samples:
                self._start = later(block.start, offset / self.rate_hz)
            take = min(self.length - len(self._samples), total - offset)
            self._samples.frombytes(source[4 * offset : 4 * (offset + take)])
            offset += take
            if len(self._samples) == self.length:
                assert self._start is not None
                window = Window(self._start, self._samples)
                self._start = later(self._start, self.hop / self.rate_hz)
                self._samples = array("f")
                if self.hop < self.length:
                    self._samples.frombytes(memoryview(window.samples).cast("B")[4 * self.hop :])
                skip = max(0, self.hop - self.length)
                passed = min(skip, total - offset)
                offset += passed
                self._skip = skip - passed
                yield window


def later(stamp: Stamp, seconds: float) -> Stamp:
    """Return the stamp `seconds` after `stamp`."""
    step = round(seconds * 1e9)
    return Stamp(stamp.wall_ns + step, stamp.mono_ns + step, stamp.boot, stamp.quality)
