"""The whole vector: equal to numpy and scipy, to the reference and to the single kernels; bad windows have defined results."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest

from cython_ext import bands as band_kernels
from cython_ext import reference
from cython_ext.results import Statistics
from cython_ext.statistics import statistics
from cython_ext.vector import Channel

from .scipy_vector import ScipyVector

RATE_HZ = 25_600.0
SHAFT_HZ = 29.53
BEARING = (3.5848, 5.4152, 4.7135 / 2, 0.39828)
BANDS = [(10.0, 100.0), (100.0, 500.0), (500.0, 2000.0), (2000.0, 5000.0), (5000.0, 12_000.0)]
FULL = {"bands": BANDS, "envelope": (500.0, 12_160.0), "envelope_max_hz": 1000.0, "bearing": BEARING}


def machine(n: int) -> np.ndarray:
    """A shaft with ten harmonics on gravity, in noise, and an outer race that strikes."""
    t = np.arange(n) / RATE_HZ
    shaft = sum(2 * np.sin(2 * np.pi * k * SHAFT_HZ * t + k) / k for k in range(1, 11))
    strikes = 4 * np.exp(-900 * (t % (1 / (BEARING[0] * SHAFT_HZ)))) * np.sin(2 * np.pi * 4000 * t)
    return (9.81 + 0.5 * np.random.default_rng(n).standard_normal(n) + shaft + strikes).astype("f")


def named(channel: Channel, x, *args: float) -> dict[str, float]:
    return dict(zip(channel.names, channel.measure(x, *args), strict=True))


@pytest.mark.usefixtures("backend")
class TestEquals:
    @pytest.mark.parametrize("n", [4096, 8192, 25_600])
    @pytest.mark.parametrize("nfft", [2048, 4096])
    def test_numpy_and_scipy(self, n, nfft):
        x = machine(n)
        channel, oracle = Channel(n, RATE_HZ, nfft=nfft, unit_m_s2=1.0, **FULL), ScipyVector(n, RATE_HZ, nfft=nfft, **FULL)
        exact = dict(zip(channel.names, oracle.measure(x.astype("d"), SHAFT_HZ), strict=True))
        orders = {name: v for name, v in exact.items() if name.startswith("order_")}
        if 3 * channel.bin_hz > SHAFT_HZ:
            exact |= dict.fromkeys(orders, math.nan)
        assert named(channel, x, SHAFT_HZ) == pytest.approx(exact, rel=1e-4, abs=1e-6, nan_ok=True)
        assert np.array(channel.spectrum) == pytest.approx(oracle.spectrum(x.astype("d")), abs=1e-6)

    @pytest.mark.parametrize("n", [64, 250, 256])
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"unit_m_s2": 9.80665, "bands": [(10.0, 100.0), (99.0, 480.5), (2000.0, 3000.0)], "bearing": BEARING},
            {"orders": 5, "order_step": 0.5, "prewhiten": False, "envelope": (100.0, 800.0), "envelope_max_hz": 300.0},
            {"nfft": 32, "orders": 0, "iso_hz": (60.0, 1000.0), "unit_m_s2": 1.0},
        ],
    )
    def test_the_reference(self, n, options):
        x = np.random.default_rng(n).standard_normal(n).astype("f")
        ours, theirs = Channel(n, 2500.0, **options), reference.Channel(n, 2500.0, **options)
        assert ours.names == theirs.names
        assert named(ours, x, 31.0) == pytest.approx(
            dict(zip(theirs.names, theirs.measure(array("f", x), 31.0), strict=True)), rel=1e-4, abs=1e-5, nan_ok=True
        )
        assert list(ours.psd) == pytest.approx(list(theirs.psd), rel=1e-4, abs=1e-9)

    def test_the_single_kernels(self):
        x = machine(25_600)
        channel = Channel(25_600, RATE_HZ, unit_m_s2=9.80665, **FULL)
        got = channel.measure(x, SHAFT_HZ)
        assert Statistics(*got[:16]) == statistics(x)
        features = dict(zip(channel.names, got, strict=True))
        psd, bin_hz = channel.psd, channel.bin_hz
        assert features["velocity_rms"] == pytest.approx(9.80665 * band_kernels.velocity_rms(psd, bin_hz))
        assert features["displacement_rms"] == pytest.approx(9.80665 * band_kernels.displacement_rms(psd, bin_hz))
        assert [features[f"band_{i}"] for i in range(1, 6)] == [band_kernels.band_rms(psd, bin_hz, *band) for band in BANDS]
        orders = band_kernels.harmonics(psd, bin_hz, SHAFT_HZ, 1.0, 1.0, array("d", bytes(80)))
        assert [features[f"order_{k}"] for k in range(1, 11)] == list(orders)
        index = band_kernels.high_frequency_index(x, psd, bin_hz)
        assert (features["high_frequency_rms"], features["high_frequency_peaks"]) == index


class TestFinds:
    def test_the_damaged_race_and_the_lines_of_the_shaft(self):
        got = named(Channel(102_400, RATE_HZ, unit_m_s2=1.0, prewhiten=False, **FULL), machine(102_400), SHAFT_HZ)
        assert max(("outer_db", "inner_db", "element_db", "cage_db"), key=got.get) == "outer_db"
        assert got["outer_db"] > 25
        assert got["outer_hz"] == pytest.approx(BEARING[0] * SHAFT_HZ, rel=0.002)
        assert [got[f"order_{k}"] for k in range(1, 4)] == pytest.approx([2.0, 1.0, 2 / 3], rel=0.05)


@pytest.mark.usefixtures("backend")
class TestBadWindows:
    @pytest.fixture
    def channel(self):
        return Channel(4096, RATE_HZ, unit_m_s2=1.0, **FULL)

    @pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("where", [0, 1, 2000, 4095])
    def test_one_sample_that_is_not_finite(self, channel, wrong, where):
        x = machine(4096)
        x[where] = wrong
        got = named(channel, x, SHAFT_HZ)
        assert (got.pop("count"), got.pop("nonfinite")) == (4096, 1)
        assert all(map(math.isnan, got.values()))
        assert not any(math.isnan(v) for v in named(channel, machine(4096), SHAFT_HZ).values())  # and it leaves nothing behind

    @pytest.mark.parametrize("level", [0.0, 9.81, -1e30, 1e-40])
    def test_a_constant(self, channel, level):
        got = named(channel, array("f", [level] * 4096), SHAFT_HZ)
        exact = array("f", [level])[0]
        assert [got[name] for name in ("count", "mean", "minimum", "maximum")] == [4096, exact, exact, exact]
        assert all(math.isnan(got[name]) for name in ("crest", "skewness", "kurtosis", "shape", "impulse", "clearance"))
        zero = {"rms", "peak", "peak_to_peak", "velocity_rms", "displacement_rms", "high_frequency_rms", "high_frequency_peaks"}
        zero |= {"clipped", "nonfinite", "zero_crossings", "outer_db", "inner_db", "element_db", "cage_db"}
        zero |= {f"band_{i}" for i in range(1, 6)} | {f"order_{k}" for k in range(1, 11)}
        assert {name: got[name] for name in zero} == dict.fromkeys(zero, 0)

    def test_clipping_is_told(self, channel):
        x = 3 * machine(4096)
        got = named(channel, x.clip(25, 35), SHAFT_HZ)
        assert got["clipped"] > 0.1
        assert named(channel, x, SHAFT_HZ)["clipped"] == 0

    @pytest.mark.parametrize("scale", [1e-42, 1e-38, 1e-30, 1e15])
    def test_denormals_and_giants_stay_finite(self, channel, scale):
        """Below 1e-20 powers leave float32's range, and what is taken of the density may be 0; the statistics are right."""
        x = ((machine(4096).astype("d") - 9.81) * scale).astype("f")
        got = named(channel, x, SHAFT_HZ)
        assert not any(math.isinf(v) for v in got.values())
        assert got["rms"] == pytest.approx(scale * statistics(machine(4096)).rms, rel=1e-2)

    @pytest.mark.parametrize("shaft_hz", [math.nan, 0.0, -1.0, math.inf])
    def test_without_a_speed_there_are_no_orders_and_no_scores(self, channel, shaft_hz):
        got = named(channel, machine(4096), shaft_hz)
        unknown = {name for name, v in got.items() if math.isnan(v)}
        assert unknown == {name for name in got if name.startswith("order_") or name.endswith(("_db", "_hz"))}

    def test_a_rate_too_low_for_a_band_gives_no_number_for_it(self):
        got = named(Channel(4096, 1600.0, unit_m_s2=1.0, bands=[(10.0, 100.0), (900.0, 1000.0)]), machine(4096))
        missing = [math.isnan(got[name]) for name in ("velocity_rms", "displacement_rms", "high_frequency_rms", "band_1", "band_2")]
        assert missing == [True, True, True, False, True]

    def test_without_a_unit_there_is_no_velocity(self):
        got = named(Channel(4096, RATE_HZ), machine(4096))
        assert math.isnan(got["velocity_rms"])
        assert math.isnan(got["displacement_rms"])


