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
from cython_ext.statistics import statistics, theil_sen

NAN = math.nan


def agree(a: Statistics, b: Statistics, tolerance: float) -> bool:
    """Equal to `tolerance`, relative to what sets the scale of each field."""
    return all(
        (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=tolerance, abs_tol=tolerance if name == "skewness" else 0.0)
        for name, x, y in zip(Statistics._fields, a, b, strict=True)
    )


@pytest.mark.usefixtures("backend")
class TestStatistics:
    @pytest.mark.parametrize("n", [*range(2, 40), 63, 64, 65, 100, 257, 1000, 4099])
    def test_every_length_equals_the_reference(self, n):
        x = array("f", np.random.default_rng(n).standard_normal(n).astype("f"))
        assert agree(statistics(x), reference.statistics(x), 1e-9)

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
        assert s.rms == pytest.approx(math.sqrt((d**2).mean()), rel=1e-9)
        assert s.skewness == pytest.approx((d**3).mean() / (d**2).mean() ** 1.5, rel=1e-7)
        assert s.kurtosis == pytest.approx((d**4).mean() / (d**2).mean() ** 2, rel=1e-7)

    @pytest.mark.parametrize("n", [1, 2, 7, 8, 1000])
    @pytest.mark.parametrize("value", [0.0, 0.1, -9.81, 1e30])
    def test_a_constant_has_no_shape(self, n, value):
        s = statistics(array("f", [value]) * n)
        exact = array("f", [value])[0]
        assert s[:5] == (n, exact, 0.0, 0.0, 0.0)
        assert all(map(math.isnan, s[5:8]))
        assert s[8:] == (exact, exact)

    @pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("n", [1, 3, 8, 100])
    def test_one_sample_that_is_not_finite_spoils_all(self, wrong, n):
        for where in {0, n // 2, n - 1}:
            x = array("f", range(n))
            x[where] = wrong
            s = statistics(x)
            assert s.count == n
            assert all(map(math.isnan, s[1:]))

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
