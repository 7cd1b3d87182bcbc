"""Goertzel's line against the transform, and control charts against the textbook and the reference."""

from __future__ import annotations

import json
import math
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.trackers import Cusum, Ewma, PageHinkley, goertzel

MONTGOMERY = [
    *(9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34, 9.03, 11.47, 10.51, 9.40, 10.08, 9.37, 10.62, 10.31),
    *(8.52, 10.84, 10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31, 10.52),
]
"""Table 9.1 of Introduction to Statistical Quality Control: N(10, 1), from the 21st value on N(11, 1)."""

CHARTS = {
    "ewma": (lambda: Ewma(10.0, 1.0), lambda values: reference.ewma(values, 10.0, 1.0)),
    "cusum": (lambda: Cusum(10.0, 1.0), lambda values: reference.cusum(values, 10.0, 1.0)),
    "page_hinkley": (lambda: PageHinkley(0.1, 6.0, 5), lambda values: reference.page_hinkley(values, 0.1, 6.0, 5)),
}

chart = pytest.mark.parametrize("make", [make for make, _ in CHARTS.values()], ids=list(CHARTS))


class TestGoertzel:
    @pytest.mark.parametrize(("n", "k"), [(64, 1), (64, 31), (4096, 3), (25_600, 1), (25_600, 12_799), (1001, 500)])
    def test_equals_a_bin_of_the_transform(self, n, k):
        x = np.random.default_rng(n).standard_normal(n).astype("f")
        exact = 2 * abs(np.fft.rfft(x.astype("d"))[k]) / n
        assert goertzel(x, float(n), float(k)) == pytest.approx(exact, rel=1e-8)

    @given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=40), st.floats(0, 500))
    def test_between_bins_it_equals_the_definition(self, x, hz):
        x = array("f", x)
        assert goertzel(x, 1000.0, hz) == pytest.approx(reference.goertzel(x, 1000.0, hz), rel=1e-6, abs=1e-6)

    def test_a_sine_of_whole_periods_on_gravity(self):
        x = 9.81 + 0.3 * np.sin(2 * np.pi * 50 / 25_600 * np.arange(25_600) + 1)
        assert goertzel(x.astype("f"), 25_600.0, 50.0) == pytest.approx(0.3, rel=1e-5)
        assert goertzel(x.astype("f"), 25_600.0, 0.0) == pytest.approx(9.81, rel=1e-6)

    def test_half_the_rate(self):
        assert goertzel(array("f", [1, -1] * 10), 2.0, 1.0) == pytest.approx(1)

    def test_one_sample(self):
        assert goertzel(array("f", [3.0]), 2.0, 0.0) == 3

    def test_not_finite(self):
        assert math.isnan(goertzel(array("f", [1.0, math.nan, 2.0]), 10.0, 1.0))

    @pytest.mark.parametrize(
        ("x", "rate_hz", "hz", "message"),
        [
            ([], 10.0, 1.0, "no samples"),
            ([1.0], 0.0, 0.0, "it must be above 0"),
            ([1.0], math.nan, 0.0, "it must be above 0"),
            ([1.0], 10.0, 5.1, "from 0 to 5 Hz"),
            ([1.0], 10.0, -1.0, "from 0 to 5 Hz"),
            ([1.0], 10.0, math.nan, "from 0 to 5 Hz"),
        ],
    )
    def test_no_such_line(self, x, rate_hz, hz, message):
        with pytest.raises(ValueError, match=message):
            goertzel(array("f", x), rate_hz, hz)


