"""What the drivers of waveforms share: stamps that follow the count of samples, and one source that several machines listen to."""

from __future__ import annotations

import asyncio
import contextlib
from array import array
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from msgspec import Struct

from gateway.driver import DeviceError, LinkError
from gateway.model import Stamp

T = TypeVar("T")

LATE_S = 2.0
"""How far the count of samples and the time of arrival may be apart before the count begins anew."""

MOST_WAITING = 64
"""Pieces kept for a machine that does not take them."""

_PULL = 0.01


class Piece(Struct, eq=False):
    """A piece of waveform of one source, contiguous: float32 samples by channel, in the unit of the channel.

    `gap`: samples may be missing between the piece before and this one.
    """

    start: Stamp
    rate_hz: float
    gap: bool
    samples: dict[str, array[float]]


class Counters(Struct):
    """What came of a source: `overruns` is how often samples were lost, `lost` how many where that is known."""

    samples: int = 0
    overruns: int = 0
    lost: int = 0


class SampleClock:
    """Stamps pieces by the count of their samples, pulled gently to their arrival so that both clocks may drift.

    `jumped`: the count of the last piece and its arrival were more than 2 s apart, so samples may be missing before it.
    """

    def __init__(self, rate_hz: float) -> None:
        self.jumped = False
        self._period_ns = 1e9 / rate_hz
        self._start: int | None = None

    def restart(self) -> None:
        """Forget the count: what comes next begins anew."""
        self._start = None

    def stamp(self, count: int, now: Stamp, behind: int = 0) -> Stamp:
        """Return the stamp of the first of `count` samples that arrived `now`, together with `behind` later ones."""
        seen = now.mono_ns - round((count + behind) * self._period_ns)
        start = self._start
        self.jumped = start is not None and abs(seen - start) > LATE_S * 1e9
        if start is None or self.jumped:
            start = seen
        else:
            # A piece cannot arrive before its last sample was taken; it may well arrive later.
            start += (seen - start) if seen < start else round((seen - start) * _PULL)
        self._start = start + round(count * self._period_ns)
        return Stamp(now.wall_ns - (now.mono_ns - start), start, now.boot, now.quality)


class _Listener:
    """What one machine has not taken yet."""

    def __init__(self, channels: tuple[str, ...]) -> None:
        self.channels = channels
        self.waiting: deque[Piece] = deque()
        self.error: BaseException | None = None
        self.filled = asyncio.Event()
        self._gap = True

    def put(self, piece: Piece) -> bool:
        """Take a piece; False: there was no room and it is lost."""
        if len(self.waiting) >= MOST_WAITING:
            self._gap = True
            return False
        samples = {name: piece.samples[name] for name in self.channels}
        self.waiting.append(Piece(piece.start, piece.rate_hz, piece.gap or self._gap, samples))
        self._gap = False
        self.filled.set()
        return True


Capture = Callable[[tuple[str, ...]], AsyncGenerator[Piece, None]]
"""Yields pieces of the channels it is given, until it is closed or raises DeviceError."""


class SharedSource:
    """A source that can be opened once and has several channels: it runs while anybody listens, with all channels wanted by then.

    `dropped` counts the pieces that were lost because a machine did not take them.
    """

    def __init__(self, capture: Capture) -> None:
        self.dropped = 0
        self._capture = capture
        self._listeners: list[_Listener] = []
        self._task: asyncio.Task[None] | None = None
        self._runs: set[asyncio.Task[None]] = set()

    async def listen(self, channels: tuple[str, ...]) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of these channels as they come; the first is marked as coming after a gap.

        Raises:
            DeviceError: what ended the source.
        """
        listener = _Listener(channels)
        self._listeners.append(listener)
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run(set(self._runs)), name="capture")
                self._runs.add(self._task)
                self._task.add_done_callback(self._runs.discard)
            while True:
                while listener.waiting:
                    yield listener.waiting.popleft()
                if listener.error is not None:
                    raise listener.error
                listener.filled.clear()
                await listener.filled.wait()
        finally:
            if listener in self._listeners:
                self._listeners.remove(listener)
            if not self._listeners:
                await self.close()

    async def close(self) -> None:
        """End the source and wait until it has let go of its device."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if runs := set(self._runs):
            await asyncio.wait(runs)

    async def _run(self, before: set[asyncio.Task[None]]) -> None:
        try:
            if before:
                await asyncio.wait(before)  # one may still be letting go of the device
            while self._listeners:
                await asyncio.sleep(0)  # machines that begin in the same turn are taken together
                await self._capture_for(self._wanted())
        except DeviceError as error:
            self._end(error)
        except asyncio.CancelledError:
            if self._task is None:  # else somebody has begun to listen meanwhile, and that task is his
                self._end(LinkError("the source was closed"))
            raise
        except BaseException as error:
            self._end(error)

    async def _capture_for(self, channels: tuple[str, ...]) -> None:
        """Capture until somebody wants a channel that is not among them."""
        async with contextlib.aclosing(self._capture(channels)) as pieces:
            async for piece in pieces:
                for listener in self._listeners:
                    if set(listener.channels) <= piece.samples.keys():
                        self.dropped += not listener.put(piece)
                if not set(self._wanted()) <= set(channels):
                    return

    def _wanted(self) -> tuple[str, ...]:
        return tuple(sorted({name for listener in self._listeners for name in listener.channels}))

    def _end(self, error: BaseException) -> None:
        for listener in self._listeners:
            listener.error = error
            listener.filled.set()
        self._listeners.clear()


async def in_thread(work: Callable[[], T]) -> T:
    """Run what blocks in a thread, to its end even when it is not waited for any more: it works on a device."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def readable(fd: int, timeout_s: float) -> None:
    """Wait until something can be read from a pipe or device; raises TimeoutError."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(fd, tell)
    try:
        async with asyncio.timeout(timeout_s):
            await ready
    finally:
        loop.remove_reader(fd)
