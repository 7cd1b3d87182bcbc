"""The line through points: against scipy, and that its intervals hold what they promise in many simulated series."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gateway.condition.regression import FEWEST, line, student_t

DAYS = np.arange(30.0)


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),
    [
        *((0.9, 1, 3.077684), (0.9, 2, 1.885618), (0.9, 5, 1.475884), (0.9, 28, 1.312527), (0.9, 120, 1.288646)),
        *((0.975, 1, 12.706205), (0.975, 2, 4.302653), (0.975, 5, 2.570582), (0.975, 28, 2.048407), (0.975, 120, 1.979930)),
    ],
)
def test_the_quantile_of_student_is_that_of_the_printed_tables(probability: float, freedom: int, quantile: float) -> None:
    assert student_t(probability, freedom) == pytest.approx(quantile, abs=1e-6)


@pytest.mark.parametrize("freedom", [3, 4, 5, 6, 27, 28, 397, 398])
@pytest.mark.parametrize("probability", [0.6, 0.9, 0.975, 0.9995])
def test_the_density_up_to_the_quantile_adds_up_to_the_probability(probability: float, freedom: int) -> None:
    t = np.linspace(0, student_t(probability, freedom), 20001)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    density = scale * (1 + t**2 / freedom) ** (-(freedom + 1) / 2)
    assert 0.5 + np.trapezoid(density, t) == pytest.approx(probability, abs=1e-8)


def test_line_and_interval_are_those_of_numpy() -> None:
    y = 2 + 0.3 * DAYS + np.random.default_rng(0).normal(size=30)
    found, ((slope, intercept), covariance) = line(DAYS, y), np.polyfit(DAYS, y, 1, cov=True)
    assert found is not None
    assert found.left_out == 0
    assert found.slope == pytest.approx(slope)
    margin = 1.312527 * math.sqrt(covariance[0, 0])
    assert (found.low, found.high) == pytest.approx((slope - margin, slope + margin))
    assert found.at(40.0) == pytest.approx(intercept + 40 * slope)


@pytest.mark.parametrize("days", [7, 13, 14, 30, 90])
def test_the_interval_of_the_slope_holds_the_true_one_in_80_of_100_series(days: int) -> None:
    rng = np.random.default_rng(20260101)
    t = np.arange(float(days))
    held = 0
    for _ in range(1000):
        found = line(t, 1 + 0.01 * t + 0.1 * rng.normal(size=days))
        assert found is not None
        held += found.low <= 0.01 <= found.high
    assert 765 <= held <= 835, held  # 800 +- 2.8 standard deviations of the binomial


def test_the_interval_of_the_time_to_a_level_holds_the_true_one_in_80_of_100_series() -> None:
    rng = np.random.default_rng(20260102)
    held = told = 0
    for _ in range(1000):
        found = line(DAYS, 1 + 0.02 * DAYS + 0.1 * rng.normal(size=30))
        assert found is not None
        if (reached := found.reaches(2.0)) is not None:
            told += 1
            held += reached[1] <= 50.0 <= reached[2]
    assert told > 990
    assert 0.77 <= held / told <= 0.83, held / told


def test_without_a_slope_one_in_five_series_is_said_to_have_one_and_the_others_not() -> None:
    rng = np.random.default_rng(20260103)
    sure = 0
    for _ in range(1000):
        found = line(DAYS, 1 + 0.1 * rng.normal(size=30))
        assert found is not None
        sure += found.sure
    assert 170 <= sure <= 235, sure


def test_a_wrong_day_makes_no_trend_and_hides_none() -> None:
    y = 1 + 0.01 * DAYS + 0.01 * np.random.default_rng(4).normal(size=30)
    y[27] = 9.0
    found = line(DAYS, y)
    assert found is not None
    assert (found.left_out, found.sure) == (1, True)
    assert found.slope == pytest.approx(0.01, rel=0.1)


def test_too_little_is_refused_and_a_line_without_scatter_is_no_trouble() -> None:
    assert line(DAYS[: FEWEST - 1], DAYS[: FEWEST - 1]) is None
    assert line([3.0] * 10, list(range(10))) is None
    flat, exact = line(DAYS, [2.0] * 30), line(DAYS, 2 * DAYS)
    assert flat is not None
    assert exact is not None
    assert not flat.sure
    assert flat.reaches(3.0) is None
    assert exact.reaches(100.0) == pytest.approx((50.0, 50.0, 50.0))
