"""A waveform that a server hands out as an array: `waveform:` of a machine; every new array is a new piece."""

from __future__ import annotations

import math
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from typing import Annotated, Any

from msgspec import Meta

from drivers.opcua.address import BrowsePath, NodeAddress
from gateway.config.quantity import Acceleration, Duration, Rate
from gateway.config.spec import Spec
from gateway.model import Block, PointTable, Quality, Reason, Scan, Stamp
from gateway.waveform import Counters

POINT = "vibration"
"""Name under which the features of a waveform stand."""

NAME = "waveform"
"""Name of the array among the points, in warnings."""

_CONTIGUOUS = 0.1
"""An array follows the one before when its source time is later by its length, to this part of it."""

_OLD_S = 10.0


class WaveArray(Spec, frozen=True, kw_only=True):
    """An array on the server: samples of equal distance, the oldest first."""

    node: Annotated[NodeAddress | None, Meta(description="node id of the array")] = None
    path: Annotated[BrowsePath | None, Meta(description="path of the array, instead of its node id")] = None
    rate: Annotated[Rate, Meta(description="samples per second", examples=["6.4kHz"])]
    unit: Annotated[Acceleration, Meta(description="unit of a scaled sample, 'm/s²' or 'g'")]
    scale: Annotated[float, Meta(description="sample = element * scale + offset")] = 1.0
    offset: float = 0.0
    every: Annotated[Duration, Meta(description="how soon a new array comes; the server looks twice in that time")] = Duration(1)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.node is None and self.path is None:
            yield "", "where is the array? write 'node: \"nsu=<uri>;s=…\"' or 'path: Objects/…'"
        elif self.node is not None and self.path is not None:
            yield "path", "'node' and 'path' say the same twice; leave one out"
        if self.rate <= 0:
            yield "rate", "must be above 0Hz"
        if not 0.02 <= self.every <= 3600:
            yield "every", "must be from 20ms to 1h"
        if self.scale == 0:
            yield "scale", "a scale of 0 makes every sample equal to the offset"


class Arrays:
    """Turns the arrays of one machine into Blocks; the start of one is when it came, less its length.

    Attributes:
        problem: what is wrong with the array that came last, empty when nothing is.
    """

    def __init__(self, machine: str, wave: WaveArray, counters: Counters) -> None:
        self.problem = ""
        self._machine = machine
        self._wave = wave
        self._counters = counters
        self._last: tuple[int, int] | None = None
        self._first = True

    def block(self, scan: Scan, *, dropped: bool) -> Block | None:
        """Return the Block of a Scan with the array; `dropped`: the server had to drop one before it."""
        if dropped:
            self._counters.overruns += 1
            self._last = None
        samples = self._samples(scan)
        if samples is None:
            self._last = None
            return None
        count, rate_hz = len(samples), float(self._wave.rate)
        first, self._first = self._first, False
        source_ns = scan.stamps[0] if scan.stamps is not None else 0
        if self._last is not None and source_ns and source_ns == self._last[0]:
            return None  # the same again: only its status has changed
        gap = not self._follows(source_ns, count, rate_hz)
        self._last = (source_ns, count) if source_ns else None
        if first and source_ns and scan.stamp.wall_ns - source_ns > 1e9 * (_OLD_S + count / rate_hz + 2 * self._wave.every):
            return None  # of long ago: it was taken before the connection was lost, or nobody knows when
        self._counters.samples += count
        start = _earlier(scan.stamp, count / rate_hz)
        return Block(self._machine, POINT, start, rate_hz, samples, str(self._wave.unit), gap)

    def _samples(self, scan: Scan) -> array[float] | None:
        quality, held = scan.quality[0], scan.objects.get(0)
        if quality == Quality.BAD:
            self.problem = "" if scan.reason[0] == Reason.NO_SUCH_ADDRESS else f"the array is bad: {Reason(scan.reason[0]).words}"
            return None
        if isinstance(held, list) and len(held) > 1:
            try:
                samples = array("f", held)
            except (TypeError, OverflowError):
                samples = array("f")
            if samples:
                self.problem = ""
                return samples
        what = f"a list of {len(held)}" if isinstance(held, list) else "a single value"
        self.problem = f"the node holds {what}, not an array of numbers; see that it is the waveform"
        return None

    def _follows(self, source_ns: int, count: int, rate_hz: float) -> bool:
        """Whether an array begins where the one before ended, by the times at which the source took them."""
        if self._last is None or not source_ns:
            return False
        before_ns, before = self._last
        # A source stamps the first sample or the last of an array: the distance is the length of one or of the other.
        distance = (source_ns - before_ns) * rate_hz / 1e9
        return any(abs(distance - length) <= _CONTIGUOUS * length for length in (count, before))


def table_of(machine: str, wave: WaveArray, point: type[Any], unit: type[Any]) -> PointTable:
    """Return the array as the only point of a table that can be subscribed, of the driver's structs for points and machines."""
    look_s = wave.every / 2
    publish_s = min(max(look_s, 0.05), 1.0)
    options = unit(publish=Duration(publish_s), sample=Duration(look_s), queue=max(4, math.ceil(2 * publish_s / look_s)))
    spec = point(node=wave.node, path=wave.path, scale=wave.scale, offset=wave.offset)
    return PointTable(machine, (NAME,), (str(wave.unit),), (spec,), options, float(wave.every))


async def blocks(arrays: Arrays, scans: AsyncIterator[Scan], dropped: Callable[[], int]) -> AsyncGenerator[Block, None]:
    """Yield a Block for each array among the Scans; `dropped` tells how many values the server had to drop so far."""
    lost = dropped()
    async for scan in scans:
        block = arrays.block(scan, dropped=dropped() > lost)
        lost = dropped()
        if block is not None:
            yield block


def _earlier(stamp: Stamp, seconds: float) -> Stamp:
    step = round(seconds * 1e9)
    return Stamp(stamp.wall_ns - step, stamp.mono_ns - step, stamp.boot, stamp.quality)
