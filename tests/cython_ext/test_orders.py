"""Angular resampling, the synchronous average and what is left without it, against signals whose answer is known."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.orders import AngleResampler, difference, drift, order_spectrum, synchronous_average
from cython_ext.spectrum import Welch

RATE = 8192.0
STEPS = 256


def zeros(code: str, n: int) -> array:
    return array(code, bytes(n * array(code).itemsize))


def line(order: float, samples: array, steps: int = STEPS) -> complex:
    """Amplitude and phase of one order."""
    x = np.asarray(samples, float)
    return complex(2 / len(x) * (x * np.exp(-2j * np.pi * order * np.arange(len(x)) / steps)).sum())


def angle(steps: int, count: int) -> np.ndarray:
    return np.arange(count) / steps


def run_up(seconds: float, first_hz: float, last_hz: float) -> tuple[array, np.ndarray]:
    """A shaft with orders 1, 2.5 and 7 that speeds up evenly, and the times at which it completes a revolution."""
    t = np.arange(int(seconds * RATE)) / RATE
    slope = (last_hz - first_hz) / seconds
    phase = first_hz * t + slope / 2 * t**2
    x = np.sin(2 * np.pi * phase) + 0.5 * np.sin(2 * np.pi * 2.5 * phase) + 0.2 * np.cos(2 * np.pi * 7 * phase)
    turns = np.arange(int(phase[-1]) + 1)
    return array("f", x.astype("f")), (np.sqrt(first_hz**2 + 2 * slope * turns) - first_hz) / slope


class TestAngleResampler:
    def test_a_steady_shaft_gives_its_sine_over_the_angle(self):
        hz = 23.7
        x = array("f", np.sin(2 * np.pi * hz * np.arange(20_000) / RATE).astype("f"))
        out = zeros("f", 60 * STEPS)
        revs = AngleResampler(STEPS, RATE).constant(x, hz, out)
        assert revs == int((20_000 - 5) / RATE * hz)
        expected = np.sin(2 * np.pi * (angle(STEPS, revs * STEPS) + 2 * hz / RATE))
        assert np.abs(np.asarray(out[: revs * STEPS]) - expected).max() < 1e-6

    @pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.15, 0.2, 0.25])
    def test_the_error_is_below_the_promised_bound(self, share):
        hz = share * RATE
        x = array("f", np.sin(2 * np.pi * hz * np.arange(4000) / RATE).astype("f"))
        out = zeros("f", 4000 * 4)
        shaft = RATE / 1000
        revs = AngleResampler(3011, RATE).constant(x, shaft, out)
        position = 2 + np.arange(revs * 3011) * 1000 / 3011
        error = np.abs(np.asarray(out[: revs * 3011]) - np.sin(2 * np.pi * share * position)).max()
        assert error <= 5 / 1024 * (2 * np.pi * share) ** 6 + 3e-7
        assert share < 0.1 or error > 1e-5  # the bound is no empty one

    def test_polynomials_of_the_fifth_degree_are_kept(self):
        n = np.arange(40) / 10
        x = array("f", (n**5 - 7 * n**4 + 12 * n**3 - n).astype("f"))
        out = zeros("f", 128)
        revs = AngleResampler(64, 10.0).constant(x, 0.5, out)
        p = (2 + np.arange(64) * 20 / 64) / 10
        assert revs == 1
        assert np.asarray(out[:64]) == pytest.approx(p**5 - 7 * p**4 + 12 * p**3 - p, rel=1e-5, abs=1e-4)

    def test_a_run_up_stays_in_one_bin_per_order(self):
        x, _ = run_up(8.0, 10.0, 30.0)
        out = zeros("f", 200 * STEPS)
        revs = AngleResampler(STEPS, RATE).profile(x, array("d", [0.0, 8.0]), array("d", [10.0, 30.0]), out)
        assert revs == 159
        whole = out[: 150 * STEPS]
        spectrum = np.abs(np.fft.rfft(np.asarray(whole))) * 2 / len(whole)
        for order, amplitude in ((1, 1.0), (2.5, 0.5), (7, 0.2)):
            assert spectrum[round(order * 150)] == pytest.approx(amplitude, rel=1e-4)
        others = np.delete(spectrum, [round(order * 150) for order in (1, 2.5, 7)])
        assert others.max() < 1e-4
        in_time = np.abs(np.fft.rfft(np.asarray(x))) * 2 / len(x)
        assert in_time.max() < 0.2  # without resampling order 1 is smeared over 20 Hz

    @pytest.mark.parametrize("pulses_per_rev", [1, 4])
    def test_tacho_pulses_hold_a_run_up_in_one_bin_per_order(self, pulses_per_rev):
        x, turns = run_up(8.0, 10.0, 30.0)
        slope = 20 / 8
        count = (len(turns) - 1) * pulses_per_rev
        edges = (np.sqrt(100 + 2 * slope * np.arange(count) / pulses_per_rev) - 10) / slope
        out = zeros("f", 200 * STEPS)
        revs = AngleResampler(STEPS, RATE).tacho(x, array("d", edges), out, pulses_per_rev)
        assert revs in (157, 158)
        for order, amplitude in ((1, 1.0), (2.5, 0.5), (7, 0.2)):
            assert abs(line(order, out[STEPS : 151 * STEPS])) == pytest.approx(amplitude, rel=2e-3)

    def test_a_revolution_begins_with_a_pulse(self):
        t = np.arange(4096) / RATE
        x = array("f", np.cos(2 * np.pi * 20 * (t - 0.0123)).astype("f"))
        edges = array("d", [0.0123 + i / 20 for i in range(9)])
        out = zeros("f", 8 * STEPS)
        revs = AngleResampler(STEPS, RATE).tacho(x, edges, out)
        assert revs == 8
        assert np.angle(line(1, out)) == pytest.approx(0, abs=1e-4)

    def test_a_pulse_before_the_third_sample_is_not_begun_with(self):
        x = array("f", np.arange(100, dtype="f"))
        out = zeros("f", 16)
        revs = AngleResampler(4, 1.0).tacho(x, array("d", [0.5, 10.5, 20.5, 30.5]), out)
        assert revs == 2
        assert out[:8] == pytest.approx([10.5, 13.0, 15.5, 18.0, 20.5, 23.0, 25.5, 28.0])

    def test_uneven_pulses_never_run_time_backwards(self):
        x = array("f", np.arange(1000, dtype="f"))
        edges = array("d", [10.0, 500.0, 501.0, 502.0, 900.0])
        out = zeros("f", 4 * 1000)
        revs = AngleResampler(1000, 1.0).tacho(x, edges, out)
        assert revs == 4
        assert np.all(np.diff(np.asarray(out)) >= 0)

    def test_the_speed_stays_outside_of_what_was_measured(self):
        x = array("f", np.arange(3000, dtype="f"))
        resampler, a, b = AngleResampler(4, 1000.0), zeros("f", 40), zeros("f", 40)
        assert resampler.profile(x, array("d", [1.0]), array("d", [5.0]), a) == resampler.constant(x, 5.0, b) == 10
        assert a == pytest.approx(b, rel=1e-6)

    @given(
        speeds=st.lists(st.floats(5, 50), min_size=1, max_size=6),
        gaps=st.lists(st.floats(0.01, 0.3), min_size=6, max_size=6),
        start=st.floats(-0.2, 0.2),
    )
    def test_equals_the_reference_along_any_profile(self, speeds, gaps, start):
        x = array("f", np.sin(np.arange(200) * 0.2).astype("f"))
        times = array("d", start + np.cumsum(gaps[: len(speeds)]))
        ours, theirs = zeros("f", 16 * 12), zeros("f", 16 * 12)
        revs = AngleResampler(16, 1000.0).profile(x, times, array("d", speeds), ours)
        assert revs == reference.AngleResampler(16, 1000.0).profile(x, times, speeds, theirs)
        assert ours[: 16 * revs] == pytest.approx(theirs[: 16 * revs], abs=1e-5)

    @given(gaps=st.lists(st.floats(0.003, 0.3), min_size=2, max_size=12), start=st.floats(-0.1, 0.1), pulses=st.integers(1, 3))
    def test_equals_the_reference_between_any_pulses(self, gaps, start, pulses):
        x = array("f", np.sin(np.arange(500) * 0.2).astype("f"))
        edges = array("d", start + np.cumsum(gaps))
        ours, theirs = zeros("f", 16 * 12), zeros("f", 16 * 12)
        revs = AngleResampler(16, 1000.0).tacho(x, edges, ours, pulses)
        assert revs == reference.AngleResampler(16, 1000.0).tacho(x, edges, theirs, pulses)
        assert ours[: 16 * revs] == pytest.approx(theirs[: 16 * revs], abs=1e-5)

    def test_equals_the_reference_at_a_steady_speed(self):
        x = array("f", np.sin(np.arange(300) * 0.3).astype("f"))
        ours, theirs = zeros("f", 10 * 32), zeros("f", 10 * 32)
        revs = AngleResampler(32, 1000.0).constant(x, 20.0, ours)
        assert revs == reference.AngleResampler(32, 1000.0).constant(x, 20.0, theirs) == 5
        assert ours[: 32 * revs] == pytest.approx(theirs[: 32 * revs], abs=1e-6)

    @pytest.mark.parametrize("n", range(12))
    def test_short_waveforms_give_no_revolution_and_are_not_read_beyond(self, n):
        x, out = array("f", [1.0] * n), zeros("f", 8)
        resampler = AngleResampler(8, 10.0)
        assert resampler.constant(x, 0.5, out) == 0
        assert resampler.profile(x, array("d", [0.0]), array("d", [0.5]), out) == 0
        assert resampler.tacho(x, array("d", [0.0, 4.0]), out) == 0

    def test_what_does_not_fit_into_out_is_left(self):
        x = array("f", bytes(4 * 1000))
        assert AngleResampler(8, 10.0).constant(x, 1.0, zeros("f", 8 * 3 + 7)) == 3

    def test_not_a_number_stays_where_it_is(self):
        x = array("f", [1.0] * 1000)
        x[500] = math.nan
        out = zeros("f", 800)
        assert AngleResampler(8, 10.0).constant(x, 1.0, out) == 99
        bad = np.flatnonzero(np.isnan(np.asarray(out[:792])))
        assert 1 <= len(bad) <= 6
        assert abs(bad.mean() - (500 - 2) * 0.8) <= 2

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda r, x, out: r.constant(x, 0.0, out), "a shaft at 0.0 Hz"),
            (lambda r, x, out: r.constant(x, math.nan, out), "a shaft at nan Hz"),
            (lambda r, x, out: r.profile(x, array("d"), array("d"), out), "0 times and 0 speeds"),
            (lambda r, x, out: r.profile(x, array("d", [0.0]), array("d", [1.0, 2.0]), out), "1 times and 2 speeds"),
            (
                lambda r, x, out: r.profile(x, array("d", [0.0, 0.0]), array("d", [1.0, 2.0]), out),
                "times must be finite and each later",
            ),
            (lambda r, x, out: r.profile(x, array("d", [0.0, 1.0]), array("d", [1.0, -2.0]), out), "a shaft at -2.0 Hz"),
            (lambda r, x, out: r.tacho(x, array("d", [0.0, math.nan]), out), "pulses must be finite"),
            (lambda r, x, out: r.tacho(x, array("d", [0.0, 1.0]), out, 0), "0 pulses per revolution"),
        ],
    )
    def test_what_makes_no_sense(self, call, message):
        with pytest.raises(ValueError, match=message):
            call(AngleResampler(8, 10.0), zeros("f", 100), zeros("f", 100))

    @pytest.mark.parametrize(("steps", "rate_hz"), [(3, 1.0), (2**20 + 1, 1.0), (64, 0.0), (64, math.nan), (64, math.inf)])
    def test_no_such_resampler(self, steps, rate_hz):
        with pytest.raises(ValueError, match=r"samples per revolution|it must be above 0"):
            AngleResampler(steps, rate_hz)


class TestOrderSpectrum:
    def test_welch_over_the_angle_shows_amplitudes_per_order(self):
        phase = angle(STEPS, 64 * STEPS)
        x = array("f", (3 * np.sin(2 * np.pi * phase) + 0.5 * np.cos(2 * np.pi * 6.5 * phase)).astype("f"))
        welch = Welch(16 * STEPS, float(STEPS))
        out = zeros("d", 8 * STEPS + 1)
        assert order_spectrum(welch.psd(x), welch.bin_hz, out) is out
        assert welch.bin_hz == 1 / 16
        assert out[16] == pytest.approx(3, rel=1e-5)
        assert out[104] == pytest.approx(0.5, rel=1e-5)
        assert max(out[110:]) < 1e-5

    def test_equals_the_reference(self):
        psd = array("d", [0.0, 1.0, 4.0, 0.25])
        assert order_spectrum(psd, 0.5, zeros("d", 4)) == pytest.approx(reference.order_spectrum(psd, 0.5, zeros("d", 4)))

    def test_wrong_out(self):
        with pytest.raises(ValueError, match="out has 3 numbers; the density has 4 bins"):
            order_spectrum(zeros("d", 4), 1.0, zeros("d", 3))
        with pytest.raises(ValueError, match="bin distance"):
            order_spectrum(zeros("d", 4), 0.0, zeros("d", 4))


class TestSynchronousAverage:
    def test_what_turns_with_the_shaft_stays_and_the_rest_falls(self):
        rng, revs = np.random.default_rng(1), 400
        wave = np.sin(2 * np.pi * angle(STEPS, STEPS)) + 0.3 * np.sin(2 * np.pi * 23 * angle(STEPS, STEPS))
        x = array("f", (np.tile(wave, revs) + rng.standard_normal(revs * STEPS)).astype("f"))
        average = zeros("d", STEPS)
        assert synchronous_average(x, average) == revs
        assert (np.asarray(average) - wave).std() == pytest.approx(1 / 20, rel=0.2)
        rest = difference(x, average, zeros("f", len(x)))
        assert np.asarray(rest).std() == pytest.approx(1, rel=0.01)
        assert abs(line(1, rest)) < 1e-6

    def test_numpy_says_the_same(self):
        x = np.random.default_rng(2).standard_normal(10 * 37 + 5).astype("f")
        average = zeros("d", 37)
        assert synchronous_average(array("f", x), average) == 10
        assert average == pytest.approx(x[:370].astype("d").reshape(10, 37).mean(axis=0), rel=1e-12)
        rest = difference(array("f", x), average, zeros("f", len(x)))
        assert rest == pytest.approx(x - np.resize(np.asarray(average), len(x)), abs=1e-6)

    @given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=5, max_size=40), st.integers(1, 5))
    def test_equals_the_reference(self, values, steps):
        x, ours, theirs = array("f", values), zeros("d", steps), zeros("d", steps)
        assert synchronous_average(x, ours) == reference.synchronous_average(x, theirs)
        assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-9)
        rests = (difference(x, ours, zeros("f", len(x))), reference.difference(x, theirs, zeros("f", len(x))))
        assert rests[0] == pytest.approx(rests[1], rel=1e-6, abs=1e-4)

    def test_the_difference_may_take_the_place_of_the_signal(self):
        x = array("f", [1.0, 2.0, 3.0, 4.0])
        assert difference(x, array("d", [2.0, 3.0]), x) is x
        assert x == array("f", [-1.0, -1.0, 1.0, 1.0])

    def test_not_a_number_spoils_its_own_angle_only(self):
        x, average = array("f", [1.0] * 20), zeros("d", 4)
        x[6] = math.nan
        synchronous_average(x, average)
        assert [math.isnan(v) for v in average] == [False, False, True, False]

    def test_wrong_lengths(self):
        with pytest.raises(ValueError, match="3 samples are no whole revolution of 4"):
            synchronous_average(zeros("f", 3), zeros("d", 4))
        with pytest.raises(ValueError, match="no whole revolution of 0"):
            synchronous_average(zeros("f", 3), zeros("d", 0))
        with pytest.raises(ValueError, match="out has 3 numbers for 4 samples"):
            difference(zeros("f", 4), zeros("d", 2), zeros("f", 3))


class TestDrift:
    def test_a_speed_that_was_assumed_wrong_shows(self):
        x = array("f", np.sin(2 * np.pi * 23 * 1.004 * angle(STEPS, 100 * STEPS)).astype("f"))
        ahead = zeros("d", 100)
        assert drift(x, STEPS, 23, ahead) > 0.999
        assert list(ahead) == pytest.approx([0.004 * r for r in range(100)], abs=3e-4)

    def test_following_a_gear_holds_the_average_together(self):
        """A speed 0.5 % off smears 23 teeth within nine revolutions; resampled once more along the drift they are all there."""
        hz, assumed, teeth = 20.0, 20.1, 23
        t = np.arange(int(5 * RATE)) / RATE
        phase = hz * t + 0.02 * np.sin(2 * np.pi * 0.4 * t)
        x = array("f", (np.sin(2 * np.pi * teeth * phase) + 0.1 * np.random.default_rng(4).standard_normal(len(t))).astype("f"))
        resampler, out, average = AngleResampler(STEPS, RATE), zeros("f", 100 * STEPS), zeros("d", STEPS)
        revs = resampler.constant(x, assumed, out)
        synchronous_average(out[: revs * STEPS], average)
        assert abs(line(teeth, average)) < 0.2
        ahead = zeros("d", revs)
        assert drift(out[: revs * STEPS], STEPS, teeth, ahead) > 0.9
        times = array("d", [2 / RATE + (r + 1) / assumed for r in range(revs - 1)])
        speeds = array("d", [assumed * (1 + ahead[r + 1] - ahead[r]) for r in range(revs - 1)])
        revs = resampler.profile(x, times, speeds, out)
        synchronous_average(out[: revs * STEPS], average)
        assert abs(line(teeth, average)) == pytest.approx(1, abs=0.03)

    def test_noise_has_no_coherence(self):
        x = array("f", np.random.default_rng(5).standard_normal(200 * STEPS).astype("f"))
        assert drift(x, STEPS, 23, zeros("d", 200)) < 0.3

    @given(st.lists(st.floats(-10, 10, width=32), min_size=16, max_size=64), st.integers(1, 3))
    def test_equals_the_reference(self, values, order):
        x, ours, theirs = array("f", values), zeros("d", 8), zeros("d", 8)
        expected = reference.drift(x, 8, order, theirs)
        assert drift(x, 8, order, ours) == pytest.approx(expected, rel=1e-6, abs=1e-9)
        lines = [abs(line(order, x[8 * r : 8 * r + 8], 8)) for r in range(len(x) // 8)]
        if min(lines) > 1e-3:  # a phase at half a turn goes either way
            gaps = (np.diff(ours) - np.diff(theirs)) * order
            assert np.abs(gaps - np.round(gaps)).max() < 1e-6

    def test_without_two_revolutions_or_with_a_sample_that_is_none(self):
        assert math.isnan(drift(zeros("f", 15), 8, 1, zeros("d", 1)))
        assert math.isnan(drift(array("f", [math.nan] * 32), 8, 1, zeros("d", 4)))
        assert drift(zeros("f", 32), 8, 1, zeros("d", 4)) == 0

    def test_what_makes_no_sense(self):
        with pytest.raises(ValueError, match="order 4 of a revolution of 8"):
            drift(zeros("f", 32), 8, 4, zeros("d", 4))
        with pytest.raises(ValueError, match="out has 3 numbers for 4 revolutions"):
            drift(zeros("f", 32), 8, 1, zeros("d", 3))
