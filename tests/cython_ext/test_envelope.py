"""The squared envelope against the Hilbert transform on all samples in float64, the reference and the theory, in both builds."""

from __future__ import annotations

import math
import threading
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.envelope import Envelope

RATE_HZ = 25_600.0
FAST = [64, 90, 1000, 4096, 8192, 25_600, 65_536]
OTHERS = [33, 63, 101, 997, 4093, 25_601, 121_991]  # are padded


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(n + seed).standard_normal(n).astype("f")


def relative_error(result, exact) -> float:
    return float(np.linalg.norm(np.asarray(result) - exact) / np.linalg.norm(exact))


def squared_hilbert(x: np.ndarray, envelope: Envelope) -> np.ndarray:
    """abs(scipy.signal.hilbert(x))**2 of the band, in float64, on all samples."""
    n = envelope.n
    bins = np.fft.fft(x.astype("d") - x.astype("d").mean(), n)
    hz = np.arange(n) * envelope.rate_hz / n
    inside = (hz >= envelope.low_hz - 1e-6) & (hz <= envelope.high_hz + 1e-6)
    if envelope.prewhiten:
        bins[inside] /= np.abs(bins[inside])
        bins *= n / 2 / math.sqrt(inside.sum())
    bins[~inside] = 0
    bins[np.arange(n) != n // 2] *= 2
    return (np.abs(np.fft.ifft(bins)) ** 2)[: len(x)]


def oracle(x: np.ndarray, envelope: Envelope) -> np.ndarray:
    square = squared_hilbert(x, envelope)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(len(x)) / len(x))
    amplitude = 2 * np.abs(np.fft.rfft((square - np.average(square, weights=window)) * window, envelope.n)) / window.sum()
    amplitude[[0, -1]] /= 2
    return amplitude[: envelope.bins]


def modulated(n: int, carrier_hz: float, by_hz: float, depth: float, amplitude: float = 1.0) -> np.ndarray:
    t = np.arange(n) / RATE_HZ
    return (amplitude * (1 + depth * np.cos(2 * np.pi * by_hz * t)) * np.cos(2 * np.pi * carrier_hz * t)).astype("f")


def blows(n: int, each_hz: float, ringing_hz: float) -> np.ndarray:
    """Blows that excite a resonance, with the slip of rolling elements."""
    x, t = np.zeros(n + 200), np.arange(200)
    for i, slip in enumerate(np.random.default_rng(0).normal(0, 0.01, int(n / RATE_HZ * each_hz) - 1)):
        at = max(0, int((i + slip) * RATE_HZ / each_hz))
        x[at : at + 200] += 3 * np.exp(-t / 20) * np.cos(2 * np.pi * ringing_hz * t / RATE_HZ)
    return x[:n].astype("f")


