"""Steps and drifts of a temperature: each told once, by its kind, and no noise is one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from msgspec import to_builtins

from gateway.clock import ManualClock
from gateway.condition import Measured
from gateway.condition.change import LEARN, Changes
from gateway.config.quantity import Duration
from gateway.config.temperature import Temperature
from gateway.model import Event, Feature, Severity


class Bearing:
    """A bearing temperature, one median a minute."""

    def __init__(self, unit: str = "°C", *, by_state: bool = False, noise_k: float = 0.2) -> None:
        self.unit, self._noise, self._random, self.clock = unit, noise_k, Random(11), ManualClock()
        self._by_state = by_state
        self.stage = self.make()
        self.events: list[Event] = []
        self.changes: list[float] = []

    def make(self) -> Changes:
        spec = Temperature(every=Duration(60), change=2.0)
        return Changes("m", spec, {"bearing": self.unit, "pressure": "bar"}, by_state=self._by_state)

    def run(self, minutes: int, course: Callable[[int], float] = lambda minute: 60.0) -> list[tuple[str, str, str]]:
        """Feed so many minutes of a course in °C, a reading every 20 s; return what was told."""
        before = len(self.events)
        for minute in range(minutes):
            for _ in range(3):
                self.clock.advance(20.0)
                celsius = course(minute) + self._random.gauss(0, self._noise)
                value = celsius * 1.8 + 32 if self.unit == "°F" else celsius
                for record in self.stage.take(Measured("bearing", value, self.unit, self.clock.stamp())):
                    if isinstance(record, Event):
                        self.events.append(record)
                    if isinstance(record, Feature):
                        assert (record.point, record.unit) == ("bearing.change", "K")
                        self.changes.append(record.value or 0.0)
        return [(event.kind, event.before, event.after) for event in self.events[before:]]

    def state(self, word: str) -> None:
        self.stage.take(Measured("state", None, "", self.clock.stamp(), name=word))


@pytest.mark.parametrize("unit", ["°C", "°F"])
@pytest.mark.parametrize(("size_k", "way"), [(5.0, "up"), (-5.0, "down")])
def test_a_step_is_told_once_and_is_the_new_normal_after_an_hour(unit: str, size_k: float, way: str) -> None:
    bearing = Bearing(unit)
    assert bearing.run(LEARN + 60) == []
    assert bearing.run(30, lambda minute: 60 + size_k) == [("step", "steady", way)]
    assert bearing.events[0].severity is Severity.WARNING
    assert max(map(abs, bearing.changes)) == pytest.approx(5.0, rel=0.25)
    assert bearing.run(LEARN + 120, lambda minute: 60 + size_k) == [("step", way, "steady")]
    assert abs(bearing.changes[-1]) < 0.5


def test_a_slow_rise_is_a_drift() -> None:
    bearing = Bearing()
    bearing.run(LEARN + 5)
    assert bearing.run(120, lambda minute: 60 + minute / 20)[0] == ("drift", "steady", "up")


def test_noise_of_a_week_is_no_change() -> None:
    bearing = Bearing(noise_k=0.5)
    assert bearing.run(7 * 24 * 60) == []


def test_a_change_smaller_than_what_is_worth_telling_is_not_told() -> None:
    bearing = Bearing(noise_k=0.05)
    bearing.run(LEARN + 5)
    assert bearing.run(300, lambda minute: 61.0) == []


def test_one_outlier_is_no_step() -> None:
    bearing = Bearing()
    bearing.run(LEARN + 5)
    bearing.stage.take(Measured("bearing", 600.0, "°C", bearing.clock.stamp()))
    assert bearing.run(60) == []


def test_it_learns_and_judges_only_in_run() -> None:
    bearing = Bearing(by_state=True)
    assert bearing.run(LEARN + 30, lambda minute: 20.0) == []
    assert bearing.stage.notes == (f"bearing: learns what is normal, 0 of {LEARN} periods",)
    bearing.state("run")
    assert bearing.run(LEARN + 30) == []
    assert bearing.stage.notes == ()
    bearing.state("off")
    assert bearing.run(120, lambda minute: 20.0) == []
    bearing.state("run")
    assert bearing.run(10) == []


@pytest.mark.parametrize("minutes", [10, LEARN + 20, LEARN + 62])
def test_what_was_learned_outlasts_a_restart(minutes: int) -> None:
    def course(minute: int) -> float:
        return 60.0 if minute < LEARN + 60 else 62.5

    bearing = Bearing()
    bearing.run(minutes, course)
    kept: Any = to_builtins(bearing.stage.keep())
    bearing.stage = bearing.make()
    bearing.stage.restore(kept)
    assert bearing.stage.keep() == kept
    assert bearing.run(LEARN + 80 - minutes, lambda minute: course(minute + minutes)) == [("step", "steady", "up")]


def test_nonsense_is_refused() -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Bearing().stage.restore({"bearing": {"mean": 3.0, "deviation": 1.0, "ewma": {"odd": 1}, "cusum": {}}})
