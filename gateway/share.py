"""The data contract: what a recipient may have, deny by default, and the only door to its outbox."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from gateway.clock import Clock
from gateway.config.spec import Contract
from gateway.log import get
from gateway.model import Event, Feature, Log, Reading, Record, Tombstone
from gateway.ports import Outbox, OutboxError

_BATCH = 1000
_BEAT_S = 2.0
_STUCK_S = 10.0
_RETRY_S, _RETRY_MAX_S = 1.0, 15.0
_CACHE = 100_000

log = get("share")


class Share:
    """What one recipient may have: a (machine, point) is released only where a rule for this recipient names both.

    In patterns `*` stands for any text and `?` for one character; everything else, brackets too, stands for itself, and case
    counts. A rule for `oil_temp` does not release `oil_temp.slope`.
    """

    def __init__(self, contract: Contract, recipient: str) -> None:
        self.contract = contract
        self.recipient = recipient
        self._rules = [(_any_of(rule.machines), _any_of(rule.points)) for rule in contract.rules if rule.to == recipient]
        self._known: dict[tuple[str, str], bool] = {}

    def releases(self, machine: str, point: str) -> bool:
        """Say whether this recipient may have this point of this machine."""
        key = (machine, point)
        known = self._known.get(key)
        if known is None:
            known = any(machines.fullmatch(machine) and points.fullmatch(point) for machines, points in self._rules)
            if len(self._known) >= _CACHE:
                self._known.clear()
            self._known[key] = known
        return known

    def passes(self, record: Record) -> bool:
        """Say whether this recipient may have this record; what has no machine and point has no release either."""
        return isinstance(record, Reading | Feature | Event) and self.releases(record.machine, record.point)


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    words = (re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") for pattern in patterns)
    return re.compile("|".join(f"(?:{word})" for word in words) or r"(?!)", re.DOTALL)


class _Lane:
    """Records on their way into the outbox, in order by log: pending ones, and the batch that is being appended."""

    def __init__(self, *logs: Log) -> None:
        self.pending: dict[Log, deque[Record]] = {log: deque() for log in logs}
        self.batch: list[Record] = []
        self.task: asyncio.Task[None] | None = None
        self.since_s: float | None = None  # when the append that is under way was begun
        self.wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self.batch) + sum(map(len, self.pending.values()))

    def fill(self) -> list[Record]:
        """Return the batch to append: the one that failed before, else the next from what is pending."""
        if not self.batch:
            for pending in self.pending.values():
                while pending and len(self.batch) < _BATCH:
                    self.batch.append(pending.popleft())
        return self.batch

    def keep(self, passes: Callable[[Record], bool]) -> None:
        """Forget what does not pass any more, except a batch that the outbox already has in hand."""
        for log, pending in self.pending.items():
            self.pending[log] = deque(filter(passes, pending))
        if self.task is None:
            self.batch = list(filter(passes, self.batch))


class Door:
    """Takes records in without ever blocking, lets through what the contract releases, and stores it; the rest is never handed on.

    Events go to the outbox at once, beside readings that wait for their group commit; the order within a log is kept. While the
    outbox refuses, records wait in memory, at most `limit`: above it the oldest readings go first, then features, then events;
    they are counted, and a tombstone without numbers (`first` and `last` 0) tells the recipient as soon as the outbox takes it.

    Args:
        share: the contract.
        outbox: where released records go.
        clock: times retries.
        beat: called every few seconds while the outbox answers, also when it answers with an error; not while it hangs.
        on_urgent: called when an event is stored.
        on_stored: called when anything is stored.
        limit: how many records wait in memory at most.
    """

    def __init__(
        self,
        share: Share,
        outbox: Outbox,
        *,
        clock: Clock,
        beat: Callable[[], None],
        on_urgent: Callable[[], None],
        on_stored: Callable[[], None] | None = None,
        limit: int = 20_000,
    ) -> None:
        self.share = share
        self._outbox = outbox
        self._clock = clock
        self._beat = beat
        self._on_urgent = on_urgent
        self._on_stored = on_stored
        self._limit = limit
        self._urgent = _Lane(Log.URGENT)
        self._rest = _Lane(Log.FEATURE, Log.READING, Log.BULK)
        self._stored = 0
        self._withheld = 0
        self._dropped = dict.fromkeys((Log.URGENT, Log.FEATURE, Log.READING, Log.BULK), 0)
        self._untold = dict(self._dropped)
        self._trouble = ""

    def offer(self, records: Sequence[Record]) -> None:
        """Take in what is released of these; returns at once."""
        for record in records:
            if not self.share.passes(record):
                self._withheld += 1
                continue
            lane = self._urgent if record.log is Log.URGENT else self._rest
            lane.pending[record.log].append(record)
            lane.wake.set()
        self._make_room()

    def replace(self, share: Share) -> None:
        """Change the contract; what it no longer releases and is not yet stored is forgotten. What is stored stays stored."""
        self.share = share
        for lane in (self._urgent, self._rest):
            lane.keep(self.passes)

    async def run(self) -> None:
        """Store what is offered, until cancelled; then call `drain`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(self._urgent))
            group.create_task(self._pump(self._rest))
            group.create_task(self._tick())

    async def drain(self) -> None:
        """Store what is still pending, once `run` was cancelled; what the outbox refuses now is lost and said so in the log."""
        for lane in (self._urgent, self._rest, self._urgent):  # again: a loss may only now be told
            try:
                while lane.fill():
                    await self._append(lane)
            except OutboxError as error:
                self._failed(error)
                log.error("records_dropped", recipient=self.share.recipient, count=len(lane), reason=str(error))

    def status(self) -> dict[str, Any]:
        """Return how many records are pending, stored, withheld by the contract and dropped, and what is wrong."""
        return {
            "pending": len(self._urgent) + len(self._rest),
            "stored": self._stored,
            "withheld": self._withheld,
            "dropped": sum(self._dropped.values()),
            "trouble": self._trouble,
        }

    def passes(self, record: Record) -> bool:
        """Say whether the contract as it is now lets a record out; the uplink asks again for what was stored under an older one."""
        return isinstance(record, Tombstone) or self.share.passes(record)  # the only tombstones here are our own

    async def _pump(self, lane: _Lane) -> None:
        pause_s = _RETRY_S
        lane.wake.set()
        while True:
            await lane.wake.wait()
            lane.wake.clear()
            while lane.fill():
                try:
                    await self._append(lane)
                    pause_s = _RETRY_S
                except OutboxError as error:
                    self._failed(error)
                    await self._clock.sleep_until(self._clock.monotonic() + pause_s)
                    pause_s = min(2 * pause_s, _RETRY_MAX_S)

    async def _append(self, lane: _Lane) -> None:
        """Append the lane's batch. Cancelled, the append goes on, and the next call waits for it instead of appending twice."""
        urgent = lane is self._urgent
        if lane.task is None:
            lane.since_s = self._clock.monotonic()
            lane.task = asyncio.create_task(self._outbox.append(tuple(lane.batch), urgent=urgent))
        try:
            await asyncio.shield(lane.task)
        except Exception:
            lane.task = lane.since_s = None
            lane.keep(self.passes)  # the contract may have changed meanwhile
            raise
        lane.task = lane.since_s = None
        self._stored += len(lane.batch)
        lane.batch = []
        self._recovered()
        if self._on_stored:
            self._on_stored()
        if urgent:
            self._on_urgent()

    async def _tick(self) -> None:
        while True:
            now_s = self._clock.monotonic()
            if not any(lane.since_s is not None and now_s - lane.since_s > _STUCK_S for lane in (self._urgent, self._rest)):
                self._beat()
            await self._clock.sleep_until(now_s + _BEAT_S)

    def _make_room(self) -> None:
        excess = len(self._urgent) + len(self._rest) - self._limit
        if excess <= 0:
            return
        first = not sum(self._untold.values())
        for kind, pending in reversed([*self._urgent.pending.items(), *self._rest.pending.items()]):
            while excess > 0 and pending:
                pending.popleft()
                self._dropped[kind] += 1
                self._untold[kind] += 1
                excess -= 1
        if first:
            log.error("records_dropped", recipient=self.share.recipient, count=sum(self._dropped.values()), reason=self._trouble)

    def _failed(self, error: OutboxError) -> None:
        if not self._trouble:
            log.error("outbox_failed", recipient=self.share.recipient, reason=str(error))
        self._trouble = str(error)

    def _recovered(self) -> None:
        if self._trouble:
            log.info("outbox_recovered", recipient=self.share.recipient, dropped=sum(self._untold.values()))
            self._trouble = ""
        for kind, count in self._untold.items():
            if count:
                told = Tombstone(lost=kind, first=0, last=0, count=count, stamp=self._clock.stamp())
                self._urgent.pending[Log.URGENT].append(told)
                self._urgent.wake.set()
                self._untold[kind] = 0