@pytest.mark.usefixtures("backend")
class TestSpectrum:
    @pytest.mark.parametrize("prewhiten", [False, True])
    @pytest.mark.parametrize("max_hz", [200.0, 1000.0, 12_800.0])
    @pytest.mark.parametrize(("low_hz", "high_hz"), [(500.0, 12_160.0), (0.0, 12_800.0), (3000.0, 5000.0)])
    @pytest.mark.parametrize("samples", FAST + OTHERS)
    def test_equals_the_hilbert_transform_on_all_samples(self, samples, low_hz, high_hz, max_hz, prewhiten):
        if samples < 64:
            max_hz = 12_800.0
        envelope = Envelope(samples, RATE_HZ, low_hz, high_hz, max_hz, prewhiten=prewhiten)
        x = noise(samples) * np.linspace(1, 3, samples, dtype="f") + np.float32(1)
        exact = oracle(x, envelope)
        result = np.array(envelope.spectrum(x))
        whole = oracle(x, Envelope(samples, RATE_HZ, low_hz, high_hz, 12_800.0, prewhiten=prewhiten))
        assert np.abs(result - exact).max() <= 1e-5 * whole.max()
        if samples == envelope.n:
            assert np.abs(result - exact).max() <= 2e-6 * whole.max()

    @pytest.mark.parametrize("prewhiten", [False, True])
    @pytest.mark.parametrize("samples", [16, 17, 63, 90, 101, 256])
    def test_equals_the_reference(self, samples, prewhiten):
        arguments = (samples, 100.0, 10.0, 45.0, 30.0)
        x = array("f", noise(samples))
        exact = np.array(reference.Envelope(*arguments, prewhiten=prewhiten).spectrum(x))
        result = np.array(Envelope(*arguments, prewhiten=prewhiten).spectrum(x))
        assert np.abs(result - exact).max() <= 2e-5 * exact.max()

    @pytest.mark.parametrize("samples", [4096, 4093, 25_600, 25_601])
    def test_shows_modulation_as_its_amplitude(self, samples):
        # |2 (1 + d cos)|² = 4 (1 + d²/2 + 2 d cos + d²/2 cos 2)
        envelope = Envelope(samples, RATE_HZ, 2000.0, 6000.0, 500.0)
        by = round(100.0 / envelope.bin_hz)
        spectrum = envelope.spectrum(modulated(samples, 4000.0, by * envelope.bin_hz, 0.3, amplitude=2.0))
        assert spectrum[by] == pytest.approx(4 * 2 * 0.3, rel=0.01)
        assert spectrum[2 * by] == pytest.approx(4 * 0.3**2 / 2, rel=0.03)
        assert max(spectrum[: by - 3]) < 0.02

    def test_a_tone_outside_the_band_does_not_count(self):
        envelope = Envelope(25_600, RATE_HZ, 2000.0, 6000.0, 500.0)
        wanted, disturbance = modulated(25_600, 4000.0, 100.0, 0.3), modulated(25_600, 500.0, 70.0, 0.9, amplitude=5.0)
        assert np.abs(np.array(envelope.spectrum(wanted + disturbance)) - envelope.spectrum(wanted)).max() < 1e-5

    def test_prewhitening_takes_tones_away_and_leaves_blows(self):
        n = 65_536
        plain, white = (Envelope(n, RATE_HZ, 500.0, 12_000.0, 450.0, prewhiten=prewhiten) for prewhiten in (False, True))
        x = blows(n, 100.0, 5000.0) + modulated(n, 3000.0, 25.0, 0.9, amplitude=20.0) + noise(n) / 5
        at, tone = round(100.0 / plain.bin_hz), round(25.0 / plain.bin_hz)
        assert max(plain.spectrum(x)[at - 2 : at + 3]) < max(plain.spectrum(x)[tone - 2 : tone + 3]) / 100
        assert max(white.spectrum(x)[at - 2 : at + 3]) > 10 * max(white.spectrum(x)[tone - 2 : tone + 3])

    @pytest.mark.parametrize("samples", [4096, 4093])
    def test_prewhitened_does_not_depend_on_the_level(self, samples):
        envelope, x = Envelope(samples, RATE_HZ, 500.0, 12_160.0, 1000.0, prewhiten=True), noise(samples)
        exact = np.array(envelope.spectrum(x))
        for level in (1e-35, 1e-20, 1e20, 1e33):
            assert relative_error(envelope.spectrum(x * np.float32(level)), exact) < 1e-4
        assert relative_error(envelope.spectrum(x * np.float32(2.0**-10)), exact) < 1e-6

    def test_prewhitened_has_mean_1(self):
        envelope = Envelope(4096, RATE_HZ, 500.0, 12_160.0, 1000.0, prewhiten=True)
        assert np.mean(envelope.envelope(noise(4096) * np.float32(7))) == pytest.approx(1, rel=1e-5)

    def test_the_mean_of_the_signal_does_not_count(self):
        for samples in (4096, 4093):
            envelope, x = Envelope(samples, RATE_HZ, 0.0, 12_160.0, 1000.0), noise(samples)
            assert relative_error(envelope.spectrum(x + np.float32(100)), envelope.spectrum(x)) < 1e-4

    def test_a_result_does_not_depend_on_earlier_ones(self):
        for samples in (4096, 4093):
            envelope, x = Envelope(samples, RATE_HZ, 500.0, 12_160.0, 1000.0, prewhiten=True), noise(samples)
            once = envelope.spectrum(x)
            envelope.spectrum(x * np.nan)
            envelope.spectrum(noise(samples, 1))
            assert envelope.spectrum(x) == once

    def test_a_long_record(self):
        samples = 2**20
        envelope = Envelope(samples, 48_000.0, 500.0, 22_800.0, 1000.0)
        x = noise(samples)
        assert relative_error(envelope.spectrum(x), oracle(x, envelope)) <= 1e-5


