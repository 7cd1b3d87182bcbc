"""The values that travel along the spine: Scan, Block, Record, Quality, Stamp. No I/O here.

A `Scan` is columnar so that a poll of a thousand points makes no Python object per point; a `Record` is made only for
what is reported. Every value carries its quality, and every bad one the reason in words.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Any

from msgspec import Struct, field

Value = float | int | bool | str | bytes | list[Any] | None
"""What a reading can hold; None when it is bad."""


class Quality(IntEnum):
    """How far a value can be trusted; the numbers are the OPC quality bytes, which Sparkplug shares."""

    BAD = 0
    UNCERTAIN = 64
    GOOD = 192

    @property
    def word(self) -> str:
        """The quality as a lower-case word, as it stands in messages and on screens."""
        return self.name.lower()


class Reason(IntEnum):
    """Why a value is not good; one byte per point in a `Scan`."""

    NONE = 0
    NOT_CONNECTED = 1
    TIMEOUT = 2
    REFUSED = 3
    NO_SUCH_ADDRESS = 4
    DEVICE_FAILURE = 5
    DEVICE_BUSY = 6
    BAD_ANSWER = 7
    NO_PATH = 8
    NO_SENSOR = 9
    OUT_OF_RANGE = 10
    NOT_SUPPORTED = 11
    STALE = 12
    NO_DATA = 13
    DEVICE_UNCERTAIN = 14
    COUNTER_RESET = 15
    CLIPPED = 16

    @property
    def words(self) -> str:
        """The reason in words, for messages and screens."""
        return _REASON_WORDS[self]


_REASON_WORDS = {
    Reason.NONE: "",
    Reason.NOT_CONNECTED: "not connected",
    Reason.TIMEOUT: "no answer in time",
    Reason.REFUSED: "the device refused",
    Reason.NO_SUCH_ADDRESS: "the device does not know this address",
    Reason.DEVICE_FAILURE: "the device reports a failure",
    Reason.DEVICE_BUSY: "the device is busy",
    Reason.BAD_ANSWER: "the answer does not fit the question",
    Reason.NO_PATH: "the gateway before the device cannot reach it",
    Reason.NO_SENSOR: "no sensor",
    Reason.OUT_OF_RANGE: "out of range",
    Reason.NOT_SUPPORTED: "the device does not support this",
    Reason.STALE: "stale",
    Reason.NO_DATA: "no data yet",
    Reason.DEVICE_UNCERTAIN: "the device itself is uncertain",
    Reason.COUNTER_RESET: "the counter of the device began anew",
    Reason.CLIPPED: "the sensor is overdriven: its signal leaves its range",
}


class TimeQuality(StrEnum):
    """How far the wall time of a `Stamp` can be trusted.

    `repaired`: nothing kept the clock in step at that moment, and the time was found afterwards from another moment at which
    something did; it is right to what a quartz drifts in between, at most some seconds a day.
    """

    SYNCED = "synced"
    REPAIRED = "repaired"
    UNCERTAIN = "uncertain"


class Kind(IntEnum):
    """What the float64 of a column stands for, where only the device knows it: one byte per column in a `Scan`."""

    NUMBER = 0
    WHOLE = 1
    TRUTH = 2


class Stamp(Struct, frozen=True, gc=False):
    """One moment: wall time in ns since 1970 UTC, monotonic ns, the boot it belongs to, and how good the wall time is."""

    wall_ns: int
    mono_ns: int
    boot: str
    quality: TimeQuality = TimeQuality.SYNCED


class PointTable(Struct, frozen=True, eq=False, weakref=True):
    """The points that are read together from one machine: the columns of its Scans, in order.

    `specs` are the driver's own point structs and `unit` its options for this machine; only the driver and shape look inside.
    The table is compared by identity, so a driver may keep its read plan beside it.
    """

    machine: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    specs: tuple[Any, ...]
    options: Any = None
    every_s: float = 1.0

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.names)


class Scan(Struct, eq=False):
    """One poll or publish of one machine, as columns; no Python object per numeric point.

    Attributes:
        table: the points; column i belongs to `table.names[rows[i]]`, or to `names[i]` when `rows` is None.
        values: float64 per point; NaN where the point is not numeric or not good.
        quality: one `Quality` byte per point.
        reason: one `Reason` byte per point, 0 where good.
        stamp: when the answer arrived.
        objects: what a float64 cannot hold (str, bytes, exact 64-bit int, list), by column; sparse.
        rows: indices into the table for a partial scan (a publish of changed points); None means all, in order.
        stamps: wall time in ns per column as the device gave it, 0 where it gave none; None means it gave none at all.
        kinds: a `Kind` byte per column from a device that tells the type with the value; None: the point's spec says it.
    """

    table: PointTable
    values: array[float]
    quality: bytearray
    reason: bytearray
    stamp: Stamp
    objects: dict[int, Any] = field(default_factory=dict)
    rows: array[int] | None = None
    stamps: array[int] | None = None
    kinds: bytearray | None = None

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.values)

    def row(self, column: int) -> int:
        """Return the index into the table for a column."""
        return column if self.rows is None else self.rows[column]

    @classmethod
    def blank(cls, table: PointTable, stamp: Stamp) -> Scan:
        """Return a full scan of `table` with nothing in it yet: NaN, bad, no data."""
        n = len(table)
        return cls(table, array("d", [math.nan]) * n, bytearray(n), bytearray([Reason.NO_DATA]) * n, stamp)

    @classmethod
    def bad(cls, table: PointTable, stamp: Stamp, reason: Reason) -> Scan:
        """Return a full scan of `table` in which every point is bad for `reason`."""
        n = len(table)
        return cls(table, array("d", [math.nan]) * n, bytearray(n), bytearray([reason]) * n, stamp)


class Block(Struct, eq=False):
    """A piece of waveform: contiguous and gap-free; after a gap a new Block starts with `gap` set.

    Attributes:
        machine: the machine the sensor sits on.
        point: the name the features stand under, `vibration` for a vibration sensor.
        start: the stamp of the first sample.
        rate_hz: samples per second.
        samples: float32, contiguous, in `unit`.
        unit: unit of the samples, for acceleration `m/s²` or `g`.
        gap: whether samples are missing between the previous Block and this one.
    """

    machine: str
    point: str
    start: Stamp
    rate_hz: float
    samples: array[float]
    unit: str
    gap: bool = False


class Log(StrEnum):
    """The class of a record; the outbox keeps one log per class, and thins out the last one first."""

    URGENT = "urgent"
    FEATURE = "feature"
    READING = "reading"
    BULK = "bulk"


class Reading(Struct, frozen=True, gc=False, tag="reading", kw_only=True):
    """A value of a point that was worth reporting; `value` is None when it is bad."""

    machine: str
    point: str
    value: Any
    stamp: Stamp
    unit: str = ""
    quality: Quality = Quality.GOOD
    reason: Reason = Reason.NONE

    @property
    def log(self) -> Log:
        """The log this record belongs to."""
        return Log.READING


class Feature(Struct, frozen=True, gc=False, tag="feature", kw_only=True):
    """A number computed from one window of samples or readings, e.g. point `vibration.velocity_rms` in mm/s.

    `band_hz` is the frequency band it was taken over, `window_s` the length of the window, `stamp` the end of the window.
    """

    machine: str
    point: str
    value: float | None
    stamp: Stamp
    unit: str = ""
    quality: Quality = Quality.GOOD
    reason: Reason = Reason.NONE
    window_s: float = 0.0
    band_hz: tuple[float, float] | None = None

    @property
    def log(self) -> Log:
        """The log this record belongs to."""
        return Log.FEATURE


class Severity(StrEnum):
    """How soon a person should look at an event."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"


