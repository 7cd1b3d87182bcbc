"""Statistics and the robust slope against the reference, worked values and hard inputs, in both builds."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.results import Statistics
from cython_ext.statistics import Moments, statistics, theil_sen, theil_sen_interval

NAN = math.nan


def agree(a: Statistics, b: Statistics, tolerance: float) -> bool:
    """Equal to `tolerance`, relative to what sets the scale of each field."""
    scale = {"skewness": 1.0, "mean": b.rms}
    return all(
        (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=tolerance, abs_tol=tolerance * scale.get(name, 0.0))
        for name, x, y in zip(Statistics._fields, a, b, strict=True)
    )


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(n).standard_normal(n).astype("f")


def reference_of(*parts: list[np.ndarray]) -> Statistics:
    """The reference's statistics of parts that are merged, each of several buffers."""
    total = reference.Moments()
    for part in parts:
        moments = reference.Moments()
        for buffer in part:
            moments.update(array("f", buffer))
        total.merge(moments)
    return total.result()


@pytest.mark.usefixtures("backend")
class TestStatistics:
    @pytest.mark.parametrize("n", [*range(2, 40), 63, 64, 65, 100, 255, 256, 257, 258, 264, 265, 1000, 4099])
    def test_every_length_equals_the_reference(self, n):
        x = array("f", np.random.default_rng(n).standard_normal(n).astype("f"))
        assert agree(statistics(x), reference.statistics(x), 1e-6)

    @pytest.mark.parametrize("where", range(20))
    def test_an_extreme_is_found_wherever_it_is(self, where):
        x = array("f", [0.0] * 20)
        x[where] = 3.0
        assert (statistics(x).maximum, statistics(x).minimum) == (3.0, 0.0)
        x[where] = -3.0
        assert (statistics(x).maximum, statistics(x).minimum) == (0.0, -3.0)

    def test_a_sine(self):
        x = array("f", 7 + 2 * np.sin(2 * np.pi * 10 * np.arange(4096) / 4096))
        s = statistics(x)
        assert s.count == 4096
        assert s.mean == pytest.approx(7, rel=1e-6)
        assert s.rms == pytest.approx(math.sqrt(2), rel=1e-6)
        assert s.peak == pytest.approx(2, rel=1e-5)
        assert s.peak_to_peak == pytest.approx(4, rel=1e-5)
        assert s.crest == pytest.approx(math.sqrt(2), rel=1e-5)
        assert s.skewness == pytest.approx(0, abs=1e-6)
        assert s.kurtosis == pytest.approx(1.5, rel=1e-5)
        assert s.shape == pytest.approx(math.pi / math.sqrt(8), rel=1e-5)
        assert s.impulse == pytest.approx(math.pi / 2, rel=1e-5)
        assert s.clearance == pytest.approx(1 / (math.gamma(0.75) / math.sqrt(math.pi) / math.gamma(1.25)) ** 2, rel=1e-4)
        assert s.zero_crossings == pytest.approx(20, abs=1)
        assert (s.clipped, s.nonfinite) == (0, 0)

    def test_kurtosis_of_normal_noise_is_three(self):
        x = array("f", np.random.default_rng(1).standard_normal(1_000_000).astype("f"))
        assert statistics(x).kurtosis == pytest.approx(3, abs=0.02)

    @pytest.mark.parametrize("offset", [0.0, 9.80665, -1e4])
    @pytest.mark.parametrize("first", [None, 1e4])
    def test_neither_an_offset_nor_an_outlier_at_the_start_costs_precision(self, offset, first):
        x = (np.random.default_rng(2).standard_normal(25_600) ** 3 + offset).astype("f")
        if first is not None:
            x[0] = first
        d = x.astype("d") - x.astype("d").mean()
        s = statistics(x)
        assert s.rms == pytest.approx(math.sqrt((d**2).mean()), rel=1e-6)
        assert s.skewness == pytest.approx((d**3).mean() / (d**2).mean() ** 1.5, rel=1e-6)
        assert s.kurtosis == pytest.approx((d**4).mean() / (d**2).mean() ** 2, rel=1e-6)
        near = np.abs(x.astype("d") - np.float32(x.astype("d").mean()))
        assert s.shape == pytest.approx(math.sqrt((d**2).mean()) / near.mean(), rel=1e-6)
        assert s.clearance == pytest.approx(np.abs(d).max() / np.sqrt(near).mean() ** 2, rel=1e-6)

    @pytest.mark.parametrize("n", [1, 2, 7, 8, 1000])
    @pytest.mark.parametrize("value", [0.0, 0.1, -9.81, 1e30])
    def test_a_constant_has_no_shape(self, n, value):
        s = statistics(array("f", [value]) * n)
        exact = array("f", [value])[0]
        assert s[:5] == (n, exact, 0.0, 0.0, 0.0)
        assert all(map(math.isnan, s[5:8] + s[10:13]))
        assert s[8:10] + s[13:] == (exact, exact, 0, 0, 0)

    @pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("n", [1, 3, 8, 100])
    def test_one_sample_that_is_not_finite_spoils_all(self, wrong, n):
        for where in {0, n // 2, n - 1}:
            x = array("f", range(n))
            x[where] = wrong
            s = statistics(x)
            assert s.count == n
            assert all(map(math.isnan, s[1:-1]))
            assert s.nonfinite == 1

    def test_the_largest_and_smallest_floats_neither_overflow_nor_vanish(self):
        for unit in (3e38, 1e-40):
            s = statistics(array("f", [unit, -unit] * 10))
            assert s.kurtosis == pytest.approx(1)
            assert s.crest == pytest.approx(1)
            assert s.rms == pytest.approx(unit, rel=1e-3)

    def test_no_samples(self):
        with pytest.raises(ValueError, match="no samples"):
            statistics(array("f"))

    def test_takes_a_slice_that_is_not_aligned(self):
        x = array("f", range(100))
        assert statistics(memoryview(x)[3:]) == statistics(x[3:])

    def test_refuses_other_types(self):
        with pytest.raises(ValueError, match="float"):
            statistics(array("d", [1.0]))


@pytest.mark.usefixtures("backend")
class TestCrossings:
    @pytest.mark.parametrize("n", [2, 3, 9, 17, 100, 255, 256, 257, 258, 266, 1001])
    def test_every_crossing_of_the_mean_counts(self, n):
        x = noise(n) + np.float32(9.81)
        level = np.float32(x.astype("d").mean())
        assert statistics(x).zero_crossings == np.count_nonzero(np.diff(x >= level))

    def test_a_sample_on_the_mean_is_above(self):
        assert statistics(array("f", [-1, 0, 1, 0, -1, 0, 1, 0])).zero_crossings == 3


@pytest.mark.usefixtures("backend")
class TestClipped:
    @pytest.mark.parametrize("n", [300, 5000])
    @pytest.mark.parametrize("limit", [0.2, 1.0, 2.5])
    def test_equals_the_reference(self, n, limit):
        x = array("f", np.cumsum(noise(n)).clip(-limit, limit))
        assert statistics(x).clipped == reference.statistics(x).clipped > 0

    def test_a_sine_beyond_the_range_tells(self):
        x = (1.2 * np.sin(np.arange(25_600) / 30)).clip(-1, 1).astype("f")
        assert statistics(x).clipped == pytest.approx(2 * math.acos(1 / 1.2) / math.pi, rel=0.02)

    @pytest.mark.parametrize("at", [0, 1, 253, 254, 255, 256, 300, 512, 996, 997])
    def test_one_run_of_three_is_found_wherever_it_is(self, at):
        x = noise(1000).clip(-2, 2) * np.float32(0.9)
        x[at : at + 3] = 9
        assert statistics(x).clipped == 3 / 1000
        x[at + 1] = 8
        assert statistics(x).clipped == 0

    def test_noise_and_constants_are_not_clipped(self):
        assert statistics(noise(10_000)).clipped == 0
        assert statistics(array("f", [5.0] * 1000)).clipped == 0


signals = st.lists(st.lists(st.integers(-6, 6), max_size=40), min_size=1, max_size=4)


@pytest.mark.usefixtures("backend")
class TestMoments:
    @pytest.mark.parametrize("cuts", [[1], [500], [999], [255, 256, 511], [3, 3, 700]])
    def test_buffers_give_what_one_piece_gives(self, cuts):
        x = np.random.default_rng(3).standard_normal(1000).astype("f") ** 3 + np.float32(2)
        moments = Moments()
        for part in np.split(x, cuts):
            moments.update(part)
        got, whole = moments.result(), statistics(x)
        level = {"shape", "impulse", "clearance", "zero_crossings"}
        assert agree(got._replace(**{name: getattr(whole, name) for name in level}), whole, 1e-6)
        assert agree(got, reference_of(np.split(x, cuts)), 1e-6)
        assert len(moments) == 1000

    @pytest.mark.parametrize("offset", [0.0, 100.0])
    def test_merged_parts_give_what_one_piece_gives(self, offset):
        parts = [noise(700), noise(51) + np.float32(offset), noise(1), noise(3000)]
        total = Moments()
        for part in parts:
            one = Moments()
            one.update(part)
            total.merge(one)
        assert agree(total.result(), reference_of(*([part] for part in parts)), 1e-6)
        d = np.concatenate(parts).astype("d")
        d -= d.mean()
        assert total.result().kurtosis == pytest.approx((d**4).mean() / (d**2).mean() ** 2, rel=1e-6)

    @given(st.lists(signals, min_size=1, max_size=3))
    def test_any_small_signals_equal_the_reference(self, parts):
        total = Moments()
        for part in parts:
            one = Moments()
            for buffer in part:
                one.update(array("f", buffer))
            total.merge(one)
        if not len(total):
            with pytest.raises(ValueError, match="no samples"):
                total.result()
        else:
            assert agree(total.result(), reference_of(*parts), 1e-5)

    def test_a_slow_drift_does_not_blur_shape(self):
        moments = Moments()
        for second in range(20):
            moments.update(noise(4096) + np.float32(10 * second))
        assert moments.result().shape == pytest.approx(moments.result().rms / math.sqrt(2 / math.pi), rel=0.01)

    def test_more_than_65536_samples_are_about_the_mean_of_the_first(self):
        x = noise(100_000) + np.linspace(0, 1, 100_000).astype("f")
        d = x.astype("d") - np.float32(x[:65_536].astype("d").mean())
        assert statistics(x).shape == pytest.approx(x.astype("d").std() / np.abs(d).mean(), rel=1e-6)
        assert statistics(x).zero_crossings == np.count_nonzero(np.diff(d >= 0))

    def test_what_is_not_finite_is_counted_and_remembered(self):
        moments = Moments()
        for part in ([1.0, 2.0], [math.nan, math.inf], [3.0]):
            moments.update(array("f", part))
        s = moments.result()
        assert (s.count, s.nonfinite) == (5, 2)
        assert all(map(math.isnan, s[1:-1]))

    def test_begins_anew(self):
        moments = Moments()
        moments.update(array("f", [math.nan]))
        moments.clear()
        assert len(moments) == 0
        moments.update(noise(100))
        assert moments.result() == statistics(noise(100))

    def test_merging_with_itself_counts_twice(self):
        moments = Moments()
        moments.update(noise(100))
        moments.merge(moments)
        assert (len(moments), moments.result().rms) == (200, pytest.approx(statistics(noise(100)).rms))


@pytest.mark.usefixtures("backend")
class TestHardInput:
    def test_denormals(self):
        x = array("f", [1e-40, 3e-40, 2e-40, 2e-40] * 100)
        s = statistics(x)
        assert s.rms == pytest.approx(math.sqrt(0.5) * 1e-40, rel=1e-4)
        assert agree(s, reference.statistics(x), 1e-6)

    @pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-8, 1.0, 1e8, 1e12, 1e30])
    def test_the_unit_does_not_matter(self, scale):
        x = noise(4096)
        s, one = statistics((x.astype("d") * scale).astype("f")), statistics(x)
        assert s.rms == pytest.approx(scale * one.rms, rel=1e-6)
        assert s.kurtosis == pytest.approx(one.kurtosis, rel=1e-6)
        assert s.clearance == pytest.approx(one.clearance, rel=1e-6)

    def test_a_spike_in_small_noise(self):
        x = noise(4096) * np.float32(1e-9)
        x[2000] = 1e9
        assert agree(statistics(x), reference.statistics(array("f", x)), 1e-5)


