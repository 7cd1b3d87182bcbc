"""Reads against slaves that misbehave: how many values were wrong, how many reads failed, how soon all was well again.

Every register holds its own address, so a value of another request, or one that noise has changed, shows at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import Any, NamedTuple

from drivers.modbus.ledger import _LEDGERS
from drivers.modbus.request import Request
from drivers.modbus.rtu import RtuExchange
from gateway.driver import DeviceError
from tests.campaign.modbus.virtual import VirtualLoop, exchange_with
from tests.drivers.modbus.tables import good, link, registers
from tests.peers import modbus_evil as evil

TIMEOUT_S = 0.1
BAUD = 115200
SETTLE_EVERY = 5000
"""After so many reads the slave is honest for a while, and the time until all is well again is taken."""

SETTLED = 20
"""All is well when so many reads in a row are good."""

MOODS: dict[str, evil.Mood] = {
    "late once in a while": evil.late(0.02, 0.11, 0.3),
    "late by seconds": evil.late(0.01, 0.8, 1.2, always=0.004),
    "always a bit late": evil.late(1.0, 0.11, 0.13),
    "twice": evil.twice(0.3, 0.02),
    "cut short": evil.truncated(0.1),
    "another unit": evil.another_unit(0.1),
    "noise and bit flips 1e-3": evil.noisy(0.1, 1e-3),
    "bit flips 1e-4": evil.noisy(0.0, 1e-4),
    "bit flips 1e-3": evil.noisy(0.0, 1e-3),
    "bit flips 1e-2": evil.noisy(0.0, 1e-2),
    "everything": evil.sometimes(
        evil.honest,
        evil.late(0.05, 0.11, 0.3),
        evil.twice(0.3, 0.02),
        evil.truncated(0.05),
        evil.another_unit(0.1),
        evil.noisy(0.05, 1e-3),
    ),
}

SMALL = (1, 2, 4)
MIXED = (1, 2, 4, 10, 40, 120)
LONG = (120, 122, 124)
"""Registers per read. Most of the frames that bit flips of 1e-2 hit keep their head when they are long."""


class Result(NamedTuple):
    mood: str
    where: str
    reads: int
    good: int
    wrong: int
    errors: int
    resync_s: float
    cpu_s: float


def requests(seed: int, counts: tuple[int, ...]) -> list[Request]:
    """Reads of registers and bits at scattered places, many of them of the same length."""
    chance = random.Random(seed)
    found = [Request(7, chance.choice((3, 3, 4)), 1000 * i + chance.randrange(500), chance.choice(counts)) for i in range(24)]
    return found + [Request(7, chance.choice((1, 2)), 1000 * i, 8 * chance.choice(counts)) for i in range(4)]


def is_right(request: Request, data: bytes) -> bool:
    """Say whether an answer holds what the registers hold; it may be longer than was asked for."""
    return data[: request.size] == evil.registers(request.pdu)[2:]


def in_memory(mood: str, reads: int, counts: tuple[int, ...] = MIXED, seed: int = 1) -> Result:
    """Read in virtual time through the real exchange."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_in_memory(mood, reads, counts, seed))


async def _in_memory(mood: str, reads: int, counts: tuple[int, ...], seed: int) -> Result:
    _LEDGERS.clear()
    slave = evil.Slave(MOODS[mood], seed=seed)
    exchange = exchange_with(RtuExchange, "modbus-rtu", slave, TIMEOUT_S, BAUD, seed)
    work = asyncio.create_task(slave.work())
    pool, chance, seen, resync = requests(seed, counts), random.Random(seed), Counter[str](), 0.0
    began = time.process_time()
    try:
        for i in range(1, reads + 1):
            await _read(exchange, chance.choice(pool), seen)
            if i % min(SETTLE_EVERY, reads) == 0:
                slave.mood = evil.honest
                resync = max(resync, await _resync(exchange, pool, chance, seen))
                slave.mood = MOODS[mood]
            slave.requests.clear()
    finally:
        work.cancel()
        await asyncio.wait([work])
        exchange.close()
    kind = {MIXED: "memory", LONG: "memory, long frames", SMALL: "memory, short frames"}[counts]
    return Result(mood, kind, seen.total(), seen["good"], seen["wrong"], seen["error"], resync, time.process_time() - began)


async def _read(exchange: Any, request: Request, seen: Counter[str]) -> bool:
    try:
        data = await exchange.ask(request)
    except DeviceError:
        seen["error"] += 1
        return False
    right = is_right(request, data)
    seen["good" if right else "wrong"] += 1
    return right


async def _resync(exchange: Any, pool: list[Request], chance: random.Random, seen: Counter[str]) -> float:
    """Return the time until the last failure; on the honest slave nothing may fail for ever."""
    loop = asyncio.get_running_loop()
    began, last, row = loop.time(), 0.0, 0
    while row < SETTLED:
        if await _read(exchange, chance.choice(pool), seen):
            row += 1
        else:
            row, last = 0, loop.time() - began
        if loop.time() - began > 60:
            return loop.time() - began
    return last


async def on_pty(mood: str, seconds: float, most: int, seed: int = 1) -> Result:
    """Read in real time on a pseudo terminal, through the whole driver: plan, retries, decoding."""
    from drivers.modbus import PLUGIN
    from gateway.clock import Clock

    _LEDGERS.clear()
    slave = evil.Slave(MOODS[mood], seed=seed)
    tables = [
        registers(*(100 * block + i for block in range(12) for i in range(4)), unit=7),
        registers(0, 100, 200, 300, unit=7),
        registers(*range(2000, 2100), unit=7),
    ]
    loop, seen, cpu = asyncio.get_running_loop(), Counter[str](), time.process_time()
    async with evil.on_pty(slave) as place:
        driver = PLUGIN.create(link("modbus-rtu", place, TIMEOUT_S, parity="N", baud=BAUD), Clock())
        await driver.open()
        end = loop.time() + seconds

        async def read(table: Any) -> bool:
            before = len(slave.requests)
            try:
                values = good(await driver.read(table))
            except DeviceError:
                values = {}
            asked = max(1, len(slave.requests) - before)
            seen["reads"] += asked
            seen["wrong"] += sum(value != int(name[1:]) for name, value in values.items())
            missing = len(values) < len(table)
            seen["error"] += missing
            seen["good"] += asked - missing
            return not missing

        while loop.time() < end and seen["reads"] < most:
            await read(tables[seen["reads"] % 3])
        slave.mood = evil.honest
        honest_since, resync, row = loop.time(), 0.0, 0
        while row < 3 and loop.time() < honest_since + 30:
            if await read(tables[row]):
                row += 1
            else:
                row, resync = 0, loop.time() - honest_since
        await driver.close()
    return Result(
        mood, "pty, whole driver", seen["reads"], seen["good"], seen["wrong"], seen["error"], resync, time.process_time() - cpu
    )