class Event(Struct, frozen=True, gc=False, tag="event", kw_only=True):
    """A change of state that somebody should hear of at once, e.g. a limit that was crossed.

    `kind` is a fixed word (`limit`), `before` and `after` the states on both sides, `value` what was measured then.
    """

    machine: str
    point: str
    kind: str
    severity: Severity
    before: str
    after: str
    stamp: Stamp
    value: float | None = None
    unit: str = ""
    acknowledged: bool = False

    @property
    def log(self) -> Log:
        """The log this record belongs to."""
        return Log.URGENT


class Tombstone(Struct, frozen=True, gc=False, tag="tombstone", kw_only=True):
    """The notice of a loss: `count` records of `lost` with seq `first`..`last` were dropped because the store was full."""

    lost: Log
    first: int
    last: int
    count: int
    stamp: Stamp

    @property
    def log(self) -> Log:
        """The log this record belongs to."""
        return Log.URGENT


Record = Reading | Feature | Event | Tombstone


class Sequenced(Struct, frozen=True, gc=False):
    """A record with its key: (gateway, log, epoch, seq) is unique for ever; the gateway is known from the context."""

    log: Log
    epoch: str
    seq: int
    record: Record

    def withheld(self) -> Sequenced:
        """Return what is sent under this key when the record may not be: a loss of one, and nothing of its content."""
        notice = Tombstone(lost=self.log, first=self.seq, last=self.seq, count=1, stamp=self.record.stamp)
        return Sequenced(self.log, self.epoch, self.seq, notice)


Records = Sequence[Record]
