"""What turns with the shaft: the speed is found, a gear is measured, and a damaged bearing is told from a sound one."""

from __future__ import annotations

import functools
import math
import random
from array import array

import pytest

from drivers.sim.spindle import RATE_HZ, Signal
from gateway.clock import ManualClock
from gateway.condition import Condition, announced, texts
from gateway.condition.analysis import Analysis
from gateway.condition.result import Result
from gateway.config.features import VibrationFeature
from gateway.config.quantity import Duration
from gateway.config.rotation import Shaft, SpeedRange
from gateway.config.sensor import bearings_for
from gateway.config.spec import Link, Machine, Vibration
from gateway.config.vibration import BearingSpec, BearingType, Estimate, GearSpec
from gateway.model import Block, Feature, Quality, Reading, Reason

RATE = float(RATE_HZ)
SECONDS = 4
LENGTH = SECONDS * RATE_HZ


@functools.cache
def spindle(damaged: bool) -> array[float]:
    """Return four seconds of the simulated spindle at 1480 rpm, with a sound or a badly damaged outer race of a 6205."""
    signal = Signal(0.0 if damaged else 1e12)
    if not damaged:
        signal.height = lambda t_s: 0.0  # type: ignore[method-assign]
    return functools.reduce(lambda wave, _: wave + signal.block(), range(SECONDS * 10), array("f"))


def spec(**keys: object) -> Vibration:
    chosen: list[VibrationFeature] = ["speed", "bearing"]
    return Vibration(
        **{"window": Duration(SECONDS), "unit": "m/s²", "features": chosen, "bearing": BearingType("6205-2RS"), **keys}
    )  # type: ignore[arg-type]


def named(name: str, kind: str) -> BearingSpec:
    return BearingSpec(name=name, type=BearingType(kind))


def measured(samples: array[float], rpm: float | None, **keys: object) -> Result:
    asked = spec(**keys)
    return Analysis(asked, len(samples), RATE, "", None, bearings_for(asked)).measure(samples, rpm)


@pytest.mark.parametrize("keys", [{"speed": Shaft(1480.0)}, {"speed": Estimate(estimate=SpeedRange(1300, 1600))}])
def test_a_damaged_outer_race_is_found_and_a_sound_bearing_is_none(keys):
    told = 1480.0 if isinstance(keys["speed"], Shaft) else None
    bad, sound = measured(spindle(damaged=True), told, **keys), measured(spindle(damaged=False), told, **keys)
    assert bad.bearings[""].label == "outer"
    assert sound.bearings[""].label == "none"
    values = {item.name: item for item in bad.values}
    assert values["bearing"].text == "outer race"
    assert values["bearing.score"].value == values["bearing.outer"].value
    assert values["bearing.score"].unit == "dB"
    assert values["speed"].value == pytest.approx(1480.0, rel=2e-3)
    assert {item.name: item.text for item in sound.values}["bearing"] == "none"


def test_without_a_speed_there_is_no_verdict_and_that_is_said():
    result = measured(spindle(damaged=True), None, speed=Shaft(None, "spindle_speed"))
    assert {(item.value, item.text or None, item.quality, item.reason) for item in result.values} == {
        (None, None, Quality.BAD, Reason.NO_DATA)
    }
    assert any("no verdict, the speed of the shaft is not known" in note for note in result.notes)


def test_a_record_that_is_too_short_gives_no_verdict_and_says_what_it_takes():
    result = measured(spindle(damaged=True)[: RATE_HZ // 2], 1480.0, speed=Shaft(1480.0))
    assert any("a verdict takes 25" in note for note in result.notes)


def test_the_verdict_travels_as_a_text_and_the_scores_as_numbers():
    asked = spec(
        speed=Shaft(1480.0),
        bearing=[named("front", "6205"), named("back", "6203")],
    )
    machine = Machine("m", Link("replay", "a", None), None, 1.0, {}, asked, bearings=bearings_for(asked))
    condition = Condition(machine)
    (job,) = condition.block(Block("m", "vibration", ManualClock().stamp(), RATE, spindle(damaged=True), ""))
    job.run()
    records = condition.done(job)
    assert [record.point for record in records if isinstance(record, Reading)] == [
        "vibration.bearing.front",
        "vibration.bearing.back",
    ]
    assert {record.point for record in records if isinstance(record, Feature | Reading)} == set(announced(machine))
    assert texts(machine) == {"vibration.bearing.front", "vibration.bearing.back"}
    values = {record.point: record.value for record in records if isinstance(record, Feature | Reading)}
    assert values["vibration.bearing.front"] == "outer race"


def test_a_gear_is_measured_by_its_mesh():
    chance, shaft_hz, teeth = random.Random(3), 1480 / 60, 23
    step = 2 * math.pi * shaft_hz / RATE
    wave = array(
        "f",
        [
            (1 + 0.2 * math.sin(step * n)) * 2.0 * math.sin(teeth * step * n) + 0.5 * math.sin(step * n) + chance.gauss(0, 0.05)
            for n in range(LENGTH)
        ],
    )
    result = measured(wave, 1480.0, speed=Shaft(1480.0), gear=GearSpec(teeth=teeth), bearing=None, features=["gear"])
    values = {item.name: item.value for item in result.values}
    assert values["gear.mesh"] == pytest.approx(2.0, rel=0.05)
    assert values["gear.sidebands"] == pytest.approx(0.2, rel=0.1)
    assert list(values) == ["gear.mesh", "gear.sidebands", "gear.fm0", "gear.fm4", "gear.na4"]
