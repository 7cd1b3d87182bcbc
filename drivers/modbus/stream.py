"""Reading a waveform out of registers into Blocks; other units on the line are asked in between."""

from __future__ import annotations

import math
from array import array
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final

from cython_ext import registers
from drivers.modbus.address import TABLES
from drivers.modbus.allowed import Allowed
from drivers.modbus.pipeline import Came, Pipeline
from drivers.modbus.request import Request
from drivers.modbus.spec import ModbusUnit, swaps
from gateway.clock import Clock
from gateway.driver import DeviceError
from gateway.model import Block, Reason, Stamp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from drivers.modbus.exchange import Exchange

POINT: Final = "vibration"
"""Name under which the features of a waveform stand."""

POLL_S: Final = 0.5
"""Time between two looks whether a new waveform is there."""

TORN_LIMIT: Final = 3
"""After so many waveforms that changed while they were read, the sensor is too fast for the line."""

_CODES: Final = {
    "int16": registers.INT16,
    "uint16": registers.UINT16,
    "int32": registers.INT32,
    "uint32": registers.UINT32,
    "float32": registers.FLOAT32,
}


class WaveformReader:
    """Reads the waveform of one unit: as many requests as it takes, each an exact part."""

    def __init__(self, unit: ModbusUnit, pipeline: Pipeline | None = None) -> None:
        assert unit.waveform is not None
        self._allowed = Allowed.of(unit)
        self._pipeline = pipeline or Pipeline()
        self._wave = wave = unit.waveform
        self._unit = unit
        function = TABLES[wave.at.table].function
        most = max(1, unit.max_registers // wave.width) * wave.width
        total = wave.count * wave.width
        word_swap, byte_swap = swaps(unit.order)
        self._parts: list[tuple[Request, registers.Decoder]] = []
        for start in range(0, total, most):
            count = min(most, total - start)
            items = [
                ((start + i) // wave.width, 2 * i, _CODES[wave.type], word_swap, byte_swap, 0, wave.scale, wave.offset)
                for i in range(0, count, wave.width)
            ]
            self._parts.append((Request(unit.unit, function, wave.at.wire + start, count), registers.Decoder(items)))

    async def mark(self, line: Exchange) -> int | None:
        """Return what the ready register holds; None when there is no such register."""
        if (ready := self._wave.ready) is None:
            return None
        request = Request(self._unit.unit, TABLES[ready.at.table].function, ready.at.wire, 1)
        return int.from_bytes((await line.ask(request, self._allowed))[:2], "big")

    def is_new(self, mark: int | None, last: int | None) -> bool:
        """Say whether there is a waveform to read; `last` is the mark of the one read before."""
        if (ready := self._wave.ready) is None:
            return True
        return mark == ready.value if ready.value is not None else mark != last

    async def samples(self, line: Exchange, clock: Clock) -> array[float]:
        """Return all samples as float32.

        Raises:
            DeviceError: the sensor has none, or does not answer.
        """
        values = array("d", bytes(8 * self._wave.count))
        quality, reason = bytearray(self._wave.count), bytearray(self._wave.count)
        for group in self._pipeline.groups(self._parts, self._unit.unit, line, clock):
            for came, (request, decoder) in zip(await self._answers(line, clock, group), group, strict=True):
                if isinstance(came, DeviceError):
                    raise came
                answer = came if came is not None else await line.ask(request, self._allowed)
                decoder.decode(answer, values, quality, reason)
        if not all(map(math.isfinite, values)):
            words = f"unit {self._unit.unit}: the waveform at {self._wave.at} holds values that are no numbers"
            raise DeviceError(words, hint="check 'type' and 'order'", reason=Reason.NO_SENSOR)
        return array("f", values)

    async def _answers(self, line: Exchange, clock: Clock, group: Sequence[tuple[Request, registers.Decoder]]) -> list[Came]:
        requests = [request for request, _ in group]
        return await self._pipeline.ask(line, requests, clock, self._allowed) if len(group) > 1 else [None]


async def blocks(
    unit: ModbusUnit,
    machine: str,
    visit: Callable[[], AbstractAsyncContextManager[Exchange]],
    clock: Clock,
    pipeline: Pipeline | None = None,
) -> AsyncIterator[Block]:
    """Yield a Block per waveform, for ever; each stands for itself, so each is marked as coming after a gap.

    Its start is when the waveform was found, less its length. A waveform that changed while it was read is read again.

    Raises:
        DeviceError: the unit did not answer, or waveforms change faster than the line can carry them.
        LinkError: the line is gone.
    """
    wave = unit.waveform
    assert wave is not None
    reader = WaveformReader(unit, pipeline)
    last: int | None = None
    torn = 0
    due_s = clock.monotonic()
    while True:
        samples: array[float] | None = None
        async with visit() as line:
            mark = await reader.mark(line)
            found = clock.stamp()
            if reader.is_new(mark, last):
                samples = await reader.samples(line, clock)
                if await reader.mark(line) != mark:
                    samples, torn = None, torn + 1
        if torn >= TORN_LIMIT:
            words = f"unit {unit.unit}: {torn} waveforms in a row changed while they were read"
            raise DeviceError(words, hint="raise the baud rate, or let the sensor measure less often", reason=Reason.DEVICE_BUSY)
        if samples is None:
            await clock.sleep_until(clock.monotonic() + POLL_S)
            continue
        torn, last = 0, mark
        yield Block(machine, POINT, _earlier(found, wave.count / wave.rate), float(wave.rate), samples, wave.unit, gap=True)
        due_s = max(due_s + wave.every, clock.monotonic())
        await clock.sleep_until(due_s)


def _earlier(stamp: Stamp, seconds: float) -> Stamp:
    step = round(seconds * 1e9)
    return Stamp(stamp.wall_ns - step, stamp.mono_ns - step, stamp.boot, stamp.quality)
