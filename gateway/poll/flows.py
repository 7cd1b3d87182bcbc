"""What comes by itself: subscriptions and waveforms, a task for each group of points that has one."""

from __future__ import annotations

import asyncio
import math

from gateway import log as logs
from gateway.clock import Clock
from gateway.driver import DeviceError, Driver, LinkError, Streams, Subscribes
from gateway.model import PointTable

from .account import Account
from .watched import Group, Watched

log = logs.get("poll")


class Flows:
    """The flows of one connection; `changed` is set when one of them ends."""

    def __init__(self, clock: Clock, watched: dict[str, Watched], account: Account, changed: asyncio.Event) -> None:
        self._clock = clock
        self._watched = watched
        self._account = account
        self._changed = changed
        self._tasks: dict[PointTable, tuple[asyncio.Task[None], Watched, Group]] = {}
        self._streams: Streams | None = None
        self._subscribes: Subscribes | None = None

    def begin(self, driver: Driver) -> None:
        """Take the driver of a new connection."""
        self._streams = driver if isinstance(driver, Streams) else None
        self._subscribes = driver if isinstance(driver, Subscribes) else None

    def carry(self, table: PointTable) -> bool:
        """Say whether a table's data comes by itself: no points mean a waveform, points may be subscribed."""
        if not table.names:
            return self._streams is not None
        return self._subscribes is not None and self._subscribes.subscribes(table)

    def tend(self) -> None:
        """Start the flows of new machines; a flow that failed alone is started again, one that ended with its link raises."""
        if self._streams is None and self._subscribes is None:
            return
        now_s = self._clock.monotonic()
        for table, (task, watched, group) in list(self._tasks.items()):
            if task.done():
                del self._tasks[table]
                self._landed(task, watched, group, now_s)
        for watched in self._watched.values():
            for group in watched.groups:
                if group.table in self._tasks or group.due_s > now_s or not self.carry(group.table):
                    continue
                if watched.quarantine.active and watched.quarantine.probe_at_s > now_s:
                    continue
                follow = self._follow_subscription if group.table.names else self._follow_stream
                task = asyncio.create_task(follow(watched, group.table), name=f"follow {watched.machine.name}")
                task.add_done_callback(lambda _: self._changed.set())
                self._tasks[group.table] = (task, watched, group)

    def drop(self, watched: Watched) -> None:
        """End the flows of a machine that was removed."""
        for group in watched.groups:
            if flow := self._tasks.pop(group.table, None):
                flow[0].cancel()

    async def cancel(self) -> None:
        """End all flows."""
        tasks = [task for task, _, _ in self._tasks.values()]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def next_s(self) -> float:
        """Return when a flow that failed is to be started again, monotonic seconds; infinity when none is."""
        if self._streams is None and self._subscribes is None:
            return math.inf
        failed = (w for w in self._watched.values() if w.quarantine.active and math.isfinite(w.groups[0].due_s))
        waiting = (w for w in failed if any(g.table not in self._tasks and self.carry(g.table) for g in w.groups))
        return min((w.quarantine.probe_at_s for w in waiting), default=math.inf)

    def _landed(self, task: asyncio.Task[None], watched: Watched, group: Group, now_s: float) -> None:
        try:
            task.result()
        except LinkError:
            raise
        except DeviceError as error:
            self._account.bad(watched, error)
            watched.quarantine.failed(now_s, 0.0, probe=False)
        else:
            group.due_s = math.inf
            self._account.ended(watched)

    async def _follow_subscription(self, watched: Watched, table: PointTable) -> None:
        assert self._subscribes is not None
        async for scan in self._subscribes.subscribe(table):
            watched.quarantine.over()
            self._account.good(watched, scan.stamp)
            watched.health.scans += 1
            self._account.hand(watched, scan)

    async def _follow_stream(self, watched: Watched, table: PointTable) -> None:
        assert self._streams is not None
        async for block in self._streams.stream(table):
            watched.quarantine.over()
            self._account.good(watched, block.start)
            watched.health.blocks += 1
            try:
                watched.sink.block(block)
            except Exception:
                log.exception("record_fault", machine=watched.machine.name)
