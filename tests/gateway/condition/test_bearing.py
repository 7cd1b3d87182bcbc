"""The verdict on a bearing, on signals whose cause is known: struck parts, and what must not pass for them."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest

from gateway.condition.bearing import THRESHOLD_DB, BearingDetector, bands
from gateway.config.bearing import Bearing
from gateway.model import Quality

BALL = Bearing.of_geometry("6205", 9, 7.94, 39.04)
SMALL = Bearing.of_geometry("6203", 8, 6.746, 28.5)
ROLLER = Bearing.of_geometry("16 rollers", 16, 8.41, 71.5, 15.17)
RATE_HZ = 12_000.0
SHAFT_HZ = 29.3
SECONDS = 5.0


def samples(x) -> array:
    return array("f", np.asarray(x, "f").tobytes())


def diagnosed(x, shaft_hz: float | None = SHAFT_HZ, *, rate_hz: float = RATE_HZ, bearing: Bearing = BALL):
    return BearingDetector(len(x), rate_hz, bearing).diagnose(samples(x), shaft_hz)


class Rig:
    """A machine that runs: noise, tones of shaft and gear; parts that are struck at a rate ring at a resonance."""

    def __init__(self, rate_hz: float = RATE_HZ, seconds: float = SECONDS, shaft_hz: float = SHAFT_HZ, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.rate_hz, self.shaft_hz, self.seconds = rate_hz, shaft_hz, seconds
        self.t = np.arange(round(rate_hz * seconds)) / rate_hz
        self.x = self.rng.standard_normal(self.t.size)

    def runs(self, level: float = 1.0) -> Rig:
        """Add ten harmonics of the shaft and a gear mesh with sidebands."""
        for k in range(1, 11):
            self.x += level / k * np.sin(2 * np.pi * k * self.shaft_hz * self.t + k)
        mesh = 1 + 0.3 * np.cos(2 * np.pi * self.shaft_hz * self.t)
        self.x += level * mesh * np.sin(2 * np.pi * 23 * self.shaft_hz * self.t)
        return self

    def struck(self, rate_hz: float, level: float, *, load_hz: float = 0.0, slip: float = 0.0, resonance_hz: float = 3100.0) -> Rig:
        """Add blows at a rate, each a little early or late, loud where the place passes the load `load_hz` times a second."""
        period = 1 / (rate_hz * (1 + slip))
        at = period * (np.arange(int(self.seconds / period)) + 0.3) + 0.004 * period * self.rng.standard_normal(
            int(self.seconds / period)
        )
        loud = np.clip(np.cos(2 * np.pi * load_hz * at), 0, None) if load_hz else np.ones(at.size)
        ring = np.exp(-700 * self.t[: int(0.008 * self.rate_hz)]) * np.sin(
            2 * np.pi * resonance_hz * self.t[: int(0.008 * self.rate_hz)]
        )
        blows = np.zeros(self.t.size + ring.size)
        np.add.at(blows, (at * self.rate_hz).astype(int), level * loud)
        self.x += np.convolve(blows, ring)[: self.t.size]
        return self


def sound(bearing: Bearing = BALL, **rig: float) -> list:
    return [diagnosed(Rig(**rig, seed=seed).runs().x, bearing=bearing) for seed in range(3)]


class TestDamage:
    @pytest.mark.parametrize(
        ("rate_hz", "shaft_hz", "bearing", "resonance_hz"),
        [
            (12_000.0, 29.3, BALL, 3100.0),
            (12_000.0, 28.7, SMALL, 2300.0),
            (25_600.0, 24.6, BALL, 7800.0),
            (48_000.0, 33.4, ROLLER, 5200.0),
            (48_000.0, 49.2, SMALL, 14_000.0),
            (6400.0, 16.1, BALL, 1900.0),
        ],
    )
    def test_of_either_race_is_told(self, rate_hz, shaft_hz, bearing, resonance_hz):
        for part, rate, load in (("outer", bearing.outer, 0.0), ("inner", bearing.inner, shaft_hz)):
            rig = Rig(rate_hz, SECONDS, shaft_hz).runs()
            rig.struck(rate * shaft_hz, 6.0, load_hz=load, slip=0.003, resonance_hz=resonance_hz)
            found = diagnosed(rig.x, shaft_hz, rate_hz=rate_hz, bearing=bearing)
            assert (found.label, found.quality) == (part, Quality.GOOD)
            assert found.score_db == getattr(found.scores, part) >= THRESHOLD_DB
            assert found.lines[0].hz == pytest.approx(rate * shaft_hz * 1.003, abs=0.3)
            assert found.lines[0].db > 15

    def test_of_a_rolling_element_is_told_by_its_two_blows_per_turn(self):
        rig = Rig().runs().struck(2 * BALL.element * SHAFT_HZ, 8.0, load_hz=BALL.cage * SHAFT_HZ)
        found = diagnosed(rig.x)
        assert (found.label, found.verdict) == ("element", "rolling element")

    def test_of_a_rolling_element_that_slides_is_told_by_its_way_through_the_load(self):
        rig = Rig(seconds=10.0).runs()
        cage_hz = BALL.cage * SHAFT_HZ
        rig.x *= (
            1 + 0.5 * np.clip(np.cos(2 * np.pi * cage_hz * rig.t), 0, None) ** 2
        )  # no rate of its own, only more noise under load
        found = diagnosed(rig.x)
        assert found.label == "element"
        assert found.lines[0].hz == pytest.approx(cage_hz, abs=0.1)

    def test_of_the_cage_is_told_by_one_short_blow_per_turn_of_it(self):
        rig = Rig(seconds=10.0).runs().struck(BALL.cage * SHAFT_HZ, 30.0)
        assert diagnosed(rig.x).label == "cage"

    def test_is_told_also_where_the_speed_is_known_to_one_percent(self):
        x = Rig().runs().struck(BALL.outer * SHAFT_HZ, 6.0, slip=0.004).x
        for off in (-0.01, 0.006, 0.01):
            found = diagnosed(x, SHAFT_HZ * (1 + off))
            assert found.label == "outer"
            assert found.found_speed
            assert found.shaft_hz == pytest.approx(SHAFT_HZ, rel=1e-3)

    def test_is_told_where_the_shaft_itself_cannot_be_heard(self):
        found = diagnosed(Rig().struck(BALL.outer * SHAFT_HZ, 6.0, slip=0.002).x)
        assert (found.label, found.found_speed, found.shaft_hz) == ("outer", False, SHAFT_HZ)

    def test_does_not_depend_on_the_unit_nor_on_gravity(self):
        x = Rig().runs().struck(BALL.outer * SHAFT_HZ, 6.0).x
        scores = [diagnosed(y).score_db for y in (x, x * 1e-3, x * 9.81 + 9.81)]
        assert scores == pytest.approx([scores[0]] * 3, abs=0.5)

    def test_of_another_bearing_close_by_is_not_laid_to_this_one(self):
        x = Rig(seconds=10.0).runs().struck(SMALL.outer * SHAFT_HZ, 6.0).x
        assert diagnosed(x, bearing=BALL).label == "none"
        assert diagnosed(x, bearing=SMALL).label == "outer"


class TestNoDamage:
    @pytest.mark.parametrize("bearing", [BALL, SMALL, ROLLER], ids=lambda bearing: bearing.name)
    @pytest.mark.parametrize(("rate_hz", "seconds"), [(12_000.0, 10.0), (25_600.0, 1.5), (48_000.0, 2.0)])
    def test_of_a_machine_that_runs_well(self, bearing, rate_hz, seconds):
        for seed in range(3):
            x = Rig(rate_hz, seconds, seed=seed).runs().x
            assert diagnosed(x, rate_hz=rate_hz, bearing=bearing).label == "none"

    @pytest.mark.parametrize("bearing", [BALL, SMALL], ids=lambda bearing: bearing.name)
    def test_in_noise(self, bearing):
        for seed in range(20):
            found = diagnosed(np.random.default_rng(seed).standard_normal(24_000), bearing=bearing)
            assert (found.label, found.quality) == ("none", Quality.GOOD)
            assert found.score_db < THRESHOLD_DB - 1

    def test_in_heavy_tailed_noise(self):
        for seed in range(10):
            assert diagnosed(np.random.default_rng(seed).standard_t(2, 60_000)).label == "none"

    @pytest.mark.parametrize("hz", [SHAFT_HZ, 50.0, 3.5848 * SHAFT_HZ, 997.0, 3000.0])
    def test_in_a_sine(self, hz):
        t = np.arange(60_000) / RATE_HZ
        assert diagnosed(np.sin(2 * np.pi * hz * t)).label == "none"
        assert diagnosed(np.sin(2 * np.pi * hz * t) + 1e-3 * np.random.default_rng(1).standard_normal(t.size)).label == "none"

    @pytest.mark.parametrize("bearing", [BALL, SMALL, ROLLER], ids=lambda bearing: bearing.name)
    @pytest.mark.parametrize("level", [3.0, 10.0, 100.0])
    def test_in_blows_at_the_speed_of_the_shaft(self, bearing, level):
        """Four times the shaft is 0.3 % from the rate of an element of the 6203."""
        for turns in (1, 2, 0.5):
            rig = Rig(seconds=8.0).runs().struck(turns * SHAFT_HZ, level)
            assert diagnosed(rig.x, bearing=bearing).label == "none", turns

    @pytest.mark.parametrize("hz", [159.155, 500.0, 1000.0, 1411.3, 1590.3])
    def test_in_the_rounding_of_a_sine(self, hz):
        """What a 16-bit converter adds to a pure tone repeats as the tone does; so does what float32 adds."""
        x = np.sin(2 * np.pi * hz * np.arange(60_000) / RATE_HZ)
        for y in (x, np.round(20_000 * x)):
            found = diagnosed(y, bearing=SMALL)
            assert found.label == "none"
            assert "nothing but tones and rounding" in found.reason

    def test_in_a_gear_whose_noise_swells_with_the_shaft(self):
        rig = Rig(seconds=8.0).runs(10.0)
        rig.x *= 1 + 0.8 * np.cos(2 * np.pi * SHAFT_HZ * rig.t)
        assert diagnosed(rig.x).label == "none"

    def test_in_blows_at_a_rate_of_no_part(self):
        for rate in (0.71, 2.23, 3.31, 4.37, 5.83):
            assert diagnosed(Rig(seconds=8.0).runs().struck(rate * SHAFT_HZ, 8.0).x).label == "none", rate


class TestNoVerdict:
    def reason(self, x, shaft_hz: float | None = SHAFT_HZ, **more) -> str:
        found = diagnosed(x, shaft_hz, **more)
        assert (found.label, found.quality, found.score_db) == ("none", Quality.BAD, None)
        return found.reason

    def test_without_a_speed(self):
        x = Rig(seconds=2.0).x
        assert "speed of the shaft is not known" in self.reason(x, None)
        for hz in (0.0, -3.0, math.nan, math.inf):
            assert "does not turn" in self.reason(x, hz)

    def test_of_a_record_that_is_too_short(self):
        assert "holds 14.7 turns of the shaft; a verdict takes 25: 0.85 s" in self.reason(Rig(seconds=0.5).x)

    def test_at_a_rate_that_is_too_low(self):
        assert "it takes 2105 Hz" in self.reason(Rig(rate_hz=1000.0, seconds=10.0).x, rate_hz=1000.0)
        assert "too low for the lines" in self.reason(Rig(rate_hz=3000.0, seconds=10.0).x, 200.0, rate_hz=3000.0)

    @pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
    def test_of_values_that_are_no_numbers(self, odd):
        x = Rig(seconds=2.0).x
        x[-100] = odd
        assert "no numbers" in self.reason(x)

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_of_a_constant_signal(self, value):
        assert self.reason(np.full(24_000, value)) == "the signal is constant"

    def test_denormal_and_huge_values_end_without_an_error(self):
        x = Rig(seconds=2.0).x
        for factor in (1e-40, 1e-30, 1e18, 1e30):
            assert diagnosed(x * factor).label == "none"

    def test_what_does_not_fit_is_told(self):
        with pytest.raises(ValueError, match="too few"):
            BearingDetector(10, RATE_HZ, BALL)
        with pytest.raises(ValueError, match="above 0"):
            BearingDetector(1000, 0.0, BALL)
        with pytest.raises(ValueError, match="5 samples for a record of 1000"):
            BearingDetector(1000, RATE_HZ, BALL).diagnose(array("f", bytes(20)), SHAFT_HZ)


class TestLeftOpen:
    def test_the_cage_in_a_short_record(self):
        found = diagnosed(Rig(seconds=1.5).runs().x)
        assert found.scores.cage is None
        assert "the cage takes 60 turns" in found.reason

    def test_a_part_whose_rate_is_close_to_a_multiple_of_the_shaft(self):
        found = diagnosed(Rig(seconds=1.5).runs().x, bearing=SMALL)
        assert "rolling element: 3.988 times the shaft is hardly told from 4 times the shaft; it takes 8" in found.reason

    def test_nothing_in_a_long_one(self):
        assert diagnosed(Rig(seconds=8.0).runs().x).reason == ""


def test_a_detector_serves_record_after_record_at_speeds_that_change():
    detector = BearingDetector(60_000, RATE_HZ, BALL)
    for shaft_hz in (29.3, 12.1, 40.0, 29.3):
        x = Rig(shaft_hz=shaft_hz).runs().struck(BALL.outer * shaft_hz, 8.0).x
        found, fresh = detector.diagnose(samples(x), shaft_hz), diagnosed(x, shaft_hz)
        assert found.label == fresh.label == "outer"
        assert found.score_db == pytest.approx(fresh.score_db, abs=1e-3)


def test_a_record_of_any_length_is_used_whole():
    x = Rig(seconds=10.2).runs().struck(BALL.outer * SHAFT_HZ, 6.0).x
    for n in (121_991, 122_917, 121_001):
        assert diagnosed(x[:n]).label == "outer"


def test_bands_are_octaves_from_the_top_and_the_whole_range():
    assert bands(48_000) == [(500, 22_800), (12_000, 22_800), (6000, 12_000), (500, 6000)]
    assert bands(12_000) == [(500, 5700), (3000, 5700), (1500, 3000), (500, 1500)]
    assert bands(3000) == [(500, 1425)]
