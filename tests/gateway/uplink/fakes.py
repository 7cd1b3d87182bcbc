"""An outbox in memory, records by the thousand, and jitter that does not wait: what the uplink's tests share."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from pathlib import Path
from random import Random
from typing import Any

from gateway.clock import Clock
from gateway.config.spec import BrokerUrl, Uplink
from gateway.model import Event, Feature, Log, Reading, Record, Sequenced, Severity, Stamp
from gateway.ports import Claim, OutboxStatus
from gateway.uplink.batch import decode
from gateway.uplink.forward import Forwarder

EPOCH = "e1"
ORDER = [Log.URGENT, Log.FEATURE, Log.READING, Log.BULK]


class MemoryOutbox:
    """An `Outbox` that forgets at the end of the process; `fail` makes every call raise."""

    def __init__(self) -> None:
        self.logs: dict[Log, deque[Sequenced]] = {log: deque() for log in Log}
        self.next: dict[Log, int] = dict.fromkeys(Log, 1)
        self.keys: set[tuple[Log, int]] = set()
        self.claims = 0
        self.fail: Exception | None = None

    def put(self, *records: Record) -> None:
        for record in records:
            seq = self.next[record.log]
            self.next[record.log] += 1
            self.logs[record.log].append(Sequenced(record.log, EPOCH, seq, record))
            self.keys.add((record.log, seq))

    async def append(self, batch: Sequence[Record], *, urgent: bool = False) -> None:
        self.put(*batch)

    async def claim(self, n: int, *, held: Collection[Log] = ()) -> Claim | None:
        self.claims += 1
        if self.fail:
            raise self.fail
        taken = [item for log in ORDER if log not in held for item in self.logs[log]][:n]
        last = {item.log: item.seq for item in taken}
        return Claim(last, tuple(taken)) if taken else None

    async def acknowledge(self, token: Any) -> None:
        if self.fail:
            raise self.fail
        for log, last in token.items():
            while self.logs[log] and self.logs[log][0].seq <= last:
                self.logs[log].popleft()

    @property
    def waiting(self) -> int:
        return sum(map(len, self.logs.values()))

    def status(self) -> OutboxStatus:
        return OutboxStatus(waiting=self.waiting, used_bytes=0, max_bytes=0, lost=0)


class Eager(Random):
    """Jitter without the waiting: a pause is a hundredth of its ceiling, at most 50 ms."""

    def uniform(self, a: float, b: float) -> float:
        return min(0.05, a + (b - a) / 100)


def stamp(i: int = 0) -> Stamp:
    return Stamp(1_700_000_000_000_000_000 + i * 1_000_000, i, "0" * 32)


def reading(i: int, point: str = "oil_temp", value: Any = None) -> Reading:
    return Reading(machine="press-1", point=point, value=float(i) if value is None else value, stamp=stamp(i), unit="°C")


def feature(i: int) -> Feature:
    return Feature(
        machine="spindle", point="vibration.rms", value=i / 7, stamp=stamp(i), unit="m/s²", window_s=8.0, band_hz=(10.0, 1000.0)
    )


def event(i: int) -> Event:
    return Event(
        machine="press-1",
        point="oil_temp",
        kind="limit",
        severity=Severity.ALARM,
        before="normal",
        after="high",
        stamp=stamp(i),
        value=90.5,
    )


def forwarder(outbox: MemoryOutbox, *urls: str, **options: Any) -> Forwarder:
    """Make a forwarder that neither waits long nor needs a secret, unless told otherwise."""
    spec = options.pop("spec", None) or Uplink(broker=[BrokerUrl(url) for url in urls], batch=options.pop("batch", 0.02))
    defaults: dict[str, Any] = {
        "site": "muster",
        "gateway": "hall-1",
        "name": "cooperative",
        "clock": Clock(),
        "read_secret": lambda name: f"secret {name}",
        "base": Path(),
        "beat": lambda: None,
        "random": Eager(),
    }
    return Forwarder(spec=spec, outbox=outbox, **(defaults | options))


class Ledger:
    """What arrived: every key once, duplicates counted, order checked per point."""

    def __init__(self) -> None:
        self.keys: set[tuple[Log, int]] = set()
        self.contents: dict[tuple[Log, int], Record] = {}
        self.repeats = 0
        self.out_of_order: list[str] = []
        self._last: dict[tuple[str, str], int] = {}
        self._read = 0

    def take(self, payloads: list[bytes]) -> Ledger:
        """Read the payloads that are new since the last call."""
        for payload in payloads[self._read :]:
            for item in decode(payload).records:
                key = (item.log, item.seq)
                if key in self.keys:
                    assert self.contents[key] == item.record, "one key, two records"
                    self.repeats += 1
                    continue
                self.keys.add(key)
                self.contents[key] = item.record
                point = (getattr(item.record, "machine", ""), getattr(item.record, "point", ""))
                if item.seq < self._last.get(point, 0):
                    self.out_of_order.append(f"{point}: {item.seq} after {self._last[point]}")
                self._last[point] = item.seq
        self._read = len(payloads)
        return self
