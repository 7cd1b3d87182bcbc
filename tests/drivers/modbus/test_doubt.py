import asyncio
import struct

import pytest

from drivers.modbus.doubt import LIMIT, MOST, Doubt
from drivers.modbus.errors import Damaged
from drivers.modbus.ledger import _LEDGERS
from drivers.modbus.request import Request
from drivers.modbus.rtu import RtuExchange
from tests.drivers.modbus.fake_line import exchange_on, sent
from tests.peers.modbus_evil import framed

READ = Request(7, 3, 100, 2)


def answer(*values):
    return framed(7, struct.pack(f">BB{len(values)}H", 3, 2 * len(values), *values))


@pytest.fixture
async def bus():
    _LEDGERS.clear()
    exchange = exchange_on(RtuExchange, "modbus-rtu", "127.0.0.1:1", timeout=2.0)
    while not exchange._doubt.confirm:
        exchange._doubt.damaged()
    yield exchange
    exchange.close()


async def answers(exchange, *frames):
    task = asyncio.ensure_future(exchange.ask(READ))
    for i, frame in enumerate(frames, 1):
        await sent(exchange, i)
        exchange._received(frame)
    return await task


def test_now_and_then_a_damaged_answer_makes_no_doubt():
    doubt = Doubt()
    for _ in range(100):
        doubt.damaged()
        for _ in range(9):
            doubt.sound()
        assert not doubt.confirm


def test_many_damaged_answers_make_doubt_and_sound_ones_end_it():
    doubt = Doubt()
    for _ in range(50):
        doubt.damaged()
    assert doubt.confirm
    for _ in range(MOST - LIMIT):
        doubt.sound()
    assert doubt.confirm
    doubt.sound()
    assert not doubt.confirm


def test_behind_a_weak_checksum_one_damaged_answer_is_enough():
    doubt = Doubt(5)
    assert not doubt.confirm
    doubt.damaged()
    for _ in range(5):
        assert doubt.confirm
        doubt.sound()
    doubt.sound()
    assert not doubt.confirm


async def test_in_doubt_an_answer_counts_when_it_comes_twice(bus):
    assert await answers(bus, answer(1, 2), answer(1, 2)) == bytes([0, 1, 0, 2])
    assert len(bus.line.sent) == 2


async def test_in_doubt_two_of_three_decide(bus):
    assert await answers(bus, answer(1, 2), answer(1, 3), answer(1, 3)) == bytes([0, 1, 0, 3])


async def test_in_doubt_what_never_agrees_is_damaged(bus):
    with pytest.raises(Damaged, match="no two of this one agree"):
        await answers(bus, answer(1, 2), answer(1, 3), answer(1, 4))
    assert bus.counters.damaged == 1


async def test_damage_on_the_line_makes_doubt():
    _LEDGERS.clear()
    exchange = exchange_on(RtuExchange, "modbus-rtu", "127.0.0.1:1", timeout=2.0)
    for i in range(1, 4):
        task = asyncio.ensure_future(exchange.ask(READ))
        await sent(exchange, i)
        exchange._received(answer(1, 2)[:-1] + b"\x00")
        with pytest.raises(Damaged):
            await task
    assert exchange._doubt.confirm
    exchange.close()
