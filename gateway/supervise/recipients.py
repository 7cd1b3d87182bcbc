"""The recipients: for each its own outbox, its own door (share) and its own uplink; without any, nothing is stored to be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.config.spec import Config, Contract, Uplink
from gateway.model import Record
from gateway.outbox import SqliteOutbox
from gateway.share import Door, Share
from gateway.uplink.forward import Forwarder

from .pulse import Pulse, spawn


class Recipient:
    """One recipient, running: outbox, door and forwarder."""

    def __init__(
        self, identity: tuple[object, ...], outbox: SqliteOutbox, door: Door, forwarder: Forwarder, forget: Callable[[], None]
    ) -> None:
        self.identity = identity
        self.outbox = outbox
        self.door = door
        self.forwarder = forwarder
        self._forget = forget
        self._tasks = [spawn(door.run(), "door"), spawn(forwarder.run(), "uplink")]

    async def stop(self) -> None:
        """Store what is pending, then let go; what is stored stays for the next start."""
        door_task, forward_task = self._tasks
        door_task.cancel()
        await asyncio.wait({door_task})
        await self.door.drain()
        forward_task.cancel()
        await asyncio.wait({forward_task})
        await self.outbox.close()
        self._forget()


class Recipients:
    """All recipients of a configuration, running."""

    def __init__(self, data: Path, clock: Clock, pulse: Pulse, read_secret: Callable[[str, Path], str]) -> None:
        self._data = data
        self._clock = clock
        self._pulse = pulse
        self._read_secret = read_secret
        self._running: dict[str, Recipient] = {}

    def offer(self, records: list[Record]) -> None:
        """Offer records to every door; each lets through what its recipient may have."""
        for recipient in self._running.values():
            recipient.door.offer(records)

    async def apply(self, config: Config) -> None:
        """Make the recipients those of `config`; an unchanged one keeps its connection and only gets the new contract."""
        for name in list(self._running):
            if name not in config.uplinks or self._running[name].identity != _identity(config, name):
                await self._running.pop(name).stop()
        for name, spec in config.uplinks.items():
            if name in self._running:
                self._running[name].door.replace(Share(config.contract, name))
            else:
                self._running[name] = await self._start(name, spec, config)

    async def _start(self, name: str, spec: Uplink, config: Config) -> Recipient:
        base = Path(config.path).parent
        loops = (f"outbox {name}", f"uplink {name}")
        outbox = SqliteOutbox(
            self._data / "outbox" / f"{name}.db",
            max_bytes=int(spec.keep.max),
            max_age_s=float(spec.keep.at_most),
            clock=self._clock,
        )
        await outbox.open()
        forwarder = Forwarder(
            site=config.site,
            gateway=config.gateway,
            name=name,
            spec=spec,
            outbox=outbox,
            clock=self._clock,
            read_secret=lambda secret: self._read_secret(secret, base),
            base=base,
            beat=self._pulse.register(loops[1]),
            passes=lambda record: door.passes(record),
        )
        door = Door(
            Share(config.contract, name),
            outbox,
            clock=self._clock,
            beat=self._pulse.register(loops[0]),
            on_urgent=forwarder.wake,
        )

        def forget() -> None:
            for loop in loops:
                self._pulse.forget(loop)

        return Recipient(_identity(config, name), outbox, door, forwarder, forget)

    async def stop(self) -> None:
        """Stop all recipients; what is stored stays for the next start."""
        while self._running:
            await self._running.popitem()[1].stop()

    def status(self) -> dict[str, Any]:
        """Return how every recipient is doing, by name, as plain JSON values."""
        return {
            name: {
                "outbox": {key: getattr(stored, key) for key in stored.__struct_fields__},
                "door": running.door.status(),
                "uplink": running.forwarder.status(),
                "contract": contract_words(running.door.share.contract, name),
            }
            for name, running in self._running.items()
            if (stored := running.outbox.status())
        }


def _identity(config: Config, name: str) -> tuple[object, ...]:
    """Return what a recipient's connection depends on; while it is equal the connection stays."""
    return (config.site, config.gateway, Path(config.path).parent, config.uplinks[name])


def contract_words(contract: Contract, recipient: str) -> str:
    """Say in words what a recipient may have."""
    rules = [rule for rule in contract.rules if rule.to == recipient]
    if not rules:
        return "nothing leaves"
    return "; ".join(f"{', '.join(rule.points)} of {', '.join(rule.machines)}" for rule in rules)
