"""The pace of the uplink: a backlog no faster than allowed, a day's bytes spent on what matters most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.model import Log
from gateway.uplink.pace import DAY_S, FRAME_BYTES, Bucket, Budget


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    clock = ManualClock()
    bucket = Bucket(clock, rate=100, burst=1000)
    bucket.take(1000)
    assert bucket.wait_s == 0
    bucket.take(50)
    assert bucket.wait_s == pytest.approx(0.5)
    clock.advance(0.5)
    assert bucket.wait_s == pytest.approx(0, abs=1e-9)
    clock.advance(1e6)
    assert bucket.level == 1000, "what is not used is saved up to the burst only"


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5000)), max_size=50))
def test_who_waits_as_told_never_sends_more_than_burst_rate_and_one_message(sends) -> None:
    clock = ManualClock()
    bucket = Bucket(clock, rate=100, burst=1000)
    sent, began_s = 0, clock.monotonic()
    for pause_s, count in sends:
        clock.advance(pause_s)
        clock.advance(bucket.wait_s + 1e-6)
        assert sent <= 1000 + 100 * (clock.monotonic() - began_s) + 1e-3, "before the next message is begun"
        bucket.take(count)
        sent += count


def test_without_a_limit_nothing_is_held_back() -> None:
    budget = Budget(ManualClock(), None)
    budget.spent("t", bytes(10**9))
    assert (budget.degree, budget.held, budget.live, budget.left) == (0, frozenset(), True, None)


def test_the_less_important_waits_first_and_alarms_never() -> None:
    clock = ManualClock()
    budget = Budget(clock, 1_000_000)

    def spend_down_to(part: float) -> None:
        assert budget.left is not None
        budget.spent("", bytes(round(budget.left - part * 1_000_000) - FRAME_BYTES))

    assert budget.held == frozenset()
    spend_down_to(0.2)
    assert budget.held == {Log.BULK}
    assert budget.live
    spend_down_to(0.1)
    assert budget.held == {Log.BULK, Log.READING}
    assert not budget.live
    spend_down_to(0.01)
    assert budget.held == {Log.BULK, Log.READING, Log.FEATURE}
    budget.spent("", bytes(2_000_000))
    assert Log.URGENT not in budget.held
    assert budget.left == 0


def test_a_day_gives_a_day_s_bytes_back() -> None:
    clock = ManualClock()
    budget = Budget(clock, 1_000_000)
    budget.spent("", bytes(500_000))
    assert budget.degree == 3
    clock.advance(DAY_S / 2)
    assert budget.degree == 0
    clock.advance(10 * DAY_S)
    assert budget.left == 1_000_000, "a week without a message is no licence for seven times as much"