@pytest.mark.usefixtures("backend")
class TestInTime:
    @pytest.mark.parametrize("samples", FAST + OTHERS)
    def test_its_points_lie_on_the_squared_hilbert_transform(self, samples):
        envelope = Envelope(samples, RATE_HZ, 2000.0, 12_160.0, 1000.0 if samples > 64 else 12_800.0)
        x = noise(samples)
        exact, result = squared_hilbert(x, envelope), np.array(envelope.envelope(x))
        step = RATE_HZ / envelope.envelope_rate_hz
        assert len(result) == envelope.points == math.ceil(samples / step - 1e-9)
        for i in range(envelope.points):  # where a point lies on a sample
            if abs(i * step - round(i * step)) < 1e-9:
                assert result[i] == pytest.approx(exact[round(i * step)], abs=1e-5 * exact.max())

    def test_equals_the_reference_where_the_grid_has_all_samples(self):
        envelope = Envelope(90, 100.0, 0.0, 50.0, 50.0)
        x = array("f", noise(90))
        assert envelope.points == 90
        assert relative_error(envelope.envelope(x), np.array(reference.Envelope(90, 100.0, 0.0, 50.0, 50.0).envelope(x))) < 1e-5


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("prewhiten", [False, True])
@pytest.mark.parametrize("samples", [4096, 4093])
class TestBadInput:
    def envelope(self, samples: int, *, prewhiten: bool) -> Envelope:
        return Envelope(samples, RATE_HZ, 500.0, 12_160.0, 1000.0, prewhiten=prewhiten)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("at", [0, 1234, -1])
    def test_a_bad_sample_makes_everything_nan(self, samples, prewhiten, bad, at):
        x = noise(samples)
        x[at] = bad
        plan = self.envelope(samples, prewhiten=prewhiten)
        assert all(map(math.isnan, plan.spectrum(x)))
        assert all(map(math.isnan, plan.envelope(x)))

    @pytest.mark.parametrize("level", [0.0, 9.80665, -1e30, 1e-42])
    def test_a_constant_gives_zeros(self, samples, prewhiten, level):
        # their mean must be exact: prewhitened, its last bit alone would be seen
        plan = self.envelope(samples, prewhiten=prewhiten)
        assert set(plan.spectrum(np.full(samples, level, "f"))) == {0.0}

    def test_denormals_are_numbers(self, samples, prewhiten):
        x = noise(samples) * np.float32(1e-40)
        assert np.isfinite(np.array(self.envelope(samples, prewhiten=prewhiten).spectrum(x))).all()


