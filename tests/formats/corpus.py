"""The records of the golden corpus: every kind, every type of value, every log, and numbers that are hard on a scale.

Each case has a name, records with their keys, and the encoding they go out in. The files under `golden` were written by the
version of the gateway that brought them (python -m tests.formats.corpus) and never change; SHA256SUMS says so.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from gateway.config.quantity import Resolution
from gateway.model import Event, Feature, Log, Quality, Reading, Reason, Record, Sequenced, Severity, Stamp, TimeQuality, Tombstone
from gateway.uplink.batch import encode
from gateway.uplink.encoding import Encoding
from gateway.uplink.flat import flat

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
SITE, GATEWAY, EPOCH = "muster-metallbau", "hall-1", "5f0c2d7e9a41b83c"
T0_NS = 1_767_225_600_000_000_000


def _stamp(ms: float, quality: TimeQuality = TimeQuality.SYNCED) -> Stamp:
    return Stamp(T0_NS + round(ms * 1e6), 0, "", quality)


def _numbered(log: Log, records: list[Record], first: int = 4711) -> list[Sequenced]:
    return [Sequenced(log, EPOCH, first + i, record) for i, record in enumerate(records)]


def values() -> list[Sequenced]:
    """Every type of value, quality and reason; point by point, so that each column is of one type or mixed."""
    kinds = {
        "float": [41.5, 0.1, -1e-300, 1.7976931348623157e308, 5e-324, -0.0, None],
        "single": [0.5, 1.25, -3.0, 1024.0],
        "decimal": [41.5, 41.25, 41.3, None, -0.1, 0.0],
        "whole": [0, -1, 2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63)],
        "counter": [100_000 + 7 * i for i in range(6)],
        "mixed": [1, 1.5, True, "text", None],
        "truth": [True, False, True],
        "state": ["setup", "auto", "auto", "naïve °"],
        "bytes": [b"", b"\x00\xff" * 3],
        "list": [[1, 2, 3, 4, 5], [1.5, None, [True, "x"]], []],
        "nothing": [None, None, None],
    }
    records: list[Record] = [
        Reading(machine="press-1", point=point, value=value, unit="°C", stamp=_stamp(1000 * i + 0.21 * j))
        for j, (point, column) in enumerate(kinds.items())
        for i, value in enumerate(column)
    ]
    records += [
        Reading(machine="press-1", point="door", value=None, quality=Quality.BAD, reason=reason, stamp=_stamp(9000 + reason))
        for reason in list(Reason)[1:16]
    ]
    uncertain = {"quality": Quality.UNCERTAIN, "reason": Reason.DEVICE_UNCERTAIN}
    records.append(Reading(machine="press-1", point="float", value=1.5, unit="°C", stamp=_stamp(9100), **uncertain))
    records.append(Reading(machine="press-1", point="float", value=1.5, unit="°C", stamp=_stamp(9200, TimeQuality.UNCERTAIN)))
    return _numbered(Log.READING, records)


def scans() -> list[Sequenced]:
    """Ten scans of six points at even times, as a machine with `report: always` gives them; one is bad once."""
    records: list[Record] = []
    for i in range(10):
        row: list[tuple[str, str, float | int]] = [
            ("oil_temp", "°C", 41.5 + i / 10),
            ("pressure", "bar", 6.25),
            ("strokes", "1", 812 + i),
        ]
        row += [
            ("speed", "rpm", 1480.7 + 0.3 * (-1) ** i),
            ("tension", "V", (37 * i % 19 - 9) / 7),
            ("ripple", "V", 1e-3 * (i - 5)),
        ]
        for point, unit, value in row:
            bad = (point, i) == ("pressure", 4)
            told = {"quality": Quality.BAD, "reason": Reason.TIMEOUT} if bad else {}
            record = Reading(
                machine="press-1", point=point, value=None if bad else value, unit=unit, stamp=_stamp(1000 * i), **told
            )
            records.append(record)
    return _numbered(Log.READING, records)


def features() -> list[Sequenced]:
    """Seven features of three windows, and slopes; bands closed, open and none."""
    names = [("rms", "m/s²", None), ("peak", "m/s²", None), ("kurtosis", "1", None), ("skewness", "1", None)]
    names += [("velocity_rms", "mm/s", (10.0, 1000.0)), ("high", "m/s²", (1000.0, math.inf))]
    records: list[Record] = []
    for i in range(5):
        for j, (name, unit, band) in enumerate(names):
            value = (-1) ** (i * (name == "skewness")) * (0.37 + j) ** 2 * (1 + 0.013 * ((7 * i + 3 * j) % 5 - 2))
            stamp = _stamp(10_000 * i + 0.1 * (i % 3))
            point = f"vibration.{name}"
            records.append(Feature(machine="spindle", point=point, value=value, unit=unit, stamp=stamp, window_s=8.0, band_hz=band))
        slope = {"quality": Quality.BAD, "reason": Reason.NO_DATA} if i < 2 else {}
        value = None if i < 2 else 0.25 * i
        records.append(
            Feature(
                machine="press-1",
                point="oil_temp.slope",
                value=value,
                unit="K/min",
                stamp=_stamp(60_000 * i),
                window_s=600.0,
                **slope,
            )
        )
    return _numbered(Log.FEATURE, records, 90_000_000)


def urgent() -> list[Sequenced]:
    """Events of every severity and tombstones."""
    records: list[Record] = []
    for i, severity in enumerate(Severity):
        event = {"kind": "limit", "severity": severity, "before": "normal", "after": "high", "acknowledged": i == 2}
        value = None if i == 1 else 90.5 + i
        records.append(Event(machine="press-1", point="oil_temp", stamp=_stamp(250 * i), value=value, unit="°C", **event))
    for i, log in enumerate(Log):
        stamp = _stamp(900 + i, TimeQuality.UNCERTAIN)
        records.append(Tombstone(lost=log, first=100 * i, last=100 * i + 99, count=100 - i, stamp=stamp))
    return _numbered(Log.URGENT, records, 12)


def bulk() -> list[Sequenced]:
    """A waveform as a list, in the fourth log."""
    samples = [(37 * i % 64 - 32) / 31 for i in range(64)]
    return _numbered(Log.BULK, [Reading(machine="spindle", point="block", value=samples, unit="m/s²", stamp=_stamp(0))], 1)


def hard() -> list[Sequenced]:
    """Numbers that are hard on a scale: zero, both signs, tiny, huge, none, and one far away."""
    numbers = [1.0, -1.0, 0.0, 1.00499, 5e-324, 1.5e-323, 2.2250738585072014e-308, 1.7976931348623157e308, 1e-9, None, 3, 2**60]
    numbers += [1.0 + i / 97 for i in range(20)]
    records: list[Record] = [
        Reading(machine="press-1", point=point, value=value, stamp=_stamp(1000 * i))
        for i, value in enumerate(numbers)
        for point in ("relative", "absolute")
    ]
    return _numbered(Log.READING, records, 2**40)


def clocks() -> list[Sequenced]:
    """Every quality of time there is, beside each other."""
    records: list[Record] = [
        Reading(machine="press-1", point="oil_temp", value=41.5 + i, unit="°C", stamp=_stamp(1000 * i, quality))
        for i, quality in enumerate([*TimeQuality, TimeQuality.SYNCED])
    ]
    return _numbered(Log.READING, records)


def changes() -> list[Sequenced]:
    """Readings that are reported when they change: every point at times of its own, some once, one in its own unit."""
    records: list[Record] = []
    for i in range(40):
        for j, point in enumerate(("oil_temp", "pressure", "strokes", "mode", "alone")):
            if (7 * i + 3 * j) % (3 + 2 * j) == 0 and (point != "alone" or not i):
                value = {"strokes": 812 + i, "mode": "auto" if i % 2 else "setup"}.get(point, round(41.5 + i / 10, 1))
                record = Reading(
                    machine="press-1", point=point, value=value, unit="" if j == 3 else "bar", stamp=_stamp(1000 * i + 0.05 * j)
                )
                records.append(record)
    return _numbered(Log.READING, records)


RECORDS = {
    "values": values,
    "scans": scans,
    "features": features,
    "urgent": urgent,
    "bulk": bulk,
    "hard": hard,
    "clocks": clocks,
    "changes": changes,
}


def resolution(machine: str, point: str) -> Resolution | None:
    """Return the resolutions of the cases that have some."""
    if point.startswith("vibration.") or point in {"relative", "tension"}:
        return Resolution(0.005, True)
    absolute = {"absolute": 0.25, "speed": 0.5, "ripple": 1e-4, "oil_temp": 0.1, "strokes": 5.0}
    return Resolution(absolute[point], False) if point in absolute else None


CASES: dict[str, tuple[str, Encoding]] = {
    **{f"v1-{name}": (name, Encoding()) for name in RECORDS},
    "v1-features-resolution": ("features", Encoding(resolutions=resolution)),
    "v1-hard-resolution": ("hard", Encoding(resolutions=resolution)),
    "v1-scans-resolution-zstd": ("scans", Encoding(compress="zstd", resolutions=resolution)),
    "v1-urgent-dictionary": ("urgent", Encoding(compress="zstd-dictionary")),
    **{f"v2-{name}": (name, Encoding("cbor")) for name in RECORDS},
    "v2-features-resolution": ("features", Encoding("cbor", resolutions=resolution)),
    "v2-hard-resolution": ("hard", Encoding("cbor", resolutions=resolution)),
    "v2-scans-resolution": ("scans", Encoding("cbor", resolutions=resolution)),
    "v2-values-zstd": ("values", Encoding("cbor", "zstd")),
    "v2-features-resolution-dictionary": ("features", Encoding("cbor", "zstd-dictionary", resolution)),
    "v2-urgent-dictionary": ("urgent", Encoding("cbor", "zstd-dictionary")),
}
"""By name of the file: which records, and how they are written."""


def payload(name: str) -> bytes:
    """Return what the gateway as it is now sends for a case."""
    records, encoding = CASES[name]
    (message,) = encode(SITE, GATEWAY, RECORDS[records](), encoding=encoding)
    assert not message.trouble
    return message.payload


def rows(content: bytes) -> str:
    """Return the records of a message as lines of JSON, in the order of seq."""
    found = sorted(flat(content), key=lambda row: row["seq"])
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)


def main() -> None:
    """Write the files of cases that have none yet; those that have are left alone."""
    for name in sys.argv[1:] or CASES:
        message, expected = GOLDEN / f"{name}.message", GOLDEN / f"{name}.jsonl"
        if not message.exists():
            message.write_bytes(payload(name))
        if not expected.exists():
            expected.write_text(rows(message.read_bytes()), encoding="utf-8")
        print(name, len(message.read_bytes()), "bytes")


if __name__ == "__main__":
    main()
