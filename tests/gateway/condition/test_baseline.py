"""The baseline: learned in run only, per class of speed, kept over restarts, frozen; what lies far from it is told."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from gateway.condition.baseline import FEWEST_ROWS, MOST_CLASSES, MOST_ROWS, BaselineStage, Known
from gateway.condition.chain import Measured
from gateway.condition.robust import usual
from gateway.config.alarm import Alarm
from gateway.config.iso import boundaries
from gateway.config.learning import Baseline, Learn, Width
from gateway.config.quantity import Duration
from gateway.config.rotation import Shaft
from gateway.config.running import Running
from gateway.config.spec import PointSpec, Vibration
from gateway.model import Quality
from tests.gateway.condition.shop import Shelf, Shop

CURRENT = {"current": PointSpec(unit="A"), "speed": PointSpec(unit="rpm")}
WINDOWS = Vibration(window=Duration(1), every=Duration(1), features=["rms", "crest", "kurtosis"])
FAST = Running(by="current", run=2.0, dwell=Duration(0))


class Fan(Shop):
    """A fan with a window of three features each second."""

    def __init__(self, spec: Baseline, **more: Any) -> None:
        super().__init__(CURRENT, vibration=WINDOWS, state=FAST, baseline=spec, **more)
        self.draw = random.Random(1)

    def windows(self, count: int, factor: float = 1.0, **values: float) -> None:
        """Let so many windows come; `factor` is how many times the usual vibration there is."""
        self.run(1, **values)
        for _ in range(count):
            common = math.exp(self.draw.gauss(0, 0.1))
            rms = factor * common * math.exp(self.draw.gauss(0, 0.05))
            self.feature(rms=rms, crest=3 * math.exp(self.draw.gauss(0, 0.05)), kurtosis=3 * math.exp(self.draw.gauss(0, 0.05)))
            self.run(1)


def short(**more: Any) -> Baseline:
    return Baseline(learn=Learn(60, 0.0), **more)


def test_it_learns_in_run_only_tells_its_progress_and_then_how_far_each_window_lies() -> None:
    fan = Fan(short())
    fan.windows(40, current=0.0)
    assert fan.condition.notes[-1] == "baseline: none yet, it is learned while the machine runs"
    fan.windows(30, current=5.0)
    assert fan.condition.notes[-1] == "baseline learning: 30 of 60 windows in run"
    assert fan.last("vibration.baseline") == 50.0
    assert fan.told("vibration.rms.z") == []
    fan.windows(60)
    assert fan.condition.notes[-1] == "baseline learned"
    assert fan.last("vibration.baseline") == 100.0
    scores = fan.told("vibration.rms.z")
    assert len(scores) > 10
    assert max(map(abs, scores)) < 5
    assert 0.3 < fan.last("vibration.novelty") < 3
    fan.windows(1, factor=2.0)
    assert fan.last("vibration.rms.z") > 6
    assert fan.last("vibration.novelty") > 4


def test_a_window_out_of_run_is_neither_learned_nor_judged() -> None:
    fan = Fan(short())
    fan.windows(100, current=5.0)
    count = len(fan.told("vibration.novelty"))
    fan.windows(20, current=0.0)
    assert len(fan.told("vibration.novelty")) <= count + 1


def test_what_was_learned_stays_so_that_a_slow_drift_is_seen() -> None:
    fan = Fan(short())
    fan.windows(100, current=5.0)
    for step in range(100):
        fan.windows(5, factor=1 + 0.01 * step)
    assert fan.last("vibration.rms.z") > 5


def test_each_class_of_speed_has_a_baseline_of_its_own() -> None:
    fan = Fan(short(speed="speed"))
    fan.windows(90, factor=1.0, current=5.0, speed=1000.0)
    fan.windows(90, factor=4.0, current=5.0, speed=2000.0)
    told = fan.told("vibration.rms.z")
    assert max(map(abs, told)) < 5, "four times the vibration is usual at twice the speed"
    assert [note.rpartition(" rpm ")[2] for note in fan.condition.notes[-2:]] == ["learned", "learned"]
    fan.windows(2, factor=4.0, speed=1010.0)
    assert fan.last("vibration.rms.z") > 10, "but not at this one"


def test_without_a_speed_nothing_is_learned_where_classes_are_wanted() -> None:
    fan = Fan(short(speed="speed"))
    fan.windows(70, current=5.0, speed=math.nan)
    assert fan.condition.notes[-1].startswith("baseline: none yet")


def test_too_many_classes_of_speed_are_told() -> None:
    fan = Fan(short(speed="speed", speed_class=Width(0.01)))
    for step in range(MOST_CLASSES + 2):
        fan.windows(2, current=5.0, speed=1000.0 * 1.05**step)
    assert f"more than {MOST_CLASSES} classes of speed" in fan.condition.warnings[0]


def test_learning_goes_on_after_a_restart_and_what_was_learned_is_kept() -> None:
    shelf = Shelf()
    fan = Fan(short(), shelf=shelf)
    fan.windows(40, current=5.0)
    fan.run(310)
    fan.begin()
    fan.run(2)
    assert fan.condition.notes[-1] == "baseline learning: 40 of 60 windows in run"
    fan.windows(60)
    before = fan.last("vibration.novelty")
    fan.begin()
    fan.windows(2)
    assert fan.condition.notes[-1] == "baseline learned"
    assert fan.told("vibration.novelty")[-1] == pytest.approx(before, abs=2)
    assert len(str(shelf.values["condition.m"]["baseline"])) < 2000, "rows are no longer kept"


def test_other_features_begin_a_new_baseline() -> None:
    shelf = Shelf()
    fan = Fan(short(), shelf=shelf)
    fan.windows(100, current=5.0)
    other = Fan(short(features=["vibration.crest"]), shelf=shelf)
    other.windows(5, current=5.0)
    assert other.told("vibration.crest.z") == []


@pytest.mark.parametrize("kept", [[], {"vibration.rms": {}}, {"vibration.rms": {"asked": [], "names": 3, "known": {}}}])
def test_kept_nonsense_begins_anew_and_is_told(kept: Any) -> None:
    shelf = Shelf()
    shelf.values["condition.m"] = {"baseline": kept}
    fan = Fan(short(), shelf=shelf)
    fan.windows(5, current=5.0)
    assert "'baseline' makes no sense" in fan.condition.warnings[0]


def test_a_feature_that_never_comes_is_left_out_and_that_is_told() -> None:
    fan = Fan(short(features=["vibration.rms", "vibration.crest", "vibration.velocity_rms"]))
    fan.windows(90, current=5.0)
    assert fan.condition.warnings == ("baseline without vibration.velocity_rms, which does not come",)
    assert fan.told("vibration.crest.z") != []


def test_a_bad_feature_is_not_judged_and_not_learned() -> None:
    fan = Fan(short())
    fan.windows(100, current=5.0)
    fan.feature(rms=math.nan, crest=3.0, kurtosis=3.0)
    fan.run(2)
    assert fan.last("vibration.novelty") is None
    assert fan.last("vibration.crest.z") is not None


def test_it_learns_for_days_where_days_are_asked_for() -> None:
    fan = Fan(Baseline(learn=Learn(0, 3600.0)))
    fan.windows(FEWEST_ROWS + 5, current=5.0)
    assert "0.0 of 0.0416667 d" in fan.condition.notes[-1]
    fan.run(3600)
    fan.run(60)
    assert fan.condition.notes[-1] == "baseline learned"


def test_forgetting_begins_anew_at_once() -> None:
    fan = Fan(short())
    fan.windows(100, current=5.0)
    assert fan.condition.forget("baseline")
    assert not fan.condition.forget("nonsense")
    fan.run(2)
    assert fan.last("vibration.baseline") == 0.0
    fan.begin()
    assert fan.condition.notes[-1].startswith("baseline: none yet")


def test_one_that_follows_gets_used_to_what_stays() -> None:
    known = Known(1, Learn(100, 0.0), True, random.Random(1))
    draw = random.Random(2)
    for _ in range(600):
        known.push([draw.gauss(10, 1)], 60.0)
        known.tick(1.0)
    while not known.usual:
        known.tick(1.0)
    before = known.usual.centre[0]
    for _ in range(30_000):
        known.push([draw.gauss(20, 1)], 120.0)
        known.tick(1.0)
    assert before == pytest.approx(10, abs=0.3)
    assert 15 < known.usual.centre[0] <= 20.5


def test_a_sample_of_many_rows_says_the_same_as_all_of_them() -> None:
    draw = random.Random(3)
    rows = [[math.exp(draw.gauss(0, 0.3)), math.exp(draw.gauss(1, 0.1))] for _ in range(20_000)]
    known = Known(2, Learn(20_000, 0.0), False, random.Random(4))
    for row in rows:
        known.push(row, 1.0)
    for _ in range(100):
        known.tick(1.0)
    exact = usual(rows)
    assert known.usual is not None
    for place in range(2):
        error = abs(known.usual.centre[place] - exact.centre[place]) / exact.spread[place]
        assert error < 4 * 1.25 / math.sqrt(MOST_ROWS), "four standard errors of a median"
        assert known.usual.spread[place] == pytest.approx(exact.spread[place], rel=0.2)


def test_up_to_its_memory_it_is_exact() -> None:
    draw = random.Random(5)
    rows = [[float(draw.randrange(1, 1000)), draw.random()] for _ in range(MOST_ROWS)]
    known = Known(2, Learn(MOST_ROWS, 0.0), False, random.Random(6))
    for row in rows:
        known.push(row, 1.0)
    for _ in range(100):
        known.tick(1.0)
    assert known.usual is not None
    assert known.usual.centre == pytest.approx(usual(rows).centre, rel=1e-6)
    assert known.usual.spread == pytest.approx(usual(rows).spread, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "learn"), [("300 windows", Learn(300, 0.0)), ("7d", Learn(0, 604800.0)), ("12h", Learn(0, 43200.0))]
)
def test_how_long_it_learns_is_read(text: str, learn: Learn) -> None:
    assert Learn.parse(text) == learn


@pytest.mark.parametrize("text", [300, "300", "10 windows", "1s", "9999d", "x", True])
def test_what_is_no_time_to_learn_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"windows|learns"):
        Learn.parse(text)


def test_classes_go_by_the_speed_that_another_machine_tells_for_the_shaft() -> None:
    rpm = {"now": 1000.0}
    spec = Vibration(features=["rms", "crest"], speed=Shaft(None, "spindle", "lathe"))
    shop = Shop({}, vibration=spec, baseline=short())
    stage = BaselineStage(shop.machine, short(), ["vibration.rms", "vibration.crest"], lambda: rpm["now"])
    for count in range(90):
        rpm["now"] = 1000.0 if count < 45 else 2000.0
        for name, value in (("rms", 1 + count % 7 / 10), ("crest", 3 + count % 5 / 10)):
            stage.take(Measured(f"vibration.{name}", value, "1", shop.clock.stamp()))
        shop.clock.advance(1)
        stage.tick(shop.clock.stamp())
    assert [note.partition(" learning")[0] for note in stage.notes] == ["baseline at 1000 rpm", "baseline at 2000 rpm"]


def test_the_alarm_that_the_standard_proposes_lies_a_quarter_of_b_c_above_what_is_usual() -> None:
    spec = Vibration(window=Duration(1), every=Duration(1), features=["velocity_rms", "iso_zone"], iso="group2-rigid")
    pump = Shop(CURRENT, vibration=spec, state=FAST, baseline=short(), zones=boundaries()["group2-rigid"])
    draw = random.Random(2)
    pump.run(1, current=5.0)
    assert not [note for note in pump.condition.notes if "proposes" in note]
    for _ in range(70):
        pump.feature(velocity_rms=1.2 * math.exp(draw.gauss(0, 0.05)))
        pump.run(1)
    (note,) = [note for note in pump.condition.notes if "proposes" in note]
    usual, alarm = float(note.split()[1]), float(note.split()[-1])
    assert usual == pytest.approx(1.2, rel=0.05)
    assert alarm == pytest.approx(usual + 0.7, abs=0.01)
    assert note.endswith(f"mm/s is usual; ISO 20816-3:2022 proposes an alarm at {alarm:g}")


def test_a_warning_by_the_baseline_is_the_end_of_zone_b_until_it_follows_what_is_usual() -> None:
    spec = Vibration(window=Duration(1), every=Duration(1), features=["velocity_rms", "iso_zone"], iso="group2-rigid")
    alarms = {"vibration.velocity_rms": Alarm(warning="baseline", alarm="iso").with_zones((1.4, 2.8, 4.5))}
    keys = {"alarms": alarms, "by_baseline": frozenset(alarms), "zones": boundaries()["group2-rigid"]}
    pump = Shop(CURRENT, vibration=spec, state=FAST, baseline=short(), **keys)
    draw = random.Random(2)
    pump.run(1, current=5.0)

    def state_at(velocity: float) -> str:
        pump.feature(velocity_rms=velocity)
        pump.run(1)
        assert pump.condition.alarms is not None
        return pump.condition.alarms.listed()[0].level

    assert [state_at(2.7), state_at(2.9), state_at(1.2)] == ["", "high warning", ""]
    for _ in range(70):
        state_at(1.2 * math.exp(draw.gauss(0, 0.05)))
    assert [state_at(1.7), state_at(2.1), state_at(4.6)] == ["", "high warning", "high alarm"]


def test_nothing_is_learned_of_windows_that_are_uncertain() -> None:
    def learned(quality: Quality) -> float | None:
        shop = Shop({}, vibration=Vibration(features=["rms", "crest"]), baseline=short())
        stage = BaselineStage(shop.machine, short(), ["vibration.rms", "vibration.crest"], lambda: None)
        for count in range(90):
            for name, value in (("rms", 1 + count % 7 / 10), ("crest", 3 + count % 5 / 10)):
                stage.take(Measured(f"vibration.{name}", value, "1", shop.clock.stamp(), quality))
            shop.clock.advance(1)
            stage.tick(shop.clock.stamp())
        return stage.usual_of("vibration.rms")

    assert learned(Quality.GOOD) == pytest.approx(1.3, abs=0.1)
    assert learned(Quality.UNCERTAIN) is None
