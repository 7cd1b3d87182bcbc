import asyncio
import struct

import pytest

from cython_ext.registers import crc16
from drivers.modbus.errors import Damaged, NoAnswer, Refusal
from drivers.modbus.ledger import _LEDGERS
from drivers.modbus.request import Request
from drivers.modbus.rtu import DRAIN_S, RtuExchange
from tests.drivers.modbus.fake_line import exchange_on, sent

TIMEOUT = 0.15


@pytest.fixture
async def exchange():
    _LEDGERS.clear()
    made = exchange_on(RtuExchange, "modbus-rtu", "/dev/bus", TIMEOUT)
    yield made
    made.close()


def read(address, count=4, unit=7, function=3):
    return Request(unit, function, address, count)


def asked(frame):
    assert crc16(frame) == 0
    unit, function, address, count = struct.unpack(">BBHH", frame[:-2])
    return Request(unit, function, address, count)


def framed(body):
    return body + struct.pack("<H", crc16(body))


def answer(request):
    if request.function < 3:
        return framed(bytes([request.unit, request.function, request.size]) + bytes(request.size))
    values = range(request.address, request.address + request.count)
    return framed(struct.pack(f">BBB{request.count}H", request.unit, request.function, request.size, *values))


def refusal(request, code=2):
    return framed(bytes([request.unit, request.function | 0x80, code]))


def first(data):
    return struct.unpack(">H", data[:2])[0]


async def start(exchange, request, count):
    task = asyncio.ensure_future(exchange.ask(request))
    return task, asked(await sent(exchange, count))


async def overdue(exchange, request, count=1):
    task, out = await start(exchange, request, count)
    with pytest.raises(NoAnswer):
        await task
    return out


async def test_request_and_answer(exchange):
    task, out = await start(exchange, read(100), 1)
    assert out == read(100)
    exchange._received(answer(out))
    assert struct.unpack(">4H", await task) == (100, 101, 102, 103)


async def test_after_a_timeout_the_next_read_is_longer_so_that_the_late_answer_shows(exchange):
    lost = await overdue(exchange, read(100))
    task, out = await start(exchange, read(200), 2)
    assert (out.address, out.count) == (200, 6)
    exchange._received(answer(lost))
    assert not task.done()
    exchange._received(answer(out))
    assert first(await task) == 200
    assert exchange.counters.late == 1
    task, out = await start(exchange, read(300), 3)
    assert out == read(300), "the line is clear again"
    exchange._received(answer(out))
    assert first(await task) == 300


async def test_without_the_longer_form_a_probe_clears_the_line(exchange):
    lost = await overdue(exchange, read(100))
    task, longer = await start(exchange, read(200), 2)
    exchange._received(answer(lost))
    exchange._received(refusal(longer))
    again = asked(await sent(exchange, 3))
    assert again == read(200), "the refusal is an answer too and settles what was before it"
    exchange._received(answer(again))
    assert first(await task) == 200
    lost = await overdue(exchange, read(200), 4)
    task, probe = await start(exchange, read(200), 5)
    assert (probe.address, probe.function) == (200, 3)
    assert probe.count < 4
    exchange._received(answer(lost))
    exchange._received(answer(probe))
    out = asked(await sent(exchange, 6))
    assert out == read(200)
    exchange._received(answer(out))
    assert first(await task) == 200
    assert exchange.counters.probes == 1


async def test_an_exception_is_not_taken_while_it_may_belong_to_an_older_request(exchange):
    lost = await overdue(exchange, read(100))
    task, _ = await start(exchange, read(200), 2)
    exchange._received(refusal(lost))
    assert not task.done()
    exchange._received(refusal(read(200)))
    again = asked(await sent(exchange, 3))
    exchange._received(answer(again))
    assert first(await task) == 200


async def test_two_reads_of_one_form_in_a_row_differ_in_length(exchange):
    task, out = await start(exchange, read(100), 1)
    exchange._received(answer(out))
    await task
    task, longer = await start(exchange, read(200), 2)
    exchange._received(answer(out))
    assert not task.done()
    exchange._received(answer(longer))
    assert first(await task) == 200
    assert exchange.counters.doubled == 1


async def test_once_answers_were_doubled_not_even_the_same_read_is_repeated(exchange):
    for count in (1, 2):
        task, out = await start(exchange, read(100), count)
        exchange._received(answer(out))
        await task
        assert out == read(100)
    exchange._received(answer(out))
    _, out = await start(exchange, read(100), 3)
    assert out == read(100, 6)


async def test_the_same_read_of_another_unit_need_not_wait(exchange):
    lost = await overdue(exchange, read(100))
    task, out = await start(exchange, read(200, unit=8), 2)
    assert out == read(200, unit=8)
    exchange._received(answer(lost))
    exchange._received(answer(out))
    assert first(await task) == 200


