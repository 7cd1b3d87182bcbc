"""Whatever happens, no request touches a register that is not allowed: not in a gap, nor after a timeout, nor in a probe."""

import asyncio
import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cython_ext.registers import crc16
from drivers.modbus.allowed import Allowed
from drivers.modbus.area import Area
from drivers.modbus.errors import Damaged, NoAnswer, Refusal
from drivers.modbus.ledger import _LEDGERS
from drivers.modbus.reader import RETRY_S, Reader
from drivers.modbus.request import FUNCTIONS, Request
from drivers.modbus.rtu import RtuExchange
from drivers.modbus.spec import ModbusPoint, ModbusUnit
from gateway.driver import DeviceError
from tests.campaign.modbus.virtual import VirtualLoop, exchange_with
from tests.drivers.modbus.fake_line import exchange_on, sent
from tests.drivers.modbus.tables import bad, good, point, registers, table
from tests.drivers.modbus.test_allowed import addresses, rules
from tests.drivers.modbus.test_reader import Unit
from tests.drivers.modbus.test_rtu import answer, asked, overdue
from tests.peers import modbus_evil as evil

WIDTHS = {1: "uint16", 2: "uint32", 4: "float64"}


def touched(request):
    return set(range(request.address, request.address + request.count))


def allowed_by(rule):
    return {function: addresses(rule, function) for function in FUNCTIONS}


@st.composite
def tables(draw):
    """A unit with a rule, and points that the rule allows."""
    rule = draw(rules)
    right = allowed_by(rule)
    points = {}
    for n in range(draw(st.integers(1, 25))):
        function = draw(st.sampled_from((3, 3, 4, 1, 2)))
        width = draw(st.sampled_from((1, 1, 2, 4))) if function > 2 else 1
        wire = draw(st.integers(0, 90))
        if set(range(wire, wire + width)) <= right[function]:
            kind = WIDTHS[width] if function > 2 else None
            points[f"p{n}"] = point(f"{FUNCTIONS[function]} wire {wire}", type=kind)
    return rule, points


options = st.fixed_dictionaries(
    {
        "max_registers": st.integers(4, 125),
        "max_gap": st.none() | st.integers(0, 20),
        "one_per_request": st.booleans(),
    }
)
FAULTS = st.dictionaries(
    st.integers(0, 90), st.lists(st.sampled_from(("silent", "damaged", 1, 3, 4, None, None)), max_size=4), max_size=4
)


def fault(kind):
    if kind == "silent":
        return NoAnswer("silent")
    if kind == "damaged":
        return Damaged("noise")
    return None if kind is None else Refusal(Request(1, 3, 0, 1), kind)


@given(tables(), options, st.sets(st.integers(0, 90), max_size=6), st.integers(4, 125), FAULTS, st.booleans())
async def test_any_plan_reads_every_point_once_and_no_register_that_is_not_allowed(made, options, illegal, longest, faults, serial):
    rule, points = made
    if not points:
        return
    right = allowed_by(rule)
    unit = Unit(*illegal, longest=longest)
    unit.faults = {wire: [fault(kind) for kind in kinds] for wire, kinds in faults.items()}
    reader = Reader(table(points, allow=rule.allow, deny=rule.deny, **options), serial=serial)
    for scan in range(8):  # bisection, cuts that were learned, points that are asked for again
        read = sorted(row for part in reader.blocks for row in part.rows)
        unknown = [row for row, name in enumerate(points) if name in reader.unknown]
        assert sorted(read + unknown) == list(range(len(points))), "every point exactly once"
        assert all(touched(part.request) <= right[part.request.function] for part in reader.blocks)
        assert reader.allowed.permits(reader.cheapest.request)
        with contextlib.suppress(DeviceError):
            await unit.read(reader)
        assert all(touched(request) <= right[request.function] for request in unit.asked)
        if scan == 5:
            unit.clock.advance(RETRY_S)


