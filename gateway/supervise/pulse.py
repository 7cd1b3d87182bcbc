"""Progress: every loop that must not stand still beats here; the watchdog is fed only while all of them do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from gateway import log as logs
from gateway.clock import Clock

log = logs.get("supervise")

LONGEST_S = 20.0
"""A loop that has not beaten for this long is stuck; loops beat every few seconds also when they wait."""


class Beat(Protocol):
    """What a loop calls at every turn."""

    def __call__(self, within_s: float = LONGEST_S) -> None:
        """Tell that the loop makes progress and will tell again within `within_s`; longer before a long wait of its own."""


class Pulse:
    """The loops of the gateway and until when each has promised to show progress."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s: dict[str, float] = {}

    def register(self, name: str) -> Beat:
        """Add a loop and return the function it calls at every turn; it counts as alive from now on."""
        self._due_s[name] = self._clock.monotonic() + LONGEST_S

        def beat(within_s: float = LONGEST_S) -> None:
            if name in self._due_s:
                self._due_s[name] = self._clock.monotonic() + within_s

        return beat

    def forget(self, name: str) -> None:
        """Remove a loop that has been stopped on purpose."""
        self._due_s.pop(name, None)

    def stuck(self) -> list[str]:
        """Return the names of the loops that stand still."""
        now_s = self._clock.monotonic()
        return [name for name, due_s in self._due_s.items() if now_s > due_s]

    async def feed(self, interval_s: float, watchdog: Callable[[], None], on_stuck: Callable[[list[str]], None]) -> None:
        """Call `watchdog` every `interval_s` while all loops make progress, else `on_stuck`; runs until cancelled."""
        while True:
            if stuck := self.stuck():
                on_stuck(stuck)
            else:
                watchdog()
            await asyncio.sleep(interval_s)


_spawned: set[asyncio.Task[Any]] = set()  # the event loop itself keeps only weak references


def spawn(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    """Run something that is not supposed to fail; when it does, that is logged, and its missing beat holds back the watchdog."""

    def ended(task: asyncio.Task[Any]) -> None:
        _spawned.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", task=name, exc_info=error)

    task = asyncio.create_task(work, name=name)
    _spawned.add(task)
    task.add_done_callback(ended)
    return task
