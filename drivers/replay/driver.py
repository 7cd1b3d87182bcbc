"""The replay driver: a recording or a running source of samples as Blocks, paced and stamped."""

from __future__ import annotations

import asyncio
import contextlib
import math
import stat
from array import array
from collections.abc import AsyncGenerator
from pathlib import Path

from drivers.replay.files import Recording, not_playable, open_recording
from drivers.replay.live import LiveSource, connect_tcp, open_pipe
from drivers.replay.pcm import FormatError
from drivers.replay.spec import ReplayLink, kind_of, split_tcp
from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.driver import LinkError
from gateway.model import Block, PointTable, Reason, Scan, Stamp
from gateway.waveform import Counters, SampleClock

POINT = "vibration"
_LATE_S = 2.0


class ReplayDriver:
    """Plays one recording or relays one source; every stream has its own place in a file.

    The first Block of a stream, the first after the seam of a loop, the first after times in the file that are too far apart and
    the first after the process or its source was held up for more than 2 s carry `gap`: nothing is known to be contiguous there.
    """

    def __init__(self, link: Link, clock: Clock) -> None:
        self.counters = Counters()
        self._options: ReplayLink = link.options
        self._address = link.address
        self._kind = kind_of(link.address)
        self._path = Path(link.base) / link.address
        self._clock = clock
        self._ready: Recording | LiveSource | None = None
        self._sources: list[Recording | LiveSource] = []

    async def open(self) -> None:
        """Open the file or connect to the source.

        Raises:
            LinkError: it is not there or not what it should be; the message says which.
        """
        self._ready = await self._open_source()

    async def read(self, table: PointTable) -> Scan:
        """Return a Scan in which every point is unknown: a replay has a waveform and no points."""
        return Scan.bad(table, self._clock.stamp(), Reason.NO_SUCH_ADDRESS)

    async def stream(self, table: PointTable) -> AsyncGenerator[Block, None]:
        """Yield Blocks named `vibration` in order; ends after the last sample of a file that is not looped.

        Raises:
            LinkError: the source ended or fell silent, or the file holds something that is not a sample.
        """
        source, self._ready = self._ready or await self._open_source(), None
        blocks = self._relay(source, table.machine) if isinstance(source, LiveSource) else self._play(source, table.machine)
        async with contextlib.aclosing(blocks):
            async for block in blocks:
                yield block

    async def close(self) -> None:
        """Let go of files and sockets; never raises, may be called twice."""
        while self._sources:
            source = self._sources.pop()
            with contextlib.suppress(Exception):
                source.close()
        self._ready = None
        await asyncio.sleep(0)  # a transport closes its descriptor in the next turn of the loop

    async def _open_source(self) -> Recording | LiveSource:
        timeout_s = float(self._options.timeout)
        source: Recording | LiveSource
        if self._kind == "tcp":
            source = await connect_tcp(*split_tcp(self._address), timeout_s)
        elif self._kind == "pipe" or (self._kind == "raw" and await asyncio.to_thread(_is_pipe, self._path)):
            source = await open_pipe(self._path, timeout_s)
        else:
            source = await asyncio.to_thread(open_recording, self._path, self._options)
        self._sources.append(source)
        return source

    async def _play(self, recording: Recording, machine: str) -> AsyncGenerator[Block, None]:
        """Play a file: in real time a Block comes when its last sample would have been taken."""
        real = self._options.speed == "real"
        rate = recording.rate_hz
        size = max(1, round(self._options.block * rate))
        begin = self._clock.stamp()
        done = 0
        gap = seam = True
        while True:
            samples = await self._take(recording, size, done)
            if not samples:
                if seam:
                    raise LinkError(f"{self._path} holds no samples")
                if not self._options.loop:
                    return
                recording.rewind()
                gap = seam = True
                continue
            seam = False
            gap = gap or recording.gap
            self.counters.overruns += recording.gap
            if real:
                end_s = begin.mono_ns / 1e9 + (done + len(samples)) / rate
                if self._clock.monotonic() - end_s > _LATE_S:
                    begin, done, gap = self._clock.stamp(), 0, True
                    self.counters.overruns += 1
                    end_s = begin.mono_ns / 1e9 + len(samples) / rate
                await self._clock.sleep_until(end_s)
                begin = _follow(begin, self._clock.stamp())
            yield Block(machine, POINT, _later(begin, done / rate), rate, samples, str(self._options.unit), gap)
            gap = False
            done += len(samples)
            self.counters.samples += len(samples)

    async def _take(self, recording: Recording, size: int, done: int) -> array[float]:
        try:
            samples = await asyncio.to_thread(recording.take, size)
        except FormatError as error:
            raise not_playable(self._path, error) from None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise LinkError(f"{self._path} cannot be read any more: {why}", hint="see that its disk or share is there") from None
        if not math.isfinite(sum(samples)):
            at = next((i for i, value in enumerate(samples) if not math.isfinite(value)), 0)
            raise LinkError(f"{self._path}: sample {done + at + 1} is {samples[at]}", hint="a waveform holds only finite numbers")
        return samples

    async def _relay(self, source: LiveSource, machine: str) -> AsyncGenerator[Block, None]:
        """Relay a source: stamps follow the count of samples, pulled gently to the arrival so that both clocks may drift."""
        rate = float(self._options.rate or 0)
        if rate <= 0:
            raise LinkError(f"{self._address} does not carry its rate", hint="add e.g. rate=25.6kHz")
        size = max(1, round(self._options.block * rate))
        scale = self._options.scale
        count = SampleClock(rate)
        gap = True
        while True:
            samples = await source.take(size, size / rate)
            if scale != 1.0:
                samples = array("f", [value * scale for value in samples])
            stamp = count.stamp(len(samples), self._clock.stamp())
            self.counters.samples += len(samples)
            self.counters.overruns += count.jumped
            yield Block(machine, POINT, stamp, rate, samples, str(self._options.unit), gap or count.jumped)
            gap = False


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def _later(stamp: Stamp, seconds: float) -> Stamp:
    step = round(seconds * 1e9)
    return Stamp(stamp.wall_ns + step, stamp.mono_ns + step, stamp.boot, stamp.quality)


def _follow(begin: Stamp, now: Stamp) -> Stamp:
    """Return `begin` with the wall time as it is known now: the clock may have been set since."""
    return Stamp(now.wall_ns - (now.mono_ns - begin.mono_ns), begin.mono_ns, now.boot, now.quality)
