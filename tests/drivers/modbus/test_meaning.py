"""What raw values mean: no sensor, out of range, scale factors in registers, bits by name, counters that wrap."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import Address
from drivers.modbus.allowed import ALL
from drivers.modbus.decode import arranged
from drivers.modbus.derive import scaled
from drivers.modbus.meaning import Counter, Range, Raw, Total
from drivers.modbus.reader import Reader
from drivers.modbus.spec import ModbusPoint
from gateway.config.check import check
from gateway.model import Quality, Reason
from gateway.shape import Shape
from tests.drivers.modbus.tables import bad, good, point, table
from tests.drivers.modbus.test_reader import Unit


class Words(Unit):
    """A unit with contents."""

    def __init__(self, words, *illegal):
        super().__init__(*illegal)
        self.words = words

    async def ask(self, request, allowed=ALL):
        data = await super().ask(request, allowed)
        words = list(struct.unpack(f">{request.count}H", data))
        return struct.pack(f">{request.count}H", *(self.words.get(request.address + i, w) for i, w in enumerate(words)))


def raws(*values):
    return tuple(Raw.parse(value) for value in values)


@pytest.mark.parametrize(
    ("kind", "invalid", "order", "words"),
    [
        ("int16", 0x8000, "ABCD", [0x8000]),
        ("int16", -32768, "BADC", [0x0080]),
        ("uint16", 65535, "ABCD", [0xFFFF]),
        ("int32", 0x80000000, "CDAB", [0x0000, 0x8000]),
        ("int64", "0x8000000000000000", "ABCD", [0x8000, 0, 0, 0]),
        ("uint64", 0xFFFFFFFFFFFFFFFF, "DCBA", [0xFFFF] * 4),
        ("float32", -9999, "ABCD", [0xC61C, 0x3C00]),
        ("float32", -9999, "CDAB", [0x3C00, 0xC61C]),
        ("float32", "NaN", "ABCD", [0x7FC0, 0x0001]),
        ("float64", 1e20, "ABCD", list(struct.unpack(">4H", struct.pack(">d", 1e20)))),
    ],
)
async def test_a_value_that_means_no_sensor(kind, invalid, order, words):
    points = {
        "t": point("holding wire 0", type=kind, order=order, invalid=raws(1, invalid), scale=0.5),
        "next": point("holding wire 8"),
    }
    assert not list(points["t"].problems())
    unit = Words(dict(enumerate(words)))
    reader = Reader(table(points))
    scan = await unit.read(reader)
    assert (good(scan), bad(scan)) == ({"next": 8}, {"t": Reason.NO_SENSOR})
    assert math.isnan(scan.values[0])
    unit.words = dict.fromkeys(range(4), 0)
    assert good(await unit.read(reader)) == {"t": 0, "next": 8}


@given(st.binary(min_size=8, max_size=8), st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]))
def test_an_arrangement_is_its_own_reverse(image, order):
    for size in (2, 4, 8):
        assert arranged(arranged(image[:size], order), order) == image[:size]


@pytest.mark.parametrize("text", ["", "0x", "eight", True, None, [1]])
def test_what_is_no_raw_value(text):
    with pytest.raises(ValueError, match="raw value"):
        Raw.parse(text)


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e300, -math.inf])
@pytest.mark.parametrize("kind", ["uint16", "int64", "float32"])
def test_a_raw_value_that_is_too_large_for_its_type_is_told(number, kind):
    assert [key for key, _ in point("holding wire 0", type=kind, invalid=(Raw(number),)).problems()] == (
        [] if (number, kind) == (-math.inf, "float32") else ["invalid"]
    )


async def test_a_value_outside_its_range_is_bad():
    points = {
        "low": point("holding wire 5", valid=Range(low=6)),
        "high": point("holding wire 50", scale=0.1, valid=Range(low=0, high=4.9)),
        "edge": point("holding wire 50", scale=0.1, valid=Range(high=5)),
    }
    scan = await Unit().read(Reader(table(points)))
    assert good(scan) == {"edge": 5}
    assert bad(scan) == dict.fromkeys(("low", "high"), Reason.OUT_OF_RANGE)


def sunspec(**keys):
    return point("holding wire 10", type="int16", scale_from=Address.parse("holding wire 20"), **keys)


@pytest.mark.parametrize(
    ("raw", "power", "expected"),
    [(2305, -1, 230.5), (2305, 0, 2305), (23, 3, 23000), (3, -1, 0.3), (-7, -2, -0.07), (1, 10, 1e10), (1, -10, 1e-10)],
)
async def test_a_scale_factor_from_a_register(raw, power, expected):
    unit = Words({10: raw & 0xFFFF, 20: power & 0xFFFF})
    points = {"volts": sunspec(), "amps": sunspec(), "next": point("holding wire 11")}
    scan = await unit.read(Reader(table(points)))
    assert good(scan) == {"volts": expected, "amps": expected, "next": 11}
    assert len(scan) == len(scan.quality) == len(scan.reason) == 3
    assert len(unit.asked) == 1, "the factor is read along"


@pytest.mark.parametrize(
    ("word", "illegal", "reason"),
    [(0x8000, (), Reason.NOT_SUPPORTED), (11, (), Reason.OUT_OF_RANGE), (0, (20,), Reason.NO_SUCH_ADDRESS)],
)
async def test_without_its_scale_factor_a_point_is_bad(word, illegal, reason):
    unit = Words({20: word}, *illegal)
    points = {"volts": sunspec(), "next": point("holding wire 11")}
    reader = Reader(table(points))
    for _ in range(2):
        scan = await unit.read(reader)
        assert (good(scan), bad(scan)) == ({"next": 11}, {"volts": reason})
    assert bool(reader.warnings) == bool(illegal)


async def test_a_scaled_value_is_shown_with_its_decimals():
    points = {"volts": sunspec()}
    names = table(points)
    scan = await Words({10: 2305, 20: 0xFFFF}).read(Reader(names))
    assert [record.value for record in Shape(names).apply(scan)] == [230.5]


@given(st.integers(-(2**31), 2**31), st.sampled_from([0.1, 0.01, 1, 10, 0.001]))
def test_decimal_scales_are_exact(raw, scale):
    assert scaled(raw, 0, scale, 0) == float(f"{raw}e{round(math.log10(scale))}")


async def test_bits_by_name():
    points = {
        "status": point("holding wire 0", bits={0: "running", 3: "fault", 15: "remote"}),
        "wide": point("holding wire 1", type="uint32", bits={31: "top"}),
        "off": point("holding wire 3", bits={0: "x"}),
    }
    names = table(points)
    unit = Words({0: 0x8009, 1: 0x8000, 2: 0x0100, 3: 0})
    shape, reader = Shape(names), Reader(names)
    scan = await unit.read(reader)
    assert good(scan) == {"status": ["running", "fault", "remote"], "wide": ["bit 8", "top"], "off": []}
    assert [r.value for r in shape.apply(scan)] == [["running", "fault", "remote"], ["bit 8", "top"], []]
    assert shape.apply(await unit.read(reader)) == [], "reported when it changes"
    unit.words[0] = 0x0001
    assert [(r.point, r.value) for r in shape.apply(await unit.read(reader))] == [("status", ["running"])]


async def follow(counts, **keys):
    """The totals and qualities of a counter that goes through these raw values."""
    names = table({"strokes": point("holding wire 0", counter=Counter(**keys), scale=keys.get("scale", 1.0))})
    unit, reader, found = Words({}), Reader(names), []
    for count in counts:
        unit.words[0] = count
        scan = await unit.read(reader)
        found.append((scan.values[0], Quality(scan.quality[0]), Reason(scan.reason[0])))
    return found, reader


async def test_a_counter_goes_on_over_its_wrap():
    found, reader = await follow([65000, 65535, 0, 100, 60000, 5])
    assert [value for value, _, _ in found] == [65000, 65535, 65536, 65636, 125536, 131077]
    assert {quality for _, quality, _ in found} == {Quality.GOOD}
    assert reader.warnings == []


async def test_a_reset_is_told_and_loses_nothing_that_was_counted():
    found, reader = await follow([1000, 1200, 3, 10])
    assert [value for value, _, _ in found] == [1000, 1200, 1203, 1210]
    assert [reason for _, _, reason in found] == [Reason.NONE, Reason.NONE, Reason.COUNTER_RESET, Reason.NONE]
    assert found[2][1] is Quality.UNCERTAIN
    assert "strokes fell from 1200 to 3" in reader.warnings[0]


async def test_a_decimal_counter_and_one_whose_steps_are_known():
    found, _ = await follow([9990, 5], wrap=10000)
    assert found[1][0] == 10005
    found, _ = await follow([60000, 5], most=100)
    assert found[1][2] is Reason.COUNTER_RESET
    found, _ = await follow([9990, 12000], wrap=10000)
    assert found[1][2] is Reason.OUT_OF_RANGE


async def test_a_total_survives_a_new_connection():
    names = table({"strokes": point("holding wire 0", counter=Counter())})
    unit = Words({0: 65530})
    await unit.read(Reader(names))
    unit.words[0] = 4
    assert good(await unit.read(Reader(names))) == {"strokes": 65540}


@given(st.lists(st.integers(0, 30000), max_size=50), st.integers(0, 65535))
def test_a_total_counts_every_step(steps, first):
    total, true = Total(65536), first
    total.step(first)
    for step in steps:
        true += step
        assert not total.step(true % 65536)
    assert total.total == true


@pytest.mark.parametrize(
    ("at", "keys", "key"),
    [
        ("holding 1", {"type": "int16", "invalid": raws(70000)}, "invalid"),
        ("holding 1", {"invalid": raws(1.5)}, "invalid"),
        ("holding 1", {"invalid": raws("nan")}, "invalid"),
        ("holding 1", {"type": "string", "length": 2, "invalid": raws(1)}, "invalid"),
        ("coil 1", {"valid": Range(low=0)}, "valid"),
        ("holding 1", {"scale_from": Address.parse("coil 1")}, "scale_from"),
        ("holding 1", {"scale_from": Address.parse("holding 2"), "states": {0: "x"}}, "scale_from"),
        ("holding 1", {"type": "int16", "bits": {0: "x"}}, "bits"),
        ("holding 1", {"bits": {16: "x"}}, "bits"),
        ("holding 1", {"bits": {1: "x"}, "states": {0: "x"}}, "bits"),
        ("holding 1", {"bits": {1: "x"}, "scale": 2.0}, "bits"),
        ("holding 1", {"type": "float32", "counter": Counter()}, "counter"),
        ("holding 1", {"counter": Counter(wrap=65537)}, "counter"),
        ("holding 1", {"counter": Counter(wrap=1000, most=1000)}, "counter"),
    ],
)
def test_what_does_not_go_together_is_told(at, keys, key):
    assert [name for name, _ in ModbusPoint(at=Address.parse(at), **keys).problems()] == [key]


def test_a_range_has_a_side():
    assert [word for word, _ in Range().problems()] == [""]
    assert [word for word, _ in Range(low=2, high=1).problems()] == ["low"]


def test_they_stand_in_yaml(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(
        """
site: a
gateway: b
machines:
  - name: m
    connect: modbus-tcp://h
    points:
      t: {at: holding 1, type: int16, invalid: [0x8000, -1], valid: {low: -50, high: 150}}
      u: {at: holding 2, scale_from: holding wire 40083}
      s: {at: holding 3, bits: {0: running, 3: fault}}
      c: {at: holding 4, type: uint32, counter: {wrap: 4294967296}}
      d: {at: holding 6, counter: {}}
      f: {at: holding 7, type: float32, invalid: [.nan, NaN]}
"""
    )
    checked = check(path)
    assert not checked.problems
    points = checked.config.machines["m"].points
    assert points["t"].invalid == raws(0x8000, -1)
    assert points["s"].bits == {0: "running", 3: "fault"}
    assert points["d"].counter == Counter()
