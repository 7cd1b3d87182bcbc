"""Temperature slope: K/min over a sliding window, bent by no outlier."""

from __future__ import annotations

from array import array
from random import Random

import pytest
from msgspec import structs

from gateway.clock import ManualClock
from gateway.condition import Condition, announced
from gateway.config.alarm import Alarm
from gateway.config.quantity import Duration
from gateway.config.spec import Link, Machine, PointSpec, Temperature
from gateway.model import Event, Feature, PointTable, Quality, Reason, Record, Scan

LINK = Link("replay", "a.wav", None)


class Bench:
    def __init__(self, unit: str = "°C", **spec: object) -> None:
        self.clock = ManualClock()
        points = {"oil_temp": PointSpec(unit=unit), "pressure": PointSpec(unit="bar"), "hall": PointSpec(unit="°C")}
        points = points if "ambient" in spec else dict(list(points.items())[:2])
        self.table = PointTable("press-1", tuple(points), tuple(p.unit for p in points.values()), tuple(points.values()))
        temperature = Temperature(window=Duration(600), every=Duration(60), **spec)  # type: ignore[arg-type]
        self.machine = Machine("press-1", LINK, None, 1.0, dict(points), None, temperature)
        self.condition = Condition(self.machine)
        self.records: list[Record] = []

    def alarm(self, point: str, spec: Alarm) -> None:
        self.condition = Condition(structs.replace(self.machine, alarms={point: spec}))

    def feed(self, value: float, *, seconds: float = 5.0, quality: Quality = Quality.GOOD, hall: float | None = 20.0) -> None:
        self.clock.advance(seconds)
        around = float("nan") if hall is None else hall
        columns = bytearray([quality, Quality.GOOD, Quality.BAD if hall is None else Quality.GOOD])[: len(self.table)]
        values = array("d", [value, 200.0, around][: len(self.table)])
        self.records += self.condition.scan(Scan(self.table, values, columns, bytearray(len(values)), self.clock.stamp()))

    def latest(self, point: str) -> Feature:
        """Return the last feature of that name."""
        return next(record for record in reversed(self.records) if isinstance(record, Feature) and record.point == point)

    @property
    def last(self) -> Feature:
        assert isinstance(self.records[-1], Feature)
        return self.records[-1]


@pytest.mark.parametrize(("unit", "expected"), [("°C", 0.5), ("K", 0.5), ("°F", 0.5 * 5 / 9)])
def test_a_steady_rise_in_kelvin_per_minute(unit: str, expected: float) -> None:
    bench = Bench(unit)
    for n in range(200):
        bench.feed(20 + 0.5 * n * 5 / 60 + (300 if n % 17 == 3 else 0))
    assert bench.last.point == "oil_temp.slope"
    assert bench.last.unit == "K/min"
    assert bench.last.value == pytest.approx(expected, rel=0.02)
    assert {record.point for record in bench.records} == {"oil_temp.slope"}, "pressure has no slope"


def test_one_slope_every_period_and_none_before_half_the_window_is_filled() -> None:
    bench = Bench()
    for _ in range(240):
        bench.feed(20.0)
    assert len(bench.records) == pytest.approx((1200 - 300) / 60, abs=1)
    assert all(isinstance(r, Feature) and r.quality is Quality.GOOD for r in bench.records)


def test_a_sensor_that_is_lost_turns_the_slope_bad() -> None:
    bench = Bench()
    for _ in range(120):
        bench.feed(20.0)
    for _ in range(120):
        bench.feed(float("nan"), quality=Quality.BAD)
    assert (bench.last.value, bench.last.quality, bench.last.reason) == (None, Quality.BAD, Reason.NO_DATA)


def test_points_can_be_chosen_by_name() -> None:
    bench = Bench(points=["pressure"])
    for _ in range(120):
        bench.feed(20.0)
    assert {record.point for record in bench.records} == {"pressure.slope"}


@pytest.mark.parametrize(("unit", "value", "rise"), [("°C", 65.0, 45.0), ("K", 338.15, 45.0), ("°F", 149.0, 45.0)])
def test_the_rise_over_the_ambient_temperature_is_in_kelvin_whatever_the_units(unit: str, value: float, rise: float) -> None:
    bench = Bench(unit, ambient="hall", points=["oil_temp"])
    for _ in range(120):
        bench.feed(value)
    assert bench.latest("oil_temp.rise").value == pytest.approx(rise)
    assert bench.latest("oil_temp.rise").unit == "K"


def test_without_the_ambient_temperature_the_rise_is_bad_and_the_slope_goes_on() -> None:
    bench = Bench(ambient="hall")
    for _ in range(120):
        bench.feed(60.0)
    for _ in range(180):
        bench.feed(60.0, hall=None)
    assert (bench.latest("oil_temp.rise").value, bench.latest("oil_temp.rise").reason) == (None, Reason.NO_DATA)
    assert bench.latest("oil_temp.slope").value == 0.0
    assert "hall.slope" not in {record.point for record in bench.records if isinstance(record, Feature)}, (
        "it is what is compared with"
    )


@pytest.mark.parametrize(("unit", "limit"), [("°C", 80.0), ("°F", 176.0)])
def test_the_time_to_a_limit_with_its_interval(unit: str, limit: float) -> None:
    bench, random = Bench(unit, limit=limit), Random(3)
    for n in range(180):
        celsius = 60 + 0.5 * n * 5 / 60 + random.gauss(0, 0.2)
        bench.feed(celsius if unit == "°C" else celsius * 1.8 + 32)
    low, middle, high = (bench.latest(f"oil_temp.time_to_limit{end}").value for end in ("_low", "", "_high"))
    assert low is not None
    assert middle is not None
    assert high is not None
    assert low < middle < high
    assert middle == pytest.approx((80 - 67.5) / 0.5, rel=0.05)
    assert high - low < 4


def test_no_limit_is_ahead_while_the_slope_may_be_zero_and_that_is_no_fault() -> None:
    bench, random = Bench(limit={"oil_temp": 80.0}), Random(4)
    for _ in range(180):
        bench.feed(60 + random.gauss(0, 0.5))
    feature = bench.latest("oil_temp.time_to_limit")
    assert (feature.value, feature.quality, feature.reason) == (None, Quality.GOOD, Reason.NONE)


def test_a_limit_that_is_reached_is_no_time_away() -> None:
    bench = Bench(limit=50.0)
    for _ in range(120):
        bench.feed(60.0)
    assert [bench.latest(f"oil_temp.time_to_limit{end}").value for end in ("_low", "", "_high")] == [0.0, 0.0, 0.0]


def test_an_alarm_on_the_time_to_a_limit_ends_when_no_limit_is_ahead_any_more() -> None:
    bench = Bench(limit=80.0)
    bench.alarm("oil_temp.time_to_limit", Alarm(low_warning=30.0))
    for n in range(180):
        bench.feed(60 + 0.5 * n * 5 / 60)
    for _ in range(240):
        bench.feed(67.5)
    told = [record.after for record in bench.records if isinstance(record, Event)]
    assert told == ["low warning unacknowledged", "normal"]


def test_what_is_announced_is_what_comes() -> None:
    bench = Bench(limit=80.0, ambient="hall")
    for n in range(180):
        bench.feed(60 + 0.5 * n * 5 / 60)
    came = {record.point: record.unit for record in bench.records if isinstance(record, Feature)}
    assert came == announced(bench.machine)
