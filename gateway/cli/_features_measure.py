"""A recording as one window: the same analysis that the daemon does, told as plain JSON values."""

from __future__ import annotations

import argparse
import math
from typing import Any, get_args

from gateway.cli._features_input import UsageError, Waveform, speed_of
from gateway.condition.analysis import Analysis
from gateway.condition.bearing import BearingDetector, Diagnosis
from gateway.condition.catalogue import described
from gateway.condition.iso import Verdict
from gateway.condition.result import Result
from gateway.config.bearing import Bearing
from gateway.config.bearings import Bearings, UnknownBearingError
from gateway.config.iso import boundaries
from gateway.config.quantity import Duration
from gateway.config.rotation import FrequencyBand, Shaft
from gateway.config.vibration import GearSpec, Vibration
from gateway.config.words import meant
from gateway.config.zones import Boundaries, IsoGroup
from gateway.model import Quality

BANDS_HZ = ((10.0, 100.0), (100.0, 500.0), (500.0, 2000.0), (2000.0, 5000.0), (5000.0, 10_000.0))
"""Bands whose RMS is told, as far as the rate reaches."""

_RATES = ("outer", "inner", "element", "cage")


def measure(wave: Waveform, args: argparse.Namespace) -> dict[str, Any]:
    """Return what can be told of a recording.

    Raises:
        UsageError: a flag does not fit.
    """
    zones = _zones(args.iso)
    speed = speed_of(args.rpm) if args.rpm else None
    if args.teeth is not None and speed is None:
        raise UsageError("--teeth: a gear turns with its shaft; write --rpm")
    if args.teeth is not None and not 6 <= args.teeth <= 1000:
        raise UsageError(f"--teeth: a gear has 6 to 1000 teeth, not {args.teeth}")
    bearing = _bearing(args.bearing)
    reach_hz = wave.rate_hz / 2
    spec = Vibration(
        window=Duration(wave.duration_s),
        features="all",
        bands={f"{low:g}-{high:g}Hz": FrequencyBand(low, high) for low, high in BANDS_HZ if high <= reach_hz},
        speed=speed,
        gear=GearSpec(teeth=args.teeth) if args.teeth is not None else None,
        iso=args.iso,
    )
    analysis = Analysis(spec, len(wave.samples), wave.rate_hz, wave.unit, zones)
    told = speed.rpm if isinstance(speed, Shaft) else None
    result = analysis.measure(wave.samples, told)
    rpm = told or result.rpm
    diagnosis = _diagnosis(wave, bearing, speed is not None, rpm)
    shaft_hz = diagnosis.shaft_hz if diagnosis and diagnosis.shaft_hz else rpm / 60 if rpm else None
    return {
        "file": wave.path,
        "rate_hz": wave.rate_hz,
        "samples": len(wave.samples),
        "duration_s": wave.duration_s,
        "unit": wave.unit,
        "shaft_hz": shaft_hz,
        "quality": result.quality.word,
        "features": _features(wave, analysis, result),
        "bearing": _verdict(bearing, diagnosis) if bearing and diagnosis else None,
        "iso": _zone(result.zone) if args.iso else None,
        "warnings": list(_warnings(wave, analysis, result)),
    }


def _features(wave: Waveform, analysis: Analysis, result: Result) -> dict[str, Any]:
    spectrum = analysis.spectrum
    found = {}
    for item in result.values:
        words = described(item.name, spectrum.segment_s, spectrum.averages)
        good = item.quality is not Quality.BAD and item.value is not None and math.isfinite(item.value)
        found[item.name] = {
            "value": item.text if item.text is not None else (item.value if good else None),
            "unit": item.unit,
            "band": list(item.band_hz) if item.band_hz else None,
            "window_s": wave.duration_s,
            "averaging": words.averaging,
            "standard": words.standard,
            "quality": item.quality.word,
        }
    return found


def _bearing(text: str | None) -> Bearing | None:
    """Return the bearing of a type, or of `outer=3.585,inner=5.415,element=2.357,cage=0.398`."""
    if text is None:
        return None
    if "=" not in text:
        try:
            return Bearings().find(text)
        except UnknownBearingError as error:
            raise UsageError(f"--bearing: {error}") from None
    rates: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        if name not in _RATES:
            raise UsageError(f"--bearing: '{name}' is no part of a bearing{meant(name, _RATES)}; known: {', '.join(_RATES)}")
        try:
            rates[name] = float(number)
        except ValueError:
            raise UsageError(f"--bearing: '{number}' is no number of turns per turn of the shaft") from None
        if not 0 < rates[name] < 100:
            raise UsageError(f"--bearing: {part.strip()}: a rate lies above 0 and below 100 per turn of the shaft")
    if missing := [name for name in _RATES if name not in rates]:
        raise UsageError(f"--bearing: {', '.join(missing)} missing; all four rates per turn of the shaft are needed")
    return Bearing(text, rates["outer"], rates["inner"], rates["element"], rates["cage"], source="given", verified=True)


def _diagnosis(wave: Waveform, bearing: Bearing | None, asked: bool, rpm: float | None) -> Diagnosis | None:
    if bearing is None:
        return None
    if not asked:
        raise UsageError("--bearing: a verdict needs the speed of the shaft; write --rpm")
    try:
        detector = BearingDetector(len(wave.samples), wave.rate_hz, bearing)
    except ValueError as error:
        return Diagnosis(quality=Quality.BAD, reason=str(error))
    return detector.diagnose(wave.samples, rpm / 60 if rpm else None)


def _verdict(bearing: Bearing, found: Diagnosis) -> dict[str, Any]:
    scores = found.scores
    bad = found.quality is Quality.BAD
    return {
        "type": bearing.name,
        "label": found.label,
        "verdict": found.verdict,
        "refused": found.reason if bad else None,
        "score_db": found.score_db,
        "scores": {"outer": scores.outer, "inner": scores.inner, "element": scores.element, "cage": scores.cage},
        "shaft_hz": found.shaft_hz,
        "harmonics": [] if found.label == "none" else [{"hz": line.hz, "db": line.db} for line in found.lines],
        "multipliers": {"outer": bearing.outer, "inner": bearing.inner, "element": 2 * bearing.element, "cage": bearing.cage},
        "note": "" if bad else found.reason,
        "source": bearing.source,
        "verified": bearing.verified,
    }


def _zones(group: str | None) -> Boundaries | None:
    if group is None:
        return None
    known = get_args(IsoGroup)
    if group not in known:
        raise UsageError(f"--iso: '{group}' is no group of machines{meant(group, known)}")
    return boundaries()[group]


def _zone(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {
        "zone": verdict.zone or None,
        "refused": verdict.refused or None,
        "value": verdict.value if verdict.zone else None,
        "unit": verdict.unit,
        "limits": list(verdict.limits),
        "standard": verdict.standard,
        "group": verdict.group,
        "verified": verdict.verified,
    }


def _warnings(wave: Waveform, analysis: Analysis, result: Result) -> list[str]:
    said = list(analysis.left_out)
    if not wave.unit:
        said.insert(0, "the unit is not declared; write --unit g or --unit m/s², nothing is guessed")
    if result.quality is not Quality.GOOD:
        said.insert(0, f"the signal is {result.quality.word}: {result.reason.words}")
    return list(dict.fromkeys([*said, *result.notes]))
