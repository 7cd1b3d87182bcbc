"""What was missed: every gap is owed until all of it was sent, whatever comes between."""

from __future__ import annotations

import pytest

from gateway.uplink.sparkplug.datatype import DataType
from gateway.uplink.sparkplug.device import GOOD, Slot, Update, Value
from gateway.uplink.sparkplug.past import MESSAGE, Mark, Past

from .hosting import stamp


def updates(count: int) -> list[Update]:
    slot = Slot("t", 1, DataType.INT64, "")
    return [(slot, Value(number, GOOD, stamp(number))) for number in range(count)]


@pytest.fixture
def past() -> Past:
    """A device that was told until 10 s, and again from 70 s on."""
    past = Past(stamp(0))
    past.born("press-1", stamp(5))
    past.give(*past.wanted, [], None)
    past.ended("press-1", stamp(10))
    past.born("press-1", stamp(70))
    return past


def test_a_gap_is_what_lies_between_the_end_and_the_next_birth(past):
    name, gap = past.wanted
    assert (name, gap.since_ns, gap.until_ns) == ("press-1", stamp(10).wall_ns, stamp(70).wall_ns)
    assert past.left == {}


def test_a_rebirth_owes_nothing(past):
    past.give(*past.wanted, [], None)
    past.born("press-1", stamp(80))
    assert past.wanted is None


def test_it_is_sent_page_by_page_oldest_first_and_at_a_measured_pace(past):
    name, gap = past.wanted
    past.give(name, gap, updates(MESSAGE + 1), 7)
    assert past.wanted is None
    device, first = past.take(100.0)
    past.settle([])
    assert (device, len(first)) == ("press-1", MESSAGE)
    assert past.take(100.1) is None
    assert past.due_s() == pytest.approx(100.2)
    assert [value.value for _, value in past.take(100.2)[1]] == [MESSAGE]
    past.settle([])
    assert past.wanted[1].mark.after == 7
    past.give(name, gap, updates(1), None)
    assert past.take(200.0) is not None
    past.settle([])
    assert past.wanted is None
    assert past.owed == {}


def test_what_did_not_fit_is_sent_next(past):
    past.give(*past.wanted, updates(3), None)
    _, taken = past.take(1.0)
    past.settle(taken[1:])
    assert [value.value for _, value in past.take(2.0)[1]] == [1, 2]


def test_a_page_that_was_not_all_sent_is_owed_again(past):
    name, gap = past.wanted
    past.give(name, gap, [], 5)
    past.give(name, gap, updates(MESSAGE + 1), 9)
    past.take(1.0)
    past.settle([])
    past.ended("press-1", stamp(80))
    assert past.left == {"press-1": Mark(stamp(10), 5)}
    assert past.take(2.0) is None
    past.born("press-1", stamp(90))
    _, gap = past.wanted
    assert (gap.since_ns, gap.until_ns, gap.mark.after) == (stamp(10).wall_ns, stamp(90).wall_ns, 5)


def test_an_answer_that_comes_too_late_changes_nothing(past):
    name, gap = past.wanted
    past.ended("press-1", stamp(80))
    past.give(name, gap, updates(1), None)
    past.born("press-1", stamp(90))
    past.give(name, gap, updates(1), None)
    assert past.take(1.0) is None
    assert past.wanted[1].until_ns == stamp(90).wall_ns


def test_what_is_shared_no_more_is_forgotten(past):
    past.give(*past.wanted, updates(1), None)
    past.forget("press-1")
    assert past.wanted is None
    assert past.take(1.0) is None
    assert (past.left, past.owed) == ({}, {})


def test_what_an_earlier_run_left_is_owed_from_there_and_the_rest_from_the_start():
    past = Past(stamp(100), {"press-1": Mark(stamp(50), 3)})
    for machine in ("press-1", "press-2"):
        past.born(machine, stamp(110))
    assert past.owed["press-1"].since_ns == stamp(50).wall_ns
    assert past.owed["press-2"].since_ns == stamp(100).wall_ns


def test_a_moment_before_the_clock_was_known_gets_its_time():
    past = Past(stamp(0), repair=lambda moment: stamp(1000) if moment == stamp(0) else moment)
    past.born("press-1", stamp(1010))
    assert past.owed["press-1"].since_ns == stamp(1000).wall_ns
