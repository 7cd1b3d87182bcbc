"""The real gateway under load while its broker is away for minutes, and while its connections are cut again and again."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from gateway.uplink.flat import flat
from tests.integration.running import RunningGateway, gateway
from tests.integration.test_end_to_end import SHARE_ALL, press, rows, site, until_drained
from tests.peers.broker import Inbox, cutter, mosquitto, subscriber
from tests.peers.modbus import tcp as modbus_tcp
from tests.waiting import until


class Result(NamedTuple):
    """What arrived: records by key; `lost`: numbers that are missing; `repeats`: keys that came again; `doubled`: one key with two
    contents, or one content under two keys; `disorder`: values of a point that arrived after a younger one."""

    what: str
    seconds: float
    records: int
    lost: int
    repeats: int
    doubled: int
    disorder: int
    missed: int


def judged(what: str, seconds: float, inbox: Inbox, missed: int) -> Result:
    """Count what arrived."""
    contents: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    newest: dict[tuple[str, str], str] = {}
    repeats = doubled = disorder = 0
    for row in (row for payload in inbox.payloads for row in flat(payload)):
        key = (row["log"], row["epoch"], row["seq"])
        content = tuple(row[name] for name in ("machine", "point", "t", "value"))
        if key in contents:
            repeats += 1
            doubled += contents[key] != content
            continue
        contents[key] = content
        place = (row["machine"], row["point"])
        disorder += row["t"] < newest.get(place, "")
        newest[place] = max(row["t"], newest.get(place, ""))
    doubled += len(contents) - len(set(contents.values()))
    last: dict[tuple[str, str], int] = {}
    for log, epoch, seq in contents:
        last[log, epoch] = max(seq, last.get((log, epoch), 0))
    return Result(what, seconds, len(contents), sum(last.values()) - len(contents), repeats, doubled, disorder, missed)


def away(seconds: float) -> Result:
    """Stop the broker for so many seconds while 150 records a second are measured."""
    return asyncio.run(_away(seconds))


async def _away(seconds: float) -> Result:
    with tempfile.TemporaryDirectory() as name:
        async with mosquitto(keep=True) as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
            machines = press("press-1", server.port) + press("press-2", server.port, every="200ms")
            with gateway(Path(name), site(machines, broker.url), SHARE_ALL) as running:
                await running.start()
                await until(lambda: inbox.messages)
                await broker.stop()
                down = time.monotonic()
                while time.monotonic() - down < seconds:
                    running.gone()
                    await asyncio.sleep(min(1.0, seconds))
                await broker.start()
                missed = await _emptied(running)
            await _settled(inbox)
            return judged("broker away", seconds, inbox, missed)


def drops(count: int, seed: int) -> Result:
    """Cut the connection `count` times at random moments."""
    return asyncio.run(_drops(count, random.Random(seed)))


async def _drops(count: int, chance: random.Random) -> Result:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        async with (
            mosquitto(keep=True) as broker,
            modbus_tcp() as server,
            subscriber(broker.url) as inbox,
            cutter(broker.url.port) as relay,
        ):
            machines = press("press-1", server.port) + press("press-2", server.port, every="200ms")
            with gateway(Path(name), site(machines, relay.url, batch="50ms"), SHARE_ALL) as running:
                await running.start()
                for _ in range(count):
                    seen = len(inbox.messages)
                    await until(lambda seen=seen: len(inbox.messages) > seen, 60, "the gateway is back")
                    await asyncio.sleep(chance.uniform(0, 0.2))
                    relay.cut()
                missed = await _emptied(running)
            await _settled(inbox)
            return judged(f"{count} drops", time.monotonic() - began, inbox, missed)


async def _emptied(running: RunningGateway) -> int:
    await until_drained(running)
    missed = sum(machine["missed"] for machine in running.status()["machines"].values())
    assert running.stop() == 0
    return int(missed)


async def _settled(inbox: Inbox) -> None:
    """Wait until nothing more arrives."""
    seen = -1
    while seen != len(inbox.messages):
        seen = len(inbox.messages)
        await asyncio.sleep(1)
    assert rows(inbox)
