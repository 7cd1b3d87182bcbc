"""The service manager's watchdog: fed while every loop makes progress; told in the log when it is not."""

from __future__ import annotations

from gateway import log as logs
from gateway.notify import Notifier

from .pulse import Pulse

log = logs.get("supervise")

INTERVAL_S = 5.0
"""How often progress is looked at where nobody asks for a watchdog."""


class Watchdog:
    """Feeds the service manager's watchdog from the pulse."""

    def __init__(self, pulse: Pulse, notifier: Notifier) -> None:
        self._pulse = pulse
        self._notifier = notifier
        self._stuck: list[str] = []

    async def run(self) -> None:
        """Look and feed until cancelled."""
        await self._pulse.feed(self._notifier.watchdog_interval_s() or INTERVAL_S, self._alive, self._stands)

    def _alive(self) -> None:
        if self._stuck:
            log.info("watchdog_resumed", loops=self._stuck)
            self._stuck = []
        self._notifier.alive()

    def _stands(self, loops: list[str]) -> None:
        if loops != self._stuck:
            self._stuck = loops
            log.error("watchdog_withheld", loops=loops)
