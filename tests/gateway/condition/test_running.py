"""The state of a machine and what is counted by it: hours, starts, cycles, over restarts and over bad values."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.condition.meter import Meter
from gateway.config.quantity import Duration
from gateway.config.running import Margin, Running, StateNames
from gateway.config.spec import PointSpec, Vibration
from gateway.model import Quality, Reading
from tests.gateway.condition.shop import Shelf, Shop

CURRENT = {"current": PointSpec(unit="A")}
SPEC = Running(by="current", idle=0.5, run=2.0)
HOUR = 3600.0


def shop(spec: Running = SPEC, points: dict[str, PointSpec] | None = None, **more: Any) -> Shop:
    return Shop(points or CURRENT, state=spec, **more)


def test_it_is_off_idle_and_in_run_by_the_thresholds_each_after_the_dwell_time() -> None:
    press = shop()
    press.run(4, current=0.1)
    assert press.changes("state") == [None]
    press.run(4, current=0.1)
    press.run(4, current=1.0)
    assert press.changes("state") == [None, "off"], "less than the dwell time counts for nothing"
    press.run(4, current=1.0)
    press.run(10, current=5.0)
    assert press.changes("state") == [None, "off", "idle", "run"]


def test_a_value_that_wavers_about_a_threshold_changes_nothing() -> None:
    press = shop(Running(by="current", idle=0.5, run=2.0, dwell=Duration(0)))
    press.run(2, current=2.1)
    for _ in range(10):
        press.run(1, current=1.85)
        press.run(1, current=2.05)
    assert press.changes("state") == ["run"]
    press.run(1, current=1.7)
    assert press.last("state") == "idle"


def test_who_has_left_a_state_does_not_stay_in_it_because_what_follows_wavers() -> None:
    press = shop()
    press.run(10, current=5.0)
    for _ in range(8):
        press.run(2, current=0.0)
        press.run(2, current=1.0)
    assert press.last("state") in {"off", "idle"}


def test_hours_are_counted_in_run_only_and_what_the_machine_had_before_is_added() -> None:
    press = shop(Running(by="current", idle=0.5, run=2.0, hours=Duration(100 * HOUR)))
    press.run(600, current=5.0)
    press.run(600, current=1.0)
    press.run(1200, current=5.0)
    press.run(700, current=0.0)
    assert press.last("hours") == pytest.approx(100 + 1800 / HOUR, abs=2 / HOUR)
    assert press.last("hours_since_start") == pytest.approx(1200 / HOUR, abs=2 / HOUR)
    assert press.last("starts") == 1.0, "the gateway found it in run; the one start it saw came after the idle time"


def test_a_cycle_is_idle_run_idle() -> None:
    press = shop()
    for current in (0.0, 1.0, 5.0, 1.0, 5.0, 1.0, 0.0, 5.0, 1.0):
        press.run(10, current=current)
    press.run(700)
    assert (press.last("cycles"), press.last("starts")) == (2.0, 3.0), "off, run, idle is a start and no cycle"


def test_cycles_come_from_a_counter_where_there_is_one_and_it_may_begin_anew() -> None:
    points = CURRENT | {"strokes": PointSpec()}
    press = shop(Running(by="current", run=2.0, cycles="strokes"), points)
    press.run(10, current=5.0, strokes=1000.0)
    press.run(10, strokes=1010.0)
    press.run(1, strokes=3.0)
    press.run(10, strokes=4.0)
    press.run(700)
    assert press.last("cycles") == 11.0


def test_while_the_value_is_bad_the_state_is_unknown_nothing_is_counted_and_no_start_is_invented() -> None:
    press = shop()
    press.run(10, current=0.0)
    press.run(600, current=5.0)
    press.run(3, current=math.nan)
    assert press.last("state") == "run", "one value that is missing is less than the dwell time"
    press.run(600, current=math.nan)
    unknown = [r for r in press.records if isinstance(r, Reading) and r.point == "state"][-1]
    assert (unknown.value, unknown.quality) == (None, Quality.BAD)
    press.run(700, current=5.0)
    assert press.last("starts") == 1.0
    assert press.last("hours") == pytest.approx(1300 / HOUR, abs=310 / HOUR)
    assert press.last("hours") < 1310 / HOUR


def test_a_fault_goes_before_everything_else() -> None:
    press = shop(Running(by="current", run=2.0, fault="lamp"), CURRENT | {"lamp": PointSpec()})
    press.run(10, current=5.0, lamp=0.0)
    press.run(10, lamp=1.0)
    press.run(10, lamp=0.0)
    assert press.changes("state") == [None, "run", "fault", "run"]


def test_a_point_with_names_tells_the_state_by_them() -> None:
    points = {"mode": PointSpec(states={0: "off", 1: "setup", 2: "auto", 3: "jammed", 4: "service"})}
    names = StateNames(off=["off"], idle=["setup"], run=["auto"], fault=["jammed"])
    press = shop(Running(by="mode", states=names, dwell=Duration(0)), points)
    for mode in (0, 1, 2, 3, 4, 9):
        press.run(2, mode=float(mode))
    assert press.changes("state") == ["off", "idle", "run", "fault", None]


def test_a_waveform_that_falls_silent_leaves_the_state_unknown() -> None:
    spec = Running(by="vibration.velocity_rms", run=1.0)
    press = Shop({}, state=spec, vibration=Vibration(window=Duration(1), every=Duration(10)))
    for _ in range(3):
        press.run(10)
        press.feature("mm/s", velocity_rms=2.5)
    press.run(6)
    assert press.last("state") == "run"
    press.run(60)
    assert press.changes("state") == [None, "run", None]


def test_a_power_cut_loses_five_minutes_at_most_and_what_was_told_never_goes_back() -> None:
    shelf = Shelf()
    press = shop(shelf=shelf)
    press.run(10, current=0.0)
    counted = 0.0
    for minutes in (7, 13, 22, 41):
        press.run(60 * minutes, current=5.0)
        counted += minutes / 60
        press.begin()
    press.run(330)
    hours = press.told("hours")
    assert hours == sorted(hours)
    assert counted - 4 * 305 / HOUR <= press.last("hours") <= counted + 340 / HOUR
    assert press.last("starts") == 1.0, "in run before and after: no start"
    assert shelf.writes < 60, "the flash is spared"


def test_the_kept_hours_go_on_in_another_boot_whose_monotonic_time_begins_anew() -> None:
    press = shop()
    press.run(1000, current=5.0)
    press.clock.mono_ns, press.clock.boot = 5_000_000_000, "1" * 32
    press.begin()
    press.run(1000)
    assert press.last("hours") == pytest.approx(2000 / HOUR, abs=630 / HOUR)
    assert press.told("hours") == sorted(press.told("hours"))


def test_time_in_which_the_computer_stood_still_is_not_counted() -> None:
    press = shop()
    press.run(400, current=5.0)
    press.clock.advance(10 * HOUR)
    press.run(400)
    assert press.last("hours") < 0.25


@pytest.mark.parametrize("kept", [{"run_s": -1.0}, {"starts": "x"}, [], {"state": 7}])
def test_kept_nonsense_begins_anew_and_is_told(kept: Any) -> None:
    shelf = Shelf()
    shelf.values["condition.m"] = {"state": kept}
    press = shop(shelf=shelf)
    press.run(700, current=5.0)
    assert press.last("hours") > 0
    assert "'state' makes no sense" in press.condition.warnings[0]


def test_the_notes_say_it_in_words() -> None:
    press = shop()
    press.run(600, current=5.0)
    assert press.condition.notes == ("run for 10 min; 0.2 h in run, 0 starts, 0 cycles",)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, 5.0, math.nan]), st.integers(1, 30), st.booleans()), min_size=1, max_size=12))
def test_whatever_happens_sums_never_go_back_and_no_more_is_counted_than_time_has_passed(steps: Any) -> None:
    press = shop()
    for current, tens, cut in steps:
        press.run(10 * tens, step_s=10.0, current=current)
        if cut:
            press.begin()
    press.run(700, step_s=10.0)
    for point in ("hours", "starts", "cycles"):
        assert press.told(point) == sorted(press.told(point))
    passed = sum(10 * tens for _, tens, _ in steps) + 700
    assert press.last("hours") * HOUR <= passed + 1


@pytest.mark.parametrize(
    ("readings", "total"),
    [
        ([5, 7, 7, 10], 5),
        ([100, 110, 2, 5], 13),  # began anew: 10, then 3 from the first reading after it
        ([100, 110, 2, 111], 11),  # one reading was wrong
        ([100, 110, 0, 0, 4], 14),
        ([100, 5, 3, 4], 1),
    ],
)
def test_a_counter_that_begins_anew_or_slips_does_not_falsify_the_sum(readings: list[float], total: float) -> None:
    meter = Meter()
    assert sum(meter.take(reading) for reading in readings) == total


@pytest.mark.parametrize(
    ("text", "margin"), [("10%", Margin(0.1, True)), ("2,5 %", Margin(0.025, True)), (0.3, Margin(0.3, False))]
)
def test_a_hysteresis_is_read(text: object, margin: Margin) -> None:
    assert Margin.parse(text) == margin


@pytest.mark.parametrize("text", ["10", "x", "-1%", "95%", -1, True, None, math.inf])
def test_what_is_no_hysteresis_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="hysteresis"):
        Margin.parse(text)
