"""Makes a compression dictionary: python -m tests.formats.dictionary NUMBER FILE (needs libzstd from the system).

Its content is what messages have in common: names, units and words, and a few typical messages in both formats; its codes are
those of messages of shops that do not exist. The dictionary in use, `gateway/uplink/batch.zdict`, is part of the format: it never
changes. A better one gets another number and stands beside it, as a receiver finds it by the number in a message's header.
"""

from __future__ import annotations

import ctypes
import random
import string
import sys
from collections.abc import Iterator
from pathlib import Path

import cbor2
import yaml

from gateway.config.quantity import Resolution
from gateway.model import Event, Feature, Log, Quality, Reading, Reason, Record, Sequenced, Severity, Stamp, TimeQuality, Tombstone
from gateway.uplink import packing, series, tables

ROOT = Path(__file__).parents[2]
MESSAGES = 1500
FEATURES = [
    *(("rms", "m/s²"), ("peak", "m/s²"), ("peak_to_peak", "m/s²"), ("crest", "1"), ("kurtosis", "1"), ("skewness", "1")),
    *(("velocity_rms", "mm/s"), ("displacement", "µm"), ("envelope_rms", "m/s²"), ("high_frequency", "m/s²"), ("shape", "1")),
]
POINTS = [
    *(("oil_temp", "°C"), ("temperature", "°C"), ("pressure", "bar"), ("speed", "rpm"), ("power", "W"), ("energy", "kWh")),
    *(("current", "A"), ("voltage", "V"), ("flow", "l/min"), ("level", "%"), ("torque", "N·m"), ("humidity", "%"), ("state", "")),
]


def _known_points() -> list[tuple[str, str]]:
    found = []
    for path in sorted((ROOT / "configs/profiles").rglob("*.yaml")):
        points = yaml.safe_load(path.read_text(encoding="utf-8"))["points"]
        found += [(name, str(point.get("unit", ""))) for name, point in points.items()]
    return found + POINTS


