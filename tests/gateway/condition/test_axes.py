"""Several axes of one sensor: each has features of its own, and one zone is that of the machine, by the worst of them."""

from __future__ import annotations

import math
from array import array

import pytest

from gateway.clock import ManualClock
from gateway.condition import Board, Condition, announced, texts, watched
from gateway.condition.windows import later
from gateway.config.features import VibrationFeature
from gateway.config.iso import boundaries
from gateway.config.quantity import Duration
from gateway.config.rotation import Shaft
from gateway.config.spec import Link, Machine, PointSpec, Vibration
from gateway.model import Block, Feature, PointTable, Quality, Reading, Reason, Record, Scan

RATE = 5120.0
START = ManualClock().stamp()
CHOSEN: list[VibrationFeature] = ["rms", "iso_zone"]


def machine(speed: Shaft | None = None, features: list[VibrationFeature] = CHOSEN) -> Machine:
    spec = Vibration(window=Duration(4), every=Duration(4), iso="group2-rigid", speed=speed or Shaft(1480.0), features=features)
    points = {"spindle_speed": PointSpec(unit="rpm")}
    return Machine("m", Link("replay", "a", None), None, 1.0, points, spec, zones=boundaries()["group2-rigid"])


def block(point: str, mm_s: float, number: int = 0, broken: bool = False) -> Block:
    """Return four seconds of a sine with so much velocity."""
    amplitude = math.sqrt(2) * mm_s / 1000 * 2 * math.pi * 50
    wave = [amplitude * math.sin(2 * math.pi * 50 * n / RATE) for n in range(round(4 * RATE))]
    samples = array("f", [math.nan] * len(wave) if broken else wave)
    return Block("m", point, later(START, 4.0 * number), RATE, samples, "m/s²")


def give(condition: Condition, blocks: list[Block]) -> list[Record]:
    """Give the Blocks first, then let all that became of them run."""
    records: list[Record] = []
    for job in [job for each in blocks for job in condition.block(each)]:
        job.run()
        records += condition.done(job)
    return records


def zones(records: list[Record]) -> list[tuple[str, str | None, Quality, Reason]]:
    return [(r.point, r.value, r.quality, r.reason) for r in records if isinstance(r, Reading)]


def test_each_axis_has_features_and_the_machine_has_the_zone_of_the_worst():
    condition = Condition(machine())
    records = give(condition, [block("vibration.x", 1.0), block("vibration.y", 3.0), block("vibration.z", 2.0)])
    assert [r.point for r in records if isinstance(r, Feature)] == ["vibration.x.rms", "vibration.y.rms", "vibration.z.rms"]
    assert zones(records) == [("vibration.iso_zone", "C", Quality.GOOD, Reason.NONE)]
    again = give(condition, [block(f"vibration.{axis}", 1.0, 1) for axis in "xyz"])
    assert zones(again) == [("vibration.iso_zone", "A", Quality.GOOD, Reason.NONE)]


def test_a_sensor_with_one_axis_has_a_zone_with_every_window():
    assert zones(give(Condition(machine()), [block("vibration", 2.0), block("vibration", 5.0, 1)])) == [
        ("vibration.iso_zone", "B", Quality.GOOD, Reason.NONE),
        ("vibration.iso_zone", "D", Quality.GOOD, Reason.NONE),
    ]


def test_an_axis_that_is_broken_leaves_an_uncertain_zone_for_it_may_be_the_worst():
    records = give(Condition(machine()), [block("vibration.x", 1.0), block("vibration.y", 1.0, broken=True)])
    assert zones(records) == [("vibration.iso_zone", "A", Quality.UNCERTAIN, Reason.NO_SENSOR)]
    records = give(Condition(machine()), [block("vibration", 1.0, broken=True)])
    assert zones(records) == [("vibration.iso_zone", None, Quality.BAD, Reason.NO_SENSOR)]


def test_an_axis_that_stays_away_delays_the_zone_by_one_window_and_makes_it_uncertain():
    condition = Condition(machine())
    give(condition, [block("vibration.x", 1.0), block("vibration.y", 1.0)])
    assert zones(give(condition, [block("vibration.x", 1.0, 1)])) == []
    late = give(condition, [block("vibration.x", 3.0, 2)])
    assert zones(late) == [("vibration.iso_zone", "A", Quality.UNCERTAIN, Reason.NO_DATA)]


def test_a_refusal_is_told_and_the_zone_is_bad():
    condition = Condition(machine(Shaft(100.0)))
    assert zones(give(condition, [block("vibration", 1.0)])) == [("vibration.iso_zone", None, Quality.BAD, Reason.NOT_SUPPORTED)]
    assert condition.warnings == ("no zone: ISO 20816-3:2022 is for 120 to 30000 rpm, this machine turns at 100",)


def test_the_speed_is_that_of_the_point_when_the_window_was_cut():
    board, spindle = Board(), machine(Shaft(None, "spindle_speed", "lathe"), ["speed"])
    board.watch(watched([spindle]))
    condition = Condition(spindle, board=board)
    table = PointTable("lathe", ("load", "spindle_speed"), ("%", "rpm"), (PointSpec(), PointSpec(unit="rpm")))

    def tell(rpm: float, quality: Quality = Quality.GOOD) -> None:
        board.take(Scan(table, array("d", [50.0, rpm]), bytearray([quality] * 2), bytearray(2), START))

    def speed(number: int) -> tuple[float | None, Quality]:
        (record,) = give(condition, [block("vibration", 1.0, number)])
        assert isinstance(record, Feature)
        return record.value, record.quality

    assert speed(0) == (None, Quality.BAD), "nobody has told it yet"
    tell(-1480.0)
    assert speed(1) == (pytest.approx(1480.0, rel=0.02), Quality.GOOD), "backwards is a speed, too"
    tell(math.nan, Quality.BAD)
    assert speed(2) == (None, Quality.BAD)
    tell(900.0)
    assert speed(3) == (900.0, Quality.GOOD)
    board.forget("lathe")
    assert speed(4) == (None, Quality.BAD), "the lathe is no longer read"


def test_a_partial_scan_tells_only_what_is_in_it():
    board = Board()
    board.watch({("lathe", "b")})
    table = PointTable("lathe", ("a", "b"), ("", "rpm"), (PointSpec(), PointSpec()))
    board.take(Scan(table, array("d", [7.0]), bytearray([192]), bytearray(1), START, rows=array("i", [1])))
    board.take(Scan(table, array("d", [3.0]), bytearray([192]), bytearray(1), START, rows=array("i", [0])))
    assert (board.value("lathe", "a"), board.value("lathe", "b")) == (None, 7.0)
    board.watch(set())
    assert board.value("lathe", "b") is None


def test_the_zone_is_announced_as_a_text():
    assert announced(machine()) == {"vibration.rms": "", "vibration.iso_zone": ""}
    assert texts(machine()) == {"vibration.iso_zone"}
