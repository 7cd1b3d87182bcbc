"""The machines: one poller per connection, one line of shape and condition per machine; only what changed is restarted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from zlib import crc32

from msgspec import Struct, to_builtins

from gateway import driver
from gateway.clock import Clock
from gateway.condition import Board, watched
from gateway.config.spec import Link, Machine
from gateway.poll import Poller
from gateway.ports import Keeps

from .bench import Bench
from .desk import AlarmDesk
from .line import Emit, MachineLine, Turned
from .pulse import Beat, Pulse, spawn

TICK_S = 1.0


class Change(Struct, frozen=True, kw_only=True):
    """What a new configuration did: names of machines."""

    started: list[str]
    stopped: list[str]
    restarted: list[str]
    kept: list[str]


class Machines:
    """All machines of a configuration, running.

    Attributes:
        desk: the alarms of all of them.
    """

    def __init__(
        self,
        clock: Clock,
        pulse: Pulse,
        emit: Emit,
        turned: Turned = lambda machine, state: None,
        keeps: Keeps | None = None,
        data: Path | None = None,
    ) -> None:
        self._clock = clock
        self._pulse = pulse
        self._emit = emit
        self._turned = turned
        self._keeps = keeps
        self._captures = data / "captures" if data else None
        self._bench = Bench()
        self._board = Board()
        self._ticker: asyncio.Task[None] | None = None
        self._pollers: dict[str, Poller] = {}
        self._machines: dict[str, Machine] = {}
        self._lines: dict[str, MachineLine] = {}
        self._wake = asyncio.Event()
        self.desk = AlarmDesk(self._lines, clock)

    async def apply(self, wanted: dict[str, Machine]) -> Change:
        """Make the running machines those of `wanted`; a machine whose entry is equal keeps polling and loses no scan."""
        stopped = [name for name in self._machines if name not in wanted]
        restarted = [name for name, machine in self._machines.items() if name in wanted and wanted[name] != machine]
        kept = [name for name in self._machines if name in wanted and name not in restarted]
        started = [name for name in wanted if name not in self._machines]
        for name in stopped + restarted:
            self._poller(self._machines.pop(name).link).remove(name)
            await self._lines.pop(name).end(self._clock.monotonic())
            self._turned(name, "gone")
            self._board.forget(name)
        self._board.watch(watched(wanted.values()))
        needed = {_key(machine.link) for machine in wanted.values()}
        idle = [self._pollers.pop(key) for key in list(self._pollers) if key not in needed]
        await asyncio.gather(*(self._stop(poller) for poller in idle))
        for name in restarted + started:
            machine = wanted[name]
            line = self._lines[name] = MachineLine(
                machine, self._bench, self._emit, self._turned, self._keeps, self._wake.set, self._board, self._captures
            )
            self._machines[name] = machine
            self._poller(machine.link).add(machine, line)
        if self._ticker is None and self._lines:
            self._ticker = spawn(self._tick(self._pulse.register("condition")), "condition")
        return Change(started=started, stopped=stopped, restarted=restarted, kept=kept)

    async def stop(self) -> None:
        """Stop all machines; a call in flight is waited for."""
        await self.apply({})
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
            self._pulse.forget("condition")
        await self._bench.close()

    def status(self) -> dict[str, Any]:
        """Return how every machine is doing, by name, as plain JSON values."""
        now = self._clock.stamp()
        result: dict[str, Any] = {}
        for name, machine in self._machines.items():
            poller = self._pollers[_key(machine.link)]
            watched = poller.watched[name]
            health = watched.health
            result[name] = {
                "state": health.state,
                "error": health.error,
                "hint": health.hint,
                "connection": machine.link.url,
                "points": len(machine.points),
                "every_s": machine.every_s,
                "scans": health.scans,
                "blocks": health.blocks,
                "missed": health.missed,
                "errors": health.errors,
                "quarantined": watched.quarantine.active,
                "took_ms": round(health.took_s * 1e3, 2),
                "p99_ms": round(poller.p99_s() * 1e3, 2),
                "age_s": None if health.last is None else round((now.mono_ns - health.last.mono_ns) / 1e9, 3),
                "since_s": None if health.since is None else round((now.mono_ns - health.since.mono_ns) / 1e9, 3),
                "line": to_builtins(getattr(poller.driver, "counters", {})),
                "condition": list(self._lines[name].notes),
                "warnings": [
                    *getattr(poller.driver, "warnings", ()),
                    *filter(None, [watched.warning]),
                    *self._lines[name].warnings,
                ],
            }
        return result

    async def _tick(self, beat: Beat) -> None:
        """Let time pass for the condition of every machine, about once a second, and at once when an event is to be kept."""
        while True:
            beat()
            self._wake.clear()
            for line in list(self._lines.values()):
                line.tick(self._clock.stamp())
                await line.condition.keep(self._clock.monotonic())
            await self._clock.wait(self._wake, self._clock.monotonic() + TICK_S)

    def _poller(self, link: Link) -> Poller:
        key = _key(link)
        poller = self._pollers.get(key)
        if poller is None:
            create = driver.find(link.scheme).create
            poller = self._pollers[key] = Poller(link, create, self._clock, self._pulse.register(key))
            poller.start()
        return poller

    async def _stop(self, poller: Poller) -> None:
        await poller.stop()
        self._pulse.forget(_key(poller.link))


def _key(link: Link) -> str:
    """Return a name for a connection; links that are equal have the same."""
    return f"poll {link.url}#{crc32(repr(link).encode()):08x}"
