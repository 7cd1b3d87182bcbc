"""The figure of `gateway features --plot`: waveform, spectrum and envelope spectrum, the lines of shaft and bearing marked."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

from cython_ext.envelope import Envelope
from cython_ext.spectrum import Welch, next_fast_length
from gateway.cli._features_input import Waveform
from gateway.cli._figure import Mark, Panel, figure

ENVELOPE_HZ = 1000.0
_LOWEST_HZ = 500.0
_SHORTEST = 64
_HARMONICS = 3
_SHAFT = 3


def plot(wave: Waveform, result: dict[str, Any]) -> str:
    """Return the figure as SVG; curves that the recording is too short for are left out."""
    unit = wave.unit or "unit not declared"
    time = Panel(title=f"waveform, {unit}", start=0, end=wave.duration_s, ys=wave.samples, axis="time, s", spread=True)
    panels = [time]
    if len(wave.samples) >= _SHORTEST and all(map(math.isfinite, wave.samples)):
        bearing = result.get("bearing") or {}
        panels += [_spectrum(wave, unit, _shaft_marks(result)), *_envelope(wave, unit, [*_bearing_marks(bearing)])]
    return figure(f"{wave.path}: {wave.rate_hz:g} Hz, {wave.duration_s:.3g} s", panels)


def _spectrum(wave: Waveform, unit: str, marks: Sequence[Mark]) -> Panel:
    length = min(len(wave.samples), round(wave.rate_hz))
    while next_fast_length(length) > len(wave.samples):
        length -= 1
    welch = Welch(next_fast_length(length), wave.rate_hz)
    # amplitude of a sine in each bin: the root of twice the power in the main lobe of a Hann window, 1.5 bins wide
    ys = array("d", [math.sqrt(2 * density * welch.bin_hz * 1.5) for density in welch.psd(wave.samples)])
    return Panel(title=f"spectrum, {unit} (peak)", start=0, end=wave.rate_hz / 2, ys=ys, axis="frequency, Hz", marks=marks)


def _envelope(wave: Waveform, unit: str, marks: Sequence[Mark]) -> Iterator[Panel]:
    high_hz = 0.95 * wave.rate_hz / 2
    low_hz = min(_LOWEST_HZ, high_hz / 4)
    most_hz = min(ENVELOPE_HZ, (high_hz - low_hz) / 2)
    envelope = Envelope(len(wave.samples), wave.rate_hz, low_hz, high_hz, most_hz)
    ys = envelope.spectrum(wave.samples)
    skipped = max(1, math.ceil(1.0 / envelope.bin_hz))
    for i in range(min(skipped, len(ys))):  # the slow swing of the load would dwarf the lines
        ys[i] = 0.0
    yield Panel(
        title=f"spectrum of the squared envelope, {low_hz:g}-{high_hz:g} Hz, ({unit})²",
        start=0,
        end=(len(ys) - 1) * envelope.bin_hz,
        ys=ys,
        axis="frequency, Hz",
        marks=marks,
    )


def _shaft_marks(result: dict[str, Any]) -> list[Mark]:
    shaft_hz = result.get("shaft_hz")
    return [Mark(k * shaft_hz, f"{k}x", "shaft") for k in range(1, _SHAFT + 1)] if shaft_hz else []


def _bearing_marks(bearing: dict[str, Any]) -> Iterator[Mark]:
    """Mark the shaft, and the part that the verdict names; where it names none, where each part would show."""
    shaft_hz = bearing.get("shaft_hz")
    if not shaft_hz:
        return
    yield Mark(shaft_hz, "shaft", "shaft")
    if bearing.get("harmonics"):
        for number, line in enumerate(bearing["harmonics"], 1):
            yield Mark(line["hz"], f"{bearing['label']} {number}x", bearing["label"])
        return
    for part, multiple in bearing.get("multipliers", {}).items():
        for k in range(1, _HARMONICS + 1):
            yield Mark(k * multiple * shaft_hz, f"{part} {k}x", part)
