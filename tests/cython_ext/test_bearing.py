"""Scores of bearing faults, against what a comb must give and against the reference."""

from __future__ import annotations

import math
import threading
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.bearing import BearingScores

BIN_HZ = 0.1
BINS = 10_000
SHAFT_HZ = 29.53
RATES = (3.5848, 5.4152, 2.35676, 0.39828)
"""Of a 6205: outer and inner race, element, cage."""
OUTER, INNER, ELEMENT, CAGE, TAIL = range(5)


def noise(bins: int = BINS, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).rayleigh(1.0, bins).astype("f")


def with_lines(spectrum: np.ndarray, *lines_hz: float, db: float = 26.0, bin_hz: float = BIN_HZ) -> np.ndarray:
    """Return the spectrum with lines as a Hann window makes them, so far above the median of the noise."""
    at = np.arange(spectrum.size)
    for hz in lines_hz:
        away = np.abs(at - hz / bin_hz)
        spectrum = np.maximum(spectrum, 1.18 * 10 ** (db / 20) * np.where(away < 2, np.cos(np.pi * away / 4) ** 2, 0))
    return spectrum.astype("f")


def scored(spectrum: np.ndarray, shaft_hz: float = SHAFT_HZ, bin_hz: float = BIN_HZ) -> array:
    return BearingScores(spectrum.size, bin_hz, *RATES).scores(spectrum, shaft_hz)


def comb(rate: float, slip: float = 0.0, harmonics: int = 4) -> list[float]:
    return [k * rate * SHAFT_HZ * (1 + slip) for k in range(1, harmonics + 1)]


class TestScores:
    @pytest.mark.parametrize(("fault", "rate"), [(OUTER, RATES[0]), (ELEMENT, 2 * RATES[2]), (CAGE, RATES[3])])
    @pytest.mark.parametrize("slip", [-0.007, 0.0, 0.0042])
    def test_the_fault_whose_lines_are_there_scores_their_level(self, fault, rate, slip):
        scores = scored(with_lines(noise(), *comb(rate, slip)))
        assert scores[fault] == pytest.approx(26, abs=1)
        assert scores[5 + fault] == pytest.approx(comb(rate, slip)[0], abs=BIN_HZ)
        assert max(score for kind, score in enumerate(scores[:4]) if kind != fault) < 12

    def test_an_inner_race_scores_half_by_its_lines_and_half_by_those_a_shaft_speed_beside(self):
        lines = comb(RATES[1])
        alone = scored(with_lines(noise(), *lines))
        loaded = scored(with_lines(noise(), *lines, *[hz + side for hz in lines for side in (-SHAFT_HZ, SHAFT_HZ)]))
        assert alone[INNER] == pytest.approx(26 / 2, abs=4)
        assert loaded[INNER] == pytest.approx(26, abs=1)

    def test_lines_further_off_than_the_slip_allows_score_as_noise(self):
        assert scored(with_lines(noise(), *comb(RATES[0], 0.02)))[OUTER] < 9
        assert scored(with_lines(noise(), *comb(RATES[3], 0.05)))[CAGE] < 9

    def test_lines_with_a_slip_each_of_their_own_are_no_comb(self):
        lines = [hz * (1 + slip) for hz, slip in zip(comb(RATES[0]), (-0.007, 0.006, -0.003, 0.003), strict=True)]
        assert scored(with_lines(noise(), *lines))[OUTER] < 15

    def test_the_first_line_counts_twice(self):
        scores = [scored(with_lines(noise(), *lines))[OUTER] for lines in (comb(RATES[0])[:1], comb(RATES[0])[3:])]
        assert scores[0] > scores[1] + 3

    def test_lines_of_the_shaft_do_not_count(self):
        """Four times the shaft is 0.3 % from twice the turns of an element of a 6203: within its slip."""
        shaft = [k * SHAFT_HZ for k in range(1, 33)]
        scores = BearingScores(BINS, BIN_HZ, 3.053, 4.9469, 1.9937, 0.3817).scores(with_lines(noise(), *shaft, db=40), SHAFT_HZ)
        assert max(scores[:4]) < 9

    def test_the_tail_of_a_cage_tells_a_short_blow_from_a_load_zone(self):
        assert scored(with_lines(noise(), *comb(RATES[3], harmonics=8)))[TAIL] == pytest.approx(26, abs=1.5)
        assert scored(with_lines(noise(), *comb(RATES[3], harmonics=4)))[TAIL] < 9

    @pytest.mark.parametrize("bin_hz", [0.1, 0.4, 1.0, 6.25])
    def test_noise_scores_little(self, bin_hz):
        scores = [scored(noise(int(1000 / bin_hz), seed), bin_hz=bin_hz)[:4] for seed in range(100)]
        assert np.max(scores) < 11

    def test_a_spectrum_that_ends_early_counts_the_lines_it_has(self):
        end = int(2.5 * RATES[0] * SHAFT_HZ / BIN_HZ)
        scores = scored(with_lines(noise(end), *comb(RATES[0])))
        assert scores[OUTER] == pytest.approx(26, abs=2)
        assert math.isnan(scores[INNER])
        assert scores[CAGE] < 12

    def test_a_spectrum_without_a_second_line_has_no_score(self):
        assert all(map(math.isnan, scored(noise(150))))

    @pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
    def test_a_spectrum_that_is_not_finite_has_no_score(self, odd):
        spectrum = noise()
        spectrum[-1] = odd
        assert all(map(math.isnan, scored(spectrum)))

    def test_zeros_and_a_constant_score_nothing(self):
        assert list(scored(np.zeros(BINS, "f"))[:4]) == [0, 0, 0, 0]
        assert list(scored(np.full(BINS, 1e-38, "f"))[:4]) == [0, 0, 0, 0]
        assert list(scored(np.full(BINS, 1e-45, "f"))[:4]) == [0, 0, 0, 0]  # denormal

    def test_the_scores_do_not_depend_on_the_unit(self):
        spectrum = with_lines(noise(), *comb(RATES[0], 0.003))
        assert scored(spectrum * np.float32(1e6))[:5] == pytest.approx(scored(spectrum)[:5], abs=1e-4)

    def test_writes_into_out_and_returns_it(self):
        out = array("d", bytes(72))
        kernel = BearingScores(BINS, BIN_HZ, *RATES)
        assert kernel.scores(noise(), SHAFT_HZ, out) is out
        assert out == kernel.scores(noise(), SHAFT_HZ)

    def test_what_does_not_fit_is_told(self):
        kernel = BearingScores(BINS, BIN_HZ, *RATES)
        with pytest.raises(ValueError, match="9 bins for scores of 10000"):
            kernel.scores(np.zeros(9, "f"), SHAFT_HZ)
        with pytest.raises(ValueError, match="out has 4"):
            kernel.scores(noise(), SHAFT_HZ, array("d", bytes(32)))
        for speed in (0.0, -1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match="above 0"):
                kernel.scores(noise(), speed)
        for arguments in ((3, BIN_HZ, *RATES), (BINS, 0.0, *RATES), (BINS, BIN_HZ, 3.58, 0.0, 2.36, 0.4)):
            with pytest.raises(ValueError, match=r"above 0|4 or more"):
                BearingScores(*arguments)

    def test_two_threads_of_one_kernel_do_not_meet(self):
        kernel = BearingScores(1_000_000, 0.001, *RATES)
        spectrum = noise(1_000_000)
        refused: list[str] = []
        expected = kernel.scores(spectrum, SHAFT_HZ)

        def work():
            for _ in range(20):
                try:
                    assert kernel.scores(spectrum, SHAFT_HZ) == expected
                except RuntimeError as error:
                    refused.append(str(error))

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all("in use" in reason for reason in refused)


