"""One alarm: every step of its state diagram, delays and hysteresis, and that it never tells more than it should."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.condition.watch import CHATTER_S, HOLD_S, MOST_RAISES, Held, Watch
from gateway.config.alarm import Alarm
from gateway.config.quantity import Duration


def watch(**spec: Any) -> Watch:
    for name in ("delay", "off_delay"):
        if name in spec:
            spec[name] = Duration(spec[name])
    return Watch(Alarm(**({"warning": 4.5, "alarm": 7.1} | spec)))


def course(of: Watch, *values: float, every_s: float = 1.0, start_s: float = 0.0) -> list[str]:
    """Feed values and return the state after each."""
    states = []
    for number, value in enumerate(values):
        now_s = start_s + number * every_s
        of.step(value, now_s)
        of.tick(now_s)
        states.append(of.words)
    return states


def test_it_rises_through_both_levels_and_returns_by_itself() -> None:
    assert course(watch(), 1, 5, 8, 5, 1) == [
        "normal",
        "high warning unacknowledged",
        "high alarm unacknowledged",
        "high warning unacknowledged",
        "normal",
    ]


def test_the_low_side() -> None:
    low = watch(warning=None, alarm=None, low_warning=2.0, low_alarm=1.0)
    assert course(low, 3, 1.5, 0.5, 3) == ["normal", "low warning unacknowledged", "low alarm unacknowledged", "normal"]


def test_a_value_at_the_limit_is_not_beyond_it() -> None:
    assert course(watch(), 4.5, 7.1) == ["normal", "high warning unacknowledged"]


def test_hysteresis_keeps_a_value_that_wavers() -> None:
    wavering = watch(alarm=None, hysteresis=0.3)
    assert course(wavering, 4.6, 4.3, 4.6, 4.19)[1:] == ["high warning unacknowledged", "high warning unacknowledged", "normal"]


def test_a_delay_wants_the_value_beyond_all_the_time() -> None:
    delayed = watch(alarm=None, delay=3)
    assert course(delayed, 5, 5, 1, 5, 5, 5)[-1] == "normal"
    assert course(delayed, 5, start_s=6)[-1] == "high warning unacknowledged"


def test_a_delay_ends_between_two_values() -> None:
    delayed = watch(alarm=None, delay=10)
    delayed.step(5, 0)
    delayed.tick(9.9)
    assert delayed.words == "normal"
    delayed.tick(10.0)
    assert delayed.words == "high warning unacknowledged"


def test_a_bad_value_begins_a_delay_anew_and_clears_nothing() -> None:
    delayed = watch(alarm=None, delay=10, off_delay=5)
    delayed.step(5, 0)
    delayed.hold()
    delayed.tick(20)
    assert delayed.words == "normal"
    course(delayed, 5, 5, every_s=10, start_s=30)
    delayed.step(1, 50)
    delayed.hold()
    delayed.tick(100)
    assert delayed.words == "high warning unacknowledged"


def test_an_off_delay_wants_the_value_back_all_the_time() -> None:
    slow = watch(alarm=None, off_delay=3)
    assert course(slow, 5, 1, 1, 5, 1, 1, 1)[-1] == "high warning unacknowledged"
    assert course(slow, 1, start_s=7)[-1] == "normal"


def test_acknowledged_it_stays_until_it_returns_and_a_worse_level_is_news() -> None:
    seen = watch()
    course(seen, 5)
    assert seen.acknowledge()
    assert not seen.acknowledge(), "there is nothing more to know"
    assert course(seen, 5, 6, start_s=1) == ["high warning acknowledged"] * 2
    assert course(seen, 8, start_s=3) == ["high alarm unacknowledged"]
    assert seen.acknowledge()
    assert course(seen, 5, 1, start_s=4) == ["high warning acknowledged", "normal"]


def test_a_latched_one_stays_at_its_worst_until_somebody_has_seen_it() -> None:
    latched = watch(latch=True)
    assert course(latched, 8, 5, 1) == [
        "high alarm unacknowledged",
        "high alarm unacknowledged",
        "high alarm returned-unacknowledged",
    ]
    assert course(latched, 5, 1, start_s=3) == ["high alarm unacknowledged", "high alarm returned-unacknowledged"]
    assert latched.acknowledge()
    assert latched.words == "normal"


def test_a_latched_one_that_is_acknowledged_sinks_to_what_is_wrong_now() -> None:
    latched = watch(latch=True)
    course(latched, 8, 5)
    assert latched.acknowledge()
    assert latched.words == "high warning acknowledged"
    assert course(latched, 1, start_s=3) == ["normal"], "acknowledged, it does not latch"


def test_shelved_it_is_silent_and_comes_back_by_itself() -> None:
    shelved = watch()
    course(shelved, 8)
    shelved.put_aside("shelved", 10.0, 1.0)
    assert course(shelved, 1, 8, 9, start_s=2) == ["shelved"] * 3
    assert not shelved.acknowledge()
    shelved.tick(9.9)
    assert shelved.words == "shelved"
    shelved.tick(10.0)
    assert shelved.words == "high alarm unacknowledged"


def test_out_of_service_has_no_end() -> None:
    out = watch()
    out.put_aside("out-of-service", None, 0.0)
    assert course(out, 8, 1, every_s=1e6) == ["out-of-service"] * 2
    out.put_aside("", None, 3e6)
    assert out.words == "normal"


def test_suppressed_while_the_machine_is_off_and_judged_anew_in_run() -> None:
    off = watch(delay=2)
    off.suppress(True, 0.0)
    assert course(off, 8, 8, 8, 8) == ["suppressed"] * 4
    off.suppress(False, 4.0)
    assert course(off, 8, 8, 8, start_s=5) == ["normal", "normal", "high alarm unacknowledged"], "with its delay"


def test_a_latched_alarm_that_stopped_the_machine_is_still_there_in_the_morning() -> None:
    trip = watch(latch=True)
    course(trip, 8)
    trip.suppress(True, 1.0)
    assert trip.words == "high alarm returned-unacknowledged"
    assert trip.acknowledge()
    assert trip.words == "suppressed"


def test_one_that_comes_and_goes_is_held_so_that_nobody_is_told_twice_a_second() -> None:
    nervous = watch(alarm=None)
    states = course(nervous, *[5, 1] * 600)
    changes = sum(a != b for a, b in pairwise(states))
    assert nervous.chattering
    assert changes <= 2 * (MOST_RAISES + 1) * (1 + 1200 / CHATTER_S)
    for second in range(int(HOLD_S) + 1):
        nervous.step(1, 1200.0 + second)
        nervous.tick(1200.0 + second)
    assert nervous.words == "normal", "it returns when the value is back for a minute"
    nervous.tick(1300.0 + CHATTER_S)
    assert not nervous.chattering


@pytest.mark.parametrize("values", [(8,), (8, 1), (5,), (8, 5), (1,)])
@pytest.mark.parametrize("latch", [False, True])
@pytest.mark.parametrize("seen", [False, True])
def test_it_goes_on_after_a_restart_where_it_was(values: tuple[float, ...], latch: bool, seen: bool) -> None:
    before = watch(latch=latch, hysteresis=0.3)
    course(before, *values)
    if seen:
        before.acknowledge()
    after = watch(latch=latch, hysteresis=0.3)
    after.restore(before.held(10.0))
    assert after.words == before.words
    for value in (6.9, 4.4, 1, 8):
        before.step(value, 11.0)
        after.step(value, 1.0)
        assert after.words == before.words


def test_a_level_that_is_no_longer_configured_is_forgotten() -> None:
    after = watch(alarm=None)
    after.restore(Held("unacknowledged", "high alarm", "high alarm"))
    assert after.words == "normal"
    with pytest.raises(ValueError, match="odd"):
        after.restore(Held("odd"))


DEEDS = st.one_of(
    st.tuples(st.just("step"), st.floats(0, 10)),
    st.tuples(st.just("tick"), st.floats(0, 200)),
    st.tuples(st.sampled_from(["ack", "hold", "off", "on", "shelve", "back", "restart"]), st.just(0.0)),
)


@given(st.lists(DEEDS, max_size=60), st.booleans(), st.floats(0, 5), st.floats(0, 1))
def test_whatever_happens_the_state_makes_sense(deeds: list[tuple[str, float]], latch: bool, delay: float, margin: float) -> None:
    of, now_s = watch(latch=latch, delay=delay, hysteresis=margin), 0.0
    for deed, number in deeds:
        now_s += 0.5
        match deed:
            case "step":
                of.step(number, now_s)
            case "tick":
                now_s += number
                of.tick(now_s)
            case "ack":
                of.acknowledge()
                assert of.shown not in {"unacknowledged", "returned-unacknowledged"}
            case "hold":
                of.hold()
            case "off" | "on":
                of.suppress(deed == "off", now_s)
            case "shelve" | "back":
                of.put_aside("shelved" if deed == "shelve" else "", now_s + 5 if deed == "shelve" else None, now_s)
            case "restart":
                words, suppressed, until_s = of.words, of.suppressed, of.until_s
                held, of = of.held(now_s), watch(latch=latch, delay=delay, hysteresis=margin)
                of.restore(held)
                of.until_s = until_s
                of.suppress(suppressed, now_s)
                assert of.words == words
        assert bool(of.level) == (of.state != "normal")
        assert of.state != "returned-unacknowledged" or (latch and not of.present)
        assert of.state not in {"unacknowledged", "acknowledged"} or of.present
        assert not (of.present and not of.aside and of.state == "normal"), "what is wrong is told"