points = st.lists(st.tuples(st.integers(-20, 20), st.floats(-1e3, 1e3)), min_size=2, max_size=40)


class TestTheilSen:
    @given(points)
    def test_equals_the_reference(self, points):
        t, y = (array("d", part) for part in zip(*points, strict=True))
        if len(set(t)) < 2:
            with pytest.raises(ValueError, match="two different times"):
                theil_sen(t, y)
        else:
            assert theil_sen(t, y) == reference.theil_sen(t, y)

    @pytest.mark.parametrize("n", [2, 3, 4, 5, 100, 600])
    def test_a_line(self, n):
        t = array("d", [0.5 * i for i in range(n)])
        assert theil_sen(t, array("d", [3 + 0.25 * v for v in t])) == 0.25

    def test_a_quarter_of_wild_points_does_not_matter(self):
        t = array("d", range(100))
        y = array("d", [0.1 * v for v in t])
        for i in range(0, 100, 4):
            y[i] = (-1) ** (i // 4) * 1e6
        assert theil_sen(t, y) == pytest.approx(0.1, rel=0.2)

    def test_a_plateau(self):
        assert theil_sen(array("d", range(600)), array("d", [21.5] * 600)) == 0.0

    @pytest.mark.parametrize("wrong", [math.nan, math.inf])
    def test_not_finite(self, wrong):
        assert math.isnan(theil_sen(array("d", [0, 1, 2]), array("d", [1, wrong, 3])))
        assert math.isnan(theil_sen(array("d", [0, wrong, 2]), array("d", [1, 2, 3])))

    @pytest.mark.parametrize(("t", "y"), [([], []), ([1.0], [2.0]), ([3.0, 3.0], [1.0, 2.0])])
    def test_too_few(self, t, y):
        with pytest.raises(ValueError, match="two different times"):
            theil_sen(array("d", t), array("d", y))

    def test_lengths_that_differ(self):
        with pytest.raises(ValueError, match="2 times but 1 values"):
            theil_sen(array("d", [0, 1]), array("d", [0]))

    def test_too_many(self):
        many = array("d", range(2049))
        with pytest.raises(ValueError, match="thin them out"):
            theil_sen(many, many)

    @given(st.lists(st.tuples(st.integers(0, 30), st.integers(-20, 20)), max_size=40), st.floats(0.1, 4.0))
    def test_the_interval_is_that_of_the_reference(self, points, z):
        t, y = (array("d", [p[i] for p in points]) for i in (0, 1))
        if len(set(t)) < 2:
            with pytest.raises(ValueError, match="two different times"):
                theil_sen_interval(t, y, z)
        else:
            slope, low, high = theil_sen_interval(t, y, z)
            assert (slope, low, high) == reference.theil_sen_interval(t, y, z)
            assert low <= slope <= high
            assert slope == theil_sen(t, y)

    def test_the_interval_holds_the_true_slope_as_often_as_it_promises(self):
        random = np.random.default_rng(7)
        t = array("d", range(60))
        held = 0
        for _ in range(400):
            y = array("d", 0.05 * np.arange(60) + random.standard_normal(60))
            _, low, high = theil_sen_interval(t, y)
            held += low <= 0.05 <= high
        assert 0.92 <= held / 400 <= 0.985

    def test_an_interval_of_nothing(self):
        assert all(map(math.isnan, theil_sen_interval(array("d", [0, 1, 2]), array("d", [1, NAN, 3]))))
        assert theil_sen_interval(array("d", range(50)), array("d", [21.5] * 50)) == (0, 0, 0)
        with pytest.raises(ValueError, match="positive"):
            theil_sen_interval(array("d", [0, 1]), array("d", [0, 1]), 0.0)
