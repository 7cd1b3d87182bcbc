"""The driver of Linux Industrial I/O: the axes of a sensor, or inputs of a converter, as Blocks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from drivers.iio import sysfs
from drivers.iio.capture import Capture
from drivers.iio.setup import Device, Wanted
from drivers.iio.spec import IioLink, IioUnit, waves
from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.model import Block, PointTable, Reason, Scan
from gateway.waveform import Counters, Piece, SharedSource, in_thread


class IioDriver:
    """One device of Industrial I/O; several machines may take different channels of it.

    It samples while somebody listens, and is left as it was found. A Block ends where a sample is missing; the next has `gap`.
    """

    def __init__(self, link: Link, clock: Clock, sys: Path | None = None, dev: Path | None = None) -> None:
        self.counters = Counters()
        self._link = link
        self._options: IioLink = link.options
        self._clock = clock
        self._sys = sys or sysfs.SYS
        self._dev = dev or sysfs.DEV
        self._wanted: dict[str, Wanted] = {}
        self._capture: Capture | None = None
        self._source = SharedSource(self._pieces)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What stays wrong: a clock that is off, timestamps that say nothing."""
        return self._capture.warnings if self._capture else ()

    async def open(self) -> None:
        """Find the device.

        Raises:
            LinkError: it is not there, or cannot sample into a buffer.
        """
        await in_thread(lambda: self._device().elements())

    async def read(self, table: PointTable) -> Scan:
        """Return a Scan in which every point is unknown: a sensor has a waveform and no points."""
        return Scan.bad(table, self._clock.stamp(), Reason.NO_SUCH_ADDRESS)

    async def stream(self, table: PointTable) -> AsyncGenerator[Block, None]:
        """Yield Blocks of the channels of one machine: `vibration` of one axis, `vibration.x` and so on of several.

        Raises:
            LinkError: the device refuses, has gone, or is silent; the hint says what to do.
        """
        unit: IioUnit = table.options
        names = dict(zip(waves(self._link, unit), self._register(unit), strict=True))
        what = str(unit.unit) if unit.unit else "m/s²"
        async with contextlib.aclosing(self._source.listen(tuple(names.values()))) as pieces:
            async for piece in pieces:
                for point, name in names.items():
                    yield Block(table.machine, point, piece.start, piece.rate_hz, piece.samples[name], what, piece.gap)

    async def close(self) -> None:
        """Switch the device off; never raises, may be called twice."""
        await self._source.close()

    def _register(self, unit: IioUnit) -> list[str]:
        """Name the channels of a machine, each with what to multiply it by."""
        if unit.channel:
            wanted = (
                {f"{unit.channel}/{unit.sensitivity:g}": Wanted(unit.channel, 1 / unit.sensitivity)} if unit.sensitivity else {}
            )
        else:
            wanted = {f"accel_{axis}": Wanted(f"accel_{axis}") for axis in unit.axes}
        self._wanted |= wanted
        return list(wanted)

    async def _pieces(self, names: tuple[str, ...]) -> AsyncGenerator[Piece, None]:
        device = await in_thread(self._device)
        self._capture = Capture(device, self._options, self._clock, self.counters)
        async with contextlib.aclosing(self._capture.pieces({name: self._wanted[name] for name in names})) as pieces:
            async for piece in pieces:
                yield piece

    def _device(self) -> Device:
        return Device(sysfs.find(self._sys, self._link.address), self._dev, self._options)
