"""Estimates of a shaft's speed: right on combs, silent on noise and on what is no comb, and equal to the reference."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.comb import LEAST_CONFIDENCE, SpeedComb
from cython_ext.spectrum import Welch

RATE, NFFT = 2048.0, 2048


def density(hz: float, amplitudes: dict[float, float], noise: float = 0.05, seconds: int = 8, seed: int = 1) -> array:
    """Density with bins of 1 Hz of a shaft's orders in noise."""
    t = np.arange(int(seconds * RATE)) / RATE
    x = noise * np.random.default_rng(seed).standard_normal(len(t))
    for order, amplitude in amplitudes.items():
        x += amplitude * np.sin(2 * np.pi * order * hz * t + order)
    return Welch(NFFT, RATE).psd(x.astype("f"))


def comb(low_hz: float, high_hz: float) -> SpeedComb:
    return SpeedComb(NFFT // 2 + 1, RATE / NFFT, low_hz, high_hz)


MANY = {k: 0.1 / k for k in range(1, 11)}


class TestSpeedComb:
    @pytest.mark.parametrize("hz", [20.4, 24.37, 29.17, 33.0, 39.6])
    def test_finds_a_shaft(self, hz):
        found = comb(20, 40).estimate(density(hz, MANY))
        assert found.hz == pytest.approx(hz, rel=1e-3)
        assert found.confidence > LEAST_CONFIDENCE

    def test_three_harmonics_in_a_narrow_range_are_enough(self):
        found = comb(23.3, 25.0).estimate(density(24.37, {1: 0.1, 2: 0.1, 3: 0.1}, noise=0.02))
        assert found.hz == pytest.approx(24.37, rel=2e-3)

    def test_neither_half_nor_twice_the_speed(self):
        assert comb(10, 60).estimate(density(24.37, MANY, noise=0.01)).hz == pytest.approx(24.37, rel=1e-3)

    def test_a_weak_first_order_does_not_hide_a_shaft(self):
        found = comb(20, 40).estimate(density(29.3, dict.fromkeys(range(2, 11), 0.1)))
        assert found.hz == pytest.approx(29.3, rel=1e-3)

    def test_noise_has_no_speed(self):
        for seed in range(30):
            for search in (comb(20, 30), comb(10, 60)):
                found = search.estimate(density(1.0, {}, noise=1.0, seed=seed))
                assert math.isnan(found.hz)
                assert 0 <= found.confidence < LEAST_CONFIDENCE

    def test_lines_of_the_mains_are_no_shaft(self):
        for seed in range(10):
            psd = density(50.0, {1: 0.2, 2: 0.3, 4: 0.1}, noise=0.2, seed=seed)
            assert math.isnan(comb(20, 30).estimate(psd).hz)

    def test_a_shaft_out_of_the_range_is_not_made_to_fit(self):
        assert math.isnan(comb(20, 23).estimate(density(24.37, MANY)).hz)

    def test_confidence_falls_with_noise(self):
        values = [comb(20, 40).estimate(density(24.37, MANY, noise=noise)).confidence for noise in (0.02, 0.2, 2.0)]
        assert values[0] > values[1] > values[2]

    def test_the_unit_of_the_signal_does_not_matter(self):
        psd = density(24.37, MANY)
        search = comb(20, 40)
        assert search.estimate(array("d", [v * 96.17 for v in psd])) == pytest.approx(search.estimate(psd), rel=1e-9)

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from([(21.0, 24.0), (8.0, 14.0), (20.0, 30.0)]))
    def test_equals_the_reference(self, seed, band):
        rng = np.random.default_rng(seed)
        psd = rng.exponential(size=301)
        for k in range(1, 11):
            place = round(22.4 * k)
            psd[place - 1 : place + 2] += np.array([1, 4, 1]) * rng.uniform(0, 200)
        psd = array("d", psd)
        ours = SpeedComb(301, 1.0, *band).estimate(psd)
        theirs = reference.SpeedComb(301, 1.0, *band).estimate(psd)
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9, nan_ok=True)

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_a_density_that_is_not_finite(self, bad):
        psd = density(24.37, MANY)
        psd[900] = bad
        assert all(map(math.isnan, comb(20, 40).estimate(psd)))

    def test_silence(self):
        found = comb(20, 40).estimate(array("d", bytes(8 * (NFFT // 2 + 1))))
        assert math.isnan(found.hz)
        assert found.confidence == 0

    def test_a_clean_comb_without_any_noise(self):
        psd = array("d", bytes(8 * 301))
        for k in range(1, 10):
            psd[25 * k] = 1.0
        assert SpeedComb(301, 1.0, 20, 29).estimate(psd).hz == pytest.approx(25)

    @pytest.mark.parametrize(("high_hz", "harmonics"), [(30.0, 10), (120.0, 8), (341.0, 3)])
    def test_as_many_harmonics_as_there_are(self, high_hz, harmonics):
        assert comb(20, high_hz).harmonics == harmonics

    @pytest.mark.parametrize(
        ("bins", "bin_hz", "low_hz", "high_hz", "message"),
        [
            (1025, 0.0, 20, 30, "bin distance of 0.0 Hz"),
            (1025, 1.0, 0, 30, "must begin above 0"),
            (1025, 1.0, 30, 30, "must begin above 0 and end higher"),
            (1025, 1.0, math.nan, 30, "must begin above 0"),
            (1025, 1.0, 5.9, 30, "needs bins of 0.983333 Hz or less, these are of 1 Hz"),
            (1025, 1.0, 20, 342, "a density up to 1024 Hz is too short for 3 harmonics of 342 Hz"),
            (10**7, 0.0001, 20, 200, "too wide a range for bins of 0.0001 Hz"),
        ],
    )
    def test_no_speed_can_be_found(self, bins, bin_hz, low_hz, high_hz, message):
        with pytest.raises(ValueError, match=message):
            SpeedComb(bins, bin_hz, low_hz, high_hz)

    def test_wrong_length(self):
        with pytest.raises(ValueError, match="a density of 3 bins; this comb takes 1025"):
            comb(20, 30).estimate(array("d", bytes(24)))
