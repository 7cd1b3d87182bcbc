"""FFT and Welch against numpy, the reference and the theory, in both builds."""

from __future__ import annotations

import math
import threading
from array import array

import numpy as np
import pytest

from cython_ext import reference, spectrum
from cython_ext.spectrum import RealFFT, Welch, next_fast_length

SMALL = [n for n in range(2, 1300, 2) if next_fast_length(n) == n]
LARGE = [4096, 8192, 10_000, 12_500, 25_600, 31_250, 48_000, 65_536, 118_098]
ONE_G = 9.80665


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(n).standard_normal(n).astype("f")


def relative_error(result, exact) -> float:
    return float(np.linalg.norm(np.asarray(result) - exact) / np.linalg.norm(exact))


def welch_oracle(x: np.ndarray, nfft: int, rate_hz: float) -> np.ndarray:
    """scipy.signal.welch(x, rate_hz, nperseg=nfft) in float64."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(nfft) / nfft)
    segments = np.lib.stride_tricks.sliding_window_view(x.astype("d"), nfft)[:: nfft // 2]
    segments = segments - segments.mean(axis=1, keepdims=True)
    power = (np.abs(np.fft.rfft(segments * window)) ** 2).mean(axis=0) / (rate_hz * (window**2).sum())
    power[1:-1] *= 2
    return power


@pytest.mark.usefixtures("backend")
class TestRealFFT:
    @pytest.mark.parametrize("n", SMALL + LARGE)
    def test_equals_numpy_in_float64(self, n):
        x = noise(n)
        result = np.frombuffer(RealFFT(n).forward(x), np.complex64)
        assert relative_error(result, np.fft.rfft(x.astype("d"))) <= 3e-7

    @pytest.mark.parametrize("n", [2, 4, 6, 8, 10, 16, 30, 64, 90, 128, 250, 256])
    def test_equals_the_reference(self, n):
        x = array("f", noise(n))
        assert relative_error(RealFFT(n).forward(x), np.array(reference.RealFFT(n).forward(x))) <= 3e-7

    @pytest.mark.parametrize("n", [6, 128, 1000, 4096])
    def test_every_bin_sees_its_own_sine(self, n):
        plan = RealFFT(n)
        for k in {1, n // 4, n // 3, n // 2 - 1}:
            x = np.cos(2 * np.pi * k * np.arange(n) / n).astype("f")
            magnitude = np.abs(np.frombuffer(plan.forward(x), np.complex64))
            assert magnitude[k] == pytest.approx(n / 2, rel=1e-5)
            assert np.delete(magnitude, k).max() < 1e-5 * n

    def test_the_ends_are_real(self):
        out = RealFFT(64).forward(array("f", noise(64)))
        assert out[1] == out[65] == 0

    def test_a_result_does_not_depend_on_earlier_ones(self):
        plan, first, second = RealFFT(4096), noise(4096), noise(4098)[:4096]
        once = plan.forward(first)
        plan.forward(second)
        assert plan.forward(first) == once

    @pytest.mark.parametrize("shift", range(1, 9))
    def test_input_and_output_need_not_be_aligned(self, shift):
        n = 1024
        x = array("f", noise(n + shift))[shift:]
        padded, out = array("f", [0.0] * shift) + x, array("f", [7.0]) * (n + 2 + 2 * shift)
        RealFFT(n).forward(memoryview(padded)[shift:], memoryview(out)[shift:-shift])
        assert out[shift:-shift] == RealFFT(n).forward(x)
        assert set(out[:shift]) == set(out[-shift:]) == {7.0}

    def test_returns_the_buffer_it_was_given(self):
        out = array("f", bytes(4 * 34))
        assert RealFFT(32).forward(noise(32), out) is out

    def test_leaves_the_samples_alone(self):
        x = array("f", noise(4096))
        before = x[:]
        RealFFT(4096).forward(x)
        assert x == before

    def test_not_a_number_spreads(self):
        x = array("f", noise(256))
        x[100] = math.nan
        assert all(map(math.isnan, RealFFT(256).forward(x)[2:256]))


class TestLengths:
    @pytest.mark.parametrize(
        ("n", "good"),
        [(0, None), (1, 2), (3, 4), (7, 8), (14, 16), (22, 24), (4095, 4096), (4098, 4320), (25_601, 25_920), (-4, None)],
    )
    def test_another_length_names_the_next_good_one(self, n, good):
        for make in (RealFFT, lambda n: Welch(n, 1000.0)):
            with pytest.raises(
                ValueError, match=rf"^{n} samples.*" + (f"next good length is {good}$" if good and n > 1 else "must be 2 to")
            ):
                make(n)
        if good:
            assert next_fast_length(n) == good

    def test_next_fast_length_is_the_smallest(self):
        assert [next_fast_length(n) for n in range(1, 400)] == [reference.next_fast_length(n) for n in range(1, 400)]

    @pytest.mark.parametrize("n", [0, -1, 2**26 + 1])
    def test_lengths_out_of_reach(self, n):
        with pytest.raises(ValueError, match="the length must be 1 to 67108864"):
            next_fast_length(n)

    def test_wrong_buffers(self):
        plan = RealFFT(16)
        with pytest.raises(ValueError, match="15 samples for a transform of 16"):
            plan.forward(noise(15))
        with pytest.raises(ValueError, match="out has 17 numbers; it takes 18"):
            plan.forward(noise(16), array("f", bytes(4 * 17)))
        with pytest.raises(ValueError, match="float"):
            plan.forward(noise(16).astype("d"))


@pytest.mark.usefixtures("backend")
class TestWelch:
    @pytest.mark.parametrize("nfft", [2, 6, 64, 100, 250, 1000, 1024, 4096])
    @pytest.mark.parametrize("extra", [0.0, 0.3, 4.7])
    def test_equals_numpy(self, nfft, extra):
        x = 3 * noise(int(nfft * (1 + extra))) + np.float32(ONE_G)
        exact = welch_oracle(x, nfft, 25_600.0)
        result = np.array(Welch(nfft, 25_600.0).psd(x))
        assert np.abs(result - exact).max() <= 1e-5 * exact.max()
        assert relative_error(result, exact) <= 1e-6

    @pytest.mark.parametrize("nfft", [2, 10, 48, 128])
    def test_equals_the_reference(self, nfft):
        x = array("f", noise(5 * nfft // 2))
        assert relative_error(Welch(nfft, 100.0).psd(x), np.array(reference.Welch(nfft, 100.0).psd(x))) <= 1e-6

    def test_the_density_holds_the_variance(self):
        x = 2 * noise(65_536)
        welch = Welch(1024, 25_600.0)
        assert sum(welch.psd(x)) * welch.bin_hz == pytest.approx(4, rel=0.02)

    def test_a_rest_shorter_than_half_a_segment_does_not_count(self):
        welch, x = Welch(64, 1.0), noise(64 + 32 + 31)
        assert welch.psd(x) == welch.psd(x[: 64 + 32])
        assert welch.psd(x) != welch.psd(x[:64])

    def test_a_plan_can_be_used_again(self):
        welch, x, out = Welch(256, 1.0), noise(1000), array("d", bytes(8 * 129))
        first = welch.psd(x)
        welch.psd(noise(700))
        assert welch.psd(x, out) is out
        assert out == first

    def test_properties(self):
        welch = Welch(4096, 25_600.0)
        assert (welch.nfft, welch.rate_hz, welch.bin_hz) == (4096, 25_600.0, 6.25)

    def test_too_few_samples(self):
        with pytest.raises(ValueError, match="63 samples are too few for a segment of 64"):
            Welch(64, 1.0).psd(noise(63))

    def test_wrong_out(self):
        with pytest.raises(ValueError, match="the density has 33 bins"):
            Welch(64, 1.0).psd(noise(64), array("d", [0.0]))

    @pytest.mark.parametrize("rate_hz", [0.0, -1.0, math.nan, math.inf])
    def test_wrong_rate(self, rate_hz):
        with pytest.raises(ValueError, match="it must be above 0"):
            Welch(64, rate_hz)


class TestBackend:
    def test_is_known(self, backend):
        assert backend in ("avx2", "sse2", "neon")
        assert RealFFT(64).backend == backend

    def test_baseline_can_be_forced(self, monkeypatch):
        monkeypatch.setenv("GATEWAY_KERNELS", "baseline")
        assert spectrum.backend() != "avx2"

    def test_a_plan_keeps_the_build_it_was_made_with(self, monkeypatch):
        monkeypatch.setenv("GATEWAY_KERNELS", "baseline")
        plan = RealFFT(4096)
        monkeypatch.delenv("GATEWAY_KERNELS")
        assert plan.backend != "avx2"


def test_a_plan_per_thread_gives_the_right_results_in_parallel():
    inputs = [noise(65_536 - 2 * i)[: 65_536 - 4096] for i in range(4)]
    nfft = 61_440
    expected = [RealFFT(nfft).forward(x) for x in inputs]
    results = [[] for _ in inputs]

    def work(i):
        plan = RealFFT(nfft)
        results[i] = [plan.forward(inputs[i]) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == [exact] * 20 for result, exact in zip(results, expected, strict=True))
