"""What really arrived at the demo's broker: a subscriber that counts messages, records, losses and doubles by key."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiomqtt
from msgspec import Struct

from gateway.config.spec import BrokerUrl
from gateway.model import Feature, Log, Quality, Reading
from gateway.uplink.batch import decode, topic

KURTOSIS = "vibration.kurtosis"
_DRAIN_S = 3.0


class Arrived(Struct, frozen=True):
    """A reading or feature that arrived at the broker, and when (monotonic s)."""

    record: Reading | Feature
    at_s: float

    def line(self) -> str:
        """Return it as one line of JSON: t (ISO 8601, UTC), machine, point, value, unit, quality; reason where it is not good."""
        record = self.record
        moment = datetime.fromtimestamp(record.stamp.wall_ns / 1e9, UTC)
        row = {
            "t": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "machine": record.machine,
            "point": record.point,
            "value": record.value,
            "unit": record.unit,
            "quality": record.quality.word,
        }
        if record.quality is not Quality.GOOD:
            row["reason"] = record.reason.words
        return json.dumps(row, ensure_ascii=False)


class Board:
    """The count of what arrived; `lost` and `doubled` by key (gateway, log, epoch, seq), which runs without a gap."""

    def __init__(self, told: Callable[[Arrived], None] | None = None) -> None:
        self._told = told
        self._started_s = time.monotonic()
        self._last: dict[tuple[str, Log, str], int] = {}
        self.messages = self.bytes = self.records = self.objects = 0
        self.lost = self.doubled = 0
        self.latest: dict[tuple[str, str], Arrived] = {}
        self.kurtosis: dict[str, tuple[list[float], deque[float]]] = {}

    def take(self, payload: bytes) -> None:
        """Count one message of the batch lane."""
        now = time.monotonic()
        batch = decode(payload)
        self.messages += 1
        self.bytes += len(payload)
        for item in batch.records:
            self.records += 1
            self._check_key((batch.gateway, item.log, item.epoch), item.seq)
            if isinstance(item.record, Reading | Feature):
                self.objects += 1
                arrived = Arrived(item.record, now)
                self.latest[item.record.machine, item.record.point] = arrived
                if item.record.point == KURTOSIS and item.record.value is not None:
                    self._note_kurtosis(item.record.machine, item.record.value)
                if self._told:
                    self._told(arrived)

    def _check_key(self, line: tuple[str, Log, str], seq: int) -> None:
        last = self._last.get(line)
        if last is not None and seq <= last:
            self.doubled += 1
            return
        self.lost += 0 if last is None else seq - last - 1
        self._last[line] = seq

    def _note_kurtosis(self, machine: str, value: float) -> None:
        first, recent = self.kurtosis.setdefault(machine, ([], deque(maxlen=40)))
        if len(first) < 3:
            first.append(value)
        recent.append(value)

    def machines(self) -> set[str]:
        """Return the machines of which something arrived."""
        return {machine for machine, _ in self.latest}

    def features(self) -> set[tuple[str, str]]:
        """Return machine and point of every feature that arrived."""
        return {key for key, arrived in self.latest.items() if isinstance(arrived.record, Feature)}

    def total(self) -> dict[str, Any]:
        """Return the totals as plain JSON values."""
        return {
            "objects": self.objects,
            "messages": self.messages,
            "records": self.records,
            "bytes": self.bytes,
            "machines": len(self.machines()),
            "features": len(self.features()),
            "lost": self.lost,
            "doubled": self.doubled,
            "duration_s": round(time.monotonic() - self._started_s, 1),
        }


class Listener:
    """A subscription to one gateway's batch lane."""

    def __init__(self, client: aiomqtt.Client, board: Board) -> None:
        self._client = client
        self._board = board
        self._marker = "demo/marker"
        self._marked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, lane: str) -> None:
        """Subscribe, and count from now on."""
        await self._client.subscribe([(lane, 1), (self._marker, 1)])
        self._task = asyncio.create_task(self._listen(), name="listener")

    async def _listen(self) -> None:
        async for message in self._client.messages:
            if message.topic.matches(self._marker):
                self._marked.set()
            else:
                assert isinstance(message.payload, bytes)
                self._board.take(message.payload)

    async def watch(self) -> None:
        """Wait until counting ends, which it does by an error only; raise that."""
        assert self._task is not None
        await asyncio.shield(self._task)

    async def drain(self) -> None:
        """Return when everything the broker accepted before has been counted: a message of our own comes out after it."""
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await self._client.publish(self._marker, qos=1)
                await self._marked.wait()

    async def stop(self) -> None:
        """Stop counting."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def listening(broker: BrokerUrl, site: str, gateway: str, board: Board) -> AsyncIterator[Listener]:
    """Subscribe `board` to the batch lane of a gateway while the context is open.

    Raises:
        aiomqtt.MqttError: the broker is not there or goes away.
    """
    async with aiomqtt.Client(broker.host, broker.port, timeout=10) as client:
        listener = Listener(client, board)
        await listener.start(topic(site, gateway))
        try:
            yield listener
        finally:
            await listener.stop()
