"""Speeds, ranges of speeds and bands of frequencies: what is meant is understood, and what is not says how it is written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.rotation import MOST_RPM, FrequencyBand, Shaft, SpeedRange


@pytest.mark.parametrize(
    ("written", "rpm"),
    [("1480rpm", 1480.0), ("1480 rpm", 1480.0), ("24.5Hz", 1470.0), ("1480 U/min", 1480.0), ("90 1/min", 90.0), ("1,5 Hz", 90.0)],
)
def test_a_speed_is_written_with_its_unit(written, rpm):
    assert Shaft.parse(written) == (pytest.approx(rpm), "", "")


@pytest.mark.parametrize("name", ["spindle_speed", "drive.rpm", "n", "Hz_in"])
def test_what_is_no_number_is_the_name_of_a_point(name):
    assert Shaft.parse(name) == (None, name, "")
    assert Shaft.parse(f"lathe-1/{name}") == (None, name, "lathe-1")


@pytest.mark.parametrize(
    ("kind", "written", "words"),
    [
        (Shaft, "1480", "'1480' has no unit; did you mean '1480rpm'?"),
        (Shaft, 1480, "'1480' has no unit; did you mean '1480rpm'?"),
        (Shaft, "0rpm", "faster than 0rpm"),
        (Shaft, "1e9rpm", "is not a speed"),
        (Shaft, "999999999rpm", "at most at 300000rpm"),
        (Shaft, "1480 turns", "is not a speed; write it like '1480rpm'"),
        (Shaft, "-5rpm", "is not a speed"),
        (Shaft, True, "expected a speed"),
        (Shaft, "", "is not a speed"),
        (Shaft, "a/b/c", "is not a speed"),
        (Shaft, "/n", "is not a speed"),
        (SpeedRange, "1400-1500", "has no unit; write it like '1400-1500rpm'"),
        (SpeedRange, "1500-1400rpm", "begins above 0 and ends higher"),
        (SpeedRange, "100-3000rpm", "too wide a range"),
        (SpeedRange, "1400rpm", "is not a range of speeds"),
        (SpeedRange, "900-999kHz", "at most at 300000rpm"),
        (FrequencyBand, "50-300", "has no unit"),
        (FrequencyBand, "300-50Hz", "begins above 0 and ends higher"),
        (FrequencyBand, "0-50Hz", "begins above 0"),
        (FrequencyBand, "50Hz", "is not a band of frequencies; write it like '50-300Hz'"),
        (FrequencyBand, "50-300rpm", "a band is given in Hz, not in rpm"),
        (FrequencyBand, "50rpm-300Hz", "two different units"),
        (FrequencyBand, 50, "is not a band"),
        (FrequencyBand, False, "expected a band"),
    ],
)
def test_what_is_wrong_says_how_it_is_written(kind, written, words):
    with pytest.raises(ValueError, match=r".+") as caught:
        kind.parse(written)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("written", "band"),
    [("50-300Hz", (50, 300)), ("0.3-1.8kHz", (300, 1800)), ("300Hz-1.8kHz", (300, 1800)), ("50 to 300 Hz", (50, 300))],
)
def test_a_band_may_change_its_unit_on_the_way(written, band):
    assert FrequencyBand.parse(written) == pytest.approx(band)


def test_a_range_of_speeds_may_be_given_in_hertz():
    assert SpeedRange.parse("1400-1500rpm") == (1400.0, 1500.0)
    assert SpeedRange.parse("20-25Hz") == (1200.0, 1500.0)


@given(st.text(max_size=30) | st.integers() | st.floats() | st.booleans() | st.none())
def test_nothing_that_can_stand_in_a_file_breaks_the_reading(written):
    for kind in (Shaft, SpeedRange, FrequencyBand):
        try:
            parsed = kind.parse(written)
        except ValueError:
            continue
        numbers = [part for part in parsed if isinstance(part, float)]
        assert all(0 < number < math.inf for number in numbers)
        assert kind is FrequencyBand or all(number <= MOST_RPM for number in numbers)