async def test_a_late_answer_survives_the_reopening_of_the_line(exchange):
    lost = await overdue(exchange, read(100))
    exchange.close()
    reopened = exchange_on(RtuExchange, "modbus-rtu", "/dev/bus", TIMEOUT)
    task, out = await start(reopened, read(200), 1)
    reopened._received(answer(lost))
    reopened._received(answer(out))
    assert first(await task) == 200
    reopened.close()


async def test_a_caller_that_leaves_does_not_shift_the_answers(exchange):
    task, abandoned = await start(exchange, read(100), 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    task = asyncio.ensure_future(exchange.ask(read(200)))
    await asyncio.sleep(0.02)
    assert len(exchange.line.sent) == 1
    exchange._received(answer(abandoned))
    out = asked(await sent(exchange, 2))
    exchange._received(answer(out))
    assert first(await task) == 200


async def test_a_single_register_at_the_end_of_what_the_unit_knows(exchange):
    lost = await overdue(exchange, read(100, 1))
    task, longer = await start(exchange, read(100, 1), 2)
    assert longer.count == 2
    exchange._received(answer(lost) + refusal(longer))
    again = asked(await sent(exchange, 3))
    exchange._received(answer(again))
    assert first(await task) == 100
    lost = await overdue(exchange, read(100, 1), 4)
    task, probe = await start(exchange, read(100, 1), 5)
    assert probe.function != 3
    exchange._received(answer(lost) + refusal(probe, 1))
    out = asked(await sent(exchange, 6))
    exchange._received(answer(out))
    assert first(await task) == 100


async def test_a_damaged_answer_is_told_before_the_timeout():
    _LEDGERS.clear()
    exchange = exchange_on(RtuExchange, "modbus-rtu", "/dev/bus", 30.0)
    task, out = await start(exchange, read(100), 1)
    broken = bytearray(answer(out))
    broken[4] ^= 1
    exchange._received(bytes(broken))
    async with asyncio.timeout(5):
        with pytest.raises(Damaged, match="no sound answer"):
            await task
    task, longer = await start(exchange, read(100), 2)
    assert longer.count == 6, "its answer may still come"
    exchange._received(refusal(read(9), 2))
    assert not task.done()
    exchange._received(answer(longer))
    assert first(await task) == 100
    exchange.close()


async def test_a_good_answer_among_noise(exchange):
    task, out = await start(exchange, read(100), 1)
    exchange._received(b"\xff\x00\x07")
    exchange._received(b"\x07\x03" + answer(out)[:6])
    exchange._received(answer(out)[6:] + b"\x80")
    assert first(await task) == 100


async def test_a_refusal_is_an_answer(exchange):
    task, out = await start(exchange, read(100), 1)
    exchange._received(refusal(out, 2))
    with pytest.raises(Refusal, match="illegal data address"):
        await task


async def test_bytes_still_coming_hold_up_the_next_request(exchange):
    exchange._silence = 0.05
    exchange._received(b"\x00")
    heard = exchange._heard_at
    await start(exchange, read(100), 1)
    assert asyncio.get_running_loop().time() - heard >= 0.05


async def test_after_a_timeout_the_line_is_drained_until_it_is_silent_before_the_same_unit_is_asked_again(exchange):
    await overdue(exchange, read(100))
    exchange._received(b"\x00")
    heard = exchange._heard_at
    await start(exchange, read(200), 2)
    assert asyncio.get_running_loop().time() - heard >= DRAIN_S, "longer than the 3.5 characters"
    assert exchange._silence < DRAIN_S


BITS = Request(7, 1, 0x0310, 20)
"""Its answer has three data bytes, and its address begins with a three: as long as the question, and with the same checksum."""


async def test_an_echo_that_nobody_has_declared_is_not_taken_for_an_answer_of_its_length(exchange):
    task, out = await start(exchange, BITS, 1)
    assert (out.address, out.count) == (0x0310, 28), "a longer answer cannot be mistaken"
    exchange._received(exchange.line.sent[0])
    assert not task.done()
    exchange._received(answer(out))
    assert await task == bytes(4)


async def test_where_the_unit_hands_out_no_more_its_very_own_question_is_no_answer(exchange):
    task, longer = await start(exchange, BITS, 1)
    exchange._received(refusal(longer))
    out = asked(await sent(exchange, 2))
    assert out == BITS
    exchange._received(exchange.line.sent[1])
    assert not task.done()
    exchange._received(answer(out))
    assert await task == bytes(3)


async def test_the_question_of_a_second_master_is_no_answer(exchange):
    task, out = await start(exchange, Request(7, 1, 0, 24), 1)
    exchange._received(framed(struct.pack(">BBHH", 7, 1, 0x0320, 24)))
    assert not task.done()
    exchange._received(answer(out))
    assert await task == bytes(4)


async def test_between_an_answer_and_the_next_request_the_line_has_its_pause(exchange):
    task, out = await start(exchange, read(100), 1)
    exchange._received(answer(out))
    await task
    exchange._pause = 0.06
    landed = exchange._landed_at
    await start(exchange, read(300, unit=8), 2)
    assert asyncio.get_running_loop().time() - landed >= 0.06