class TestTextbook:
    def test_the_cumulative_sum_signals_at_the_29th_value_a_shift_that_began_7_before(self):
        chart = Cusum(10.0, 1.0, k=0.5, h=5.0)
        verdicts = []
        for value in MONTGOMERY[:29]:
            verdicts.append(chart.update(value))
        assert verdicts == [0] * 28 + [1]
        assert chart.high == pytest.approx(5.28, abs=0.005)
        assert (chart.high_count, chart.low) == (7, 0)
        assert chart.estimate == pytest.approx(10 + 0.5 + 5.28 / 7, abs=0.005)

    def test_the_moving_average_signals_at_the_29th_value(self):
        chart = Ewma(10.0, 1.0, weight=0.1, width=2.7)
        averages, verdicts = [], []
        for value in MONTGOMERY:
            verdicts.append(chart.update(value))
            averages.append(chart.average)
        assert averages[:3] == pytest.approx([9.945, 9.7495, 9.70355])
        assert averages[-1] == pytest.approx(10.6341, abs=5e-5)
        assert verdicts == [0] * 28 + [1, 1]
        assert chart.reach == pytest.approx(0.62, abs=0.005)

    def test_the_limits_of_the_moving_average_widen(self):
        chart = Ewma(10.0, 1.0, weight=0.1, width=2.7)
        assert chart.reach == 0
        reach = []
        for value in MONTGOMERY[:2]:
            chart.update(value)
            reach.append(chart.reach)
        assert reach == pytest.approx([0.27, 0.363], abs=0.0005)

    def test_page_hinkley_sees_a_step_either_way_and_no_noise(self):
        noise = np.random.default_rng(1).standard_normal(400)
        for step in (0.0, 3.0, -3.0):
            chart = PageHinkley(0.3, 20.0)
            verdicts = [chart.update(v + (step if i >= 300 else 0)) for i, v in enumerate(noise)]
            assert not any(verdicts[:300])
            assert verdicts[330] == np.sign(step)


@pytest.mark.parametrize("name", CHARTS)
@given(values=st.lists(st.floats(5, 15), max_size=30))
def test_every_verdict_equals_the_definition(name, values):
    make, defined = CHARTS[name]
    chart = make()
    for i, value in enumerate(values):
        got, due = chart.update(value), defined(values[: i + 1])
        assert got == due or on_the_edge(chart)


def on_the_edge(chart) -> bool:
    """Whether rounding decides."""
    if isinstance(chart, Ewma):
        return math.isclose(abs(chart.average - chart.mean), chart.reach, rel_tol=1e-9)
    sums = (chart.high, chart.low) if isinstance(chart, Cusum) else (chart.rise, chart.fall)
    limit = chart.h if isinstance(chart, Cusum) else chart.threshold
    return math.isclose(max(sums), limit, rel_tol=1e-9) or math.isclose(*sums, rel_tol=1e-9)


@chart
class TestState:
    def test_survives_as_json(self, make):
        one, other = make(), make()
        for value in MONTGOMERY[:20]:
            one.update(value)
        other.restore(json.loads(json.dumps(one.keep())))
        for value in MONTGOMERY[20:]:
            assert other.update(value) == one.update(value)
        assert other.keep() == pytest.approx(one.keep())

    def test_what_is_not_finite_is_passed_over(self, make):
        chart = make()
        for value in MONTGOMERY:
            before = chart.update(value)
            kept = chart.keep()
            for wrong in (math.nan, math.inf, -math.inf):
                assert chart.update(wrong) == before
            assert chart.keep() == kept

    def test_nothing_is_said_before_the_first_value(self, make):
        assert make().update(math.nan) == 0

    def test_begins_anew(self, make):
        chart = make()
        fresh = chart.keep()
        for value in MONTGOMERY:
            chart.update(value)
        chart.reset()
        assert chart.keep() == fresh

    @pytest.mark.parametrize(
        "change", [lambda kept: None, lambda kept: {}, lambda kept: dict.fromkeys(kept, math.nan), lambda _: []]
    )
    def test_a_state_that_is_none_changes_nothing(self, make, change):
        chart = make()
        chart.update(MONTGOMERY[0])
        kept = chart.keep()
        with pytest.raises(ValueError, match="the kept state"):
            chart.restore(change(kept))
        assert chart.keep() == kept


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ewma(math.nan, 1.0), "a mean"),
        (lambda: Ewma(0.0, 0.0), "a standard deviation of 0.0"),
        (lambda: Ewma(0.0, 1.0, 1.1), "a weight of 1.1"),
        (lambda: Ewma(0.0, 1.0, 0.2, 0.0), "a width"),
        (lambda: Cusum(0.0, math.inf), "a standard deviation"),
        (lambda: Cusum(0.0, 1.0, -0.1), "an allowance"),
        (lambda: Cusum(0.0, 1.0, 0.5, 0.0), "a decision interval"),
        (lambda: PageHinkley(-1.0, 1.0), "a delta"),
        (lambda: PageHinkley(0.0, math.nan), "a threshold"),
        (lambda: PageHinkley(0.0, 1.0, 0), "0 values before"),
    ],
)
def test_numbers_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()
