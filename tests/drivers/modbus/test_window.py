"""Several units on one line: requests that overtake, probes, and how long answers take. The line is played by the test."""

import asyncio
import struct

import pytest

from cython_ext.registers import crc16
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.errors import NoAnswer, Refusal
from drivers.modbus.ledger import _LEDGERS
from drivers.modbus.request import Request
from drivers.modbus.rtu import RtuExchange
from drivers.modbus.tcp import TcpExchange
from drivers.modbus.times import KEPT, ResponseTimes, Times
from gateway.clock import Clock
from gateway.driver import DeviceError, LinkError, Probes
from tests.drivers.modbus.fake_line import exchange_on, sent
from tests.drivers.modbus.tables import link, registers


def read(unit, address=100, count=2):
    return Request(unit, 3, address, count)


def answer(frame, *values):
    """The MBAP answer to a request frame."""
    pdu = struct.pack(f">BB{len(values)}H", frame[7], 2 * len(values), *values)
    return frame[:4] + struct.pack(">HB", len(pdu) + 1, frame[6]) + pdu


def words(*values):
    return struct.pack(f">{len(values)}H", *values)


@pytest.fixture
async def exchange():
    exchange = exchange_on(TcpExchange, "modbus-tcp", "10.0.0.21:502", timeout=0.2)
    yield exchange
    exchange.close()


def ask(exchange, *requests):
    return [asyncio.ensure_future(exchange.ask(request)) for request in requests]


async def test_each_unit_gets_its_own_answer_in_whatever_order_they_come(exchange):
    tasks = ask(exchange, read(1), read(2), read(3))
    await sent(exchange, 3)
    one, two, three = exchange.line.sent
    exchange._received(answer(three, 3, 3) + answer(one, 1, 1))
    exchange._received(answer(two, 2, 2))
    assert await asyncio.gather(*tasks) == [words(1, 1), words(2, 2), words(3, 3)]


async def test_a_unit_is_asked_one_thing_at_a_time(exchange):
    tasks = ask(exchange, read(1, 100), read(1, 200))
    await asyncio.sleep(0.02)
    assert len(exchange.line.sent) == 1
    exchange._received(answer(exchange.line.sent[0], 1, 1))
    exchange._received(answer(await sent(exchange, 2), 2, 2))
    assert await asyncio.gather(*tasks) == [words(1, 1), words(2, 2)]


@pytest.mark.parametrize("options", [{"window": 1}, {"pause": 0.001}])
async def test_a_device_that_needs_it_sees_one_request_at_a_time(options):
    exchange = exchange_on(TcpExchange, "modbus-tcp", "10.0.0.21:502", **options)
    tasks = ask(exchange, read(1), read(2))
    await asyncio.sleep(0.02)
    assert (exchange.window, len(exchange.line.sent)) == (1, 1)
    exchange._received(answer(exchange.line.sent[0], 1, 1))
    exchange._received(answer(await sent(exchange, 2), 2, 2))
    assert await asyncio.gather(*tasks) == [words(1, 1), words(2, 2)]
    exchange.close()


async def test_an_answer_of_another_unit_under_this_transaction_is_refused(exchange):
    (task,) = ask(exchange, read(1))
    frame = bytearray(await sent(exchange, 1))
    frame[6] = 2
    exchange._received(answer(bytes(frame), 1, 1))
    with pytest.raises(DeviceError, match="unit 2 answered instead"):
        await task


async def test_what_is_asked_behind_a_silent_unit_gets_its_time_anew(exchange):
    """A gateway before serial units answers one at a time: the second could not be served before the first was given up."""
    (dead,) = ask(exchange, read(1))
    await sent(exchange, 1)
    await asyncio.sleep(0.1)
    (behind,) = ask(exchange, read(2))
    await sent(exchange, 2)
    with pytest.raises(NoAnswer):
        await dead
    await asyncio.sleep(0.15)  # 0.25 s after it was sent
    assert not behind.done()
    exchange._received(answer(exchange.line.sent[1], 2, 2))
    assert await behind == words(2, 2)


async def test_where_others_are_answered_meanwhile_no_time_is_added(exchange):
    (dead,) = ask(exchange, read(1))
    await sent(exchange, 1)
    (quick,) = ask(exchange, read(2))
    exchange._received(answer(await sent(exchange, 2), 2, 2))
    assert await quick == words(2, 2)
    (behind,) = ask(exchange, read(3))
    await sent(exchange, 3)
    began = asyncio.get_running_loop().time()
    with pytest.raises(NoAnswer):
        await dead
    with pytest.raises(NoAnswer):
        await behind
    assert asyncio.get_running_loop().time() - began < 0.35


