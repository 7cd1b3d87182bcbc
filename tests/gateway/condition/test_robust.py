"""What is usual of rows of which some are wrong: against numpy, and as the statistics it promises."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from gateway.condition.robust import MOST_AT_ONCE, cholesky, finding, median, shrinking, spread, usual


def ended(work: Generator[None, None, Any]) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


@pytest.mark.parametrize("n", [1, 2, 3, 7, 300])
def test_centre_and_spread_are_those_of_numpy(n: int) -> None:
    values = list(np.random.default_rng(n).normal(5, 2, n))
    assert median(values) == np.median(values)
    deviation = np.median(np.abs(np.array(values) - np.median(values)))
    assert spread(values, median(values)) == pytest.approx(1.4826 * deviation, abs=1e-12)


def test_a_tenth_of_wrong_values_hardly_moves_them() -> None:
    values = np.random.default_rng(1).normal(5, 2, 1000)
    values[:100] = 1e6
    assert median(list(values)) == pytest.approx(5, abs=0.5)
    assert spread(list(values), median(list(values))) == pytest.approx(2, rel=0.25)


@pytest.mark.parametrize("p", [1, 2, 5, 12])
def test_the_factor_is_that_of_numpy(p: int) -> None:
    root = np.random.default_rng(p).normal(size=(p, p + 3))
    matrix = root @ root.T
    lower = cholesky(matrix.tolist())
    full = np.array([row + [0.0] * (p - len(row)) for row in lower])
    assert full == pytest.approx(np.linalg.cholesky(matrix), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("n", "p"), [(20, 12), (60, 6), (300, 12), (512, 3)])
def test_the_shrinkage_is_the_rule_of_ledoit_and_wolf(n: int, p: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, p)) @ rng.normal(size=(p, p))
    s = x.T @ x / n
    target = np.trace(s) / p * np.eye(p)
    d2 = np.sum((s - target) ** 2)
    b2 = sum(np.sum((np.outer(row, row) - s) ** 2) for row in x) / n**2
    wanted = min(b2, d2) / d2
    covariance, shrinkage = ended(shrinking(x.T.tolist()))
    assert shrinkage == pytest.approx(wanted, rel=1e-9)
    assert np.array(covariance) == pytest.approx(wanted * target + (1 - wanted) * s, rel=1e-9)


def log_normal(seed: int, n: int, p: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = np.eye(p) + 0.6 * rng.normal(size=(p, p))
    return np.exp(1 + 0.1 * rng.normal(size=(n, p)) @ mixing)


@pytest.mark.parametrize("p", [1, 4, 12])
def test_usual_rows_lie_at_a_distance_of_about_one_whatever_their_number(p: int) -> None:
    known = usual(log_normal(p, 800, p)[:400].tolist())
    distances = [known.distance(row) or 0.0 for row in log_normal(p, 800, p)[400:].tolist()]
    assert math.sqrt(float(np.mean(np.square(distances)))) == pytest.approx(1.0, rel=0.15)


def test_a_combination_that_never_was_is_far_although_each_value_alone_is_usual() -> None:
    rng = np.random.default_rng(3)
    first = rng.normal(size=400)
    rows = np.exp(np.column_stack([0.1 * first, 0.1 * first + 0.005 * rng.normal(size=400)]))
    known = usual(rows.tolist())
    strange = [math.exp(0.1), math.exp(-0.1)]
    assert max(abs(known.z(place, value) or 0.0) for place, value in enumerate(strange)) < 1.5
    assert (known.distance(strange) or 0.0) > 8


def test_wrong_rows_among_those_learned_do_not_make_the_unusual_usual() -> None:
    rows = log_normal(5, 400, 5)
    clean = usual(rows.tolist())
    rows[:20] *= 50
    known = usual(rows.tolist())
    strange = (rows[-1] * 2).tolist()
    assert (known.distance(strange) or 0.0) > 0.5 * (clean.distance(strange) or 0.0)


def test_values_that_may_be_negative_have_a_z_and_no_part_in_the_distance() -> None:
    rng = np.random.default_rng(2)
    rows = np.column_stack([rng.normal(size=200), np.exp(rng.normal(size=200))])
    known = usual(rows.tolist())
    assert known.together == [1]
    assert known.z(0, known.centre[0] + 2 * known.spread[0]) == pytest.approx(2)
    assert known.distance([None, known.centre[1]]) == 0.0
    assert known.distance([0.0, None]) is None


def test_what_never_varied_gives_no_infinite_number() -> None:
    known = usual([[5.0, 0.0, 1e-9]] * 50)
    assert known.z(0, 5.0) == 0.0
    assert known.z(1, 1.0) is None
    assert math.isfinite(known.distance([5.5, 0.0, 0.0]) or math.nan)


def test_no_more_values_than_a_small_computer_bears_are_taken_together() -> None:
    assert len(usual(log_normal(1, 60, 20).tolist()).together) == MOST_AT_ONCE


def test_it_is_found_in_many_short_steps() -> None:
    rows = log_normal(7, 300, 12).tolist()
    steps = len(list(finding(rows)))
    assert steps >= 3 * 12
    assert ended(finding(rows)) == usual(rows)
