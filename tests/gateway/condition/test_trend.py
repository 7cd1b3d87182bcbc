"""Trends over days: told with an interval, refused in words, kept over restarts; simulated weeks with a slope that is known."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from gateway.condition.daily import DAY_NS, MOST_DAYS, Days
from gateway.condition.trend import Followed
from gateway.config.learning import Trend
from gateway.config.quantity import LongDuration
from gateway.config.running import Running
from gateway.config.spec import PointSpec, Vibration
from gateway.model import Feature, Quality, Stamp, TimeQuality
from tests.gateway.condition.shop import Shelf, Shop

NAME = "vibration.velocity_rms"


class Pump(Shop):
    """A pump whose velocity is told once an hour."""

    def __init__(self, spec: Trend, **more: Any) -> None:
        super().__init__({"current": PointSpec(unit="A")}, vibration=Vibration(), trend=spec, **more)
        self.draw = random.Random(1)

    def days(self, count: int, velocity: float, growth: float = 0.0, scatter: float = 0.02) -> float:
        """Let days pass; return the velocity after them."""
        for _ in range(count):
            for _ in range(24):
                self.clock.advance(3599)
                self.run(1)
                self.feature("mm/s", velocity_rms=velocity * math.exp(self.draw.gauss(0, scatter)))
            velocity *= 1 + growth
        return velocity


def test_nothing_is_said_before_a_week_and_that_is_said_in_words() -> None:
    pump = Pump(Trend(limits={NAME: 7.1}))
    pump.days(5, 2.0)
    assert pump.last(f"{NAME}.trend") is None
    assert pump.condition.notes == (f"{NAME}: no trend yet: 4 of 7 days",)


def test_a_growing_vibration_is_told_with_the_days_that_are_left() -> None:
    pump = Pump(Trend(limits={NAME: 7.1}))
    now = pump.days(30, 2.0, growth=0.01)
    left = math.log(7.1 / now) / math.log(1.01)
    assert pump.last(f"{NAME}.trend") == pytest.approx(100 * (1.01**30.4375 - 1), rel=0.1)
    assert pump.last(f"{NAME}.trend_low") < pump.last(f"{NAME}.trend") < pump.last(f"{NAME}.trend_high")
    low, high = pump.last(f"{NAME}.days_to_limit_low"), pump.last(f"{NAME}.days_to_limit_high")
    assert low < pump.last(f"{NAME}.days_to_limit") < high
    assert low - 2 <= left <= high + 2
    assert "%/month, 7.1 mm/s in " in pump.condition.notes[0]
    units = {r.point: r.unit for r in pump.records if isinstance(r, Feature) and r.point.startswith(NAME + ".")}
    assert (units[f"{NAME}.trend"], units[f"{NAME}.days_to_limit"]) == ("%/month", "d")


def test_without_a_slope_it_says_no_trend_and_tells_no_days() -> None:
    pump = Pump(Trend(limits={NAME: 7.1}))
    pump.draw = random.Random(3)
    pump.days(25, 2.0)
    assert pump.condition.notes == (f"{NAME}: no trend in 24 days",)
    last = [r for r in pump.records if isinstance(r, Feature) and r.point == f"{NAME}.trend"][-1]
    assert last.quality is Quality.UNCERTAIN
    assert pump.last(f"{NAME}.trend_low") < 0 < pump.last(f"{NAME}.trend_high")
    assert pump.last(f"{NAME}.days_to_limit") is None


def test_what_falls_never_reaches_its_limit_and_what_is_there_has_no_days_left() -> None:
    falling, there = Pump(Trend(limits={NAME: 7.1})), Pump(Trend(limits={NAME: 7.1}))
    falling.days(20, 5.0, growth=-0.02)
    there.days(20, 7.0, growth=0.02)
    assert falling.last(f"{NAME}.days_to_limit") is None
    assert falling.condition.notes[0].endswith("away from its limit")
    assert there.last(f"{NAME}.days_to_limit") == 0.0


def test_a_limit_beyond_what_was_watched_can_tell_is_refused() -> None:
    pump = Pump(Trend(limits={NAME: 7000.0}))
    pump.days(12, 2.0, growth=0.01, scatter=0.001)
    assert pump.last(f"{NAME}.days_to_limit") is None
    assert pump.condition.notes[0].endswith("its limit is further ahead than 10 days can tell")


def test_only_values_in_run_count() -> None:
    state = Running(by="current", run=2.0)
    pump = Pump(Trend(), state=state)
    pump.run(10, current=0.0)
    pump.days(10, 2.0)
    assert pump.condition.notes[-1].endswith("0 of 7 days")
    pump.run(10, current=5.0)
    pump.days(10, 2.0)
    assert not pump.condition.notes[-1].endswith("0 of 7 days")


def test_the_days_outlast_a_restart_in_the_middle_of_one() -> None:
    shelf = Shelf()
    pump = Pump(Trend(limits={NAME: 7.1}), shelf=shelf)
    for _ in range(20):
        pump.days(1, 2.0, growth=0.01)
        pump.clock.advance(301)
        pump.run(1)
        pump.begin()
    assert pump.condition.notes[0].endswith("19 days") or "%/month" in pump.condition.notes[0]


@pytest.mark.parametrize("kept", [7, {NAME: {"days": [["x", 1]]}}, {NAME: {"days": [[1, 2.0]], "sample": ["x"]}}])
def test_kept_nonsense_begins_anew_and_is_told(kept: Any) -> None:
    shelf = Shelf()
    shelf.values["condition.m"] = {"trend": kept}
    pump = Pump(Trend(), shelf=shelf)
    assert "'trend' makes no sense" in pump.condition.warnings[0]


def stamp(day: float, quality: TimeQuality = TimeQuality.SYNCED) -> Stamp:
    return Stamp(round(day * DAY_NS), 0, "0" * 32, quality)


def test_memory_is_bounded_and_a_day_is_the_median_of_its_values() -> None:
    days = Days(random.Random(1))
    draw = random.Random(2)
    for day in range(500):
        for hour in range(240):
            days.take(draw.gauss(10 + day, 1), stamp(day + hour / 240))
    assert len(days.days) == MOST_DAYS
    assert len(days.kept.sample) <= 96
    assert all(abs(value - 10 - day) < 0.7 for day, value in days.days)


def test_a_day_does_not_end_while_the_time_is_not_known_nor_when_the_clock_is_set_back() -> None:
    days = Days(random.Random(1))
    for moment in (100.1, 100.2, 100.3):
        assert not days.take(1.0, stamp(moment))
    for moment in (205.0, 0.0, 206.0):
        assert not days.take(2.0, stamp(moment, TimeQuality.UNCERTAIN))
    assert not days.take(1.0, stamp(99.0))
    assert days.take(1.0, stamp(101.0))
    assert days.days == [(100, 1.0)]


def test_a_day_with_hardly_a_value_says_nothing() -> None:
    days = Days(random.Random(1))
    days.take(1.0, stamp(1.0))
    days.take(1.0, stamp(1.5))
    assert not days.take(1.0, stamp(2.0))
    assert days.days == []


@pytest.mark.parametrize(("unit", "limit"), [("mm/s", 7.1), ("dB", 20.0)])
def test_the_interval_of_the_days_holds_the_true_ones_in_80_of_100_simulated_machines(unit: str, limit: float) -> None:
    draw = random.Random(20260104)
    held = told = 0
    for _ in range(500):
        one = Followed("x", unit, limit, 90, random.Random(1))
        start, slope, scatter = (math.log(2.0), 0.012, 0.05) if unit == "mm/s" else (6.0, 0.1, 0.5)
        truth = ((math.log(limit) if unit == "mm/s" else limit) - start) / slope - 39
        levels = [start + slope * day + draw.gauss(0, scatter) for day in range(40)]
        one.collected.kept.days = [(day, math.exp(y) if unit == "mm/s" else y) for day, y in enumerate(levels)]
        one.look()
        if one.outlook.days is not None:
            told += 1
            held += one.outlook.days[1] <= truth <= one.outlook.days[2]
    assert told > 490
    assert 0.75 <= held / told <= 0.85, held / told  # 80 % +- 2.8 standard deviations of the binomial


def test_a_level_goes_by_so_much_a_day_and_not_by_a_share() -> None:
    one = Followed("x", "dB", None, 90, random.Random(1))
    one.collected.kept.days = [(day, -5.0 + 0.25 * day) for day in range(10)]
    one.look()
    assert one.outlook.words == "+0.25 dB/day"


def test_it_looks_back_no_further_than_it_is_told_to() -> None:
    spec = Trend(over=LongDuration(14 * 86400))
    pump = Pump(spec)
    now = pump.days(30, 2.0)
    pump.days(15, now, growth=0.02)
    assert pump.last(f"{NAME}.trend") == pytest.approx(100 * (1.02**30.4375 - 1), rel=0.15)
