"""Pauses grow, are spread over their whole range, and shrink only after a stable time; message sizes are learnt."""

from random import Random

from gateway.uplink.backoff import Backoff
from gateway.uplink.batch import MAX_PAYLOAD
from gateway.uplink.sizing import FLOOR, REGROW_S, Sizing


def ceilings(backoff, count):
    class Highest(Random):
        def uniform(self, a, b):
            assert a == 0
            return b

    backoff._random = Highest()
    return [backoff.next() for _ in range(count)]


def test_ceilings_double_up_to_five_minutes():
    assert ceilings(Backoff(Random()), 12) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_jitter_is_full():
    backoff = Backoff(Random(1))
    for _ in range(9):
        backoff.next()
    pauses = [backoff.next() for _ in range(2000)]
    assert min(pauses) < 10
    assert max(pauses) > 290
    assert 140 < sum(pauses) / len(pauses) < 160


def test_only_a_stable_time_starts_over():
    backoff = Backoff(Random())
    assert backoff.fresh
    ceilings(backoff, 5)
    backoff.lasted(119.9)
    assert not backoff.fresh
    assert ceilings(backoff, 1) == [32]
    backoff.lasted(120.0)
    assert backoff.fresh
    assert ceilings(backoff, 1) == [1]


def test_a_thousand_failures_do_not_overflow():
    assert max(ceilings(Backoff(Random()), 1200)) == 300


def test_sizes_halve_when_told_and_when_two_connections_break_over_a_message():
    sizing = Sizing()
    assert sizing.too_large(0.0)
    assert sizing.limit == MAX_PAYLOAD // 2
    sizing.lost(1.0)
    sizing.accepted(2.0)
    sizing.lost(3.0)
    assert sizing.limit == MAX_PAYLOAD // 2, "one loss alone says nothing"
    sizing.lost(4.0)
    assert sizing.limit == MAX_PAYLOAD // 4


def test_sizes_regrow_by_the_hour_and_values_are_cut_only_at_the_floor():
    sizing = Sizing()
    while sizing.too_large(0.0):
        assert sizing.largest_value == (FLOOR if sizing.limit == FLOOR else MAX_PAYLOAD)
    assert (sizing.limit, sizing.largest_value) == (FLOOR, FLOOR)
    sizing.accepted(REGROW_S - 1)
    assert sizing.limit == FLOOR
    for hour in range(1, 9):
        sizing.accepted(hour * REGROW_S)
        sizing.accepted(hour * REGROW_S + 1)
    assert (sizing.limit, sizing.largest_value) == (MAX_PAYLOAD, MAX_PAYLOAD)
