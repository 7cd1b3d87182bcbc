"""A backlog that drains while fresh values go out beside it: how fast, in which order, and how late the fresh ones are."""

from __future__ import annotations

import asyncio
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from gateway.clock import Clock
from gateway.model import Reading, Stamp
from gateway.outbox import SegmentedOutbox
from gateway.uplink.flat import flat
from tests.integration.running import gateway
from tests.integration.test_end_to_end import SHARE_ALL, press, site, until_drained
from tests.peers.broker import mosquitto, subscriber
from tests.peers.modbus_load import load
from tests.sparkplug.payload import decode
from tests.waiting import until

POINTS = 10
LIVE = 200
"""Live points; all of them change every second."""

AT_A_TIME = 10_000
SETTLED = LIVE
"""So many live values come before the measuring begins."""


class Result(NamedTuple):
    """`per_s`: records a second from the first message on; delays of live values from the stamp to the subscriber, in s."""

    records: int
    lost: int
    disorder: int
    per_s: float
    live: int
    p50_s: float
    p99_s: float
    most_s: float
    missed: int


class Arrivals(list[tuple[str, bytes]]):
    """Messages, and when each arrived in s since 1970."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []

    def append(self, message: tuple[str, bytes]) -> None:
        """Take a message."""
        self.at.append(time.time())
        super().append(message)


def backlog(count: int) -> Result:
    """Let `count` records wait, start the real gateway with ten points that change every second, and watch both lanes."""
    return asyncio.run(_backlog(count))


async def _backlog(count: int) -> Result:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await _filled(folder / "var" / "outbox" / "cooperative", count)
        async with (
            mosquitto() as broker,
            subscriber(broker.url, "coop/#") as batches,
            subscriber(broker.url, "spBv1.0/#") as live,
        ):
            live.messages = arrived = Arrivals()
            with (
                load(1, LIVE, 100) as devices,
                gateway(folder, _site(devices.ports[0], broker.url), SHARE_ALL) as running,
            ):
                await running.start()
                await until(lambda: batches.messages, 30, "the first of the backlog")
                began = time.monotonic()
                await until(lambda: running.status()["recipients"]["cooperative"]["outbox"]["waiting"] < 2 * AT_A_TIME, 1000)
                drained_s = time.monotonic() - began
                await until(lambda: len(_delays(live.messages, arrived.at)) > LIVE, 30, "something was told live meanwhile")
                drained = len(live.messages)
                await until_drained(running)
                missed = running.machine("press-1")["missed"]
                assert running.stop() == 0
        delays = _delays(live.messages[:drained], arrived.at)
        seqs = [seq for payload in batches.payloads for seq in _backlog_seqs(payload)]
        late = sorted(delays)
        return Result(
            len(set(seqs)),
            count - len(set(seqs)),
            sum(one >= two for one, two in pairwise(dict.fromkeys(seqs))),
            round((count - 2 * AT_A_TIME) / drained_s) if count > 2 * AT_A_TIME else 0,
            len(late),
            round(late[len(late) // 2], 3),
            round(late[len(late) * 99 // 100], 3),
            round(late[-1], 3),
            int(missed),
        )


def _site(port: int, broker: str) -> str:
    text = site(press("press-1", port, points=LIVE), broker, batch="1s")
    return text.replace("batch: 1s", "batch: 1s, sparkplug: {}, keep: {max: 2GB}")


async def _filled(folder: Path, count: int) -> None:
    clock = Clock()
    outbox = SegmentedOutbox(folder, max_bytes=2_000_000_000, clock=clock, commit_every_s=0.0)
    await outbox.open()
    now = clock.stamp()
    for first in range(0, count, AT_A_TIME):
        records = [
            Reading(
                machine="old",
                point=f"p{n % POINTS}",
                value=n * 7919 % 10007 / 100,
                stamp=Stamp(now.wall_ns - (count - n) * 10_000_000, now.mono_ns, now.boot, now.quality),
            )
            for n in range(first, min(count, first + AT_A_TIME))
        ]
        await outbox.append(records)
    await outbox.close()


def _backlog_seqs(payload: bytes) -> list[int]:
    """Return the numbers of the backlog's records in a message, in order."""
    return sorted(row["seq"] for row in flat(payload) if row["log"] == "reading" and row["machine"] == "old")


def _delays(messages: list[tuple[str, bytes]], arrived: list[float]) -> list[float]:
    """Return how late each live value was, without those of the first messages."""
    found = [
        at - metric.timestamp / 1e3
        for (topic, payload), at in zip(messages, arrived, strict=False)
        if "/DDATA/" in topic
        for metric in decode(payload).metrics
        if metric.timestamp is not None
    ]
    return found[SETTLED:]