class TestLevel:
    def test_is_that_of_a_line(self):
        spectrum = with_lines(noise(), 333.3, 10 * SHAFT_HZ)
        kernel = BearingScores(BINS, BIN_HZ, *RATES)
        assert kernel.level(spectrum, SHAFT_HZ, 333.3) == pytest.approx(26, abs=1)
        assert kernel.level(spectrum, SHAFT_HZ, 10 * SHAFT_HZ) == 0  # the shaft's
        assert math.isnan(kernel.level(spectrum, SHAFT_HZ, 5000.0))
        assert math.isnan(kernel.level(spectrum, SHAFT_HZ, -1.0))


@st.composite
def spectra(draw):
    bins = draw(st.integers(20, 400))
    values = draw(st.lists(st.just(0.0) | st.floats(2**-20, 2**20, width=32), min_size=bins, max_size=bins))
    return array("f", values)


@settings(max_examples=60, deadline=None)
@given(
    spectra(),
    st.floats(0.05, 20),
    st.floats(0.5, 100),
    st.tuples(st.floats(2, 9), st.floats(3, 12), st.floats(1.5, 5), st.floats(0.3, 0.5)),
)
def test_scores_are_those_of_the_reference(spectrum, bin_hz, shaft_hz, rates):
    mine = BearingScores(len(spectrum), bin_hz, *rates).scores(spectrum, shaft_hz)
    theirs = reference.BearingScores(len(spectrum), bin_hz, *rates).scores(spectrum, shaft_hz)
    assert mine[:4] == pytest.approx(theirs[:4], abs=1e-4, nan_ok=True)
    assert mine[5:] == pytest.approx(theirs[5:], rel=1e-6, nan_ok=True)


def test_scores_of_a_long_record_are_those_of_the_reference():
    spectrum = array("f", with_lines(noise(), *comb(RATES[1], -0.002)).tolist())
    mine, theirs = (kind(BINS, BIN_HZ, *RATES).scores(spectrum, SHAFT_HZ) for kind in (BearingScores, reference.BearingScores))
    assert mine == pytest.approx(theirs, abs=1e-4)
