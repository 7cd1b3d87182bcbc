"""The kernels against scipy, with the errors that the project promises to stay below."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import scipy.stats

from cython_ext.bands import band_rms, displacement_rms, velocity_rms
from cython_ext.envelope import Envelope
from cython_ext.spectrum import RealFFT, Welch
from cython_ext.statistics import statistics

RATE_HZ = 25_600.0
LENGTHS = [4096, 8192, 25_600, 65_536]

pytestmark = pytest.mark.usefixtures("backend")


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(n).standard_normal(n).astype("f")


def struck(n: int, gap_s: float = 0.01) -> np.ndarray:
    """Noise, a tone, gravity, and a resonance at 4 kHz that something strikes every `gap_s`."""
    t = np.arange(n) / RATE_HZ
    ringing = np.exp(-900 * (t % gap_s)) * np.sin(2 * np.pi * 4000 * (t % gap_s))
    return (9.81 + 0.1 * noise(n) + np.sin(2 * np.pi * 50 * t) + 3 * ringing).astype("f")


@pytest.mark.parametrize("n", LENGTHS)
def test_real_fft_within_3e_7(n):
    x = noise(n)
    exact = scipy.fft.rfft(x.astype("d"))
    result = np.frombuffer(RealFFT(n).forward(x), np.complex64)
    assert np.linalg.norm(result - exact) <= 3e-7 * np.linalg.norm(exact)


@pytest.mark.parametrize("make", [noise, struck])
@pytest.mark.parametrize("nfft", [1024, 4096, 25_600])
def test_density_within_1e_5_of_welch(make, nfft):
    x = make(3 * nfft + 100)
    _, exact = scipy.signal.welch(x.astype("d"), RATE_HZ, nperseg=nfft)
    result = np.array(Welch(nfft, RATE_HZ).psd(x))
    assert np.linalg.norm(result - exact) <= 1e-5 * np.linalg.norm(exact)
    assert np.abs(result - exact)[1:].max() <= 1e-5 * exact.max()


@pytest.mark.parametrize("n", LENGTHS)
def test_every_bin_of_the_density_of_noise_within_1e_5_of_welch(n):
    """Relative to the bin or the mean density, whichever is more: what is left where a bin cancels is float32's rounding."""
    x = noise(n)
    _, exact = scipy.signal.welch(x.astype("d"), RATE_HZ, nperseg=4096)
    result = np.array(Welch(4096, RATE_HZ).psd(x))
    assert (np.abs(result - exact) <= 1e-5 * np.maximum(exact, exact.mean())).all()


@pytest.mark.parametrize("hz", [10.5, 11.3, 24.7, 50.0, 159.155, 480.2, 949.9])
def test_velocity_and_displacement_within_half_a_percent_of_the_analytic_value(hz):
    t = np.arange(int(8 * RATE_HZ)) / RATE_HZ
    welch = Welch(51_200, RATE_HZ)
    psd = welch.psd((5.0 * np.sin(2 * np.pi * hz * t + 0.3)).astype("f"))
    omega = 2 * math.pi * hz
    assert velocity_rms(psd, welch.bin_hz) == pytest.approx(5e3 / math.sqrt(2) / omega, rel=0.005)
    assert displacement_rms(psd, welch.bin_hz) == pytest.approx(5e6 / math.sqrt(2) / omega**2, rel=0.005)


def test_velocity_agrees_with_filters_and_integration_in_time():
    """ISO's other way: a Butterworth band-pass of order 4, then the trapezoidal rule."""
    t = np.arange(int(20 * RATE_HZ)) / RATE_HZ
    x = 3 * np.sin(2 * np.pi * 48.3 * t) + 2 * np.sin(2 * np.pi * 141 * t + 1) + 4 * np.sin(2 * np.pi * 403 * t)
    sos = scipy.signal.butter(4, [10, 1000], "bandpass", fs=RATE_HZ, output="sos")
    velocity = np.cumsum(scipy.signal.sosfilt(sos, x)) / RATE_HZ
    velocity = scipy.signal.sosfilt(scipy.signal.butter(4, 10, "highpass", fs=RATE_HZ, output="sos"), velocity)
    welch = Welch(51_200, RATE_HZ)
    spectral = velocity_rms(welch.psd(x.astype("f")), welch.bin_hz)
    assert spectral == pytest.approx(1e3 * velocity[int(2 * RATE_HZ) :].std(), rel=0.02)


def test_band_rms_agrees_with_the_bins_of_welch():
    x = struck(100_000)
    hz, density = scipy.signal.welch(x.astype("d"), RATE_HZ, nperseg=8192)
    exact = math.sqrt(density[(hz >= 1000) & (hz <= 5000)].sum() * hz[1])
    welch = Welch(8192, RATE_HZ)
    assert band_rms(welch.psd(x), welch.bin_hz, 1000, 5000) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("make", [noise, struck, lambda n: noise(n) ** 3])
@pytest.mark.parametrize("n", [100, *LENGTHS])
def test_kurtosis_and_skewness_within_1e_5_of_scipy(make, n):
    x = make(n)
    s, exact = statistics(x), x.astype("d")
    assert s.kurtosis == pytest.approx(scipy.stats.kurtosis(exact, fisher=False), rel=1e-5)
    assert s.skewness == pytest.approx(scipy.stats.skew(exact), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("n", [4096, 8192, 25_600])
def test_squared_envelope_and_its_spectrum_agree_with_hilbert(n):
    x = struck(n, gap_s=128 / RATE_HZ).astype("d")
    bins = np.fft.rfft(x - x.mean())
    hz = np.fft.rfftfreq(n, 1 / RATE_HZ)
    bins[(hz < 2000) | (hz > 6000)] = 0
    squared = np.abs(scipy.signal.hilbert(np.fft.irfft(bins, n))) ** 2
    window = scipy.signal.get_window("hann", n)
    squared -= (squared * window).sum() / window.sum()
    exact = 2 * np.abs(np.fft.rfft(squared * window)) / window.sum()
    exact[0] /= 2
    envelope = Envelope(n, RATE_HZ, 2000.0, 6000.0, 1000.0)
    result = np.array(envelope.spectrum(array("f", x)))
    assert np.abs(result - exact[: envelope.bins]).max() <= 1e-5 * exact.max()
    assert result.argmax() * envelope.bin_hz == pytest.approx(200, abs=envelope.bin_hz)
