"""The recipients: for each its own outbox, its own door (share) and its own uplink; without any, nothing is stored to be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from gateway.clock import Clock
from gateway.config.spec import Config, Contract
from gateway.model import Event, Record, Severity, Stamp
from gateway.outbox import SegmentedOutbox
from gateway.ports import Keeps
from gateway.share import Door, Share
from gateway.uplink.encoding import Encoding, Resolutions
from gateway.uplink.forward import Forwarder
from gateway.uplink.pace import Budget
from gateway.uplink.session import Dialer

from .live import LiveLanes, Remembers
from .pulse import Pulse, spawn


class Recipient:
    """One recipient: an outbox and a door that stay, and a forwarder that is replaced when its connection changes."""

    def __init__(
        self,
        name: str,
        config: Config,
        data: Path,
        clock: Clock,
        pulse: Pulse,
        read_secret: Callable[[str, Path], str],
        repair: Callable[[Stamp], Stamp],
        emit: Callable[[list[Record]], None],
    ) -> None:
        self.name = name
        self._gateway = config.gateway
        self._emit = emit
        self._clock = clock
        self._pulse = pulse
        self._read_secret = read_secret
        self._repair = repair
        self.budget: Budget | None = None
        self.dialer = Dialer(clock.monotonic)
        self._identity: tuple[object, ...] = ()
        self._forward_task: asyncio.Task[None] | None = None
        self.forwarder: Forwarder | None = None
        path, keep = data / "outbox" / name, config.uplinks[name].keep
        self.outbox = SegmentedOutbox(
            path, max_bytes=int(keep.max), max_age_s=float(keep.at_most), clock=clock, on_trouble=self._storage
        )
        self.door = Door(
            Share(config.contract, name), self.outbox, clock=clock, beat=pulse.register(f"outbox {name}"), on_urgent=self._urgent
        )
        self._door_task = spawn(self.door.run(), f"door {name}")

    async def apply(self, config: Config) -> list[str]:
        """Take up limits, contract and connection; records go on into the outbox meanwhile, and none is lost.

        Returns:
            In words, what has changed.
        """
        spec = config.uplinks[self.name]
        changes = []
        self.outbox.limit(int(spec.keep.max), float(spec.keep.at_most))
        if self._identity and (now := contract_words(config.contract, self.name)) != self.contract:
            changes.append(f"{self.name} may now have: {now}")
        self.door.replace(Share(config.contract, self.name))
        if self.budget is None or self.budget.per_day != spec.budget:
            self.budget = Budget(self._clock, spec.budget)
        resolutions = Resolutions.of(config.machines)
        identity = (config.site, config.gateway, Path(config.path).parent, spec, resolutions)
        if identity != self._identity:
            changes.append(f"uplink {self.name}: {'connected anew' if self._identity else 'started'}")
            await self._disconnect()
            self._identity = identity
            self.forwarder = self._forwarder(config, resolutions)
            self._forward_task = spawn(self.forwarder.run(), f"uplink {self.name}")
        elif self.forwarder is not None:
            self.forwarder.retry()  # somebody has put right what the broker refused, or wants to know
        return changes

    @property
    def contract(self) -> str:
        """What the recipient may have, in words."""
        return contract_words(self.door.share.contract, self.name)

    async def stop(self) -> None:
        """Store what is pending, then let go; what is stored stays for the next start."""
        self._door_task.cancel()
        await asyncio.wait({self._door_task})
        await self.door.drain()
        await self._disconnect()
        await self.outbox.close()
        self._pulse.forget(f"outbox {self.name}")

    def status(self) -> dict[str, Any]:
        """Return how this recipient is doing, as plain JSON values."""
        return {
            "outbox": to_builtins(self.outbox.status()),
            "door": self.door.status(),
            "uplink": self.forwarder.status() if self.forwarder else {},
            "contract": self.contract,
        }

    def _storage(self, trouble: str) -> None:
        """Report the disk of the outbox as an event of the gateway itself; it leaves from memory, if the contract releases it."""
        states = ("good", "failed") if trouble else ("failed", "good")
        severity = Severity.ALARM if trouble else Severity.INFO
        point, stamp = f"outbox.{self.name}", self._clock.stamp()
        event = Event(
            machine=self._gateway, point=point, kind="storage", severity=severity, before=states[0], after=states[1], stamp=stamp
        )
        self._emit([event])

    def _urgent(self) -> None:
        if self.forwarder:
            self.forwarder.wake()

    async def _disconnect(self) -> None:
        if self._forward_task is not None:
            self._forward_task.cancel()
            await asyncio.wait({self._forward_task})
            self._pulse.forget(f"uplink {self.name}")

    def _forwarder(self, config: Config, resolutions: Resolutions) -> Forwarder:
        base = Path(config.path).parent
        spec = config.uplinks[self.name]
        return Forwarder(
            site=config.site,
            gateway=config.gateway,
            name=self.name,
            spec=spec,
            outbox=self.outbox,
            clock=self._clock,
            read_secret=lambda secret: self._read_secret(secret, base),
            base=base,
            beat=self._pulse.register(f"uplink {self.name}"),
            passes=self.door.passes,
            repair=self._repair,
            budget=self.budget,
            encoding=Encoding(spec.format, spec.compress, resolutions),
            connect=self.dialer.connect,
        )


class Recipients:
    """All recipients of a configuration, running."""

    def __init__(
        self,
        data: Path,
        clock: Clock,
        pulse: Pulse,
        read_secret: Callable[[str, Path], str],
        repair: Callable[[Stamp], Stamp],
        state: Keeps,
        history: Remembers,
        emit: Callable[[list[Record]], None] | None = None,
    ) -> None:
        self._rooms = (data, clock, pulse, read_secret, repair, emit or self.offer)
        self._lanes = LiveLanes(clock, pulse, read_secret, repair, state, history)
        self._running: dict[str, Recipient] = {}
        self._plain: dict[str, str] = {}

    def offer(self, records: list[Record]) -> None:
        """Offer records to every door and every live lane; each lets through what its recipient may have."""
        for recipient in self._running.values():
            recipient.door.offer(records)
        self._lanes.offer(records)

    def turned(self, machine: str, state: str) -> None:
        """Take note of how a machine is now: `good`, `bad`, `ended` or `gone`."""
        self._lanes.turned(machine, state)

    async def apply(self, config: Config) -> list[str]:
        """Make the recipients those of `config`; what has not changed keeps its connection.

        Returns:
            In words, what has changed.
        """
        changes = []
        self._lanes.define(config)
        stored = {name: spec for name, spec in config.uplinks.items() if spec.plain is None}  # a plain one has a live lane only
        for name in [name for name in self._running if name not in stored]:
            await self._running.pop(name).stop()
            changes.append(f"uplink {name}: stopped; what was not sent stays in its outbox")
        for name in stored:
            if name not in self._running:
                recipient = self._running[name] = Recipient(name, config, *self._rooms)
                await recipient.outbox.open()
            changes += await self._running[name].apply(config)
        self._plain = {name: contract_words(config.contract, name) for name in config.uplinks if name not in stored}
        shared = {name: (recipient.budget, recipient.dialer) for name, recipient in self._running.items()}
        return changes + await self._lanes.apply(config, shared)

    async def stop(self) -> None:
        """Stop all recipients; what is stored stays for the next start."""
        await self._lanes.stop()
        while self._running:
            await self._running.popitem()[1].stop()

    def status(self) -> dict[str, Any]:
        """Return how every recipient is doing, by name, as plain JSON values."""
        return {name: recipient.status() | {"live": self._lanes.status(name)} for name, recipient in self._running.items()}

    def plain(self) -> dict[str, Any]:
        """Return how every recipient of plain messages is doing, by name: the status of its lane, and `contract`."""
        return {name: self._lanes.status(name) | {"contract": words} for name, words in self._plain.items()}


def contract_words(contract: Contract, recipient: str) -> str:
    """Say in words what a recipient may have."""
    rules = [rule for rule in contract.rules if rule.to == recipient]
    if not rules:
        return "nothing leaves"
    return "; ".join(f"{', '.join(rule.points)} of {', '.join(rule.machines)}" for rule in rules)
