import asyncio
import struct
from itertools import pairwise

import pytest

from drivers.modbus.errors import Damaged, NoAnswer, Refusal
from drivers.modbus.request import Request
from drivers.modbus.tcp import TcpExchange
from gateway.driver import DeviceError, LinkError
from gateway.model import Reason
from tests.drivers.modbus.fake_line import exchange_on, sent

READ = Request(1, 3, 100, 2)


@pytest.fixture
async def exchange():
    return exchange_on(TcpExchange, "modbus-tcp", "10.0.0.21:502")


def mbap(tid, pdu, unit=1):
    return struct.pack(">HHHB", tid, 0, len(pdu) + 1, unit) + pdu


def answer(*registers, function=3):
    return struct.pack(f">BB{len(registers)}H", function, 2 * len(registers), *registers)


async def start(exchange, count=1, request=READ):
    task = asyncio.ensure_future(exchange.ask(request))
    frame = await sent(exchange, count)
    return task, int.from_bytes(frame[:2], "big")


async def test_request_and_answer(exchange):
    task, tid = await start(exchange)
    assert exchange.line.sent == [mbap(tid, struct.pack(">BHH", 3, 100, 2))]
    exchange._clock.advance(3)
    exchange._received(mbap(tid, answer(100, 101)))
    exchange._clock.advance(5)
    assert await task == struct.pack(">HH", 100, 101)
    assert exchange.stamp.mono_ns == 4_000_000_000
    assert exchange.counters.answers == 1


async def test_an_answer_in_single_bytes(exchange):
    task, tid = await start(exchange)
    for byte in mbap(tid, answer(100, 101)):
        exchange._received(bytes([byte]))
    assert await task == struct.pack(">HH", 100, 101)


@pytest.mark.parametrize("shift", [1, -1, 1000])
async def test_another_transaction_id_is_dropped(exchange, shift):
    task, tid = await start(exchange)
    exchange._received(mbap((tid + shift) & 0xFFFF, answer(1, 2)) + mbap(0, answer(3, 4)) + mbap(tid, answer(100, 101)))
    assert await task == struct.pack(">HH", 100, 101)
    assert exchange.counters.foreign == 2


async def test_a_late_answer_is_counted_and_dropped(exchange):
    task, late = await start(exchange)
    with pytest.raises(NoAnswer, match=r"unit 1 on 10.0.0.21:502 did not answer within 0.2 s"):
        await task
    task, tid = await start(exchange, 2)
    assert tid != late
    exchange._received(mbap(late, answer(1, 2)))
    assert not task.done()
    exchange._received(mbap(tid, answer(100, 101)))
    assert await task == struct.pack(">HH", 100, 101)
    assert (exchange.counters.late, exchange.counters.timeouts) == (1, 1)


@pytest.mark.parametrize(
    ("pdu", "unit"),
    [
        (answer(1), 1),
        (answer(1, 2, 3), 1),
        (answer(1, 2, function=4), 1),
        (b"\x03\x04\x00\x01", 1),
        (b"\x03\x02\x00\x01\x00\x02", 1),
        (b"\x84\x02", 1),
        (answer(1, 2), 2),
        (b"\x83\x02", 2),
    ],
)
async def test_an_answer_of_another_form_is_refused(exchange, pdu, unit):
    task, tid = await start(exchange)
    exchange._received(mbap(tid, pdu, unit))
    with pytest.raises(Damaged) as caught:
        await task
    assert caught.value.reason is Reason.BAD_ANSWER
    assert ("set unit: 2" in str(caught.value)) == (unit == 2)


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (1, Reason.NOT_SUPPORTED, "illegal function"),
        (2, Reason.NO_SUCH_ADDRESS, "holding 40101 (wire 100), 2 registers: the answer is exception 2 (illegal data address)"),
        (3, Reason.NO_SUCH_ADDRESS, "max_registers"),
        (4, Reason.DEVICE_FAILURE, "failure"),
        (5, Reason.DEVICE_BUSY, "still working"),
        (6, Reason.DEVICE_BUSY, "ask less often"),
        (10, Reason.NO_PATH, "not set up for it"),
        (11, Reason.NO_PATH, "the unit behind it is silent"),
        (99, Reason.REFUSED, "unknown exception"),
    ],
)
async def test_exceptions_in_words(exchange, code, reason, words):
    task, tid = await start(exchange)
    exchange._received(mbap(tid, bytes([0x83, code])))
    with pytest.raises(Refusal) as caught:
        await task
    assert (caught.value.code, caught.value.reason) == (code, reason)
    assert words in str(caught.value)


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n", bytes(8), b"\x00\x01\x00\x00\xff\xff\x01\x03"])
async def test_what_is_no_modbus_tcp_ends_the_connection(exchange, noise):
    task, _ = await start(exchange)
    exchange._received(noise)
    with pytest.raises(LinkError, match="modbus-rtu://"):
        await task
    assert exchange.line.closed
    with pytest.raises(LinkError):
        await exchange.ask(READ)