class Corpus:
    """Messages of shops that do not exist; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._known = _known_points()

    def messages(self) -> Iterator[bytes]:
        """Yield messages of all kinds in both formats, with the beginning of their columns of numbers."""
        for number in range(MESSAGES):
            make = self._random.choice([self.features, self.features, self.readings, self.urgent])
            most = Resolution(self._random.choice([0.005, 0.005, 0.01, 0.02]), True) if self._random.random() < 0.6 else None
            yield self.packed(make(), "json" if number % 4 == 0 else "cbor", most)

    def packed(self, records: list[Record], form: packing.Format, resolution: Resolution | None) -> bytes:
        """Return the beginning of the message with these records."""
        first, epoch = self._random.randrange(10**7), f"{self._random.getrandbits(64):016x}"
        run = [Sequenced(record.log, epoch, first + i, record) for i, record in enumerate(records)]
        module = series if form == "json" else tables
        payload, cut = packing.pack(module.make(self._name(), self._name(), run, lambda *_: resolution), form)
        return payload[: cut + 300] if cut else payload[:900]

    def features(self, axes: list[str] | None = None, most: float = 0.9) -> list[Record]:
        """Return five windows of a vibration sensor."""
        axes = axes or self._random.choice([["x.", "y.", "z."], [""], ["x.", "z."]])
        names = [(f"vibration.{axis}{name}", unit) for axis in axes for name, unit in FEATURES if self._random.random() < most]
        names += [(f"vibration.{name}", unit) for name, unit in POINTS[1:4:2] if self._random.random() < most]
        machine, start = self._name(), self._stamp(0)
        return [
            Feature(
                machine=machine,
                point=name,
                value=self._random.lognormvariate(0, 1),
                unit=unit,
                stamp=Stamp(start.wall_ns + i * 10_000_000_000, 0, ""),
                window_s=1.0,
                band_hz=(10.0, 1000.0) if "velocity" in name else None,
            )
            for i in range(5)
            for name, unit in names
        ]

    def readings(self) -> list[Record]:
        """Return a few readings of a machine, some of them bad."""
        machine = self._name()
        records: list[Record] = []
        for i in range(self._random.randint(1, 6)):
            for name, unit in self._random.sample(self._known, self._random.randint(2, 8)):
                bad = self._random.random() < 0.05
                value = None if bad else self._random.choice([round(self._random.gauss(50, 20), 1), self._random.randrange(500)])
                quality, reason = (Quality.BAD, self._random.choice(list(Reason)[1:16])) if bad else (Quality.GOOD, Reason.NONE)
                told = {"quality": quality, "reason": reason}
                records.append(Reading(machine=machine, point=name, value=value, unit=unit, stamp=self._stamp(i), **told))
        return records

    def urgent(self) -> list[Record]:
        """Return an event or a tombstone."""
        if self._random.random() < 0.15:
            first = self._random.randrange(10**6)
            lost = self._random.choice([Log.READING, Log.FEATURE])
            return [Tombstone(lost=lost, first=first, last=first + 99, count=100, stamp=self._stamp(0))]
        name, unit = self._random.choice(self._known)
        before, after = self._random.choice([("normal", "high"), ("high", "normal"), ("normal", "low"), ("low", "normal")])
        severity = Severity.INFO if after == "normal" else Severity.ALARM
        value = round(self._random.gauss(50, 20), 2)
        event = {"kind": "limit", "severity": severity, "before": before, "after": after, "value": value, "unit": unit}
        return [Event(machine=self._name(), point=name, stamp=self._stamp(0), **event)]

    def _name(self) -> str:
        return "".join(self._random.choices(string.ascii_lowercase + "-", k=self._random.randint(4, 14)))

    def _stamp(self, i: int) -> Stamp:
        t = 1_767_225_600_000_000_000 + self._random.randrange(10**17) + i * 10_000_000_000 + self._random.randrange(500_000)
        return Stamp(t, 0, "", TimeQuality.SYNCED if self._random.random() < 0.95 else TimeQuality.UNCERTAIN)


def content() -> bytes:
    """Return the texts; what is most often needed stands last, where it is reached most cheaply."""
    corpus = Corpus(5)
    points = _known_points()
    texts = [name for name, _ in points] + [unit for _, unit in points] + [reason.name.lower() for reason in list(Reason)[1:16]]
    half_percent = Resolution(0.005, True)
    messages = [
        corpus.packed(corpus.readings(), "json", None),
        corpus.packed(corpus.features(["x.", "y."], 1.0), "json", half_percent),
        *(corpus.packed(corpus.urgent(), "json", None) for _ in range(2)),
        *(corpus.packed(corpus.readings(), "cbor", None) for _ in range(2)),
        *(corpus.packed(corpus.urgent(), "cbor", None) for _ in range(3)),
        corpus.packed(corpus.features(["x.", "y.", "z."], 1.0), "cbor", half_percent)[:-300],
    ]
    return b"".join(cbor2.dumps(text) for text in dict.fromkeys([*texts, "uncertain", "bad"]) if text) + b"".join(messages)


class _Parameters(ctypes.Structure):
    _fields_ = (("level", ctypes.c_int), ("notifications", ctypes.c_uint), ("number", ctypes.c_uint))


def finished(texts: bytes, samples: list[bytes], number: int) -> bytes:
    """Return a dictionary of these texts, with the codes that fit the samples (ZDICT_finalizeDictionary of zdict.h)."""
    library = ctypes.CDLL("libzstd.so.1")
    finalize = library.ZDICT_finalizeDictionary
    finalize.restype = ctypes.c_size_t
    finalize.argtypes = [
        *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p),
        *(ctypes.POINTER(ctypes.c_size_t), ctypes.c_uint, _Parameters),
    ]
    made = ctypes.create_string_buffer(len(texts) + 1024)
    sizes = (ctypes.c_size_t * len(samples))(*map(len, samples))
    parameters = _Parameters(19, 0, number)
    size = finalize(made, len(made), texts, len(texts), b"".join(samples), sizes, len(samples), parameters)
    assert not library.ZDICT_isError(ctypes.c_size_t(size)), "libzstd cannot make a dictionary of these samples"
    return made.raw[:size]


def main() -> None:
    """Write a dictionary."""
    number, path = int(sys.argv[1]), Path(sys.argv[2])
    path.write_bytes(finished(content(), list(Corpus(1).messages()), number))


if __name__ == "__main__":
    main()
