"""The inverse FFT and the complex one against numpy, the reference and the way back, in both builds."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.spectrum import ComplexFFT, RealFFT, next_fast_length

SMALL = [n for n in range(2, 1300, 2) if next_fast_length(n) == n]
LARGE = [4096, 8192, 10_000, 12_500, 25_600, 31_250, 48_000, 65_536, 118_098]
ODD = [1, 3, 5, 9, 15, 27, 45, 75, 81, 125, 135, 225, 243, 625, 1125, 3125]


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(n).standard_normal(n).astype("f")


def points(n: int) -> np.ndarray:
    return noise(2 * n).view(np.complex64)


def relative_error(result, exact) -> float:
    return float(np.linalg.norm(np.asarray(result) - exact) / np.linalg.norm(exact))


@pytest.mark.usefixtures("backend")
class TestRealInverse:
    @pytest.mark.parametrize("n", SMALL + LARGE)
    def test_undoes_the_transform(self, n):
        plan, x = RealFFT(n), noise(n)
        assert relative_error(plan.inverse(plan.forward(x)), x) <= 5e-7

    @pytest.mark.parametrize("n", SMALL[::9] + LARGE)
    def test_equals_numpy_in_float64(self, n):
        bins = points(n // 2 + 1)
        exact = np.fft.irfft(bins.astype(complex), n)
        assert relative_error(RealFFT(n).inverse(bins.view("f")), exact) <= 5e-7

    @pytest.mark.parametrize("n", [2, 4, 6, 8, 10, 16, 30, 64, 90, 128, 250, 256])
    def test_equals_the_reference(self, n):
        bins = array("f", noise(n + 2))
        assert relative_error(RealFFT(n).inverse(bins), np.array(reference.RealFFT(n).inverse(bins))) <= 5e-7

    def test_the_imaginary_ends_do_not_count(self):
        bins = array("f", noise(66))
        changed = bins[:]
        changed[1], changed[65] = 7.0, -3.0
        assert RealFFT(64).inverse(changed) == RealFFT(64).inverse(bins)

    @pytest.mark.parametrize("shift", range(1, 9))
    def test_buffers_need_not_be_aligned(self, shift):
        n = 1024
        bins = array("f", noise(n + 2))
        padded, out = array("f", [0.0] * shift) + bins, array("f", [7.0]) * (n + 2 * shift)
        RealFFT(n).inverse(memoryview(padded)[shift:], memoryview(out)[shift:-shift])
        assert out[shift:-shift] == RealFFT(n).inverse(bins)
        assert set(out[:shift]) == set(out[-shift:]) == {7.0}

    def test_leaves_the_spectrum_alone(self):
        bins = array("f", noise(4098))
        before = bins[:]
        RealFFT(4096).inverse(bins)
        assert bins == before

    def test_not_a_number_spreads(self):
        bins = array("f", noise(258))
        bins[100] = math.nan
        assert all(map(math.isnan, RealFFT(256).inverse(bins)))

    def test_wrong_buffers(self):
        plan = RealFFT(16)
        with pytest.raises(ValueError, match="17 numbers for a spectrum of 16 samples"):
            plan.inverse(noise(17))
        with pytest.raises(ValueError, match="out has 18 numbers; it takes 16"):
            plan.inverse(noise(18), array("f", bytes(4 * 18)))


@pytest.mark.usefixtures("backend")
class TestComplex:
    @pytest.mark.parametrize("n", ODD + SMALL[::5] + LARGE)
    def test_equals_numpy_in_float64(self, n):
        x, plan = points(n), ComplexFFT(n)
        forward = np.frombuffer(plan.forward(x.view("f")), np.complex64)
        inverse = np.frombuffer(plan.inverse(x.view("f")), np.complex64)
        assert relative_error(forward, np.fft.fft(x.astype(complex))) <= 3e-7
        assert relative_error(inverse, np.fft.ifft(x.astype(complex))) <= 3e-7

    @pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 12, 45, 64, 100])
    def test_equals_the_reference(self, n):
        x, ours, theirs = array("f", noise(2 * n)), ComplexFFT(n), reference.ComplexFFT(n)
        assert relative_error(ours.forward(x), np.array(theirs.forward(x))) <= 3e-7
        assert relative_error(ours.inverse(x), np.array(theirs.inverse(x))) <= 3e-7

    @pytest.mark.parametrize("n", [1, 6, 64, 1000])
    def test_may_work_in_place(self, n):
        x, plan = array("f", noise(2 * n)), ComplexFFT(n)
        changed = x[:]
        assert plan.forward(changed, changed) is changed
        assert changed == plan.forward(x)
        assert plan.inverse(changed[:], changed) is changed
        assert relative_error(changed, np.array(x)) <= 5e-7

    @pytest.mark.parametrize("n", [0, -1, 7, 22, 2**25 + 2])
    def test_other_lengths_are_refused(self, n):
        with pytest.raises(ValueError, match=f"^{n} points: .* without a prime factor above 5"):
            ComplexFFT(n)

    def test_wrong_buffers(self):
        with pytest.raises(ValueError, match="15 numbers for a transform of 8 points"):
            ComplexFFT(8).forward(noise(15))
        with pytest.raises(ValueError, match="out has 15 numbers; it takes 16"):
            ComplexFFT(8).inverse(noise(16), array("f", bytes(4 * 15)))


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200))
def test_there_and_back_is_where_one_was(values):
    n = next_fast_length(len(values))
    x = array("f", values + [0.0] * (n - len(values)))
    plan = RealFFT(n)
    back = plan.inverse(plan.forward(x))
    largest = max(map(abs, x))
    assert max(abs(a - b) for a, b in zip(back, x, strict=True)) <= 2e-6 * largest
