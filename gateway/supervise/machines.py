"""The machines: one poller per connection, one line of shape and condition per machine; only what changed is restarted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from zlib import crc32

from msgspec import Struct, to_builtins

from gateway import driver
from gateway.clock import Clock
from gateway.condition import Condition
from gateway.config.spec import Link, Machine
from gateway.model import Block, PointTable, Record, Scan
from gateway.poll import Poller
from gateway.shape import Shape

from .pulse import Pulse

Emit = Callable[[list[Record]], None]
Turned = Callable[[str, str], None]
"""Called with a machine and how it is now: `good`, `bad`, `ended`, or `gone` when it is no longer read or begins anew."""


class Change(Struct, frozen=True, kw_only=True):
    """What a new configuration did: names of machines."""

    started: list[str]
    stopped: list[str]
    restarted: list[str]
    kept: list[str]


class MachineLine:
    """One machine's way from Scans and Blocks to records."""

    def __init__(self, machine: Machine, emit: Emit, turned: Turned) -> None:
        self._machine = machine.name
        self._emit = emit
        self._turned = turned
        self._shapes: dict[PointTable, Shape] = {}
        self.condition = Condition(machine.name, machine.vibration, machine.temperature)

    def scan(self, scan: Scan) -> None:
        """Take one Scan: report what is worth it, compute what is due."""
        shape = self._shapes.get(scan.table)
        if shape is None:
            shape = self._shapes[scan.table] = Shape(scan.table)
        if records := shape.apply(scan) + self.condition.scan(scan):
            self._emit(records)

    def block(self, block: Block) -> None:
        """Take a piece of waveform."""
        if records := self.condition.block(block):
            self._emit(records)

    def turned(self, state: str) -> None:
        """Pass on how the machine is."""
        self._turned(self._machine, state)


class Machines:
    """All machines of a configuration, running."""

    def __init__(self, clock: Clock, pulse: Pulse, emit: Emit, turned: Turned = lambda machine, state: None) -> None:
        self._clock = clock
        self._pulse = pulse
        self._emit = emit
        self._turned = turned
        self._pollers: dict[str, Poller] = {}
        self._machines: dict[str, Machine] = {}
        self._lines: dict[str, MachineLine] = {}

    async def apply(self, wanted: dict[str, Machine]) -> Change:
        """Make the running machines those of `wanted`; a machine whose entry is equal keeps polling and loses no scan."""
        stopped = [name for name in self._machines if name not in wanted]
        restarted = [name for name, machine in self._machines.items() if name in wanted and wanted[name] != machine]
        kept = [name for name in self._machines if name in wanted and name not in restarted]
        started = [name for name in wanted if name not in self._machines]
        for name in stopped + restarted:
            self._poller(self._machines.pop(name).link).remove(name)
            del self._lines[name]
            self._turned(name, "gone")
        needed = {_key(machine.link) for machine in wanted.values()}
        idle = [self._pollers.pop(key) for key in list(self._pollers) if key not in needed]
        await asyncio.gather(*(self._stop(poller) for poller in idle))
        for name in restarted + started:
            machine = wanted[name]
            line = self._lines[name] = MachineLine(machine, self._emit, self._turned)
            self._machines[name] = machine
            self._poller(machine.link).add(machine, line)
        return Change(started=started, stopped=stopped, restarted=restarted, kept=kept)

    async def stop(self) -> None:
        """Stop all machines; a call in flight is waited for."""
        await self.apply({})

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
                "warnings": [
                    *getattr(poller.driver, "warnings", ()),
                    *filter(None, [watched.warning]),
                    *self._lines[name].condition.warnings,
                ],
            }
        return result

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
