"""The live lanes of all recipients, Sparkplug's and plain ones: what they may tell, what they are told, when one is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from gateway.clock import Clock
from gateway.config.spec import Config
from gateway.model import Event, Feature, Reading, Record, Stamp
from gateway.ports import Keeps, Page
from gateway.share import Share
from gateway.uplink.pace import Budget
from gateway.uplink.plain.lane import PlainLane
from gateway.uplink.session import Dialer
from gateway.uplink.sparkplug.lane import Lane

from .points import points_of
from .pulse import Pulse, spawn


class Remembers(Protocol):
    """What a lane needs of the history."""

    def latest(self) -> list[Reading | Feature]:
        """Return the latest value of every point."""

    def alarms(self) -> list[Event]:
        """Return the limits that are crossed now."""

    async def recall(self, machine: str, since_wall_ns: int, until_wall_ns: int, after: int) -> Page:
        """Look up what was missed, see `ports.Recall`."""


class LiveLanes:
    """The lanes of those uplinks that have `sparkplug:` or `plain:`; a lane comes and goes without anybody else noticing."""

    def __init__(
        self,
        clock: Clock,
        pulse: Pulse,
        read_secret: Callable[[str, Path], str],
        repair: Callable[[Stamp], Stamp],
        state: Keeps,
        history: Remembers,
    ) -> None:
        self._clock = clock
        self._pulse = pulse
        self._read_secret = read_secret
        self._repair = repair
        self._state = state
        self._history = history
        self._health: dict[str, str] = {}
        self._lanes: dict[str, Lane | PlainLane] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._identities: dict[str, tuple[object, ...]] = {}

    def offer(self, records: Iterable[Record]) -> None:
        """Offer records to every lane; each tells what its recipient may have."""
        for lane in self._lanes.values():
            lane.offer(records)

    def turned(self, machine: str, state: str) -> None:
        """Tell every lane how a machine is: `good`, `bad`, `ended` or `gone`."""
        if state == "gone":
            self._health.pop(machine, None)
        else:
            self._health[machine] = state
        for lane in self._lanes.values():
            lane.turned(machine, state)

    def define(self, config: Config) -> None:
        """Let every lane that runs know what it may tell from now on; nothing is waited for, so what is withdrawn is so at once."""
        points = {name: points_of(machine) for name, machine in config.machines.items()}
        for name, lane in self._lanes.items():
            lane.define(points, Share(config.contract, name).releases)

    async def apply(self, config: Config, shared: Mapping[str, tuple[Budget | None, Dialer]]) -> list[str]:
        """Make the lanes those of `config`; one whose connection has not changed goes on.

        Args:
            config: the configuration.
            shared: what a lane shares with the batch lane of its recipient.

        Returns:
            In words, what has changed.
        """
        changes = []
        wanted = {name: spec for name, spec in config.uplinks.items() if spec.sparkplug is not None or spec.plain is not None}
        for name in [name for name in self._lanes if name not in wanted]:
            await self._stop(name)
            changes.append(f"live lane {name}: stopped")
        for name, spec in wanted.items():
            identity = (config.site, config.gateway, Path(config.path).parent, spec)
            if self._identities.get(name) == identity:
                self._lanes[name].retry()  # somebody has put right what the broker refused, or wants to know
                continue
            changes.append(f"live lane {name}: {'connected anew' if name in self._lanes else 'started'}")
            await self._stop(name)
            self._identities[name] = identity
            self._start(name, config, *shared.get(name, (None, Dialer(self._clock.monotonic))))
        return changes

    async def stop(self) -> None:
        """Stop all lanes; each says good-bye."""
        await asyncio.gather(*(self._stop(name) for name in list(self._lanes)))

    def status(self, name: str) -> dict[str, Any]:
        """Return how the lane of a recipient is doing, see `Lane.status`; empty when it has none."""
        return self._lanes[name].status() if name in self._lanes else {}

    def _start(self, name: str, config: Config, budget: Budget | None, dialer: Dialer) -> None:
        base, spec = Path(config.path).parent, config.uplinks[name]
        options: dict[str, Any] = {
            "site": config.site,
            "gateway": config.gateway,
            "name": name,
            "spec": spec,
            "clock": self._clock,
            "state": self._state,
            "read_secret": lambda secret: self._read_secret(secret, base),
            "base": base,
            "beat": self._pulse.register(f"live {name}"),
            "repair": self._repair,
            "connect": dialer.connect,
        }
        lane: Lane | PlainLane = (
            PlainLane(**options)
            if spec.plain is not None
            else Lane(recall=self._history.recall, budget=budget, after=dialer.met, **options)
        )
        self._lanes[name] = lane
        self.define(config)
        lane.offer([*self._history.latest(), *self._history.alarms()])
        for machine, state in self._health.items():
            lane.turned(machine, state)
        self._tasks[name] = spawn(lane.run(), f"live {name}")

    async def _stop(self, name: str) -> None:
        self._lanes.pop(name, None)
        self._identities.pop(name, None)
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            self._pulse.forget(f"live {name}")
