"""The campaign on a rig of our own making, and its judge."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.config.bearings import Bearings
from tests.campaign.bearings import campaign
from tests.campaign.bearings.recordings import FOLDER, Verdict, judged, missing

RATE_HZ, RPM, SECONDS = 12_000, 1772, 4


def recording(rate_per_turn: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    t = np.arange(RATE_HZ * SECONDS) / RATE_HZ
    x = rng.standard_normal(t.size) + sum(np.sin(2 * np.pi * k * RPM / 60 * t) / k for k in range(1, 11))
    if rate_per_turn:
        period = 60 / RPM / rate_per_turn
        ring = np.exp(-700 * t[:96]) * np.sin(2 * np.pi * 3100 * t[:96])
        for at in np.arange(period, SECONDS - 0.1, period):
            start = int((at + 0.004 * period * rng.standard_normal()) * RATE_HZ)
            x[start : start + 96] += 8 * ring
    return x.astype("f")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rows = ["file\trate_hz\trpm\tend\tfault\tload_hp"]
    for name, end, fault, rate in (("a", "DE", "outer", Bearings().find("6205").outer), ("b", "FE", "none", 0)):
        np.save(tmp_path / f"{name}.npy", recording(rate))
        rows.append(f"{name}.npy\t{RATE_HZ}\t{RPM}\t{end}\t{fault}\t1")
    (tmp_path / "INDEX.tsv").write_text("\n".join(rows) + "\n")
    monkeypatch.setenv(FOLDER, str(tmp_path))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("seconds", [0.0, 2.5])
def test_every_channel_of_the_folder_is_judged(seconds):
    assert missing() == ""
    assert [(one.truth, one.label) for one in judged(seconds)] == [("outer", "outer"), ("none", "none")]


def test_without_recordings_it_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.delenv(FOLDER, raising=False)
    assert f"the environment variable {FOLDER} is not set" in missing()
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert "there is no INDEX.tsv" in missing()


def verdicts(*said: tuple[str, str]) -> dict:
    return {
        "lengths": {"whole records": [[*Verdict(f"{n}.npy", "1", truth, label, 12.0)] for n, (truth, label) in enumerate(said)]}
    }


def test_the_judge_sees_what_is_missed_what_is_accused_and_what_is_blind():
    good = [("outer", "outer"), ("inner", "inner"), ("none", "none")]
    assert campaign.broken(verdicts(*good)) == []
    assert "2 of 3" in campaign.broken(verdicts(*good, ("element", "none")))[0]
    assert "2 of 3" in campaign.broken(verdicts(*good, ("element", "outer")))[0]
    assert "1 of 2 sound" in campaign.broken(verdicts(*good, ("none", "cage")))[0]
    assert campaign.broken(verdicts())


def test_the_page_has_a_row_for_each_length_and_load():
    rows = campaign.lines(verdicts(("outer", "outer"), ("element", "inner"), ("none", "none")))
    assert "| whole records | 1/1 | 0/0 | 0/1 | 1/2 | 1 | 0/1 |" in rows
    assert "| - load 1 hp | 1/1 | 0/0 | 0/1 | 1/2 | 1 | 0/1 |" in rows
    assert rows[-1] == "Wrong with whole records: 1.npy (element, said inner)."
