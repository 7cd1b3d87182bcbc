"""`gateway features`: what is told of a recording, and the sentence for every mistake."""

from __future__ import annotations

import json
import math
import random
import struct
import wave
from array import array
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main

RATE = 12000
SHAFT_HZ = 29.0


def raw(path: Path, samples: list[float]) -> str:
    path.write_bytes(array("f", samples).tobytes())
    return str(path)


def sine(amplitude: float, hz: float, seconds: float = 2.0) -> list[float]:
    return [amplitude * math.sin(2 * math.pi * hz * n / RATE) for n in range(round(RATE * seconds))]


def struck(rate_hz: float, seconds: float = 6.0) -> list[float]:
    """Return blows that ring at 3 kHz, in noise."""
    rng = random.Random(7)
    x = [0.05 * rng.gauss(0, 1) for _ in range(round(RATE * seconds))]
    for k in range(1, int(rate_hz * seconds) - 1):
        start = round(k * RATE / rate_hz + rng.gauss(0, 0.3))
        for n in range(60):
            if start + n < len(x):
                x[start + n] += math.exp(-n / 12) * math.sin(2 * math.pi * 3000 * n / RATE)
    return x


def measured(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["features", *arguments, "--json"]) == code
    return dict(json.loads(capsys.readouterr().out))


def test_every_feature_has_value_unit_and_band(tmp_path, capsys) -> None:
    result = measured(capsys, raw(tmp_path / "a.f32", sine(9.80665, 100.0)), "--rate", "12kHz", "--unit", "m/s²")
    features = result["features"]
    assert features["rms"]["value"] == pytest.approx(9.80665 / math.sqrt(2), rel=1e-4)
    assert features["velocity_rms"]["value"] == pytest.approx(9.80665 / (2 * math.pi * 100) / math.sqrt(2) * 1000, rel=5e-3)
    assert (features["velocity_rms"]["unit"], features["velocity_rms"]["band"]) == ("mm/s", [10.0, 1000.0])
    assert features["rms"]["unit"] == "m/s²"
    assert features["kurtosis"]["value"] == pytest.approx(1.5, rel=1e-3)
    assert {"value", "unit", "band", "window_s", "averaging", "standard", "quality"} == set(features["rms"])
    assert (result["quality"], result["bearing"], result["iso"]) == ("good", None, None)


@pytest.mark.parametrize(("part", "multiple"), [("outer", 3.5848), ("inner", 5.4152)])
def test_a_struck_race_is_named_with_its_scores_and_its_lines(tmp_path, capsys, part, multiple) -> None:
    file = raw(tmp_path / "a.f32", struck(multiple * SHAFT_HZ))
    found = measured(capsys, file, "--rate", "12000", "--unit", "g", "--rpm", "1740", "--bearing", "6205-2RS")["bearing"]
    assert found["label"] == part
    assert set(found["scores"]) == {"outer", "inner", "element", "cage"}
    assert found["score_db"] == found["scores"][part] > 12
    assert found["shaft_hz"] == pytest.approx(SHAFT_HZ, rel=0.01)
    assert found["harmonics"][0]["hz"] == pytest.approx(multiple * SHAFT_HZ, rel=0.01)


def test_the_rates_of_a_bearing_may_be_given_and_noise_is_no_fault(tmp_path, capsys) -> None:
    rng = random.Random(3)
    file = raw(tmp_path / "a.f32", [rng.gauss(0, 1) for _ in range(5 * RATE)])
    rates = "outer=3.585,inner=5.415,element=2.357,cage=0.398"
    found = measured(capsys, file, "--rate", "12000", "--unit", "g", "--rpm", "1740", "--bearing", rates)["bearing"]
    assert (found["label"], found["harmonics"]) == ("none", [])


def test_the_zone_is_told_with_its_limits_and_refused_without_the_unit(tmp_path, capsys) -> None:
    file = raw(tmp_path / "a.f32", sine(2.0, 100.0, 5.0))
    zone = measured(capsys, file, "--rate", "12000", "--unit", "m/s2", "--rpm", "1480", "--iso", "group2-rigid")["iso"]
    assert (zone["zone"], zone["limits"], zone["standard"]) == ("B", [1.4, 2.8, 4.5], "ISO 20816-3:2022")
    refused = measured(capsys, file, "--rate", "12000", "--iso", "group2-rigid")
    assert refused["iso"]["zone"] is None
    assert refused["iso"]["refused"]
    assert "not declared" in refused["warnings"][0]
    assert "velocity_rms" not in refused["features"]


