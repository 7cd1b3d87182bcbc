"""Temperature slope: K/min over a sliding window, bent by no outlier."""

from __future__ import annotations

from array import array

import pytest

from gateway.clock import ManualClock
from gateway.condition import Condition
from gateway.config.quantity import Duration
from gateway.config.spec import Link, Machine, PointSpec, Temperature
from gateway.model import Feature, PointTable, Quality, Reason, Record, Scan

LINK = Link("replay", "a.wav", None)


class Bench:
    def __init__(self, unit: str = "°C", **spec: object) -> None:
        self.clock = ManualClock()
        points = {"oil_temp": PointSpec(unit=unit), "pressure": PointSpec(unit="bar")}
        self.table = PointTable("press-1", tuple(points), tuple(p.unit for p in points.values()), tuple(points.values()))
        temperature = Temperature(window=Duration(600), every=Duration(60), **spec)  # type: ignore[arg-type]
        self.condition = Condition(Machine("press-1", LINK, None, 1.0, {}, None, temperature))
        self.records: list[Record] = []

    def feed(self, value: float, *, seconds: float = 5.0, quality: Quality = Quality.GOOD) -> None:
        self.clock.advance(seconds)
        columns = bytearray([quality, Quality.GOOD])
        self.records += self.condition.scan(Scan(self.table, array("d", [value, 200.0]), columns, bytearray(2), self.clock.stamp()))

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
