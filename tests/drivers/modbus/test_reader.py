import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.allowed import ALL
from drivers.modbus.errors import Damaged, NoAnswer, Refusal
from drivers.modbus.reader import RETRIES_PER_SCAN, RETRY_S, SEARCH_LIMIT, Reader
from gateway.clock import ManualClock
from gateway.driver import DeviceError, LinkError
from gateway.model import Reason
from tests.drivers.modbus.tables import bad, good, point, registers, table


class Unit:
    """An exchange with a unit behind it: registers hold their address, `illegal` ones are refused, `faults` come first."""

    line_can_damage = False

    def __init__(self, *illegal, longest=125):
        self.illegal = set(illegal)
        self.longest = longest
        self.clock = ManualClock()
        self.stamp = self.clock.stamp()
        self.asked = []
        self.faults = {}

    async def ask(self, request, allowed=ALL):
        self.asked.append(request)
        self.clock.advance(0.01)
        if queue := self.faults.get(request.address):
            fault = queue.pop(0)
            if fault is not None:
                raise fault
        self.stamp = self.clock.stamp()
        asked = range(request.address, request.address + request.count)
        if self.illegal & set(asked) or request.count > self.longest:
            raise Refusal(request, 2 if request.count <= self.longest else 3)
        if request.function > 2:
            return struct.pack(f">{request.count}H", *asked)
        packed = bytearray(request.size)
        for i, wire in enumerate(asked):
            packed[i // 8] |= (wire & 1) << i % 8
        return bytes(packed)

    async def read(self, reader):
        self.asked.clear()
        return await reader.read(self, self.clock)


@given(st.sets(st.integers(0, 250), min_size=1, max_size=80), st.sets(st.integers(0, 250), max_size=6), st.integers(4, 125))
async def test_only_the_points_the_unit_does_not_know_are_bad(wires, illegal, longest):
    unit = Unit(*illegal, longest=longest)
    reader = Reader(registers(*sorted(wires)), serial=False)
    for _ in range(20):
        scan = await unit.read(reader)
    expected = {f"r{wire}": float(wire) for wire in wires - illegal}
    assert good(scan) == expected
    assert bad(scan) == dict.fromkeys((f"r{wire}" for wire in wires & illegal), Reason.NO_SUCH_ADDRESS)
    assert sorted(reader.unknown) == sorted(f"r{wire}" for wire in wires & illegal)
    if expected:
        assert len(unit.asked) == len(reader.blocks), "what was learned is remembered"
        read = [wire for request in unit.asked for wire in range(request.address, request.address + request.count)]
        assert not illegal & set(read)


async def test_the_first_scan_already_has_the_good_ones():
    unit = Unit(50)
    reader = Reader(registers(*range(100)), serial=False)
    scan = await unit.read(reader)
    assert bad(scan) == {"r50": Reason.NO_SUCH_ADDRESS}
    assert len(unit.asked) <= 1 + 2 * 7
    assert len(good(await unit.read(reader))) == 99
    assert [(r.address, r.count) for r in unit.asked] == [(0, 50), (51, 49)]


async def test_a_gap_that_the_unit_refuses_is_no_longer_read():
    unit = Unit(5, 6, 7)
    reader = Reader(registers(0, 1, 10, 11), serial=False)
    assert len(good(await unit.read(reader))) == 4
    assert len(good(await unit.read(reader))) == 4
    assert [(r.address, r.count) for r in unit.asked] == [(0, 2), (10, 2)]


async def test_a_search_is_spread_over_scans():
    unit = Unit(*range(0, 200, 2))
    reader = Reader(registers(*range(200)), serial=False)
    for _ in range(30):
        scan = await unit.read(reader)
        assert len(unit.asked) <= len(reader.blocks) + SEARCH_LIMIT + RETRIES_PER_SCAN + 2
    assert len(good(scan)) == 100


async def test_an_unknown_point_is_asked_for_again_after_a_minute():
    unit = Unit(1, 3, 5, 7, 9, 11)
    reader = Reader(registers(*range(12)), serial=False)
    await unit.read(reader)
    await unit.read(reader)
    assert not [r for r in unit.asked if r.address % 2]
    unit.clock.advance(RETRY_S)
    await unit.read(reader)
    assert len([r for r in unit.asked if r.address % 2]) == RETRIES_PER_SCAN
    unit.illegal.clear()
    unit.clock.advance(RETRY_S)
    for _ in range(3):
        scan = await unit.read(reader)
    assert not bad(scan)
    await unit.read(reader)
    assert [(r.address, r.count) for r in unit.asked] == [(0, 12)]


async def test_a_unit_that_knows_nothing_is_still_asked():
    unit = Unit(*range(10))
    reader = Reader(registers(0, 1), serial=False)
    for _ in range(3):
        assert len(bad(await unit.read(reader))) == 2
        assert unit.asked
    unit.faults = {0: [NoAnswer("gone")], 1: [NoAnswer("gone")]}
    with pytest.raises(NoAnswer):
        await unit.read(reader)


async def test_points_that_share_a_register_are_refused_together():
    points = {"bit": point("holding wire 3.1"), "word": point("holding wire 3"), "next": point("holding wire 4")}
    unit = Unit(3)
    scan = await unit.read(Reader(table(points), serial=False))
    assert bad(scan) == {"bit": Reason.NO_SUCH_ADDRESS, "word": Reason.NO_SUCH_ADDRESS}
    assert good(scan) == {"next": 4.0}


async def test_the_scan_is_stamped_when_its_last_answer_came():
    unit = Unit()
    scan = await unit.read(Reader(registers(0, 1000), serial=False))
    assert scan.stamp == unit.stamp
    assert scan.stamp.mono_ns == 1_020_000_000


async def test_a_silent_unit_costs_one_request():
    unit = Unit()
    unit.faults = {0: [NoAnswer("silent")]}
    with pytest.raises(NoAnswer):
        await unit.read(Reader(registers(0, 1000, 2000), serial=False))
    assert len(unit.asked) == 1


async def test_silence_in_the_middle_costs_two_requests_at_most():
    unit = Unit()
    unit.faults = {wire: [NoAnswer("silent")] for wire in (1000, 2000, 3000)}
    scan = await unit.read(Reader(registers(0, 1000, 2000, 3000), serial=False))
    assert good(scan) == {"r0": 0.0}
    assert bad(scan) == dict.fromkeys(("r1000", "r2000", "r3000"), Reason.TIMEOUT)
    assert len(unit.asked) == 3


async def test_one_lost_block_leaves_the_others():
    unit = Unit()
    unit.faults = {1000: [NoAnswer("silent")]}
    scan = await unit.read(Reader(registers(0, 1000, 2000), serial=False))
    assert set(good(scan)) == {"r0", "r2000"}


def refusal(code):
    return Refusal(table_request(), code)


def table_request():
    return Reader(registers(0), serial=False).blocks[0].request


@pytest.mark.parametrize(("code", "reason"), [(10, Reason.NO_PATH), (11, Reason.NO_PATH)])
async def test_what_concerns_the_whole_unit_is_not_asked_for_again(code, reason):
    unit = Unit()
    unit.faults = {0: [refusal(code)]}
    reader = Reader(registers(0, 1000), serial=False)
    with pytest.raises(DeviceError) as caught:
        await unit.read(reader)
    assert (caught.value.reason, len(unit.asked)) == (reason, 1)
    unit.faults = {1000: [refusal(code)]}
    assert bad(await unit.read(reader)) == {"r1000": reason}


async def test_a_table_the_unit_does_not_have():
    unit = Unit()
    unit.faults = {0: [refusal(1)]}
    points = {"h": point("holding wire 0"), "i": point("input wire 100")}
    scan = await unit.read(Reader(table(points), serial=False))
    assert bad(scan) == {"h": Reason.NOT_SUPPORTED}


async def test_only_failures_are_an_error():
    unit = Unit()
    unit.faults = {0: [refusal(4)], 1000: [refusal(4)]}
    reader = Reader(registers(0, 1000), serial=False)
    with pytest.raises(DeviceError) as caught:
        await unit.read(reader)
    assert caught.value.reason is Reason.DEVICE_FAILURE
    unit.faults = {0: [refusal(4)]}
    assert bad(await unit.read(reader)) == {"r0": Reason.DEVICE_FAILURE}


async def test_a_damaged_answer_is_asked_for_once_more_where_the_wire_may_be_to_blame():
    unit = Unit()
    reader = Reader(registers(0, 1000), serial=False)
    unit.faults = {1000: [Damaged("noise")]}
    assert bad(await unit.read(reader)) == {"r1000": Reason.BAD_ANSWER}
    unit.line_can_damage = True
    unit.faults = {1000: [Damaged("noise")]}
    assert not bad(await unit.read(reader))
    unit.faults = {1000: [Damaged("noise"), Damaged("noise")]}
    assert bad(await unit.read(reader)) == {"r1000": Reason.BAD_ANSWER}


async def test_a_lost_line_ends_the_scan_at_once():
    unit = Unit()
    unit.faults = {1000: [LinkError("gone")]}
    with pytest.raises(LinkError):
        await unit.read(Reader(registers(0, 1000, 2000), serial=False))
    assert len(unit.asked) == 2


async def test_scale_bits_coils_and_text_in_one_scan():
    points = {
        "scaled": point("holding wire 401", scale=0.1, offset=-1),
        "bit0": point("holding wire 401.0"),
        "bit1": point("holding wire 401.1"),
        "coil": point("coil wire 11"),
        "coil2": point("coil wire 20"),
        "text": point(f"holding wire {0x4142}", type="string", length=1),
        "swapped": point(f"holding wire {0x4142}", type="string", length=1, order="BADC"),
    }
    scan = await Unit().read(Reader(table(points), serial=False))
    assert good(scan) == {"scaled": 39.1, "bit0": 1.0, "bit1": 0.0, "coil": 1.0, "coil2": 0.0, "text": "AB", "swapped": "BA"}
    assert math.isnan(scan.values[5])


def test_a_gap_costs_more_on_a_serial_line():
    assert [len(Reader(registers(0, 20), serial=serial).blocks) for serial in (False, True)] == [1, 2]
    assert len(Reader(registers(0, 20, max_gap=18), serial=False).blocks) == 2