class TestUse:
    def test_writes_to_the_buffer_it_was_given(self):
        channel, x = Channel(256, RATE_HZ, **FULL | {"envelope_max_hz": 2000.0}), machine(256)
        out = array("d", bytes(8 * len(channel)))
        assert channel.measure(x, SHAFT_HZ, out) is out
        assert np.array_equal(out, channel.measure(x, SHAFT_HZ), equal_nan=True)

    def test_the_segment_is_a_second_or_the_window(self):
        assert [Channel(n, 1000.0).nfft for n in (16, 900, 1000, 1001, 9000)] == [16, 900, 1000, 1000, 1000]
        assert Channel(977, 1000.0).nfft == 972
        assert Channel(4096, RATE_HZ, nfft=512).nfft == 512

    def test_a_band_of_2_hz_for_slow_machines(self):
        t = np.arange(102_400) / RATE_HZ
        x = np.sin(2 * np.pi * 4.0 * t).astype("f")
        slow = named(Channel(102_400, RATE_HZ, unit_m_s2=1.0, iso_hz=(2.0, 1000.0), nfft=51_200), x)
        assert slow["velocity_rms"] == pytest.approx(1e3 / (2 * math.pi * 4) / math.sqrt(2), rel=0.01)
        assert named(Channel(102_400, RATE_HZ, unit_m_s2=1.0), x)["velocity_rms"] < 0.01

    @pytest.mark.parametrize(
        ("n", "options", "message"),
        [
            (15, {}, "15 samples; it must have 16 or more"),
            (64, {"nfft": 128}, "segments of 128 samples in a window of 64"),
            (64, {"nfft": 62}, "without a prime factor above 5"),
            (64, {"orders": -1}, "-1 orders"),
            (64, {"order_step": 0.0}, "steps of 0.0"),
            (64, {"unit_m_s2": 0.0}, "a unit of 0.0 m/s²"),
            (64, {"bands": [(5.0, 4.0)]}, "a band from 5.0 to 4.0 Hz"),
            (64, {"iso_hz": (10.0, 5.0)}, "a band from 10.0 to 5.0 Hz"),
            (64, {"envelope": (500.0, 20_000.0)}, "a band to 20000.0 Hz"),
            (256, {"bearing": (0.0, 1.0, 1.0, 1.0)}, "must be above 0"),
        ],
    )
    def test_words_for_what_cannot_be(self, n, options, message):
        with pytest.raises(ValueError, match=message):
            Channel(n, RATE_HZ, **options)

    def test_words_for_buffers_that_do_not_fit(self):
        channel = Channel(64, RATE_HZ)
        with pytest.raises(ValueError, match="63 samples for a window of 64"):
            channel.measure(machine(63))
        with pytest.raises(ValueError, match="out has 3 numbers; there are 30 features"):
            channel.measure(machine(64), SHAFT_HZ, array("d", bytes(24)))
        with pytest.raises(ValueError, match="a rate of nan Hz"):
            Channel(64, math.nan)
