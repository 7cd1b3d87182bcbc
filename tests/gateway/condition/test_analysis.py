"""Everything that is computed of a window: textbook figures for signals whose answer is known; in words what is not computed."""

from __future__ import annotations

import math
import random
from array import array

import pytest

from gateway.condition.analysis import Analysis
from gateway.condition.result import Result
from gateway.config.quantity import Duration
from gateway.config.rotation import FrequencyBand, Shaft
from gateway.config.vibration import Vibration
from gateway.model import Quality, Reason

RATE = 25_600.0
SHAFT_HZ = 1480 / 60


def sines(*parts: tuple[float, float], seconds: float = 2.0, rate_hz: float = RATE) -> array[float]:
    """Return a sum of sines, each given by amplitude and frequency."""
    wave = [0.0] * round(seconds * rate_hz)
    for amplitude, hz in parts:
        step = 2 * math.pi * hz / rate_hz
        wave = [value + amplitude * math.sin(step * n) for n, value in enumerate(wave)]
    return array("f", wave)


def analysis(samples: array[float], rate_hz: float = RATE, unit: str = "m/s²", **keys: object) -> Analysis:
    spec = Vibration(window=Duration(len(samples) / rate_hz), **{"features": "all", **keys})  # type: ignore[arg-type]
    return Analysis(spec, len(samples), rate_hz, unit)


def values(result: Result) -> dict[str, float | None]:
    return {item.name: item.value for item in result.values}


def test_statistics_of_a_sine_are_those_of_the_textbook():
    samples = sines((10.0, 160.0))
    found = values(analysis(samples).measure(samples))
    expected = {
        "rms": 10 / math.sqrt(2),
        "peak": 10.0,
        "peak_to_peak": 20.0,
        "crest": math.sqrt(2),
        "shape": math.pi / (2 * math.sqrt(2)),
        "impulse": math.pi / 2,
        "kurtosis": 1.5,
        "velocity_rms": 10 / (2 * math.pi * 160) / math.sqrt(2) * 1e3,
        "displacement_rms": 10 / (2 * math.pi * 160) ** 2 / math.sqrt(2) * 1e6,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=5e-3)
    assert found["zero_crossings"] == pytest.approx(320, abs=1)
    assert found["mean"] == pytest.approx(0, abs=1e-3)
    assert found["skewness"] == pytest.approx(0, abs=1e-3)


def test_harmonics_are_the_amplitudes_at_multiples_of_the_shaft():
    samples = sines((3.0, SHAFT_HZ), (1.0, 3 * SHAFT_HZ), (0.5, 1.5 * SHAFT_HZ), (0.25, 10 * SHAFT_HZ))
    found = values(analysis(samples, speed=Shaft(1480.0)).measure(samples, 1480.0))
    orders = {name.removeprefix("harmonic."): value for name, value in found.items() if name.startswith("harmonic.")}
    assert list(orders) == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "0.5", "1.5", "2.5", "3.5", "4.5"]
    for order, amplitude in {"1": 3.0, "3": 1.0, "1.5": 0.5, "10": 0.25}.items():
        assert orders[order] == pytest.approx(amplitude, rel=0.01)
    assert all(value < 0.02 for order, value in orders.items() if order not in {"1", "3", "1.5", "10"} and value is not None)
    assert found["speed"] == pytest.approx(1480.0, rel=1e-3)


def test_without_a_speed_harmonics_are_bad_and_the_rest_is_not():
    samples = sines((3.0, SHAFT_HZ))
    result = analysis(samples, speed=Shaft(None, "spindle_speed")).measure(samples, None)
    for item in result.values:
        known = item.name != "speed" and not item.name.startswith("harmonic")
        assert (item.quality, item.reason) == ((Quality.GOOD, Reason.NONE) if known else (Quality.BAD, Reason.NO_DATA)), item.name


def test_bands_are_the_rms_between_their_edges():
    samples = sines((4.0, 100.0), (2.0, 1000.0))
    bands = {"low": FrequencyBand(50, 300), "mid": FrequencyBand(300, 1800), "all": FrequencyBand(10, 12000)}
    result = analysis(samples, bands=bands).measure(samples)
    found = values(result)
    assert found["band.low"] == pytest.approx(4 / math.sqrt(2), rel=1e-3)
    assert found["band.mid"] == pytest.approx(2 / math.sqrt(2), rel=1e-3)
    assert found["band.all"] == pytest.approx(found["rms"], rel=1e-3)
    assert next(item.band_hz for item in result.values if item.name == "band.low") == (50.0, 300.0)


def test_the_high_frequency_index_hears_what_velocity_does_not():
    chance = random.Random(5)
    quiet = sines((1.0, 50.0))
    struck = array("f", [value + (chance.gauss(0, 3.0) if n % 2560 < 40 else 0.0) for n, value in enumerate(quiet)])
    prepared = analysis(quiet)
    before, after = values(prepared.measure(quiet)), values(prepared.measure(struck))
    assert before["high_frequency"] == pytest.approx(0, abs=1e-3)
    assert after["high_frequency"] is not None
    assert after["high_frequency"] > 0.1
    assert before["high_frequency_peaks"] == 0
    assert after["high_frequency_peaks"] is not None
    assert after["high_frequency_peaks"] > 10, "ten blows a second"
    assert after["velocity_rms"] == pytest.approx(before["velocity_rms"], rel=0.05)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"rate_hz": 2000.0}, ["velocity_rms", "displacement_rms", "high_frequency", "band.wide is left out: it ends at 1800 Hz"]),
        ({"unit": "V"}, ["velocity_rms is left out: it needs acceleration in m/s² or g, not 'V'", "displacement_rms"]),
        ({"unit": ""}, ["velocity_rms is left out: the source does not tell its unit; write 'unit: g'", "displacement_rms"]),
        ({}, []),
    ],
)
def test_what_cannot_be_computed_is_left_out_and_said(keys, words):
    rate_hz = keys.pop("rate_hz", RATE)
    samples = sines((1.0, 100.0), seconds=2.0, rate_hz=rate_hz)
    prepared = analysis(samples, rate_hz, bands={"wide": FrequencyBand(300, 1800)}, **keys)
    assert len(prepared.left_out) == len(words)
    for sentence, word in zip(prepared.left_out, words, strict=True):
        assert sentence.startswith(word)
        assert word.split()[0] not in values(prepared.measure(samples))


def test_a_unit_that_is_declared_comes_before_that_of_the_source():
    samples = sines((1.0, 100.0), seconds=2.0)
    declared, told = analysis(samples, unit=""), analysis(samples, unit="g")
    assert declared.unit == ""
    spec = Vibration(window=Duration(2), unit="g")
    found = values(Analysis(spec, len(samples), RATE, "").measure(samples))
    assert found["velocity_rms"] == values(told.measure(samples))["velocity_rms"]


def test_windows_do_not_depend_on_those_before_them():
    loud, soft = sines((10.0, 100.0), seconds=1.0), sines((1.0, 200.0), seconds=1.0)
    used, fresh = analysis(loud, speed=Shaft(1480.0)), analysis(loud, speed=Shaft(1480.0))
    used.measure(loud, 1480.0)
    used.measure(array("f", [math.nan] * len(loud)), 1480.0)
    assert used.measure(soft, 1480.0) == fresh.measure(soft, 1480.0)


def test_a_window_of_another_length_is_refused():
    with pytest.raises(ValueError, match="10 samples for windows of 25600"):
        analysis(sines((1.0, 1.0), seconds=1.0)).measure(array("f", bytes(40)))
