"""Figures of a gear against signals whose answer is known, numpy and the reference."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.gears import FEWEST_TEETH, Gear

STEPS, TEETH = 256, 23
ANGLE = np.arange(STEPS) / STEPS


def good_gear(rng: np.random.Generator | None = None) -> np.ndarray:
    """A mesh with two harmonics, a shaft with a little unbalance, and some noise."""
    x = 2 * np.sin(2 * np.pi * TEETH * ANGLE) + 0.5 * np.cos(2 * np.pi * 2 * TEETH * ANGLE) + 0.7 * np.sin(2 * np.pi * ANGLE)
    return x + 0.05 * (rng or np.random.default_rng(1)).standard_normal(STEPS)


def broken_tooth() -> np.ndarray:
    blow = np.zeros(STEPS)
    blow[100:108] = 1.5 * np.array([1, -1, 0.8, -0.8, 0.5, -0.5, 0.2, -0.2])
    return good_gear() + blow


def by_numpy(x: np.ndarray) -> dict[str, float]:
    """FM0, FM4, SI, mesh and the kurtosis of the residual with whole lines of the FFT set to zero."""
    bins = np.fft.rfft(x)
    amplitude = 2 / len(x) * np.abs(bins)
    meshes = np.arange(TEETH, len(bins), TEETH)

    def kurtosis(gone: list[int]) -> float:
        rest = bins.copy()
        rest[[0, *gone]] = 0
        d = np.fft.irfft(rest, len(x))
        return float((d**4).mean() / (d**2).mean() ** 2)

    return {
        "mesh": amplitude[TEETH],
        "sideband_index": (amplitude[TEETH - 3 : TEETH + 4].sum() - amplitude[TEETH]) / amplitude[TEETH],
        "fm0": np.ptp(x) / amplitude[meshes].sum(),
        "fm4": kurtosis([1, 2, *meshes, *(meshes - 1), *(meshes + 1)]),
        "residual_kurtosis": kurtosis([1, 2, *meshes]),
    }


class TestGear:
    @pytest.mark.parametrize("signal", [good_gear(), broken_tooth(), 1e4 + 1e3 * broken_tooth()], ids=["good", "broken", "scaled"])
    def test_equals_numpy(self, signal):
        figures = Gear(STEPS, TEETH).measure(array("d", signal))
        for name, value in by_numpy(signal).items():
            assert getattr(figures, name) == pytest.approx(value, rel=1e-9), name
        assert figures.na4 == pytest.approx(figures.residual_kurtosis, rel=1e-12)

    def test_the_mesh_is_the_amplitude_of_its_order(self):
        figures = Gear(STEPS, TEETH).measure(array("d", good_gear()))
        assert figures.mesh == pytest.approx(2, rel=0.01)
        assert figures.fm4 == pytest.approx(3, abs=0.8)

    def test_modulation_by_the_shaft_shows_in_the_sidebands(self):
        x = (1 + 0.4 * np.cos(2 * np.pi * ANGLE) + 0.2 * np.cos(2 * np.pi * 2 * ANGLE)) * np.sin(2 * np.pi * TEETH * ANGLE)
        assert Gear(STEPS, TEETH).measure(array("d", x)).sideband_index == pytest.approx(0.4 + 0.2, rel=1e-9)

    def test_a_broken_tooth_raises_what_it_should(self):
        good, broken = (Gear(STEPS, TEETH).measure(array("d", x)) for x in (good_gear(), broken_tooth()))
        assert broken.fm4 > 10 > 4 > good.fm4
        assert broken.fm0 > good.fm0 * 1.1
        assert broken.residual_kurtosis > 10

    def test_na4_goes_on_rising_as_damage_spreads_where_a_kurtosis_falls(self):
        rng = np.random.default_rng(3)
        gear = Gear(STEPS, TEETH)
        for _ in range(20):
            healthy = gear.measure(array("d", good_gear(rng)))
        assert healthy.na4 == pytest.approx(3, abs=0.8)
        spread = good_gear(rng) + 0.4 * rng.standard_normal(STEPS)  # pitting on all teeth is noise again
        worse = gear.measure(array("d", spread))
        assert worse.residual_kurtosis == pytest.approx(3, abs=0.9)
        assert worse.na4 > 50

    def test_na4_goes_on_after_a_restart_where_it_was(self):
        first, second = Gear(STEPS, TEETH), Gear(STEPS, TEETH)
        first.measure(array("d", good_gear()))
        second.resume(first.records, first.mean_variance)
        assert first.measure(array("d", broken_tooth())) == second.measure(array("d", broken_tooth()))
        assert (first.records, first.mean_variance) == (second.records, second.mean_variance)
        assert first.records == 2

    @pytest.mark.parametrize(("records", "variance"), [(-1, 1.0), (1, -1.0), (1, math.nan), (1, math.inf)])
    def test_what_cannot_have_been_remembered(self, records, variance):
        with pytest.raises(ValueError, match="neither can be negative"):
            Gear(STEPS, TEETH).resume(records, variance)

    @pytest.mark.parametrize("height", [1e-320, 1e-200, 1e-80])
    def test_a_signal_too_small_to_be_squared_has_no_figures_of_shape(self, height):
        average = array("d", [height * (-1) ** (i // 3) for i in range(40)])
        for gear in (Gear(40, 7), reference.Gear(40, 7)):
            found = gear.measure(average)
            assert math.isnan(found.fm4)
            assert math.isnan(found.na4)
            assert math.isnan(found.residual_kurtosis)

    @given(
        st.sampled_from([(20, 6), (40, 7), (45, 11), (64, 24)]),
        st.lists(st.lists(st.floats(-5, 5), min_size=64, max_size=64), min_size=1, max_size=3),
    )
    def test_equals_the_reference(self, shape, windows):
        steps, _ = shape
        ours, theirs = Gear(*shape), reference.Gear(*shape)
        for window in windows:
            average = array("d", window[:steps])
            a, b = ours.measure(average), theirs.measure(average)
            scale = max(map(abs, average))
            assert a.mesh == pytest.approx(b.mesh, rel=1e-9, abs=1e-9 * scale)
            if b.mesh > 1e-3 * scale:
                assert (a.sideband_index, a.fm0) == pytest.approx((b.sideband_index, b.fm0), rel=1e-6)
            for name in ("fm4", "na4", "residual_kurtosis"):
                mine, its = getattr(a, name), getattr(b, name)
                if b.mesh > 1e-3 * scale and not (math.isnan(mine) or math.isnan(its)):
                    assert mine == pytest.approx(its, rel=1e-4), name

    def test_nothing_but_the_mesh_has_no_shape_left(self):
        gear = Gear(STEPS, TEETH)
        figures = gear.measure(array("d", np.float32(np.sin(2 * np.pi * TEETH * ANGLE))))
        assert figures.mesh == pytest.approx(1)
        assert [math.isnan(v) for v in figures] == [False, False, False, True, True, True]
        assert gear.records == 0

    @pytest.mark.parametrize("level", [0.0, 7.5])
    def test_a_constant_has_no_figures(self, level):
        figures = Gear(STEPS, TEETH).measure(array("d", [level] * STEPS))
        assert figures.mesh == 0
        assert all(map(math.isnan, figures[1:]))

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_a_sample_that_is_not_finite_spoils_all_and_is_not_remembered(self, bad):
        gear, x = Gear(STEPS, TEETH), array("d", good_gear())
        gear.measure(x)
        before = (gear.records, gear.mean_variance)
        x[17] = bad
        assert all(map(math.isnan, gear.measure(x)))
        assert (gear.records, gear.mean_variance) == before

    @pytest.mark.parametrize(
        ("steps", "teeth", "message"),
        [
            (256, FEWEST_TEETH - 1, "a gear of 5 teeth; it must have 6 or more"),
            (52, 23, "52 samples per revolution are too few for 23 teeth; take 54"),
            (2**20 + 2, 23, "samples per revolution"),
        ],
    )
    def test_no_such_gear(self, steps, teeth, message):
        with pytest.raises(ValueError, match=message):
            Gear(steps, teeth)

    def test_the_fewest_samples_that_the_message_names_will_do(self):
        assert Gear(54, 23).teeth == 23

    def test_wrong_length(self):
        with pytest.raises(ValueError, match="an average of 255 samples; this gear takes 256"):
            Gear(STEPS, TEETH).measure(array("d", bytes(8 * 255)))
