"""The figures of a month by a hand-made one, over its end, over restarts, and with a clock that is not known."""

from __future__ import annotations

import calendar
import time
from typing import Any

import pytest

from gateway.clock import ManualClock
from gateway.config.kpi import Kpis, Planned
from gateway.config.quantity import Duration
from gateway.config.running import Running
from gateway.config.spec import PointSpec
from gateway.model import TimeQuality
from tests.gateway.condition.shop import Shelf, Shop

POINTS = {"current": PointSpec(unit="A"), "meter": PointSpec(unit="kWh"), "small": PointSpec(unit="Wh")}
STATE = Running(by="current", idle=0.5, run=2.0, dwell=Duration(0))
OFF, IDLE, RUN = 0.0, 1.0, 5.0


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """Return the wall time of a moment in local time, which is an hour ahead of UTC in winter."""
    return (calendar.timegm((year, month, day, hour, minute, 0)) - 3600) * 10**9


def shop(*, start: int | None = None, shelf: Shelf | None = None, **keys: Any) -> Shop:
    clock = ManualClock(wall_ns=at(2026, 1, 12, 8) if start is None else start)  # a Monday
    return Shop(POINTS, state=STATE, kpis=Kpis(every=Duration(30), **keys), clock=clock, shelf=shelf)


def hours(press: Shop, count: float, **values: float) -> None:
    press.run(3600 * count, step_s=30.0, **values)


def test_availability_is_run_of_planned_time_and_utilisation_run_of_run_and_idle() -> None:
    press = shop()
    hours(press, 6, current=RUN)
    hours(press, 2, current=IDLE)
    hours(press, 2, current=OFF)
    assert press.last("kpi.availability") == pytest.approx(60, abs=0.5)
    assert press.last("kpi.utilisation") == pytest.approx(75, abs=0.5)
    assert press.last("kpi.coverage") == pytest.approx(100, abs=0.1)
    assert press.last("kpi.hours") == pytest.approx(6, abs=0.02)


def test_only_planned_time_counts_for_availability_and_all_of_it_for_hours() -> None:
    press = shop(planned=Planned.parse("Mo-Fr 06:00-22:00"), start=at(2026, 1, 12, 20))
    hours(press, 4, current=RUN)
    hours(press, 8, current=OFF)
    assert press.last("kpi.hours") == pytest.approx(4, abs=0.02)
    assert press.last("kpi.availability") == pytest.approx(100 * 2 / 4, abs=1), "20 to 22 of 20 to 22 and 6 to 8"


def test_a_stop_in_planned_time_is_one_event_however_long_and_a_short_one_is_none() -> None:
    press = shop(planned=Planned.parse("Mo-Fr 06:00-22:00"), downtime=Duration(600))
    for current, minutes in ((RUN, 60), (IDLE, 5), (RUN, 60), (OFF, 30), (IDLE, 30), (OFF, 60), (RUN, 60)):
        hours(press, minutes / 60, current=current)
    assert press.last("kpi.downtime_events") == 1.0
    hours(press, 10, current=OFF)
    assert press.last("kpi.downtime_events") == 2.0, "to 22:00; the night is not planned"
    hours(press, 13)
    assert press.last("kpi.downtime_events") == 3.0, "not begun at 6:00 of the next day"


def test_time_in_which_the_state_is_not_known_lowers_the_coverage_and_nothing_else() -> None:
    press = shop()
    hours(press, 3, current=RUN)
    hours(press, 1, current=float("nan"))
    assert press.last("kpi.availability") == pytest.approx(100)
    assert press.last("kpi.coverage") == pytest.approx(75, abs=0.5)


def test_energy_per_hour_in_run_counts_what_was_used_while_idle_too() -> None:
    press = shop(energy="meter")
    reading = 5000.0
    for current, power in ((RUN, 12.0), (IDLE, 4.0), (RUN, 12.0)):
        for _ in range(60):
            reading += power / 60
            hours(press, 1 / 60, current=current, meter=reading)
    assert press.last("kpi.energy") == pytest.approx(28, abs=0.3)
    assert press.last("kpi.energy_per_hour") == pytest.approx(14, abs=0.3)


def test_a_meter_that_begins_anew_and_one_in_another_unit_count_right() -> None:
    press = shop(energy="small")
    for reading in (900_000.0, 901_000.0, 0.0, 500.0, 1500.0):
        press.run(60, current=RUN, small=reading)
    hours(press, 1)
    assert press.last("kpi.energy") == pytest.approx(2.5)


def test_what_the_meter_counted_while_the_gateway_was_off_belongs_to_no_hours() -> None:
    press = shop(energy="meter")
    press.run(600, current=RUN, meter=100.0)
    press.begin()
    press.run(600, meter=900.0)
    press.run(600, meter=901.0)
    assert press.last("kpi.energy") == pytest.approx(1.0)


