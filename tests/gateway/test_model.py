"""The values that travel: columnar Scans, Records with their class, exact words."""

from __future__ import annotations

import math
from array import array

import msgspec
import pytest

from gateway.model import (
    Block,
    Event,
    Feature,
    Log,
    PointTable,
    Quality,
    Reading,
    Reason,
    Record,
    Scan,
    Severity,
    Stamp,
    TimeQuality,
    Tombstone,
)
from gateway.outbox.segment import LOGS
from gateway.ports import Claim, Outbox, OutboxError, OutboxStatus

STAMP = Stamp(5, 6, "b" * 32)
TABLE = PointTable("press-1", ("a", "b", "c"), ("°C", "", "bar"), (None, None, None))


def test_a_blank_scan_has_no_value_and_says_so():
    scan = Scan.blank(TABLE, STAMP)
    assert len(scan) == len(TABLE) == 3
    assert scan.values.typecode == "d"
    assert all(map(math.isnan, scan.values))
    assert [Quality(code) for code in scan.quality] == [Quality.BAD] * 3
    assert [Reason(code) for code in scan.reason] == [Reason.NO_DATA] * 3
    assert (scan.rows, scan.stamps, scan.objects, scan.stamp) == (None, None, {}, STAMP)


def test_a_bad_scan_carries_its_reason_at_every_point():
    scan = Scan.bad(TABLE, STAMP, Reason.TIMEOUT)
    assert [Reason(code) for code in scan.reason] == [Reason.TIMEOUT] * 3
    assert not any(scan.quality)
    assert all(map(math.isnan, scan.values))


def test_scans_share_nothing():
    one, two = Scan.blank(TABLE, STAMP), Scan.blank(TABLE, STAMP)
    one.values[0], one.quality[0], one.reason[0] = 1.0, Quality.GOOD, Reason.NONE
    one.objects[1] = "x"
    assert math.isnan(two.values[0])
    assert (two.quality[0], two.reason[0], two.objects) == (Quality.BAD, Reason.NO_DATA, {})


def test_a_column_finds_its_row():
    full = Scan.blank(TABLE, STAMP)
    assert [full.row(column) for column in range(3)] == [0, 1, 2]
    part = Scan(TABLE, array("d", [1.0, 2.0]), bytearray(b"\xc0\xc0"), bytearray(2), STAMP, rows=array("l", [2, 0]))
    assert [TABLE.names[part.row(column)] for column in range(len(part))] == ["c", "a"]


def test_tables_are_compared_by_identity_so_that_a_driver_can_keep_its_plan_beside():
    twin = PointTable("press-1", ("a", "b", "c"), ("°C", "", "bar"), (None, None, None))
    assert twin != TABLE
    assert {TABLE: 1, twin: 2}[TABLE] == 1


def test_a_block_starts_without_a_gap():
    assert Block("m", "vibration", STAMP, 25600.0, array("f", [1.0]), "m/s²").gap is False


def test_qualities_are_the_opc_bytes_and_have_words():
    assert [(quality.value, quality.word) for quality in Quality] == [(0, "bad"), (64, "uncertain"), (192, "good")]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_fits_a_byte_and_has_words(reason):
    assert 0 <= reason < 256
    assert bool(reason.words) is (reason is not Reason.NONE)


RECORDS = [
    (Reading(machine="m", point="p", value=b"\x00\xff", stamp=STAMP, reason=Reason.NONE), Log.READING),
    (Reading(machine="m", point="p", value=None, stamp=STAMP, quality=Quality.BAD, reason=Reason.TIMEOUT), Log.READING),
    (Feature(machine="m", point="vibration.rms", value=1.5, stamp=STAMP, window_s=8.0, band_hz=(10.0, 1000.0)), Log.FEATURE),
    (Event(machine="m", point="p", kind="limit", severity=Severity.ALARM, before="ok", after="high", stamp=STAMP), Log.URGENT),
    (Tombstone(lost=Log.BULK, first=1, last=9, count=9, stamp=Stamp(1, 2, "c", TimeQuality.UNCERTAIN)), Log.URGENT),
]


@pytest.mark.parametrize(("record", "log"), RECORDS)
def test_a_record_knows_its_log_and_its_kind_survives_the_wire(record, log):
    assert record.log is log
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=Record)
    assert back == record
    assert type(back) is type(record)


def test_records_are_values():
    one, same = (Reading(machine="m", point="p", value=1, stamp=STAMP) for _ in range(2))
    assert one == same
    with pytest.raises(AttributeError):
        one.value = 2  # type: ignore[misc]


def test_every_class_of_record_has_a_log_in_the_outbox_urgent_first_bulk_last():
    assert set(LOGS) == set(Log)
    assert (LOGS[0], LOGS[-1]) == (Log.URGENT, Log.BULK)


def test_the_ports_are_plain_values_and_protocols():
    status = OutboxStatus(waiting=1, used_bytes=2, max_bytes=3, lost=0)
    assert (status.oldest_wall_ns, status.trouble) == (None, "")
    assert Claim("t", ()) == Claim("t", ())
    assert str(OutboxError("the disk is full")) == "the disk is full"
    assert {"append", "claim", "acknowledge", "status"} <= set(dir(Outbox))