async def test_silence_three_times_in_a_row_ends_the_connection(exchange):
    for _ in range(2):
        with pytest.raises(NoAnswer):
            await exchange.ask(READ)
    with pytest.raises(LinkError, match="opened anew"):
        await exchange.ask(READ)
    assert exchange.line.closed


async def test_one_byte_shows_that_the_connection_lives(exchange):
    for i in range(5):
        task, _ = await start(exchange, i + 1)
        exchange._received(mbap(0, answer(1, 2)))
        with pytest.raises(NoAnswer):
            await task


async def test_a_caller_that_leaves_does_not_shift_the_answers(exchange):
    task, first = await start(exchange)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    second = asyncio.ensure_future(exchange.ask(Request(1, 3, 200, 2)))
    await asyncio.sleep(0.02)
    assert len(exchange.line.sent) == 1, "the next request goes out only when the first is answered"
    exchange._received(mbap(first, answer(100, 101)))
    tid = int.from_bytes((await sent(exchange, 2))[:2], "big")
    exchange._received(mbap(tid, answer(200, 201)))
    assert await second == struct.pack(">HH", 200, 201)


async def test_closing_ends_what_is_under_way(exchange):
    task, _ = await start(exchange)
    exchange.close()
    with pytest.raises(LinkError, match="closed"):
        await task


async def test_a_pause_between_answer_and_next_request():
    exchange = exchange_on(TcpExchange, "modbus-tcp", "plc:502", pause=0.05)
    task, tid = await start(exchange)
    exchange._received(mbap(tid, answer(1, 2)))
    await task
    answered = exchange._landed_at
    await start(exchange, 2)
    assert asyncio.get_running_loop().time() - answered >= 0.05
    exchange.close()


async def test_transaction_ids_are_all_used_never_zero_and_never_neighbours(exchange):
    ids = []
    for _ in range(2000):
        task = asyncio.ensure_future(exchange.ask(READ))
        await asyncio.sleep(0)
        ids.append(int.from_bytes(exchange.line.sent.pop()[:2], "big"))
        exchange._received(mbap(ids[-1], answer(1, 2)))
        await task
    assert len(set(ids)) == len(ids)
    assert 0 not in ids
    assert all(abs(one - other) > 1000 for one, other in pairwise(ids))
    exchange._tid = 0x10000 - int.from_bytes(b"\x9e\x37", "big")
    task, tid = await start(exchange)
    assert tid != 0
    exchange._received(mbap(tid, answer(1, 2)))
    await task


async def times_out(exchange, unit):
    count = len(exchange.line.sent) + 1
    task, _ = await start(exchange, count, Request(unit, 3, 100, 2))
    flight = exchange._lane(unit).flight
    flight.timer.cancel()
    exchange._expired(flight)
    with pytest.raises(DeviceError) as raised:
        await task
    return raised.value


async def test_one_dead_unit_does_not_cost_the_others_their_connection(exchange):
    task, tid = await start(exchange)
    exchange._received(mbap(tid, answer(100, 101)))
    await task
    for _ in range(10):
        assert not isinstance(await times_out(exchange, 2), LinkError)
    assert isinstance(await times_out(exchange, 1), LinkError), "now nobody answers who once did: half open"


async def test_a_connection_on_which_nobody_ever_answered_is_given_up(exchange):
    assert not isinstance(await times_out(exchange, 2), LinkError)
    assert not isinstance(await times_out(exchange, 2), LinkError)
    assert isinstance(await times_out(exchange, 2), LinkError)
