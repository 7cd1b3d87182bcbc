"""The process that is killed, or whose disk loses its power: it appends to an outbox, takes out of it, and says what was promised.

It says each thing in one write, before it does it (`try`, `accept`) or after it was promised (`stored`), so that a kill tears none.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.model import Event, Feature, Log, Reading, Record, Severity, Tombstone
from gateway.ports import OutboxError
from tests.campaign.power.stores import MAX_BYTES, made

LOGS = (Log.URGENT, Log.FEATURE, Log.READING)
Said = tuple[str, str, int]
"""try, stored or accept; the log; the number up to which."""


def write(talk: Connection, path: str, first: dict[str, int], seed: int, synced: bool) -> None:
    """Append and take out until killed; records of each log are numbered from `first` on."""
    if not synced:
        os.fdatasync = os.fsync = lambda descriptor: None  # type: ignore[assignment]  # the control: nothing waits for the disk
    asyncio.run(_write(talk, Path(path), first, random.Random(seed)))


async def _write(talk: Connection, path: Path, first: dict[str, int], chance: random.Random) -> None:
    clock = Clock()
    outbox = made(path, clock)
    await outbox.open()
    _say(talk, ("open", outbox.status().trouble, 0))

    async def append(log: Log) -> None:
        number = first[log.value]
        while True:
            count = chance.choice([1, 3, 10, 50] if log is Log.READING else [1, 2])
            _say(talk, ("try", log.value, number + count))
            records = [record(log, number + i, clock, chance) for i in range(count)]
            await outbox.append(records, urgent=log is Log.URGENT)
            number += count
            _say(talk, ("stored", log.value, number))
            if log is not Log.READING:
                await asyncio.sleep(chance.uniform(0, 0.01))

    async def take() -> None:
        while True:
            if claim := await outbox.claim(chance.choice([5, 100])):
                for row in claim.records:
                    _say(talk, ("accept", row.log.value, row.seq))
                await outbox.acknowledge(claim.token)
            await asyncio.sleep(chance.uniform(0, 0.01))

    with suppress(OutboxError):  # the disk is dead: nothing more is promised
        await asyncio.gather(take(), *(append(log) for log in LOGS))
    await asyncio.Event().wait()


def record(log: Log, number: int, clock: Clock, chance: random.Random) -> Record:
    """Return the record of a log with this number, of a random size."""
    stamp, text = clock.stamp(), "x" * chance.choice([1, 20, 300])
    if log is Log.URGENT:
        alarm = Severity.ALARM
        return Event(machine="m", point=text, kind="limit", severity=alarm, before="", after="", stamp=stamp, value=float(number))
    if log is Log.FEATURE:
        return Feature(machine="m", point=text, value=float(number), stamp=stamp)
    return Reading(machine="m", point=text, value=float(number), stamp=stamp)


def look(talk: Connection, path: str) -> None:
    """Open the outbox that is left and say what it holds, rows of log, seq, number (None: a tombstone), and how long it took."""
    began = time.perf_counter()
    rows = asyncio.run(_look(Path(path)))
    talk.send((rows, time.perf_counter() - began))


async def _look(path: Path) -> list[tuple[str, int, float | None]]:
    outbox = made(path, Clock())
    await outbox.open()
    claim: Any = await outbox.claim(MAX_BYTES)
    found = [] if claim is None else [(row.log.value, row.seq, number(row.record)) for row in claim.records]
    await outbox.close()
    return found


def number(record: Record) -> float | None:
    """Return the number a record carries."""
    return None if isinstance(record, Tombstone) else record.value


def _say(talk: Connection, said: Said) -> None:
    talk.send(said)
