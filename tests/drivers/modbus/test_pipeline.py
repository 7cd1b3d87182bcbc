"""Several requests to one unit at a time, and units that cannot stand it. The host is played in virtual time."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.errors import NoAnswer
from drivers.modbus.pipeline import BUSY_LIMIT, HANGS_UP, IS_BUSY, LOSES, pipeline_of
from drivers.modbus.reader import Reader
from drivers.modbus.request import Request
from drivers.modbus.tcp import TcpExchange
from drivers.modbus.udp import UdpExchange
from gateway.driver import DeviceError, LinkError
from tests.drivers.modbus.fake_line import exchange_on
from tests.drivers.modbus.memory_host import FAR, ROUND_TRIP, TIMEOUT, Reading, run
from tests.drivers.modbus.tables import bad, good, registers


def test_eight_requests_are_two_round_trips():
    async def main():
        plain, piped = Reading(depth=1), Reading()
        assert len(good(await plain.read())) == len(good(await piped.read())) == 8
        assert (plain.host.volleys, piped.host.volleys) == ([1] * 8, [4, 4])
        assert plain.took == pytest.approx(8 * ROUND_TRIP)
        assert piped.took == pytest.approx(2 * ROUND_TRIP)

    run(main)


def test_what_has_come_is_acknowledged_at_once_while_more_is_to_come():
    """Else a server that gathers small answers holds back the next one until the kernel gets round to it."""

    async def main():
        reading = Reading()
        reading.host.work_s = 0.001
        await reading.read()
        assert reading.host.acknowledged == 6, "three of four answers, twice"
        single = Reading(depth=1)
        await single.read()
        assert single.host.acknowledged == 0

    run(main)


def test_out_of_order_is_fine():
    async def main():
        reading = Reading(depth=8)
        reading.host.shuffles, reading.host.work_s = True, 0.001
        for _ in range(20):
            assert len(good(await reading.read())) == 8
        assert not reading.warning

    run(main)


def test_one_that_works_off_one_by_one_has_its_time_for_each():
    async def main():
        reading = Reading()
        reading.host.work_s = 0.7 * TIMEOUT
        assert len(good(await reading.read())) == 8
        assert reading.took > 2 * TIMEOUT
        assert reading.exchange.counters.timeouts == 0
        assert 0.6 * TIMEOUT < reading.exchange.times.of(1) < TIMEOUT, "how long one takes, not those before it"

    run(main)


# ── units that cannot ──


def test_one_that_drops_what_comes_together_is_asked_one_by_one_and_nothing_is_bad():
    async def main():
        reading = Reading()
        reading.host.takes = 1
        assert len(good(await reading.read())) == 8
        assert reading.took == pytest.approx(TIMEOUT + 9 * ROUND_TRIP), "the first volley, then one by one"
        assert reading.warning == f"m: unit 1 {LOSES}; it is asked one by one: leave out pipeline: 4"
        assert len(good(await reading.read())) == 8
        assert reading.host.volleys == [1] * 8
        assert reading.took == pytest.approx(8 * ROUND_TRIP)
        assert reading.reader.warnings == [reading.warning]

    run(main)


@pytest.mark.parametrize("takes", [2, 3])
def test_one_that_keeps_some_of_them(takes):
    async def main():
        reading = Reading()
        reading.host.takes = takes
        assert len(good(await reading.read())) == 8
        assert (reading.pipeline.depth, reading.pipeline.fault) == (1, LOSES)

    run(main)


def test_after_the_fall_back_the_plan_is_that_of_single_requests():
    async def main():
        wires = [i * 40 for i in range(8)]
        reading = Reading(*wires)
        reading.host.takes = 1
        assert len(reading.reader.blocks) > 3, "a request more is cheap while it shares a round trip"
        await reading.read()
        await reading.read()
        assert reading.reader.blocks == Reader(registers(*wires)).blocks

    run(main)


def test_it_is_remembered_by_line_and_unit():
    first = pipeline_of("modbus-tcp://remembered:502", 1, 4)
    first._fall_back(LOSES)
    assert pipeline_of("modbus-tcp://remembered:502", 1, 4) is first
    assert pipeline_of("modbus-tcp://remembered:502", 2, 4).depth == 4
    assert pipeline_of("modbus-tcp://remembered:502", 1, 2).depth == 2, "configured anew, tried anew"


def test_busy_is_asked_again_alone_and_costs_no_waits():
    async def main():
        reading = Reading()
        reading.host.takes, reading.host.excess = 1, "busy"
        for volleys in range(0, BUSY_LIMIT, 2):
            assert reading.pipeline.fault == "", volleys
            assert len(good(await reading.read())) == 8
            assert reading.took == pytest.approx(8 * ROUND_TRIP), "no wait of the budget for busy units"
        assert reading.pipeline.fault == IS_BUSY
        assert len(good(await reading.read())) == 8
        assert reading.host.volleys == [1] * 8

    run(main)


def test_a_unit_that_is_busy_by_itself_is_waited_for():
    async def main():
        reading = Reading(depth=8)
        reading.host.takes, reading.host.excess = 0, "busy"
        asyncio.get_running_loop().call_later(0.12, setattr, reading.host, "takes", 99)
        assert len(good(await reading.read())) == 8
        assert reading.took > 0.12
        assert not reading.warning

    run(main)


def test_one_that_hangs_up_twice_is_asked_one_by_one():
    async def main():
        reading = Reading()
        reading.host.takes, reading.host.excess = 1, "hang up"
        for _ in range(2):
            assert not reading.warning
            with pytest.raises(LinkError, match="closed the connection"):
                await reading.read()
            reading.exchange = reading.host.connect()
        assert reading.pipeline.fault == HANGS_UP
        assert len(good(await reading.read())) == 8

    run(main)


def test_a_connection_that_we_close_ourselves_is_no_sign():
    async def main():
        reading = Reading()
        for _ in range(3):
            task = asyncio.ensure_future(reading.read())
            await asyncio.sleep(0)
            reading.exchange.close()
            with pytest.raises(LinkError):
                await task
            reading.exchange = reading.host.connect()
        assert not reading.warning

    run(main)


# ── the rest of what was promised ──


def test_a_caller_that_leaves_does_not_end_the_volley():
    async def main():
        reading = Reading()
        task = asyncio.ensure_future(reading.read())
        await asyncio.sleep(ROUND_TRIP / 10)
        assert len(reading.host.sent) == 4
        task.cancel()
        await asyncio.wait([task])
        again = asyncio.ensure_future(reading.exchange.ask(Request(1, 3, 5, 1)))
        await asyncio.sleep(ROUND_TRIP / 2)
        assert len(reading.host.sent) == 4, "the next request goes out only when all four are answered"
        assert int.from_bytes(await again, "big") == 5
        assert reading.exchange.counters.answers == 5

    run(main)


def test_units_do_not_wait_for_each_other():
    async def main():
        reading = Reading()
        reading.host.dead = {1}
        task = asyncio.ensure_future(reading.read())
        await asyncio.sleep(ROUND_TRIP / 10)
        assert int.from_bytes(await reading.exchange.ask(Request(2, 3, 5, 1)), "big") == 5
        with pytest.raises(NoAnswer):
            await task

    run(main)


def test_losing_the_line_ends_all_of_them():
    async def main():
        reading = Reading()
        task = asyncio.ensure_future(reading.exchange.ask_together([Request(1, 3, wire, 1) for wire in FAR]))
        await asyncio.sleep(0)
        reading.exchange.close()
        with pytest.raises(LinkError):
            await task
        with pytest.raises(LinkError):
            await reading.exchange.ask_together([Request(1, 3, wire, 1) for wire in FAR])
        assert len(reading.host.sent) == 8

    run(main)


@settings(deadline=None)
@given(
    st.sets(st.integers(0, 400), min_size=1, max_size=40),
    st.sets(st.integers(0, 400), max_size=5),
    st.integers(4, 125),
    st.integers(2, 16),
    st.integers(1, 20),
    st.sampled_from(("drop", "busy")),
    st.booleans(),
)
def test_whatever_a_unit_stands_the_scans_are_those_of_single_requests(wires, illegal, longest, depth, takes, excess, each):
    async def scans(depth):
        reading = Reading(*sorted(wires), depth=depth, one_per_request=each)
        host = reading.host
        host.illegal, host.longest, host.takes, host.excess, host.shuffles = illegal, longest, takes, excess, True
        found = []
        for _ in range(15):  # until everything that is refused has been found
            scan = await reading.read()
            found.append((good(scan), bad(scan)))
        return found[-1], reading.pipeline

    async def main():
        plain, _ = await scans(1)
        piped, pipeline = await scans(depth)
        assert piped == plain
        assert not pipeline.fault or takes < depth

    run(main)


async def test_only_where_ids_and_a_stream_keep_requests_apart():
    for options in ({"window": 1}, {"pause": 0.001}):
        exchange = exchange_on(TcpExchange, "modbus-tcp", "h:502", **options)
        assert not exchange.pipelines
    assert not exchange_on(UdpExchange, "modbus-udp", "h:502").pipelines


def test_on_a_line_that_cannot_it_is_one_by_one():
    async def main():
        reading = Reading()
        reading.exchange = reading.host.connect(window=1)
        assert len(good(await reading.read())) == 8
        assert reading.host.volleys == [1] * 8

    run(main)


def test_what_is_not_allowed_is_not_sent_in_company_either():
    from drivers.modbus.allowed import Allowed
    from drivers.modbus.area import Area
    from drivers.modbus.spec import ModbusUnit

    async def main():
        reading = Reading()
        allowed = Allowed.of(ModbusUnit(allow=(Area.parse("holding wire 0-10"),)))
        with pytest.raises(DeviceError, match="not asked"):
            await reading.exchange.ask_together([Request(1, 3, 0, 1), Request(1, 3, 11, 1)], allowed)
        assert reading.host.sent == []

    run(main)
