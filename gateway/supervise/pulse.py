"""Progress: every loop that must not stand still beats here; the watchdog is fed only while all of them do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gateway import log as logs
from gateway.clock import Clock

log = logs.get("supervise")

LONGEST_S = 20.0
"""A loop that has not beaten for this long is stuck; loops beat every few seconds also when they wait."""


class Pulse:
    """The loops of the gateway and when each last made progress."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_s: dict[str, float] = {}

    def register(self, name: str) -> Callable[[], None]:
        """Add a loop and return the function it calls at every turn; it counts as alive from now on."""
        self._last_s[name] = self._clock.monotonic()

        def beat() -> None:
            if name in self._last_s:
                self._last_s[name] = self._clock.monotonic()

        return beat

    def forget(self, name: str) -> None:
        """Remove a loop that has been stopped on purpose."""
        self._last_s.pop(name, None)

    def stuck(self) -> list[str]:
        """Return the names of the loops that stand still."""
        now_s = self._clock.monotonic()
        return [name for name, last_s in self._last_s.items() if now_s - last_s > LONGEST_S]

    async def feed(self, interval_s: float, watchdog: Callable[[], None], on_stuck: Callable[[list[str]], None]) -> None:
        """Call `watchdog` every `interval_s` while all loops make progress, else `on_stuck`; runs until cancelled."""
        while True:
            if stuck := self.stuck():
                on_stuck(stuck)
            else:
                watchdog()
            await asyncio.sleep(interval_s)


def spawn(loop: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Run a loop that is not supposed to end; when it fails, that is logged, and its missing beat holds back the watchdog."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", task=name, exc_info=error)

    task = asyncio.create_task(loop, name=name)
    task.add_done_callback(ended)
    return task
