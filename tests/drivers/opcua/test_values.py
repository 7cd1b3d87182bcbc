"""DataValues become columns."""

import math
from datetime import UTC, datetime

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from drivers.opcua.address import BrowsePath
from drivers.opcua.spec import OpcuaPoint, OpcuaUnit
from drivers.opcua.values import EXACT, Columns, plain, quality_of
from gateway.clock import ManualClock
from gateway.model import PointTable, Quality, Reason


def make_table(*scales):
    specs = tuple(OpcuaPoint(path=BrowsePath("Objects/x"), scale=scale, offset=offset) for scale, offset in scales)
    return PointTable("m", tuple(f"p{i}" for i in range(len(specs))), ("",) * len(specs), specs, OpcuaUnit())


def scan_of(*values, scale=(1.0, 0.0), **how):
    table = make_table(*[scale] * len(values))
    values = [value if isinstance(value, ua.DataValue) else ua.DataValue(ua.Variant(value)) for value in values]
    return Columns(table).scan(values, range(len(values)), ManualClock().stamp(), **how)


def status(name, value=1.0, more=0):
    return ua.DataValue(ua.Variant(value), ua.StatusCode(getattr(ua.StatusCodes, name) | more))


def test_a_whole_scan_has_every_row_and_a_partial_one_those_that_changed():
    table, stamp = make_table(*[(1.0, 0.0)] * 3), ManualClock().stamp()
    whole = Columns(table).scan([ua.DataValue(ua.Variant(5.0))], [1], stamp, whole=True)
    assert whole.rows is None
    assert list(whole.quality) == [Quality.BAD, Quality.GOOD, Quality.BAD]
    assert list(whole.reason) == [Reason.NO_SUCH_ADDRESS, Reason.NONE, Reason.NO_SUCH_ADDRESS]
    partial = Columns(table).scan([ua.DataValue(ua.Variant("a")), ua.DataValue(ua.Variant(5.0))], [2, 0], stamp)
    assert list(partial.rows) == [2, 0]
    assert partial.objects == {0: "a"}
    assert partial.values[1] == 5.0
    assert partial.stamps is None


@given(st.integers(-(2**63), 2**64 - 1))
def test_whole_numbers_are_exact(number):
    scan = scan_of(ua.DataValue(ua.Variant(number, ua.VariantType.Int64 if number < 2**63 else ua.VariantType.UInt64)))
    if abs(number) <= EXACT:
        assert scan.values[0] == number
        assert not scan.objects
    else:
        assert math.isnan(scan.values[0])
        assert scan.objects == {0: number}


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_floats_are_scaled_and_what_is_no_number_is_bad(number, scale, offset):
    scan = scan_of(ua.DataValue(ua.Variant(number, ua.VariantType.Double)), scale=(scale, offset))
    expected = number * scale + offset if (scale, offset) != (1.0, 0.0) else number
    if math.isfinite(expected):
        assert scan.values[0] == expected
        assert scan.quality[0] == Quality.GOOD
    else:
        assert math.isnan(scan.values[0])
        assert (scan.quality[0], scan.reason[0]) == (Quality.BAD, Reason.OUT_OF_RANGE)


def test_a_bool_is_not_scaled_and_a_structure_is_not_supported():
    scan = scan_of(True, ua.DataValue(ua.Variant(ua.Range(0, 1), ua.VariantType.ExtensionObject)), None, scale=(2.0, 1.0))
    assert scan.values[0] == 1.0
    assert list(scan.reason) == [Reason.NONE, Reason.NOT_SUPPORTED, Reason.NO_DATA]


@pytest.mark.parametrize(
    ("name", "quality", "reason"),
    [
        ("Good", Quality.GOOD, Reason.NONE),
        ("GoodOverload", Quality.GOOD, Reason.NONE),
        ("Uncertain", Quality.UNCERTAIN, Reason.DEVICE_UNCERTAIN),
        ("UncertainLastUsableValue", Quality.UNCERTAIN, Reason.STALE),
        ("Bad", Quality.BAD, Reason.DEVICE_FAILURE),
        ("BadNodeIdUnknown", Quality.BAD, Reason.NO_SUCH_ADDRESS),
        ("BadNotConnected", Quality.BAD, Reason.NOT_CONNECTED),
        ("BadUserAccessDenied", Quality.BAD, Reason.REFUSED),
        ("BadWaitingForInitialData", Quality.BAD, Reason.NO_DATA),
    ],
)
def test_status(name, quality, reason):
    scan = scan_of(status(name))
    assert (scan.quality[0], scan.reason[0]) == (quality, reason)
    assert math.isnan(scan.values[0]) == (quality is Quality.BAD)


@given(st.integers(0, 2**32 - 1))
def test_every_status_code_has_a_quality_and_a_reason(code):
    quality, reason = quality_of(code)
    assert quality == {0: Quality.GOOD, 1: Quality.UNCERTAIN}.get(code >> 30, Quality.BAD)
    assert (reason is Reason.NONE) == (quality is Quality.GOOD)


def test_a_full_queue_is_counted():
    columns = Columns(make_table((1.0, 0.0)))
    columns.scan([status("Good", more=0x480)], [0], ManualClock().stamp())
    columns.scan([status("Good")], [0], ManualClock().stamp())
    assert columns.dropped == 1


def test_source_time_in_ns_and_no_time():
    moment = datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    null = datetime(1601, 1, 1, tzinfo=UTC)
    scan = scan_of(
        *[ua.DataValue(ua.Variant(1.0), SourceTimestamp=when) for when in (moment, moment.replace(tzinfo=None), null, None)]
    )
    assert list(scan.stamps) == [1704067200123456000, 1704067200123456000, 0, 0]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([1, 2.5, True], [2.0, 5.0, True]),
        ([[1, 2], [3, 4]], [[2.0, 4.0], [6.0, 8.0]]),
        ([b"\x00", "a"], [b"\x00", "a"]),
        (ua.NodeId("a", 2), "ns=2;s=a"),
        (ua.LocalizedText(None), ""),
        ([ua.Variant(1.5)], [3.0]),
        (ua.StatusCode(ua.StatusCodes.BadTimeout), "BadTimeout"),
    ],
)
def test_plain(value, shown):
    assert plain(value, 2.0, 0.0) == shown
