"""Slaves that misbehave, on a pty and behind a serial server. Every register holds its own address: a wrong value shows at once."""

import asyncio
from collections import Counter
from functools import partial

import pytest

from drivers.modbus import PLUGIN
from drivers.modbus.ledger import _LEDGERS
from gateway.clock import Clock
from gateway.driver import DeviceError, LinkError
from tests.drivers.modbus.tables import good, link, point, registers, table
from tests.peers import modbus_evil as evil

TIMEOUT = 0.05
MANY = registers(*(100 * block + i for block in range(12) for i in range(4)), unit=7)
FEW = registers(0, 100, 200, 300, unit=7)
COILS = table({f"r{wire}": point(f"coil wire {wire}") for wire in range(1, 2000, 300)}, unit=7)

MOODS = {
    "late once in a while": evil.late(0.02, 0.06, 0.12),
    "late by seconds": evil.late(0.01, 0.8, 1.2, always=0.004),
    "twice": evil.twice(0.3, 0.02),
    "cut short": evil.truncated(0.03),
    "another unit": evil.another_unit(0.1),
    "noise": evil.noisy(0.05, 1e-3),
    "everything": evil.sometimes(
        evil.honest,
        evil.late(0.05, 0.06, 0.12),
        evil.twice(0.3, 0.02),
        evil.truncated(0.05),
        evil.another_unit(0.1),
        evil.noisy(0.05, 1e-3),
    ),
}


class Reading:
    """Reads on and on, opening the line anew where the driver says so, and counts what comes."""

    def __init__(self, place, scheme="modbus-rtu"):
        parity = {"parity": "N", "baud": 115200} if place.startswith("/") else {}  # a pty knows no parity
        self.link = link(scheme, place, TIMEOUT, **parity)
        self.seen = Counter()
        self.wrong = {}
        self.driver = None

    async def read(self, points):
        if self.driver is None:
            self.driver = PLUGIN.create(self.link, Clock())
            await self.driver.open()
        try:
            scan = await self.driver.read(points)
        except LinkError:
            self.seen["lost"] += 1
            await self.close()
            return {}
        except DeviceError:
            self.seen["failed"] += 1
            return {}
        values = good(scan)
        for name, value in values.items():
            wire = int(name[1:])
            right = wire % 2 if points is COILS else wire
            if value != right:
                self.wrong[name] = value
        self.seen["good"] += len(values)
        self.seen["bad"] += len(points) - len(values)
        return values

    async def close(self):
        if self.driver is not None:
            await self.driver.close()
            self.driver = None


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.parametrize(("where", "scans"), [(evil.on_tcp, 45), (evil.on_pty, 15)], ids=["rtu over tcp", "pty"])
async def test_never_wrong_and_soon_good_again(mood, where, scans):
    _LEDGERS.clear()
    slave = evil.Slave(MOODS[mood])
    async with where(slave) as place:
        reading = Reading(place)
        for i in range(scans):
            await reading.read((MANY, FEW, COILS)[i % 3])
        slave.mood = evil.honest
        for _ in range(40):
            if len(await reading.read(MANY)) == len(MANY):
                break
        else:
            pytest.fail("not good again after 40 scans")
        await reading.close()
    assert reading.wrong == {}
    assert reading.seen["good"] > 0.4 * (reading.seen["good"] + reading.seen["bad"])


@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("mood", ["late once in a while", "late by seconds", "twice", "another unit"])
async def test_never_wrong_on_tcp(mood, depth):
    many = table(dict(zip(MANY.names, MANY.specs, strict=True)), unit=7, pipeline=depth)
    slave = evil.Slave(MOODS[mood])
    slave.other_tids = 0.1
    async with evil.on_mbap(slave) as place:
        reading = Reading(place, "modbus-tcp")
        for i in range(60):
            await reading.read((many, FEW, COILS)[i % 3])
        slave.mood, slave.other_tids = evil.honest, 0.0
        async with asyncio.timeout(5):
            while len(await reading.read(many)) < len(many):
                pass
        await reading.close()
    assert reading.wrong == {}
    assert reading.seen["good"] > 0.4 * (reading.seen["good"] + reading.seen["bad"])


async def test_always_a_bit_late_is_never_wrong():
    _LEDGERS.clear()
    slave = evil.Slave(evil.late(1.0, 0.055, 0.07))
    async with evil.on_tcp(slave) as place:
        reading = Reading(place)
        for _ in range(25):
            await reading.read(MANY)
        slave.mood = evil.honest
        async with asyncio.timeout(5):
            while len(await reading.read(MANY)) < len(MANY):
                pass
        await reading.close()
    assert reading.wrong == {}


@pytest.mark.parametrize("where", [evil.on_tcp, evil.on_pty], ids=["rtu over tcp", "pty"])
async def test_a_cancelled_read_leaves_no_wrong_values_behind(where):
    _LEDGERS.clear()
    slave = evil.Slave(evil.late(1.0, 0.01, 0.02))
    async with where(slave) as place:
        reading = Reading(place)
        await reading.read(FEW)
        for _ in range(6):
            task = asyncio.ensure_future(reading.driver.read(MANY))
            await asyncio.sleep(0.015)
            task.cancel()
            await asyncio.wait([task])
            assert len(await reading.read(FEW)) == len(FEW)
        await reading.close()
    assert reading.wrong == {}


async def test_a_unit_that_allows_no_longer_reads_is_still_read_right():
    _LEDGERS.clear()
    slave = evil.Slave(evil.sometimes(evil.honest, evil.late(0.03, 0.06, 0.1), evil.twice(0.3, 0.02)))
    slave.legal = lambda function, address, count: function == 3 and address % 100 + count <= 4
    async with evil.on_tcp(slave) as place:
        reading = Reading(place)
        for i in range(30):
            await reading.read((MANY, FEW)[i % 2])
        slave.mood = evil.honest
        async with asyncio.timeout(5):
            while len(await reading.read(MANY)) < len(MANY):
                pass
        await reading.close()
    assert reading.wrong == {}


async def test_a_dead_unit_leaves_the_others_of_the_bus_alone():
    _LEDGERS.clear()
    slave = evil.Slave(evil.honest)
    async with evil.on_pty(slave) as place:
        reading = Reading(place)
        dead = partial(registers, unit=8)(0, 100)
        for _ in range(5):
            assert await reading.read(dead) == {}
            assert len(await reading.read(MANY)) == len(MANY)
        slave.units.add(8)
        assert len(await reading.read(dead)) == len(dead)
        await reading.close()
    assert reading.wrong == {}
    assert reading.seen["lost"] == 0
