"""Slaves that misbehave in ASCII (ours): every register holds its own address, so a wrong value shows at once.

Flipped bits are left out: the checksum of ASCII has eight bits, and no gateway can make it stronger.
"""

import asyncio

import pytest

from drivers.modbus.ledger import _LEDGERS
from tests.drivers.modbus.tables import link
from tests.drivers.modbus.test_hazard import COILS, FEW, MANY, MOODS, TIMEOUT, Reading
from tests.peers import modbus_evil as evil
from tests.peers import modbus_evil_ascii as ascii_evil


@pytest.mark.parametrize("mood", ["late once in a while", "late by seconds", "twice", "cut short", "another unit"])
@pytest.mark.parametrize(("where", "scans"), [(ascii_evil.on_tcp, 30), (ascii_evil.on_pty, 12)], ids=["over tcp", "pty"])
async def test_never_wrong_and_soon_good_again(mood, where, scans):
    _LEDGERS.clear()
    slave = evil.Slave(MOODS[mood])
    async with where(slave) as place:
        reading = Reading(place, "modbus-ascii")
        if place.startswith("/"):
            reading.link = link("modbus-ascii", place, TIMEOUT, parity="N", baud=115200, data=8)  # a pty knows no 7 bits
        for i in range(scans):
            await reading.read((MANY, FEW, COILS)[i % 3])
        slave.mood = evil.honest
        async with asyncio.timeout(10):
            while len(await reading.read(MANY)) < len(MANY):
                pass
        await reading.close()
    assert reading.wrong == {}
    assert reading.seen["good"] > 0.4 * (reading.seen["good"] + reading.seen["bad"])
