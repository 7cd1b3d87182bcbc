"""The stages of a machine: what they are handed, and that what one makes is measured for those behind it."""

from __future__ import annotations

import asyncio
from array import array
from typing import Any

import pytest

from gateway.clock import ManualClock
from gateway.condition import Chain, Kept, Measured
from gateway.config.spec import PointSpec
from gateway.model import Feature, PointTable, Quality, Record, Scan, Stamp

CLOCK = ManualClock()


class Doubler:
    """Makes `<point>.double` of `point`, keeps how often, and remembers what it was handed."""

    def __init__(self, point: str) -> None:
        self.point, self.name, self.urgent = point, f"double {point}", False
        self.seen: list[Measured] = []
        self.count = 0

    def wants(self, point: str, unit: str) -> bool:
        return point == self.point

    def take(self, measured: Measured) -> list[Record]:
        self.seen.append(measured)
        self.count += 1
        if measured.value is None:
            return []
        return [Feature(machine="m", point=f"{self.point}.double", value=2 * measured.value, stamp=measured.stamp, unit="A")]

    def tick(self, stamp: Stamp) -> list[Record]:
        return [Feature(machine="m", point=f"{self.point}.count", value=float(self.count), stamp=stamp)]

    def keep(self) -> Any:
        return {"count": self.count}

    def restore(self, kept: Any) -> None:
        self.count = int(kept["count"])


def scan(rows: list[int] | None = None, quality: Quality = Quality.GOOD, **values: float) -> Scan:
    specs = {"a": PointSpec(unit="A"), "mode": PointSpec(states={0: "off", 2: "auto"}), "b": PointSpec(unit="A")}
    table = PointTable("m", tuple(specs), tuple(spec.unit for spec in specs.values()), tuple(specs.values()))
    numbers = array("d", values.values())
    return Scan(
        table, numbers, bytearray([quality]) * len(numbers), bytearray(len(numbers)), CLOCK.stamp(), rows=rows and array("i", rows)
    )


def test_what_a_stage_makes_is_offered_to_those_behind_it_and_not_to_those_before() -> None:
    early, first, second = Doubler("a.double"), Doubler("a"), Doubler("a.double")
    records = Chain([early, first, second]).scan(scan(a=3.0, mode=0, b=9.0))
    assert [(r.point, r.value) for r in records if isinstance(r, Feature)] == [("a.double", 6.0), ("a.double.double", 12.0)]
    assert early.seen == []


def test_a_partial_scan_and_a_bad_value_find_their_stage() -> None:
    stage = Doubler("b")
    chain = Chain([stage])
    chain.scan(scan(rows=[2], b=4.0))
    chain.scan(scan(rows=[0], a=4.0))
    chain.scan(scan(quality=Quality.BAD, a=1.0, mode=0.0, b=float("nan")))
    assert [measured.value for measured in stage.seen] == [4.0, None]


def test_a_point_with_names_for_its_values_hands_over_the_name() -> None:
    stage = Doubler("mode")
    Chain([stage]).scan(scan(a=1.0, mode=2.0, b=0.0))
    assert (stage.seen[0].value, stage.seen[0].name) == (2.0, "auto")


def test_features_of_a_waveform_and_of_time_pass_the_stages_too() -> None:
    first, second = Doubler("vibration.rms"), Doubler("vibration.rms.count")
    chain = Chain([first, second])
    given = Feature(machine="m", point="vibration.rms", value=1.5, stamp=CLOCK.stamp(), unit="g")
    assert [r.point for r in chain.features([given]) if isinstance(r, Feature)] == ["vibration.rms", "vibration.rms.double"]
    points = [r.point for r in chain.tick(CLOCK.stamp()) if isinstance(r, Feature)]
    assert points == ["vibration.rms.count", "vibration.rms.count.double", "vibration.rms.count.count"]


class Shelf:
    def __init__(self, failing: bool = False) -> None:
        self.values: dict[str, Any] = {}
        self.writes, self.failing = 0, failing

    def get(self, name: str, kind: Any, default: Any) -> Any:
        return self.values.get(name, default)

    def put(self, name: str, value: Any) -> None:
        if self.failing:
            raise OSError("no space")
        self.values[name] = value
        self.writes += 1

    async def aput(self, name: str, value: Any) -> None:
        self.put(name, value)


def test_what_a_stage_keeps_outlasts_a_restart_and_is_written_seldom() -> None:
    shelf, stage = Shelf(), Doubler("a")
    kept = Kept(shelf, "m")
    for second in range(1001):
        stage.count = second // 400
        asyncio.run(kept.save([stage], float(second))) if second % 50 == 0 else None
    assert shelf.writes == 3, "one at the start, then when it is due and something has changed"
    stage.count, stage.urgent = 7, True
    asyncio.run(kept.save([stage], 1001.0))
    assert (shelf.writes, stage.urgent) == (4, False)
    after = Doubler("a")
    Kept(shelf, "m").restore([after])
    assert after.count == 7


@pytest.mark.parametrize("nonsense", [{"double a": {"count": "x"}}, {"double a": None}, {"double a": {}}])
def test_what_makes_no_sense_begins_anew_and_is_told(nonsense: dict[str, Any]) -> None:
    shelf, stage = Shelf(), Doubler("a")
    shelf.values["condition.m"] = nonsense
    kept = Kept(shelf, "m")
    kept.restore([stage])
    assert stage.count == 0
    assert "double a" in kept.troubles[0]


def test_a_disk_that_fails_stops_nothing_and_the_value_is_written_later() -> None:
    shelf, stage = Shelf(failing=True), Doubler("a")
    stage.urgent = True
    kept = Kept(shelf, "m")
    asyncio.run(kept.save([stage], 0.0))
    assert stage.urgent
    shelf.failing = False
    asyncio.run(kept.save([stage], 1.0))
    assert shelf.values == {"condition.m": {"double a": {"count": 0}}}
