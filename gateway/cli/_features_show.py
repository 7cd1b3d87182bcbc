"""What was measured of a recording, as text: features first, then what they mean."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gateway.cli._decode_table import aligned, printable


def text(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines about a result, whose keys are those of `--json`."""
    yield printable(
        f"{result['file']}: {result['samples']:,} samples at {result['rate_hz']:g} Hz, {result['duration_s']:.4g} s, "
        f"unit {result['unit'] or 'not declared'}"
    )
    yield ""
    cells: list[tuple[str, ...]] = [("feature", "value", "unit", "band", "averaging", "follows")]
    cells += [
        (
            name,
            number(item["value"], item.get("name", "")),
            item["unit"] or "-",
            band(item["band"]),
            item["averaging"],
            item["standard"],
        )
        for name, item in result["features"].items()
    ]
    yield from aligned(cells)
    for lines in ([*verdict(result.get("bearing"))], [*zone(result.get("iso"))]):
        yield from ["", *lines] if lines else []
    if result["warnings"]:
        yield ""
        yield from (printable(f"note: {sentence}") for sentence in result["warnings"])


def verdict(bearing: dict[str, Any] | None) -> Iterator[str]:
    """Yield what is said of the bearing; nothing when none was named."""
    if bearing is None:
        return
    name = printable(str(bearing["type"]))
    if bearing.get("refused"):
        yield printable(f"bearing {name}: no verdict: {bearing['refused']}")
        return
    at = f"at {bearing['shaft_hz']:.2f} Hz ({bearing['shaft_hz'] * 60:.0f} rpm)"
    scores = ", ".join(f"{kind} {score:.1f}" for kind, score in bearing["scores"].items() if score is not None)
    rests = ", ".join(f"{line['hz']:.1f} Hz ({line['db']:.0f} dB)" for line in bearing["harmonics"])
    said = f"{bearing['verdict']}, score {bearing['score_db']:.1f} dB" if bearing["label"] != "none" else "no fault found"
    yield f"bearing {name} {at}: {said}"
    yield f"  scores in dB: {scores}"
    if rests:
        yield f"  rests on {rests}"
    if bearing["note"]:
        yield printable(f"  note: {bearing['note']}")
    if not bearing["verified"]:
        yield "  verified: no, the rates of this bearing have one source only; compare them with its maker's"


def zone(iso: dict[str, Any] | None) -> Iterator[str]:
    """Yield the zone of the standard, or why there is none; nothing when no group was named."""
    if iso is None:
        return
    if iso.get("refused"):
        yield printable(f"{iso['standard']}: no verdict: {iso['refused']}")
        return
    limits = "zone limits " + " | ".join(f"{limit:g}" for limit in iso["limits"])
    doubt = "" if iso["verified"] else "; verified: no, compare the limits with the standard before you rely on them"
    yield printable(f"{iso['standard']}: zone {iso['zone']}, {iso['value']:.3g} {iso['unit']} ({limits}){doubt}")


def number(value: float | None, name: str = "") -> str:
    """Write a value so that a person can compare it; `-` when there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return name or (f"{value:.4g}" if abs(value) < 1e5 else f"{value:.0f}")


def band(limits: list[float] | None) -> str:
    """Write a band in Hz; empty when there is none."""
    return f"{limits[0]:g}-{limits[1]:g} Hz" if limits else ""
