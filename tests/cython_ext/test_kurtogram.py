"""The kurtogram against the Hilbert transform in float64, the reference, and signals whose band is known, in both builds."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest

from cython_ext import reference
from cython_ext.kurtogram import NOISE, Kurtogram
from cython_ext.spectrum import next_fast_length

RATE_HZ = 25_600.0


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(n + seed).standard_normal(n).astype("f")


def oracle(x: np.ndarray, kurtogram: Kurtogram) -> np.ndarray:
    """Kurtosis of abs(scipy.signal.hilbert(x)) of each band, in float64, on all samples."""
    n = kurtogram.n
    bins = np.fft.fft(x[:n].astype("d"))
    found = []
    for low_hz, high_hz in kurtogram.bands():
        first, end = round(low_hz / kurtogram.bin_hz), round(high_hz / kurtogram.bin_hz)
        band = np.zeros(n, complex)
        band[first:end] = bins[first:end]
        square = np.abs(np.fft.ifft(band)) ** 2
        found.append((square**2).mean() / square.mean() ** 2 - 2)
    return np.array(found)


def resonance(n: int, ringing_hz: float, each_hz: float = 100.0) -> np.ndarray:
    """Blows that excite a resonance some 600 Hz wide."""
    x, t = np.zeros(n + 400), np.arange(400)
    for at in np.arange(0, n, RATE_HZ / each_hz).astype(int):
        x[at : at + 400] += np.exp(-t / 12) * np.cos(2 * np.pi * ringing_hz * t / RATE_HZ)
    return x[:n].astype("f")


@pytest.mark.usefixtures("backend")
class TestTable:
    @pytest.mark.parametrize(("samples", "levels"), [(64, 0), (128, 1), (1000, 4), (4096, 6), (4100, 5), (25_600, 7)])
    def test_equals_the_hilbert_transform_on_all_samples(self, samples, levels):
        kurtogram = Kurtogram(samples, RATE_HZ, levels)
        x = noise(samples) ** 3 + np.float32(2)
        assert np.array(kurtogram.table(x)) == pytest.approx(oracle(x, kurtogram), abs=2e-4)

    @pytest.mark.parametrize(("samples", "options"), [(90, {}), (101, {}), (256, {"low_hz": 20.0, "high_hz": 45.0})])
    def test_equals_the_reference(self, samples, options):
        ours, theirs = Kurtogram(samples, 100.0, 1, **options), reference.Kurtogram(samples, 100.0, 1, **options)
        x = array("f", noise(samples))
        assert np.array(ours.bands()) == pytest.approx(np.array(theirs.bands()))
        assert ours.table(x) == pytest.approx(theirs.table(x), abs=1e-4)
        assert ours.best(x) == pytest.approx(theirs.best(x), abs=1e-3)

    def test_the_bands_are_halves_and_thirds(self):
        kurtogram = Kurtogram(25_600, RATE_HZ, 3)
        bands = kurtogram.bands()
        assert len(bands) == kurtogram.cells == 1 + 2 + 3 + 4 + 6 + 8
        assert [round(high - low, -2) for low, high in bands] == [
            round(12_800 / parts, -2) for parts in (1, 2, 3, 4, 6, 8) for _ in range(parts)
        ]
        assert bands[1][1] == bands[2][0]
        assert (bands[0][0], bands[-1][1]) == (1.0, 12_800.0)

    def test_a_tone_has_minus_1_and_nothing_has_0(self):
        x = np.cos(2 * np.pi * 1000 * np.arange(25_600) / RATE_HZ).astype("f")
        kurtogram = Kurtogram(25_600, RATE_HZ, 0, low_hz=500.0, high_hz=2000.0)
        assert list(kurtogram.table(x)) == [pytest.approx(-1, abs=1e-4)]
        assert list(kurtogram.table(np.zeros(25_600, "f"))) == [0.0]

    @pytest.mark.parametrize("level", [1e-36, 1e-20, 1e20, 1e33])
    def test_does_not_depend_on_the_level(self, level):
        kurtogram, x = Kurtogram(4096, RATE_HZ, 3), noise(4096)
        assert kurtogram.table(x * np.float32(level)) == pytest.approx(kurtogram.table(x), abs=0.01)

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_a_bad_sample_makes_everything_nan(self, bad):
        kurtogram, x = Kurtogram(4096, RATE_HZ, 3), noise(4096)
        x[77] = bad
        assert all(map(math.isnan, kurtogram.table(x)))
        best = kurtogram.best(x)
        assert math.isnan(best.kurtosis)
        assert not best.stands_out

    def test_may_be_used_again(self):
        kurtogram, x, out = Kurtogram(4096, RATE_HZ, 3), noise(4096), array("f", bytes(4 * 24))
        first = kurtogram.table(x)
        kurtogram.table(noise(4096, 1) * np.float32("nan"))
        assert kurtogram.table(x, out) is out
        assert out == first


@pytest.mark.usefixtures("backend")
class TestBest:
    @pytest.mark.parametrize("ringing_hz", [2500.0, 4300.0, 7777.0, 10_500.0])
    def test_finds_the_resonance_under_noise(self, ringing_hz):
        x = 3 * resonance(65_536, ringing_hz) + noise(65_536)
        best = Kurtogram(65_536, RATE_HZ, 6).best(x)
        assert best.low_hz < ringing_hz < best.high_hz
        assert best.high_hz - best.low_hz < 4500
        assert best.stands_out
        assert best.kurtosis > 0.3

    @pytest.mark.parametrize("samples", [4096, 16_384, 61_440])
    def test_no_band_of_gaussian_noise_stands_out(self, samples):
        kurtogram = Kurtogram(samples, RATE_HZ, 5)
        for seed in range(20):
            best = kurtogram.best(noise(samples, seed))
            assert not best.stands_out
            assert best.deviations < NOISE


class TestPlan:
    @pytest.mark.parametrize("samples", [64, 65, 1023, 4095, 4097, 25_601, 121_991])
    def test_uses_the_longest_good_part_of_a_record(self, samples):
        kurtogram = Kurtogram(samples, RATE_HZ, 0)
        assert kurtogram.samples == samples
        assert 0.93 * samples <= kurtogram.n <= samples
        assert next_fast_length(kurtogram.n) == kurtogram.n
        assert kurtogram.bin_hz == RATE_HZ / kurtogram.n

    @pytest.mark.parametrize(
        ("arguments", "options", "message"),
        [
            ((63, 100.0, 0), {}, "63 samples: a kurtogram takes 64 to"),
            ((64, 0.0, 0), {}, "a rate of 0.0 Hz"),
            ((64, 100.0, 13), {}, "13 levels; a kurtogram has 0 to 12"),
            ((64, 100.0, -1), {}, "-1 levels"),
            ((64, 100.0, 0), {"low_hz": 50.0}, "a range from 50.0 to 50.0 Hz"),
            ((64, 100.0, 0), {"high_hz": 51.0}, "must lie between 0 and 50 Hz"),
            ((64, 100.0, 2), {}, "fewer than 16 of the 31 bins of the range in a band; it takes fewer levels"),
        ],
    )
    def test_what_is_no_kurtogram_is_refused(self, arguments, options, message):
        with pytest.raises(ValueError, match=message):
            Kurtogram(*arguments, **options)

    def test_wrong_buffers(self):
        kurtogram = Kurtogram(64, 100.0, 0)
        with pytest.raises(ValueError, match="65 samples for a kurtogram of 64"):
            kurtogram.table(noise(65))
        with pytest.raises(ValueError, match="out has 2 numbers; it takes 1"):
            kurtogram.table(noise(64), array("f", bytes(8)))