async def test_one_dead_unit_does_not_cost_the_others_their_connection(exchange):
    (task,) = ask(exchange, read(1))
    exchange._received(answer(await sent(exchange, 1), 1, 1))
    await task
    for _ in range(4):
        with pytest.raises(NoAnswer):
            await exchange.ask(read(9))
    assert not exchange.line.closed
    with pytest.raises(LinkError, match="has not sent a byte in answer to 5 requests"):
        await exchange.ask(read(1))


async def test_losing_the_line_ends_all_that_is_under_way(exchange):
    tasks = ask(exchange, read(1), read(2), read(3))
    await sent(exchange, 3)
    exchange.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [LinkError] * 3


# ── probes ──


async def test_a_probe_waits_as_long_as_it_is_told(exchange):
    with pytest.raises(NoAnswer, match=r"within 0\.05 s"):
        await exchange.probe(read(1, count=1), 0.05)
    assert exchange.counters.probes == 1


async def test_a_late_answer_to_a_probe_is_never_taken_for_a_read(exchange):
    with pytest.raises(NoAnswer):
        await exchange.probe(read(1, count=2), 0.02)
    (task,) = ask(exchange, read(1, 200))
    frame = await sent(exchange, 2)
    exchange._received(answer(exchange.line.sent[0], 6, 6) + answer(frame, 7, 7))
    assert await task == words(7, 7)


@pytest.mark.parametrize(("code", "lives"), [(1, True), (2, True), (4, True), (6, False), (11, False)])
async def test_a_refusal_is_a_sign_of_life_unless_it_says_that_nobody_is_there(exchange, code, lives):
    driver = ModbusDriver(link("modbus-tcp", "10.0.0.21:502"), Clock())
    driver._exchange = exchange
    assert isinstance(driver, Probes)
    task = asyncio.ensure_future(driver.probe(registers(40, 41), 0.2))
    frame = await sent(exchange, 1)
    assert frame[7:] == struct.pack(">BHH", 3, 40, 1), "one register"
    exchange._received(frame[:4] + bytes([0, 3, 1, 0x83, code]))
    if lives:
        await task
    else:
        with pytest.raises(Refusal):
            await task


@pytest.fixture
async def bus():
    _LEDGERS.clear()
    exchange = exchange_on(RtuExchange, "modbus-rtu", "/dev/ttyS9", timeout=0.1)
    yield exchange
    exchange.close()


def rtu(unit, *values):
    body = struct.pack(f">BBB{len(values)}H", unit, 3, 2 * len(values), *values)
    return body + struct.pack("<H", crc16(body))


async def test_probes_of_a_bus_are_one_request_each_and_no_two_alike(bus):
    for _ in range(6):
        with pytest.raises(NoAnswer):
            await bus.probe(read(7, count=1), 0.01)
    assert bus.counters.requests == 6
    assert len({frame[5] for frame in bus.line.sent}) == 6, "answers that are late must not look alike"


async def test_a_late_answer_shows_that_a_unit_lives(bus):
    with pytest.raises(NoAnswer):
        await bus.probe(read(7, count=1), 0.01)
    task = asyncio.ensure_future(bus.probe(read(7, count=1), 0.1))
    await sent(bus, 2)
    bus._received(rtu(7, 42))  # to the first probe: one register
    await task
    assert bus.counters.late == 1
    task = asyncio.ensure_future(bus.ask(read(7, count=2)))
    frame = await sent(bus, 3)
    assert frame[5] != 2, "the second probe asked for two and may still be answered"
    bus._received(rtu(7, 1, 2))
    assert not task.done()
    bus._received(rtu(7, *range(frame[5])))
    assert len(await task) >= 4


async def test_another_unit_is_no_sign_of_life(bus):
    task = asyncio.ensure_future(bus.probe(read(7, count=1), 0.05))
    await sent(bus, 1)
    bus._received(rtu(8, 42))
    with pytest.raises(NoAnswer):
        await task


# ── response times ──


def test_p99_is_that_of_the_last_answers():
    times = Times()
    assert times.p99_s == 0
    for _ in range(KEPT):
        times.add(0.010)
    times.add(0.5)
    assert times.p99_s in {0.010, 0.5}
    for _ in range(KEPT):
        times.add(0.020)
    assert times.p99_s == 0.020


def test_units_have_their_own():
    times = ResponseTimes()
    times.add(1, 0.01)
    times.add(2, 0.3)
    assert (times.of(1), times.of(2), times.of(3), times.line.p99_s) == (0.01, 0.3, 0.0, 0.3)
