"""Good and bad: a machine's state is told once, its readings say it every time."""

from __future__ import annotations

from gateway import log as logs
from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.driver import DeviceError
from gateway.model import Scan, Stamp

from .watched import Watched

log = logs.get("poll")


class Account:
    """Keeps the health of the machines on one connection and hands on what they say."""

    def __init__(self, link: Link, clock: Clock, watched: dict[str, Watched]) -> None:
        self._link = link
        self._clock = clock
        self._watched = watched
        self._last_fault = ""

    def hand(self, watched: Watched, scan: Scan) -> None:
        """Hand on a Scan, unless its machine was removed meanwhile."""
        if self._watched.get(watched.machine.name) is not watched:
            return
        try:
            watched.sink.scan(scan)
        except Exception:
            log.exception("record_fault", machine=watched.machine.name)

    def fault(self, error: Exception) -> DeviceError:
        """Turn what a driver should not have raised into an error in words; its traceback is logged once."""
        words = f"the driver failed: {error!r}"
        if words != self._last_fault:
            self._last_fault = words
            log.error("driver_fault", connection=self._link.url, exc_info=error)
        return DeviceError(words, hint="this is a fault of the driver, please report it")

    def good(self, watched: Watched, stamp: Stamp) -> None:
        """Take note that a machine gave something."""
        health = watched.health
        if health.state == "bad":
            log.info("machine_recovered", machine=watched.machine.name)
        if health.state != "good":
            health.state, health.error, health.hint, health.since = "good", "", "", stamp
            self._turned(watched)
        health.last = stamp

    def bad(self, watched: Watched, error: DeviceError, *, probe: bool = False) -> None:
        """Tell once that a machine gave nothing; its readings turn bad with the reason. A probe's words add nothing to a read's."""
        health = watched.health
        stamp = self._clock.stamp()
        health.errors += 1
        before = health.state
        if before != "bad":
            health.since = stamp
        if not (probe and health.state == "bad"):
            if (health.state, health.error) != ("bad", error.message):
                log.warning("machine_unavailable", machine=watched.machine.name, error=error.message, hint=error.hint)
            health.state, health.error, health.hint = "bad", error.message, error.hint
        if before != "bad":
            self._turned(watched)
        for group in watched.groups:
            self.hand(watched, Scan.bad(group.table, stamp, error.reason))

    def all_bad(self, error: DeviceError) -> None:
        """Take note that the connection is gone; a recording that has ended stays ended."""
        for watched in list(self._watched.values()):
            if watched.health.state != "ended":
                self.bad(watched, error)

    def ended(self, watched: Watched) -> None:
        """Take note that a source came to its end for good: a recording that is played once."""
        watched.health.state, watched.health.since = "ended", self._clock.stamp()
        log.info("stream_ended", machine=watched.machine.name)
        self._turned(watched)

    def _turned(self, watched: Watched) -> None:
        if self._watched.get(watched.machine.name) is not watched:
            return
        try:
            watched.sink.turned(watched.health.state)
        except Exception:
            log.exception("record_fault", machine=watched.machine.name)
