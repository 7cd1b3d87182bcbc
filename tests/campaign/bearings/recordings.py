"""Recordings of a bearing rig with known faults: a folder of .npy files and a table INDEX.tsv that says what each is."""

from __future__ import annotations

import csv
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gateway.condition.bearing import BearingDetector
from gateway.config.bearings import Bearings

FOLDER = "GATEWAY_RECORDINGS"
"""The environment variable that names the folder."""

BEARING_AT = {"DE": "6205-2RS", "FE": "6203-2RS"}
"""Of the rig of the Case Western Reserve University: drive end and fan end."""


class Verdict(NamedTuple):
    """What was said of one channel, and what is true."""

    file: str
    load: str
    truth: str
    label: str
    score_db: float


def missing() -> str:
    """Return in words what the campaign lacks; empty where it can run."""
    folder = os.environ.get(FOLDER, "")
    if folder and (Path(folder) / "INDEX.tsv").is_file():
        return ""
    told = f"there is no INDEX.tsv in '{folder}'" if folder else f"the environment variable {FOLDER} is not set"
    return (
        f"it needs recordings of the Case Western Reserve University's bearing rig, which are not part of this project; {told}. "
        "It names a folder of .npy files (float32 acceleration) with a table INDEX.tsv of tab-separated columns "
        "file, rate_hz, rpm, end (DE or FE), fault (none, outer, inner, element) and load_hp"
    )


def judged(seconds: float) -> list[Verdict]:
    """Return the verdict on every channel, on its middle `seconds`, or whole where that is 0."""
    return list(_judged(Path(os.environ[FOLDER]), seconds))


def _judged(folder: Path, seconds: float) -> Iterator[Verdict]:
    bearings = Bearings()
    with (folder / "INDEX.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        samples = np.load(folder / row["file"]).astype("f")
        rate_hz = float(row["rate_hz"])
        n = min(samples.size, round(seconds * rate_hz)) if seconds else samples.size
        first = (samples.size - n) // 2
        detector = BearingDetector(n, rate_hz, bearings.find(BEARING_AT[row["end"]]))
        found = detector.diagnose(array("f", samples[first : first + n].tobytes()), float(row["rpm"]) / 60)
        yield Verdict(row["file"], row["load_hp"], row["fault"], found.label, found.score_db or 0.0)