def test_with_the_month_everything_begins_anew_and_the_last_one_can_be_read() -> None:
    press = shop(start=at(2026, 1, 31, 22))
    hours(press, 1, current=RUN)
    hours(press, 0.99, current=IDLE)
    assert press.last("kpi.availability") == pytest.approx(50, abs=1)
    assert press.last("kpi.availability.last_month") is None
    hours(press, 2, current=RUN)
    assert press.last("kpi.availability.last_month") == pytest.approx(50, abs=1)
    assert press.last("kpi.availability") == pytest.approx(100, abs=2)
    assert press.last("kpi.hours") == pytest.approx(2, abs=0.2)
    assert press.last("kpi.hours.last_month") == pytest.approx(1, abs=0.1)


def test_the_month_is_that_of_local_time() -> None:
    press = shop(start=at(2026, 1, 31, 23, 30))
    hours(press, 0.4, current=RUN)
    assert press.last("kpi.hours.last_month") is None
    hours(press, 0.2)
    assert press.last("kpi.hours.last_month") is not None, "0:06 here, still January in UTC"


def test_without_a_known_clock_the_month_stays_and_that_is_told() -> None:
    press = shop(planned=Planned.parse("00:00-24:00"), start=at(2026, 1, 31, 23))
    hours(press, 0.5, current=RUN)
    press.clock.time_quality = TimeQuality.UNCERTAIN
    hours(press, 2)
    assert press.last("kpi.hours.last_month") is None
    assert "the time is not known, so the month does not change, and what is planned is not counted" in press.condition.warnings[0]
    press.clock.time_quality = TimeQuality.SYNCED
    hours(press, 0.2)
    assert press.last("kpi.hours.last_month") == pytest.approx(2.5, abs=0.1)
    assert press.condition.warnings == ()


def test_a_clock_that_is_set_back_does_not_bring_back_the_month_before() -> None:
    press = shop(start=at(2026, 2, 1, 0, 10))
    hours(press, 1, current=RUN)
    press.clock.step(-7200)
    hours(press, 1)
    assert press.last("kpi.hours") == pytest.approx(2, abs=0.2)


def test_the_sums_outlast_a_restart_and_a_month_that_ended_meanwhile() -> None:
    shelf = Shelf()
    press = shop(start=at(2026, 1, 31, 12), shelf=shelf)
    hours(press, 2, current=RUN)
    press.begin()
    press.clock.advance(14 * 3600)
    hours(press, 1, current=RUN)
    assert press.last("kpi.hours.last_month") == pytest.approx(2, abs=0.1)
    assert press.last("kpi.hours") == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("kept", [3, {"month": {"name": "2026-01", "run_s": -1}}, {"month": {"downtime_events": 0.5}}])
def test_kept_nonsense_begins_anew_and_is_told(kept: Any) -> None:
    shelf = Shelf()
    shelf.values["condition.m"] = {"kpis": kept}
    press = shop(shelf=shelf)
    assert "'kpis' makes no sense" in press.condition.warnings[0]


def test_the_notes_say_it_in_words() -> None:
    press = shop()
    hours(press, 3, current=RUN)
    hours(press, 1, current=IDLE)
    assert press.condition.notes[-1] == "this month: availability 75 %, utilisation 75 %, 3.0 h in run, 1 downtime event"


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [
        ("Mo-Fr 06:00-22:00", [(0, 360), (4, 1319)], [(0, 359), (4, 1320), (5, 600)]),
        ("06:00-22:00", [(6, 600)], [(6, 100)]),
        ("00:00-24:00", [(0, 0), (6, 1439)], []),
        ("Mo-Fr 22:00-06:00, Sa 6:00-14:00", [(0, 1380), (1, 100), (5, 100), (5, 400)], [(0, 100), (5, 1000), (6, 100)]),
        ("So 22:00-06:00", [(6, 1400), (0, 100)], [(1, 100)]),
        ("Fr-Mo 08:00-12:00", [(4, 500), (6, 500), (0, 500)], [(1, 500)]),
        ("Montag-Mittwoch 08.00-12.00", [(2, 500)], [(3, 500)]),
    ],
)
def test_planned_times_are_read(written: str, inside: list[tuple[int, int]], outside: list[tuple[int, int]]) -> None:
    planned = Planned.parse(written)
    assert [planned.holds(*moment) for moment in inside] == [True] * len(inside)
    assert [planned.holds(*moment) for moment in outside] == [False] * len(outside)


@pytest.mark.parametrize("written", ["", "always", "Mo-Fr", "Xx 06:00-22:00", "25:00-26:00", "06:61-07:00", "6:00-6:00", 8, None])
def test_what_is_no_planned_time_is_refused_in_words(written: object) -> None:
    with pytest.raises(ValueError, match=r"planned time|day|ends when"):
        Planned.parse(written)
