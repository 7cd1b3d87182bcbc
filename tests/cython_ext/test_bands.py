"""RMS, velocity, displacement, bands, harmonics and the high-frequency index against the theory and the reference."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.bands import band_energies, band_rms, displacement_rms, harmonics, high_frequency_index, velocity_rms
from cython_ext.spectrum import Welch, next_fast_length

ONE_G = 9.80665
RATE_HZ = 25_600.0


def sine(n: int, rate_hz: float, hz: float, amplitude: float) -> array:
    return array("f", (amplitude * np.sin(2 * np.pi * hz / rate_hz * np.arange(n) + 0.3)).astype("f"))


def floats(n: int) -> array:
    return array("d", bytes(8 * n))


def density(x, nfft: int, rate_hz: float = RATE_HZ) -> tuple[array, float]:
    welch = Welch(next_fast_length(nfft), rate_hz)
    return welch.psd(array("f", x)), welch.bin_hz


@pytest.mark.usefixtures("backend")
class TestVelocityAndDisplacement:
    @pytest.mark.parametrize("hz", [10.5, 10.63, 10.75, 12.0, 25.0, 159.155, 333.3, 777.7, 950.0, 980.0])
    @pytest.mark.parametrize("rate_hz", [3200.0, 25_600.0])
    def test_of_a_sine(self, hz, rate_hz):
        n = int(2 * rate_hz)
        psd, bin_hz = density(sine(4 * n, rate_hz, hz, 5.0), n, rate_hz)
        omega = 2 * math.pi * hz
        assert velocity_rms(psd, bin_hz) == pytest.approx(5 / math.sqrt(2) / omega * 1e3, rel=0.005)
        assert displacement_rms(psd, bin_hz) == pytest.approx(5 / math.sqrt(2) / omega**2 * 1e6, rel=0.005)

    def test_of_noise_within_the_band(self):
        """A thousand lines of equal velocity with random phases are noise whose velocity is known exactly."""
        rng = np.random.default_rng(7)
        n = 4 * 25_600
        spectrum = np.zeros(n // 2 + 1, complex)
        bins = np.arange(4 * 12, 4 * 950)
        omega = 2 * np.pi * bins / 4
        velocity_mm_s = 0.01
        spectrum[bins] = velocity_mm_s / 1e3 * omega * n / 2 * np.exp(2j * np.pi * rng.random(bins.size))
        psd, bin_hz = density(np.tile(np.fft.irfft(spectrum, n), 3), n // 2)
        assert velocity_rms(psd, bin_hz) == pytest.approx(velocity_mm_s * math.sqrt(bins.size / 2), rel=0.005)

    def test_of_noise_with_a_flat_density(self):
        bin_hz, level = 0.25, 0.02
        psd = array("d", [level]) * 8001
        velocity = math.sqrt(level / (2 * math.pi) ** 2 * (1 / 9.99 - 1 / 1000.01))  # between two bins at either end
        displacement = math.sqrt(level / (2 * math.pi) ** 4 / 3 * (1 / 9.99**3 - 1 / 1000.01**3))
        assert velocity_rms(psd, bin_hz, 9.99, 1000.01) == pytest.approx(velocity * 1e3, rel=0.005)
        assert displacement_rms(psd, bin_hz, 9.99, 1000.01) == pytest.approx(displacement * 1e6, rel=0.005)

    def test_out_of_band_does_not_count(self):
        for hz in (4.0, 1010.0):
            psd, bin_hz = density(sine(100_000, RATE_HZ, hz, 5.0), 25_600)
            assert velocity_rms(psd, bin_hz) < 0.01
            assert displacement_rms(psd, bin_hz) < 0.1

    def test_slow_machines_have_a_band_from_2_hz(self):
        psd, bin_hz = density(sine(400_000, RATE_HZ, 4.0, 5.0), 102_400)
        assert velocity_rms(psd, bin_hz, 2.0) == pytest.approx(5 / math.sqrt(2) / (2 * math.pi * 4) * 1e3, rel=0.005)

    def test_band_rms_of_a_sine_on_gravity(self):
        psd, bin_hz = density([v + ONE_G for v in sine(100_000, RATE_HZ, 1234.5, 3.0)], 8192)
        assert band_rms(psd, bin_hz, 1000, 2000) == pytest.approx(3 / math.sqrt(2), rel=1e-3)
        assert band_rms(psd, bin_hz, 2000, 12_800) < 1e-3


class TestEdges:
    FLAT = array("d", [1.0] * 11)  # 0, 2, …, 20 Hz

    @pytest.mark.parametrize(
        ("low", "high", "bins"),
        [
            (4, 8, 3),  # both edges on bins
            (3.5, 8, 2.5),  # 4 Hz half
            (4.5, 8, 2.5),  # 4 Hz half
            (4, 8.9, 2.5),  # 8 Hz half
            (4.1, 5.1, 1),  # 4 and 6 Hz half
            (3.6, 4.4, 0.5),  # within one bin
            (4, 4.4, 0.5),  # within one bin, one edge on it
            (0, 20, 11),
            (0, 1000, 11),  # ends with the density
            (19, 1000, 0.5),  # 20 Hz half
        ],
    )
    def test_bins_that_count(self, low, high, bins):
        assert band_rms(self.FLAT, 2.0, low, high) == pytest.approx(math.sqrt(bins * 2.0))
        assert reference.band_rms(self.FLAT, 2.0, low, high) == pytest.approx(math.sqrt(bins * 2.0))

    def test_rounding_of_the_rate_does_not_move_an_edge(self):
        bin_hz = 25_600 / 3 / 1000
        assert band_rms(array("d", [1.0] * 500), bin_hz, 10 * bin_hz, 20 * bin_hz) == pytest.approx(math.sqrt(11 * bin_hz))

    @pytest.mark.parametrize(("low", "high"), [(0.0, 1000.0), (10.0, 1000.0), (9.3, 801.1), (0.1, 3.0)])
    @pytest.mark.parametrize("bin_hz", [0.78125, 1.0, 6.25])
    def test_equal_the_reference(self, low, high, bin_hz):
        psd = array("d", np.random.default_rng(3).random(2000))
        assert band_rms(psd, bin_hz, low, high) == pytest.approx(reference.band_rms(psd, bin_hz, low, high), rel=1e-12)
        assert velocity_rms(psd, bin_hz, low, high) == pytest.approx(reference.velocity_rms(psd, bin_hz, low, high), rel=1e-12)
        result = displacement_rms(psd, bin_hz, low, high)
        assert result == pytest.approx(reference.displacement_rms(psd, bin_hz, low, high), rel=1e-12)

    def test_the_default_band_is_that_of_iso_20816(self):
        psd = array("d", np.random.default_rng(4).random(2000))
        assert velocity_rms(psd, 1.0) == velocity_rms(psd, 1.0, 10.0, 1000.0)
        assert displacement_rms(psd, 1.0) == displacement_rms(psd, 1.0, 10.0, 1000.0)

    @pytest.mark.parametrize(
        ("psd", "bin_hz", "low", "high", "message"),
        [
            ([1.0], 1.0, 5, 5, "a band from 5.0 to 5.0 Hz"),
            ([1.0], 1.0, 5, 4, "must begin at 0"),
            ([1.0], 1.0, -1, 4, "must begin at 0"),
            ([1.0], 1.0, math.nan, 4, "must begin at 0"),
            ([1.0] * 3, 1.0, 3, 4, "the density ends at 2 Hz"),
            ([1.0], 0.0, 0, 4, "bin distance"),
            ([1.0], math.nan, 0, 4, "bin distance"),
            ([], 1.0, 0, 4, "no bins"),
        ],
    )
    def test_no_such_band(self, psd, bin_hz, low, high, message):
        for rms in (band_rms, velocity_rms, displacement_rms):
            with pytest.raises(ValueError, match=message):
                rms(array("d", psd), bin_hz, low, high)


bands = st.tuples(st.floats(0, 450), st.floats(0.01, 900)).map(lambda band: (band[0], band[0] + band[1]))


class TestEnergies:
    @given(st.lists(bands, min_size=1, max_size=6), st.sampled_from([0.5, 0.78125, 1.0]))
    def test_equal_the_reference(self, bands, bin_hz):
        psd = array("d", np.random.default_rng(3).random(600))
        edges = array("d", [edge for band in bands for edge in band])
        ours = band_energies(psd, bin_hz, edges, floats(len(bands)))
        assert np.allclose(
            ours, reference.band_energies(psd, bin_hz, edges, floats(len(bands))), rtol=1e-12, atol=0, equal_nan=True
        )

    def test_are_the_squares_of_the_rms(self):
        psd = array("d", np.random.default_rng(4).random(600))
        out = floats(2)
        assert band_energies(psd, 1.0, array("d", [50, 300, 10.3, 99.9]), out) is out
        assert list(out) == pytest.approx([band_rms(psd, 1.0, 50, 300) ** 2, band_rms(psd, 1.0, 10.3, 99.9) ** 2])

    def test_a_band_above_the_density_is_not_a_number(self):
        out = band_energies(array("d", [1.0] * 11), 1.0, array("d", [10.5, 20, 5, 20]), floats(2))
        assert math.isnan(out[0])
        assert out[1] == 6

    @pytest.mark.parametrize(
        ("edges", "count", "message"), [([1, 2, 3], 1, "3 edges for 1 bands"), ([1, 2, 4, 3], 2, "from 4.0 to 3.0 Hz")]
    )
    def test_wrong_edges_leave_out_alone(self, edges, count, message):
        out = array("d", [7.0] * count)
        with pytest.raises(ValueError, match=message):
            band_energies(array("d", [1.0] * 9), 1.0, array("d", edges), out)
        assert set(out) == {7.0}


@pytest.mark.usefixtures("backend")
class TestHarmonics:
    @pytest.mark.parametrize("shaft_hz", [24.7, 25.0, 29.53])
    def test_amplitudes_of_a_shaft_with_half_orders(self, shaft_hz):
        amplitudes = [0.3, 5.0, 0.1, 2.0, 0.0, 1.0, 0.7]
        x = sum(
            np.asarray(sine(80_000, RATE_HZ, 0.5 * (i + 1) * shaft_hz, amplitude)).astype("d")
            for i, amplitude in enumerate(amplitudes)
        )
        psd, bin_hz = density(x.astype("f"), 25_600)
        got = harmonics(psd, bin_hz, shaft_hz, 0.5, 0.5, floats(7))
        assert list(got) == pytest.approx(amplitudes, rel=0.02, abs=0.02)
        assert list(harmonics(psd, bin_hz, shaft_hz, 1.0, 1.0, floats(3))) == list(got[1:6:2])

    def test_the_window_grows_with_the_order(self):
        """A speed that is 0.5 % off still finds its tenth harmonic, 1.2 Hz away."""
        psd, bin_hz = density(sine(200_000, RATE_HZ, 250.0, 2.0), 51_200)
        assert harmonics(psd, bin_hz, 25.0 / 1.005, 10.0, 1.0, floats(1))[0] == pytest.approx(2.0, rel=0.02)
        assert harmonics(psd, bin_hz, 25.0 / 1.03, 10.0, 1.0, floats(1))[0] < 0.05

    @given(st.floats(1.6, 400), st.sampled_from([0.5, 1.0]), st.sampled_from([0.5, 1.0]), st.sampled_from([0.78125, 1.0]))
    def test_equal_the_reference(self, shaft_hz, first, step, bin_hz):
        psd = array("d", np.random.default_rng(5).random(700))
        ours = harmonics(psd, bin_hz, shaft_hz, first, step, floats(12))
        theirs = reference.harmonics(psd, bin_hz, shaft_hz, first, step, floats(12))
        assert np.allclose(ours, theirs, rtol=1e-12, atol=0, equal_nan=True)

    def test_out_of_range_is_not_a_number(self):
        flat = array("d", [0.5] * 101)
        got = harmonics(flat, 1.0, 30.0, 1.0, 1.0, floats(5))
        assert list(got[:3]) == pytest.approx([math.sqrt(3)] * 3)
        assert all(map(math.isnan, got[3:]))
        low = harmonics(flat, 1.0, 4.0, 0.5, 1.0, floats(2))  # 2 Hz: its window would hold 0.5 Hz, where 0 Hz leaks to
        assert list(low) == pytest.approx([math.sqrt(3), math.sqrt(3)])
        assert math.isnan(harmonics(flat, 1.0, 4.0, 0.25, 1.0, floats(1))[0])

    def test_orders_that_cannot_be_told_apart_are_not_a_number(self):
        assert all(map(math.isnan, harmonics(array("d", [0.5] * 101), 1.0, 5.0, 1.0, 0.5, floats(3))))

    @pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
    def test_wrong_speed_or_order(self, wrong):
        flat = array("d", [0.5] * 101)
        for numbers, what in (((wrong, 1, 1), "a shaft at"), ((5, wrong, 1), "a first order of"), ((5, 1, wrong), "a step of")):
            with pytest.raises(ValueError, match=what):
                harmonics(flat, 1.0, *numbers, floats(3))


@pytest.mark.usefixtures("backend")
class TestHighFrequency:
    def test_hears_only_5_to_10_khz(self):
        x = np.add(sine(51_200, RATE_HZ, 7000.0, 0.5), sine(51_200, RATE_HZ, 3000.0, 4.0)).astype("f")
        index = high_frequency_index(x, *density(x, 4096))
        assert index.rms == pytest.approx(0.5 / math.sqrt(2), rel=0.01)
        assert index.peaks == 0

    def test_counts_the_strikes(self):
        x = np.random.default_rng(1).standard_normal(25_600).clip(-3, 3) + ONE_G
        x[500::1000] += 20
        x[501::1000] -= 20  # the other side right after it: still the same strike
        x = x.astype("f")
        assert high_frequency_index(x, *density(x, 4096)).peaks == 26

    def test_equals_the_reference(self):
        x = (np.random.default_rng(2).standard_normal(3000) ** 3 + 1).astype("f")
        psd, bin_hz = density(x, 512)
        ours, theirs = high_frequency_index(x, psd, bin_hz), reference.high_frequency_index(array("f", x), psd, bin_hz)
        assert ours == (pytest.approx(theirs.rms), theirs.peaks)
        assert ours.peaks > 0

    def test_a_slow_rate_listens_up_to_what_its_filter_lets_through(self):
        flat = array("d", [1.0]) * 8001
        x = array("f", [1.0, -1.0])
        assert high_frequency_index(x, flat, 1.0).rms == pytest.approx(math.sqrt(7600 - 5000 + 1))
        assert math.isnan(high_frequency_index(x, flat[:5200], 1.0).rms)

    @pytest.mark.parametrize("wrong", [math.nan, math.inf])
    def test_not_finite(self, wrong):
        x = array("f", [1.0, wrong, 2.0])
        assert all(map(math.isnan, high_frequency_index(x, array("d", [1.0] * 9), 2000.0)))

    def test_a_constant_has_no_peaks(self):
        assert high_frequency_index(array("f", [0.1]) * 1000, array("d", [0.0] * 9), 2000.0) == (0.0, 0.0)

    def test_no_samples(self):
        with pytest.raises(ValueError, match="no samples"):
            high_frequency_index(array("f"), array("d", [1.0]), 1.0)


class TestNotFinite:
    def test_a_density_that_is_not_finite_gives_not_a_number(self):
        psd = array("d", [1.0] * 100)
        psd[20] = math.nan
        assert math.isnan(band_rms(psd, 1.0, 10, 30))
        assert math.isnan(velocity_rms(psd, 1.0, 10, 90))
        assert math.isnan(displacement_rms(psd, 1.0, 10, 90))
        assert math.isnan(harmonics(psd, 1.0, 20.0, 1.0, 1.0, floats(1))[0])
        assert not math.isnan(band_rms(psd, 1.0, 30, 90))