class TestPlan:
    def test_attributes(self):
        envelope = Envelope(121_991, 12_000.0, 500.0, 5700.0, 1000.0, prewhiten=True)
        assert (envelope.samples, envelope.n, envelope.rate_hz, envelope.prewhiten) == (121_991, 122_880, 12_000.0, True)
        assert envelope.bin_hz == 12_000 / 122_880
        assert envelope.bins == 10_241
        assert (envelope.low_hz, envelope.high_hz) == (500.0, 5700.0)
        assert 5200 + 1000 <= envelope.envelope_rate_hz <= 12_000

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((15, 100.0, 10, 40, 10), "15 samples: an envelope takes 16 to"),
            ((2**26 + 1, 100.0, 10, 40, 10), "67108865 samples"),
            ((64, 0.0, 10, 40, 10), "a rate of 0.0 Hz"),
            ((64, math.nan, 10, 40, 10), "a rate of nan Hz"),
            ((64, 100.0, 40, 40, 10), "a band from 40.0 to 40.0 Hz"),
            ((64, 100.0, -1, 40, 10), "must begin at 0"),
            ((64, 100.0, math.nan, 40, 10), "must begin at 0"),
            ((64, 100.0, 10, 51, 10), "reaches only to 50 Hz"),
            ((64, 100.0, 10, 40, 0), "an envelope spectrum to 0.0 Hz"),
            ((64, 100.0, 10, 40, 51), "at most at 50 Hz"),
            ((64, 100.0, 10, 11, 10), "fewer than 2 of the bins, which are 1.5625 Hz apart; it takes a wider band or"),
        ],
    )
    def test_what_is_no_envelope_is_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            Envelope(*arguments)
        if arguments[0] <= 2**26:
            with pytest.raises(ValueError, match=r"no such envelope|fewer than 2"):
                reference.Envelope(*arguments)

    def test_wrong_buffers(self):
        envelope = Envelope(64, 100.0, 10, 40, 25)
        with pytest.raises(ValueError, match="63 samples for an envelope of 64"):
            envelope.spectrum(noise(63))
        with pytest.raises(ValueError, match="out has 16 numbers; it takes 17"):
            envelope.spectrum(noise(64), array("f", bytes(4 * 16)))
        with pytest.raises(ValueError, match="out has 1 numbers; it takes"):
            envelope.envelope(noise(64), array("f", bytes(4)))
        with pytest.raises(ValueError, match="float"):
            envelope.spectrum(noise(64).astype("d"))

    def test_returns_the_buffer_it_was_given(self):
        envelope = Envelope(64, 100.0, 10, 40, 25)
        spectrum, points = array("f", bytes(4 * envelope.bins)), array("f", bytes(4 * envelope.points))
        assert envelope.spectrum(noise(64), spectrum) is spectrum
        assert envelope.envelope(noise(64), points) is points


@given(
    samples=st.integers(16, 400),
    low=st.floats(0, 0.4),
    width=st.floats(0.05, 0.5),
    most=st.floats(0.02, 0.5),
    prewhiten=st.booleans(),
    seed=st.integers(0, 9),
)
def test_any_band_of_any_record_is_that_of_the_hilbert_transform(samples, low, width, most, prewhiten, seed):
    high = min(low + width, 0.5)
    try:
        envelope = Envelope(samples, 1.0, low, high, most, prewhiten=prewhiten)
    except ValueError as error:
        assert "fewer than 2" in str(error)  # noqa: PT017  (only some examples raise)
        return
    x = noise(samples, seed)
    whole = oracle(x, Envelope(samples, 1.0, low, high, 0.5, prewhiten=prewhiten))
    assert np.abs(np.array(envelope.spectrum(x)) - oracle(x, envelope)).max() <= 2e-5 * max(
        whole.max(), squared_hilbert(x, envelope).mean()
    )


def test_a_plan_per_thread_gives_the_right_results_in_parallel():
    inputs = [noise(61_440, seed) for seed in range(4)]
    arguments = (61_440, RATE_HZ, 500.0, 12_160.0, 1000.0)
    expected = [Envelope(*arguments).spectrum(x) for x in inputs]
    results = [[] for _ in inputs]

    def work(i):
        plan = Envelope(*arguments)
        results[i] = [plan.spectrum(inputs[i]) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == [exact] * 20 for result, exact in zip(results, expected, strict=True))
