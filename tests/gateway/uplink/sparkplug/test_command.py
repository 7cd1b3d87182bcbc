"""Commands: births are sent again, at a measured pace; everything else is refused."""

from __future__ import annotations

import math

import pytest

from gateway.uplink.errors import FormatError
from gateway.uplink.sparkplug.command import REBIRTH, Rebirths, wants
from gateway.uplink.sparkplug.datatype import DataType
from gateway.uplink.sparkplug.encode import encode
from gateway.uplink.sparkplug.payload import Metric, Payload


def command(*metrics: Metric) -> bytes:
    return encode(Payload(timestamp=1, metrics=metrics))


ASK = Metric(name=REBIRTH, datatype=DataType.BOOLEAN, value=True)


def test_a_rebirth_is_asked_for_by_name_and_with_true():
    assert wants(command(ASK)) == (True, 0)
    assert wants(command(Metric(name=REBIRTH, datatype=DataType.BOOLEAN, value=False))) == (False, 1)
    assert wants(command(Metric(name=REBIRTH, datatype=DataType.INT32, value=1))) == (False, 1)
    assert wants(command(Metric(alias=1, datatype=DataType.BOOLEAN, value=True))) == (False, 1)


def test_writes_are_counted_also_beside_a_rebirth():
    write = Metric(name="Node Control/Reboot", datatype=DataType.BOOLEAN, value=True)
    assert wants(command(write, ASK, write)) == (True, 2)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"ONLINE"])
def test_what_is_no_command_is_refused(payload):
    with pytest.raises(FormatError):
        wants(payload)


def test_the_first_request_is_served_at_once_and_later_ones_together_after_the_pause():
    rebirths = Rebirths(pause_s=30)
    assert rebirths.due_s == math.inf
    rebirths.ask(100.0)
    assert rebirths.due_s <= 100.0
    rebirths.born(100.0)
    assert rebirths.due_s == math.inf
    for now_s in (105.0, 110.0, 129.0):
        rebirths.ask(now_s)
        assert rebirths.due_s == 130.0
    rebirths.born(130.0)
    assert rebirths.due_s == math.inf
    assert (rebirths.asked, rebirths.served) == (4, 2)


def test_a_request_that_crossed_the_births_is_answered_already():
    rebirths = Rebirths(answered_s=1)
    rebirths.ask(10.0)
    rebirths.born(10.0)
    rebirths.ask(10.9)
    assert rebirths.due_s == math.inf
    rebirths.ask(11.0)
    assert rebirths.due_s == 40.0


def test_births_for_another_reason_answer_who_waits():
    rebirths = Rebirths()
    rebirths.born(1.0)
    rebirths.ask(2.0)
    assert rebirths.due_s <= 2.0
    rebirths.born(2.0)
    rebirths.ask(10.0)
    rebirths.born(12.0)
    assert rebirths.due_s == math.inf


def test_more_than_five_requests_an_hour_are_too_many():
    rebirths = Rebirths(per_hour=5)
    for now_s in range(0, 500, 100):
        rebirths.ask(float(now_s))
    assert rebirths.storm(500.0) == 0
    rebirths.ask(500.0)
    assert rebirths.storm(500.0) == 6
    assert rebirths.storm(3650.0) == 0
