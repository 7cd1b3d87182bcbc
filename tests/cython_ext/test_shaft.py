"""The speed of a shaft and the floor of a density, against what was put in and against the reference."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.shaft import floor_of, shaft_speed

SHAFT_HZ = 29.53


class TestShaftSpeed:
    BIN_HZ = 0.2

    def density(self, true_hz: float, *, harmonics: int = 10, extra: tuple[float, ...] = (), seed: int = 3) -> np.ndarray:
        amplitude = np.random.default_rng(seed).rayleigh(1.0, 2000)
        for hz in (*(k * true_hz for k in range(1, harmonics + 1)), *extra):
            away = np.abs(np.arange(amplitude.size) - hz / self.BIN_HZ)  # as a Hann window shows a line, 30 dB above the noise
            amplitude = np.maximum(amplitude, 37 * np.where(away < 2, np.cos(np.pi * away / 4) ** 2, 0))
        return amplitude**2

    @pytest.mark.parametrize("off", [-0.024, -0.01, 0.0, 0.003, 0.02])
    def test_finds_the_speed_near_the_one_given(self, off):
        found, db = shaft_speed(self.density(SHAFT_HZ), self.BIN_HZ, SHAFT_HZ * (1 + off))
        assert found == pytest.approx(SHAFT_HZ, rel=1e-3)
        assert db > 20

    def test_the_mains_does_not_pass_for_a_shaft(self):
        """A motor at 1473 rpm on 50 Hz: every second harmonic of 1500 rpm is a line of the mains."""
        mains = tuple(50.0 * k for k in range(1, 7))
        found, _ = shaft_speed(self.density(24.55, extra=mains), self.BIN_HZ, 24.4)
        assert found == pytest.approx(24.55, rel=1e-3)

    def test_noise_is_no_shaft(self):
        assert max(shaft_speed(self.density(SHAFT_HZ, harmonics=0, seed=s), self.BIN_HZ, SHAFT_HZ)[1] for s in range(50)) < 8

    def test_too_few_harmonics_or_a_density_that_is_not_finite_give_none(self):
        density = self.density(SHAFT_HZ)
        assert math.isnan(shaft_speed(density[: int(2.5 * SHAFT_HZ / self.BIN_HZ)], self.BIN_HZ, SHAFT_HZ)[0])
        density[int(SHAFT_HZ / self.BIN_HZ)] = math.nan
        assert math.isnan(shaft_speed(density, self.BIN_HZ, SHAFT_HZ)[0])

    def test_silence_gives_the_speed_no_level(self):
        assert shaft_speed(np.zeros(2000), self.BIN_HZ, SHAFT_HZ)[1] == 0

    def test_what_does_not_fit_is_told(self):
        for arguments in ((0.0, SHAFT_HZ), (0.2, -1.0), (0.2, SHAFT_HZ, 0.0), (0.2, SHAFT_HZ, 0.5)):
            with pytest.raises(ValueError, match="above 0"):
                shaft_speed(np.ones(2000), *arguments)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.just(0.0) | st.floats(1e-12, 1e9), min_size=30, max_size=300),
    st.floats(0.1, 2),
    st.floats(1, 40),
    st.floats(0.005, 0.1),
)
def test_the_speed_is_that_of_the_reference(density, bin_hz, shaft_hz, tolerance):
    psd = array("d", density)
    fits = []
    for kind in (shaft_speed, reference.shaft_speed):
        hz, db = kind(psd, bin_hz, shaft_hz, tolerance)
        fits.append(db - 2 * (100 * (hz / shaft_hz - 1)) ** 2)  # two speeds may fit alike; how well, is what must agree
    assert fits[0] == pytest.approx(fits[1], abs=1e-3, nan_ok=True)


class TestFloor:
    def test_is_the_median_of_what_lies_above_and_does_not_hear_a_tone(self):
        density = np.full(1000, 2.0)
        density[[3, 700]] = 1e6
        assert floor_of(density, 500) == pytest.approx((2e6 + 998 * 2, 1000.0))

    def test_of_a_density_that_is_not_finite_is_none(self):
        density = np.ones(100)
        density[50] = math.inf
        assert all(map(math.isnan, floor_of(density, 60)))
        with pytest.raises(ValueError, match="no bin 100"):
            floor_of(density, 100)

    @given(st.lists(st.floats(0, 1e9, width=32), min_size=1, max_size=200), st.data())
    def test_is_that_of_the_reference(self, density, data):
        first = data.draw(st.integers(0, len(density) - 1))
        assert floor_of(array("d", density), first) == pytest.approx(reference.floor_of(density, first))