def test_the_text_says_it_for_people(tmp_path, capsys) -> None:
    file = raw(tmp_path / "a.f32", struck(3.5848 * SHAFT_HZ))
    flags = ["--rate", "12000", "--unit", "g", "--rpm", "1740", "--bearing", "6205", "--iso", "group2-rigid"]
    assert main(["features", file, *flags, "--plot", str(tmp_path / "a.svg")]) == 0
    out = capsys.readouterr().out
    assert "72,000 samples at 12000 Hz, 6 s, unit g" in out
    assert "outer race, score" in out
    assert "zone " in out
    assert "outer 1x" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_the_speed_is_found_in_a_range_and_a_gear_is_measured(tmp_path, capsys) -> None:
    rng = random.Random(5)
    mesh = [math.sin(2 * math.pi * 20 * SHAFT_HZ * n / RATE) for n in range(8 * RATE)]
    x = [
        m + sum(0.3 * math.sin(2 * math.pi * k * SHAFT_HZ * n / RATE) for k in (1, 2, 3, 4)) + 0.02 * rng.gauss(0, 1)
        for n, m in enumerate(mesh)
    ]
    flags = ["--rate", "12000", "--unit", "g", "--rpm", "1650-1800", "--teeth", "20"]
    result = measured(capsys, raw(tmp_path / "a.f32", x), *flags)
    assert result["shaft_hz"] == pytest.approx(SHAFT_HZ, rel=0.005)
    assert result["features"]["gear.mesh"]["value"] == pytest.approx(1.0, rel=0.05)
    assert result["features"]["harmonic.1"]["value"] == pytest.approx(0.3, rel=0.05)


def test_a_wav_carries_its_rate(tmp_path, capsys) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"".join(struct.pack("<h", round(16000 * v)) for v in sine(1.0, 100.0)))
    result = measured(capsys, str(tmp_path / "a.wav"), "--unit", "g", "--scale", "2")
    assert (result["rate_hz"], result["samples"]) == (RATE, 2 * RATE)
    assert result["features"]["peak"]["value"] == pytest.approx(2 * 16000 / 32768, rel=1e-3)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([0.5] * RATE, "no sensor"),
        ([math.nan] * RATE, "no sensor"),
        ([*sine(1.0, 100.0, 1.0), math.inf], "out of range"),
        (sine(1e25, 100.0), "out of range"),
    ],
)
def test_a_bad_signal_gives_no_numbers_and_says_why(tmp_path, capsys, samples, words) -> None:
    result = measured(capsys, raw(tmp_path / "a.f32", samples), "--rate", "12000", "--unit", "g", code=1)
    assert result["quality"] == "bad"
    assert words in result["warnings"][0]
    assert {item["value"] for item in result["features"].values()} == {None}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.f32", "--rate", "1"], "there is no file"),
        (["a.f32"], "add e.g. --rate 25600"),
        (["a.f32", "--rate", "fast"], "--rate: 'fast'"),
        (["a.f32", "--rate", "0"], "above 0 Hz"),
        (["a.f32", "--rate", "12000", "--unit", "mm/s"], "write 'm/s²' or 'g'"),
        (["a.f32", "--rate", "12000", "--rpm", "quick"], "--rpm: 'quick'"),
        (["a.f32", "--rate", "12000", "--rpm", "1400-9000"], "too wide a range"),
        (["a.f32", "--rate", "12000", "--teeth", "20"], "write --rpm"),
        (["a.f32", "--rate", "12000", "--rpm", "1480", "--teeth", "5"], "6 to 1000 teeth"),
        (["a.f32", "--rate", "12000", "--bearing", "6205"], "write --rpm"),
        (["a.f32", "--rate", "12000", "--rpm", "1480", "--bearing", "6025"], "is not known"),
        (["a.f32", "--rate", "12000", "--rpm", "1480", "--bearing", "outr=3"], "did you mean 'outer'?"),
        (["a.f32", "--rate", "12000", "--rpm", "1480", "--bearing", "outer=3"], "inner, element, cage missing"),
        (["a.f32", "--rate", "12000", "--iso", "group2"], "did you mean"),
        (["a.f32", "--rate", "12000", "--channel", "2"], "only a .wav has channels"),
        (["a.mp3", "--rate", "12000"], "no known file type"),
        (["one.f32", "--rate", "12000"], "holds one sample; a recording has 2 or more"),
        (["a.f32", "--rate", "12000", "--plot", "nowhere/a.svg"], "cannot be written"),
    ],
)
def test_a_mistake_gets_a_sentence_and_no_traceback(tmp_path, monkeypatch, capsys, arguments, words) -> None:
    monkeypatch.chdir(tmp_path)
    raw(tmp_path / "a.f32", sine(1.0, 100.0))
    raw(tmp_path / "one.f32", [1.0])
    assert main(["features", *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""
