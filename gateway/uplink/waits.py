"""Waiting in a way the watchdog can see: every wait beats, and ends early when the lane stops or its session is lost."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gateway.clock import Clock
from gateway.uplink.errors import SessionLost

BEAT_S = 2.0

T = TypeVar("T")


class Waits:
    """The waits of one lane.

    Attributes:
        stopping: set when the lane is to end; `rest` then returns at once.
    """

    def __init__(self, clock: Clock, beat: Callable[[], None]) -> None:
        self._clock = clock
        self.beat = beat
        self.stopping = asyncio.Event()
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """End every rest that is going on: a person does not want to wait."""
        self._hurry.set()
        self._hurry = asyncio.Event()

    async def rest(
        self, seconds: float, *, ended: asyncio.Future[SessionLost] | None = None, wake: asyncio.Event | None = None
    ) -> None:
        """Wait so many seconds of the lane's clock, beating; shorter when stopping, when hurried and when `wake` is set.

        Raises:
            SessionLost: `ended` is done, the session is lost.
        """
        tasks = [asyncio.create_task(self._clock.sleep_until(self._clock.monotonic() + seconds))]
        tasks += [asyncio.create_task(_until(event)) for event in (self.stopping, self._hurry, wake) if event is not None]
        waited: list[asyncio.Future[Any]] = [*tasks] if ended is None else [*tasks, ended]
        try:
            while not any(task.done() for task in tasks):
                if ended is not None and ended.done():
                    raise ended.result()
                self.beat()
                await asyncio.wait(waited, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def beating(self, awaitable: Awaitable[T]) -> T:
        """Wait, beating, for something that has its own time limit; cancelled, it cancels that, too."""
        future = asyncio.ensure_future(awaitable)
        try:
            while True:
                self.beat()
                await asyncio.wait({future}, timeout=BEAT_S)
                if future.done():
                    return future.result()
        finally:
            if not future.done():
                future.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await future


def until_turn(now_s: float, period_s: float, who: str) -> float:
    """Return the seconds until the next turn of `who` in a period: at a phase of its own, the same for ever.

    So gateways that were switched on together, after a power cut in a whole town, do not send together; and no turn is aligned
    to the wall clock.
    """
    phase_s = zlib.crc32(who.encode()) / 2**32 * period_s
    return period_s - (now_s - phase_s) % period_s


async def _until(event: asyncio.Event) -> None:
    await event.wait()
