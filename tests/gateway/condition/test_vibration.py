"""Vibration features: known signals give the figures of the textbook, and what cannot be computed is said."""

from __future__ import annotations

import math
from array import array

import pytest

from gateway.clock import ManualClock
from gateway.condition import Condition
from gateway.condition.vibration import VibrationFeatures
from gateway.config.quantity import Duration
from gateway.config.rotation import Shaft
from gateway.config.spec import Link, Machine, Vibration
from gateway.config.vibration import GearSpec
from gateway.model import Block, Feature, Quality, Reason, Record


def of(vibration: Vibration) -> Condition:
    return Condition(Machine("spindle", Link("replay", "a.wav", None), None, 1.0, {}, vibration))


def features(samples: list[float], rate_hz: float, unit: str = "m/s²", **spec: object) -> tuple[dict[str, Feature], Condition]:
    condition = of(Vibration(window=Duration(len(samples) / rate_hz), every=Duration(60), **spec))  # type: ignore[arg-type]
    block = Block("spindle", "vibration", ManualClock().stamp(), rate_hz, array("f", samples), unit)
    records: list[Record] = []
    for job in condition.block(block):
        job.run()
        records += condition.done(job)
    assert all(isinstance(record, Feature) for record in records)
    return {record.point: record for record in records if isinstance(record, Feature)}, condition


def sine(amplitude: float, hz: float, rate_hz: float, seconds: float, mean: float = 0.0) -> list[float]:
    return [mean + amplitude * math.sin(2 * math.pi * hz * n / rate_hz) for n in range(round(rate_hz * seconds))]


def test_a_sine_gives_the_textbook_figures() -> None:
    got, condition = features(sine(10.0, 160.0, 25600, 1.0, mean=9.81), 25600)
    value = {name.removeprefix("vibration."): feature.value for name, feature in got.items()}
    assert value["rms"] == pytest.approx(10 / math.sqrt(2), rel=1e-4)
    assert value["peak"] == pytest.approx(10, rel=1e-4)
    assert value["peak_to_peak"] == pytest.approx(20, rel=1e-4)
    assert value["crest"] == pytest.approx(math.sqrt(2), rel=1e-4)
    assert value["kurtosis"] == pytest.approx(1.5, rel=1e-3)
    assert value["skewness"] == pytest.approx(0, abs=1e-3)
    assert value["velocity_rms"] == pytest.approx(10 / (2 * math.pi * 160) / math.sqrt(2) * 1000, rel=5e-3)
    assert got["vibration.velocity_rms"].unit == "mm/s"
    assert got["vibration.velocity_rms"].band_hz == (10.0, 1000.0)
    assert got["vibration.rms"].window_s == 1.0
    assert condition.warnings == ()


def test_velocity_is_the_same_whether_acceleration_comes_in_g_or_in_metres() -> None:
    metres, _ = features(sine(9.80665, 100.0, 5120, 2.0), 5120)
    gravity, _ = features(sine(1.0, 100.0, 5120, 2.0), 5120, unit="g")
    assert gravity["vibration.velocity_rms"].value == pytest.approx(metres["vibration.velocity_rms"].value, rel=1e-4)
    assert gravity["vibration.rms"].unit == "g"


@pytest.mark.parametrize(
    ("rate_hz", "seconds", "unit", "words"),
    [(1000, 1.0, "g", "2560 Hz"), (25600, 0.1, "g", "too short"), (25600, 1.0, "V", "not 'V'")],
)
def test_velocity_is_left_out_in_words_when_it_would_be_a_guess(rate_hz: float, seconds: float, unit: str, words: str) -> None:
    got, condition = features(sine(1.0, 100.0, rate_hz, seconds), rate_hz, unit)
    assert "vibration.velocity_rms" not in got
    assert "vibration.rms" in got
    assert words in condition.warnings[0]


def test_a_dead_sensor_gives_bad_features_not_wrong_ones() -> None:
    got, _ = features([math.nan] * 25600, 25600)
    assert {(f.quality, f.reason, f.value) for f in got.values()} == {(Quality.BAD, Reason.NO_SENSOR, None)}


def test_only_the_features_asked_for() -> None:
    got, _ = features(sine(1.0, 100.0, 25600, 1.0), 25600, features=["kurtosis", "crest"])
    assert set(got) == {"vibration.kurtosis", "vibration.crest"}


def test_a_looped_recording_that_is_shorter_than_a_window_is_told_until_a_window_is_complete() -> None:
    condition = of(Vibration(window=Duration(1), every=Duration(1)))

    def play(samples: int, gap: bool) -> int:
        stamp = ManualClock().stamp()
        return len(condition.block(Block("spindle", "vibration", stamp, 10000.0, array("f", [0.0]) * samples, "g", gap)))

    assert play(2000, True) == play(2000, False) == 0
    assert condition.warnings == (), "it has only begun"
    assert play(2000, True) == 0
    assert condition.warnings == ("no features yet: the waveform breaks off after 0.4 s, a window needs 1 s; shorten 'window'",)
    assert play(9000, False) > 0
    assert condition.warnings == ()
    assert play(2000, True) == 0
    assert condition.warnings == (), "what was long enough"


def test_what_a_gear_remembers_outlasts_a_restart_and_is_dropped_for_another_gear() -> None:
    turn = [math.sin(2 * math.pi * 23 * 20 * n / 5120) + 0.2 * math.sin(2 * math.pi * 7 * 20 * n / 5120) for n in range(5120)]

    def begun(teeth: int, kept: object = None) -> VibrationFeatures:
        spec = Vibration(window=Duration(1), every=Duration(1), speed=Shaft(1200.0), gear=GearSpec(teeth=teeth))
        features = VibrationFeatures("m", spec, rpm=lambda: 1200.0)
        if kept is not None:
            features.restore(kept)
        for job in features.cut(Block("m", "vibration", ManualClock().stamp(), 5120.0, array("f", turn), "g")):
            job.run()
        return features

    kept = begun(23).keep()
    assert kept["vibration"]["records"] == 1
    assert begun(23, kept).keep()["vibration"]["records"] == 2
    assert begun(24, kept).keep().get("vibration", {"records": 1})["records"] <= 1