MOODS = {
    "late": evil.late(0.2, 0.11, 0.3),
    "always a bit late": evil.late(1.0, 0.11, 0.13),
    "twice": evil.twice(0.4, 0.02),
    "cut short": evil.truncated(0.3),
    "deaf at times": evil.sometimes(evil.honest, evil.late(0.4, 0.11, 2.0), evil.another_unit(0.3)),
}


def values(request, data):
    """The registers or bits that were asked for; a longer answer has more behind them."""
    if request.function > 2:
        return data[: request.size]
    return [data[i // 8] >> i % 8 & 1 for i in range(request.count)]


@settings(max_examples=100, deadline=None)
@given(
    tables(),
    st.sampled_from(sorted(MOODS)),
    st.lists(st.integers(0, 200), min_size=1, max_size=30),
    st.sampled_from((125, 4, 1)),
    st.integers(1, 5),
)
def test_on_a_bus_no_longer_form_and_no_probe_touches_anything_else_and_no_value_is_wrong(made, mood, turns, longest, seed):
    rule, points = made
    if not points:
        return
    right = allowed_by(rule)

    async def run():
        _LEDGERS.clear()
        slave = evil.Slave(MOODS[mood], unit=7, seed=seed)
        slave.legal = lambda function, address, count: count <= (longest if function > 2 else 8 * longest)
        exchange = exchange_with(RtuExchange, "modbus-rtu", slave, 0.1, 115200, seed)
        work = asyncio.create_task(slave.work())
        blocks = Reader(table(points, unit=7, allow=rule.allow, deny=rule.deny, max_registers=4)).blocks
        allowed = Allowed.of(rule)
        for turn in turns:
            request = blocks[turn % len(blocks)].request
            try:
                if turn % 7 == 0:
                    await exchange.probe(Request(7, request.function, request.address, 1), 0.05, allowed)
                else:
                    data = await exchange.ask(request, allowed)
                    assert values(request, data) == values(request, evil.registers(request.pdu)[2:])
            except DeviceError:
                pass
        work.cancel()
        await asyncio.wait([work])
        exchange.close()
        return [Request(frame[0], *struct.unpack(">BHH", frame[1:6])) for frame in slave.requests]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        for request in runner.run(run()):
            assert touched(request) <= right[request.function], request


# ── one by one ──


@pytest.fixture
async def bus():
    _LEDGERS.clear()
    made = exchange_on(RtuExchange, "modbus-rtu", "/dev/bus", 0.1)
    yield made
    made.close()


def only(*areas):
    return Allowed.of(ModbusUnit(allow=tuple(map(Area.parse, areas))))


async def ask(bus, request, allowed, count):
    task = asyncio.ensure_future(bus.ask(request, allowed))
    return task, asked(await sent(bus, count))


async def test_where_nothing_behind_is_allowed_the_longer_form_begins_earlier(bus):
    allowed = only("holding wire 90-103")
    await overdue(bus, Request(7, 3, 96, 4))
    task, out = await ask(bus, Request(7, 3, 100, 4), allowed, 2)
    assert out == Request(7, 3, 98, 6)
    bus._received(answer(out))
    assert struct.unpack(">4H", await task) == (100, 101, 102, 103)


async def test_a_single_register_more_will_do(bus):
    await overdue(bus, Request(7, 3, 100, 4))
    task, out = await ask(bus, Request(7, 3, 100, 4), only("holding wire 100-104"), 2)
    assert out == Request(7, 3, 100, 5)
    bus._received(answer(out))
    assert struct.unpack(">4H", (await task)[:8]) == (100, 101, 102, 103)


async def test_a_probe_of_another_table_asks_where_that_is_allowed(bus):
    await overdue(bus, Request(7, 3, 100, 1))
    task, out = await ask(bus, Request(7, 3, 100, 1), only("holding wire 100", "coil wire 5-6"), 2)
    assert out == Request(7, 1, 5, 1)
    bus._received(answer(out))
    again = asked(await sent(bus, 3))
    assert again == Request(7, 3, 100, 1)
    bus._received(answer(again))
    assert struct.unpack(">H", await task) == (100,)


def value(request, number):
    body = struct.pack(">BBBH", request.unit, request.function, 2, number)
    return body + struct.pack("<H", crc16(body))


async def test_where_only_one_form_is_allowed_older_answers_are_outlasted(bus):
    """One register here, one there: no other request is possible, and the answers look alike. They come in the order of asking."""
    allowed = only("holding wire 100", "holding wire 200")
    await overdue(bus, Request(7, 3, 100, 1))
    task, out = await ask(bus, Request(7, 3, 200, 1), allowed, 2)
    assert out == Request(7, 3, 200, 1)
    bus._received(value(out, 100))  # late, to the first
    assert asked(await sent(bus, 3)) == out
    assert not task.done()
    bus._received(value(out, 200))
    assert struct.unpack(">H", await task) == (200,)


async def test_too_many_older_answers_are_not_outlasted(bus):
    allowed = only("holding wire 100", "holding wire 200")
    for _ in range(9):
        bus._ledger.overdue(Request(7, 3, 100, 1), asyncio.get_running_loop().time())
    with pytest.raises(NoAnswer, match="still answers older requests") as caught:
        await bus.ask(Request(7, 3, 200, 1), allowed)
    assert "let 'allow' have a register beside it" in caught.value.hint
    assert bus.line.sent == []


async def test_two_registers_alone_are_read_on_and_on(bus):
    allowed = only("holding wire 100", "holding wire 200")
    count = 0
    for wire in (100, 200, 100, 200):
        request = Request(7, 3, wire, 1)
        task = asyncio.ensure_future(bus.ask(request, allowed))
        while not task.done():
            count += 1
            await sent(bus, count)
            bus._received(value(request, wire))
            for _ in range(3):
                await asyncio.sleep(0)
        assert struct.unpack(">H", await task) == (wire,)
    assert {asked(frame).address for frame in bus.line.sent} == {100, 200}


async def test_a_table_with_a_point_that_is_not_allowed_is_not_read_at_all():
    points = {"a": point("holding 40001"), "b": point("holding 40017", type="float32")}
    with pytest.raises(DeviceError, match=r"m: b at holding 40017 \(wire 16\), 2 registers, is not within 'allow'") as caught:
        Reader(table(points, allow=(Area.parse("holding 40001-40017"),)))
    assert caught.value.hint == "extend 'allow'"


async def test_what_lies_between_two_allowed_stretches_is_not_read_along():
    unit = Unit()
    reader = Reader(registers(0, 1, 4, 5, deny=(Area.parse("holding wire 2"),)))
    assert len(good(await unit.read(reader))) == 4
    assert [(r.address, r.count) for r in unit.asked] == [(0, 2), (4, 2)]
    assert not bad(await unit.read(reader))


async def test_a_probe_asks_for_a_point_even_where_coils_count_from_zero():
    unit = Unit(2)
    reader = Reader(table({"c": point("coil 2")}, coils_from=0, allow=(Area.parse("coil 2"),)))
    assert bad(await unit.read(reader))
    assert reader.blocks == []
    assert reader.cheapest.request == Request(1, 1, 2, 1)


def test_the_waveform_must_be_allowed():
    from drivers.modbus.check import check
    from drivers.modbus.waveform import Ready
    from tests.drivers.modbus.tables import link
    from tests.drivers.modbus.test_waveform import wave

    unit = ModbusUnit(
        waveform=wave(ready=Ready(at=ModbusPoint(at=point("holding 40001").at).at)), allow=(Area.parse("holding wire 100-200"),)
    )
    found = [f.message for f in check(link("modbus-tcp", "h:502"), unit, {})]
    assert "the waveform at holding 40101 (wire 100), 640 registers, is not within 'allow'" in found[0]
    assert "the ready register of the waveform at holding 40001 (wire 0) is not within 'allow'" in found[1]
