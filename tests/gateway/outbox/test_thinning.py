"""Thinning out: outlines and changes stay, what goes is told in its place, the young half is never touched."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.clock import ManualClock
from gateway.model import Log, Quality, Reading, Tombstone
from gateway.outbox.codec import encode
from gateway.outbox.segment import LOGS
from gateway.outbox.store import Store
from gateway.outbox.thinning import MOST, pick
from tests.gateway.outbox.simulated import SimulatedDisk
from tests.gateway.stores import SMALL, account, event, feature, reading

READING = LOGS.index(Log.READING)


def kept(records):
    """Return the values that stay, with the points where there are several."""
    return [records[i].value for i in pick([encode(record)[1] for record in records])]


def test_of_every_four_readings_the_lowest_and_the_highest_stay_in_their_order():
    assert kept([reading(float(v)) for v in (1, 9, 2, 3, 8, 7, 6, 5)]) == [1, 9, 8, 5]


def test_a_spike_stays_however_often_it_is_thinned_out():
    records = [reading(20.0 + i % 3 / 10) for i in range(64)]
    records[37] = reading(99.0)
    for _ in range(5):
        records = [records[i] for i in pick([encode(record)[1] for record in records])]
    assert 99.0 in [record.value for record in records]
    assert len(records) <= 4


def test_a_square_wave_stays_one():
    assert kept([reading(i % 2) for i in range(16)]) == [0, 1] * 4


def test_of_a_rest_of_three_the_extremes_stay_and_of_two_the_younger():
    assert kept([reading(v) for v in (2.0, 1.0, 3.0)]) == [1.0, 3.0]
    assert kept([reading(v) for v in (2.0, 1.0)]) == [1.0]
    assert kept([reading(5.0)]) == [5.0]


def test_points_are_thinned_out_each_for_itself():
    records = [reading(float(10 * i + p), point=f"p{p}") for i in range(4) for p in range(3)]
    assert kept(records) == [0.0, 1.0, 2.0, 30.0, 31.0, 32.0]


@pytest.mark.parametrize(("one", "two"), [("auto", "setup"), (True, False), (None, "x"), (b"a", b"b"), (math.nan, "x"), ([1], [2])])
def test_of_what_is_no_number_only_changes_stay(one, two):
    records = [reading(value) for value in (one, one, one, two, two, one, one)]
    assert pick([encode(record)[1] for record in records])[-3:] == ([0, 3, 5] if one == one else [3, 5, 6])


def test_a_bad_reading_stays_where_it_begins_and_parts_the_numbers():
    bad = replace(reading(None), quality=Quality.BAD)
    records = [reading(1.0), reading(2.0), bad, bad, bad, reading(3.0), reading(4.0)]
    assert kept(records) == [2.0, None, 4.0]


def test_what_is_no_reading_stays():
    records = [feature(float(i)) for i in range(8)] + [event()] * 3
    assert pick([encode(record)[1] for record in records]) == list(range(11))


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1e9, 1e9) | st.sampled_from(["a", "b", None, True])), max_size=60))
def test_extremes_of_every_point_stay_and_nothing_comes_twice(values):
    records = [reading(value, point=f"p{point}") for point, value in values]
    chosen = pick([encode(record)[1] for record in records])
    assert chosen == sorted(set(chosen))
    for point in range(4):
        numbers = [value for of, value in values if of == point and isinstance(value, float)]
        left = [records[i].value for i in chosen if values[i][0] == point and isinstance(values[i][1], float)]
        if len(numbers) == sum(of == point for of, _ in values) and len(numbers) % 4 in (0, 3) and numbers:
            assert (min(left), max(left)) == (min(numbers), max(numbers))


def fill(store, count, first=0):
    for i in range(first, first + count, 10):
        store.commit([encode(reading(float(j))) for j in range(i, i + 10)])


@pytest.fixture
def store():
    store = Store(SimulatedDisk(), SMALL * 4, None, ManualClock())
    store.open()
    return store


def drained(store):
    rows = []
    while claim := store.claim(200):
        rows += claim.records
        store.acknowledge(claim.token)
    return rows


def test_the_older_half_is_thinned_out_step_by_step_and_the_younger_never(store):
    fill(store, 3000)
    levels = [segment.level for segment in store.logs[READING].segments]
    assert max(levels) >= 1
    assert not any(levels[len(levels) // 2 + 1 :])
    fill(store, 3000, 3000)
    log = store.logs[READING]
    levels = [segment.level for segment in log.segments]
    assert levels == sorted(levels, reverse=True), "the older the thinner"
    assert MOST >= levels[0] > 1
    assert log.segments[0].first == 1, "nothing was dropped while something could be thinned out"
    fill(store, 3000, 6000)
    assert store.status().lost > 5000
    rows = drained(store)
    values = [row.record.value for row in rows if isinstance(row.record, Reading)]
    assert values == sorted(values)
    assert values[-500:] == [float(i) for i in range(8500, 9000)]
    arrived, told = account(rows)
    assert arrived[Log.READING] | told[Log.READING] == set(range(1, 9001))
    told_counts = sum(row.record.count for row in rows if isinstance(row.record, Tombstone))
    assert told_counts == 9000 - len(values) == store.status().lost


def test_a_tombstone_of_thinning_stands_first_and_counts_what_is_missing(store):
    fill(store, 3000)
    (first, *_) = store.claim(1).records
    assert (first.log, first.seq, first.record.first) == (Log.READING, 1, 1)
    log = store.logs[READING]
    inside = [row for row in store.claim(10_000).records if row.seq <= first.record.last]
    assert first.record.count == first.record.last - (len(inside) - 1)
    assert log.segments[0].told == len(inside)


def test_what_has_been_claimed_is_not_thinned_out_under_the_reader(store):
    fill(store, 2000)
    before = store.claim(10_000).records
    fill(store, 3000, 2000)
    after = {row.seq: row.record for row in store.claim(20_000).records}
    same = [row for row in before if row.seq in after and after[row.seq] == row.record]
    gone = [row for row in before if row.seq not in after or after[row.seq] != row.record]
    assert all(row.seq < same[0].seq for row in gone), "it was dropped from the old end, as a whole"


def test_when_nothing_can_be_left_out_the_oldest_goes(store):
    for i in range(600):
        store.commit([encode(reading(f"{i}-{j}", point=f"p{j}")) for j in range(10)])
    assert not any(segment.level for segment in store.logs[READING].segments)
    rows = drained(store)
    arrived, told = account(rows)
    assert arrived[Log.READING] | told[Log.READING] == set(range(1, 6001))
    assert store.status().lost == len(told[Log.READING])


def test_alarms_and_features_stay_while_there_are_readings_to_give_up(store):
    store.commit([encode(event(str(i))) for i in range(100)] + [encode(feature(float(i))) for i in range(100)])
    fill(store, 20_000)
    rows = drained(store)
    assert sum(row.log is Log.URGENT for row in rows) == 100
    assert sum(row.log is Log.FEATURE for row in rows) == 100
    assert {row.log for row in rows if isinstance(row.record, Tombstone)} == {Log.READING}
