"""The power cepstrum against numpy in float64, the reference, and signals whose period is known, in both builds."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest

from cython_ext import reference
from cython_ext.cepstrum import Cepstrum

RATE_HZ = 25_600.0


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(n + seed).standard_normal(n).astype("f")


def oracle(x: np.ndarray, n: int) -> np.ndarray:
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(len(x)) / len(x))
    power = np.abs(np.fft.fft((x.astype("d") - x.astype("d").mean()) * window, n)) ** 2
    return np.fft.ifft(np.log(np.maximum(power, 1e-12 * power.max()))).real[: n // 2 + 1]


@pytest.mark.usefixtures("backend")
class TestCepstrum:
    @pytest.mark.parametrize("samples", [16, 17, 100, 997, 4096, 25_600, 25_601])
    def test_equals_numpy_in_float64(self, samples):
        x, cepstrum = noise(samples) + np.float32(3), Cepstrum(samples, RATE_HZ)
        assert np.array(cepstrum.power(x)) == pytest.approx(oracle(x, cepstrum.n), abs=1e-5 * max(1, abs(oracle(x, cepstrum.n)[0])))

    @pytest.mark.parametrize("samples", [16, 17, 64, 90])
    def test_equals_the_reference(self, samples):
        x = array("f", noise(samples))
        assert Cepstrum(samples, RATE_HZ).power(x) == pytest.approx(reference.Cepstrum(samples, RATE_HZ).power(x), abs=1e-4)

    @pytest.mark.parametrize("hz", [50.0, 100.0, 160.0])
    def test_a_family_of_harmonics_is_one_line_at_its_period(self, hz):
        t = np.arange(25_600) / RATE_HZ
        x = sum(np.cos(2 * np.pi * hz * k * t + k * k) for k in range(1, int(12_000 / hz))).astype("f") + noise(25_600)
        cepstrum = Cepstrum(25_600, RATE_HZ)
        values = np.array(cepstrum.power(x))
        first, end = int(0.004 / cepstrum.step_s), int(1.5 / hz / cepstrum.step_s)  # from the shape of the spectrum to 2 periods
        assert (first + int(np.argmax(values[first:end]))) * cepstrum.step_s == pytest.approx(1 / hz, rel=0.005)

    def test_an_echo_is_a_line_at_its_delay(self):
        x = noise(25_600)
        x[400:] += np.float32(0.6) * x[:-400].copy()
        values = np.array(Cepstrum(25_600, RATE_HZ).power(x))
        assert int(np.argmax(values[20:])) + 20 == 400

    def test_only_the_first_number_depends_on_the_level(self):
        x, cepstrum = noise(4096), Cepstrum(4096, RATE_HZ)
        loud = cepstrum.power(x * np.float32(8))
        assert loud[1:] == pytest.approx(cepstrum.power(x)[1:], abs=1e-4)
        assert loud[0] - cepstrum.power(x)[0] == pytest.approx(math.log(64), abs=1e-4)

    @pytest.mark.parametrize("samples", [4096, 4093])
    @pytest.mark.parametrize("level", [0.0, 9.80665])
    def test_a_constant_gives_zeros(self, samples, level):
        assert set(Cepstrum(samples, RATE_HZ).power(np.full(samples, level, "f"))) == {0.0}

    @pytest.mark.parametrize("samples", [4096, 4093])
    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_a_bad_sample_makes_everything_nan_and_leaves_no_trace(self, samples, bad):
        x, cepstrum = noise(samples), Cepstrum(samples, RATE_HZ)
        good = cepstrum.power(x)
        damaged = x.copy()
        damaged[7] = bad
        assert all(map(math.isnan, cepstrum.power(damaged)))
        assert cepstrum.power(x) == good

    def test_denormals_are_numbers(self):
        assert np.isfinite(np.array(Cepstrum(4096, RATE_HZ).power(noise(4096) * np.float32(1e-40)))).all()


class TestPlan:
    def test_attributes(self):
        cepstrum = Cepstrum(25_601, RATE_HZ)
        assert (cepstrum.samples, cepstrum.n, cepstrum.points) == (25_601, 25_920, 12_961)
        assert cepstrum.step_s == 1 / RATE_HZ

    def test_what_is_no_cepstrum_is_refused(self):
        with pytest.raises(ValueError, match="15 samples: a cepstrum takes 16 to"):
            Cepstrum(15, RATE_HZ)
        with pytest.raises(ValueError, match="a rate of nan Hz"):
            Cepstrum(16, math.nan)

    def test_wrong_buffers(self):
        cepstrum = Cepstrum(16, 1.0)
        with pytest.raises(ValueError, match="17 samples for a cepstrum of 16"):
            cepstrum.power(noise(17))
        with pytest.raises(ValueError, match="out has 1 numbers; it takes 9"):
            cepstrum.power(noise(16), array("f", bytes(4)))
        out = array("f", bytes(4 * 9))
        assert cepstrum.power(noise(16), out) is out
