"""What of a Scan is worth reporting: change beyond the deadband, heartbeat, a turn of quality, a crossed limit.

One pass of the compiled gate over the columns picks what is to be reported; Python objects are made only for that.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from typing import Any

from cython_ext.gate import Gate
from gateway.config.spec import Limits, PointSpec
from gateway.model import Event, Kind, PointTable, Quality, Reading, Reason, Record, Scan, Severity, Stamp, TimeQuality, Value

SOURCE_TIME_TRUST_NS = 60_000_000_000
"""A device's own time stamp is used when it is within this of the gateway's; the clock of an old PLC is often years off."""


class Shape:
    """Turns the Scans of one table into the records worth reporting; remembers what was reported last."""

    def __init__(self, table: PointTable) -> None:
        specs: tuple[PointSpec, ...] = table.specs
        self._table = table
        self._gate = Gate(
            array("d", [spec.deadband for spec in specs]),
            array("d", [spec.heartbeat for spec in specs]),
            bytearray(spec.report == "always" for spec in specs),
        )
        self._out = array("i", bytes(4 * len(specs)))
        self._show = tuple(_presenter(spec) for spec in specs)
        self._objects: dict[int, Any] = {}
        self._watches = {row: LimitWatch(spec.limits) for row, spec in enumerate(specs) if spec.limits}

    def apply(self, scan: Scan) -> list[Record]:
        """Return the readings of `scan` worth reporting, in column order, and then the events."""
        for column, value in scan.objects.items():
            row = scan.row(column)
            if row not in self._objects or self._objects[row] != value:
                self._objects[row] = value
                self._gate.force(row)
        count = self._gate.select(scan.stamp.mono_ns / 1e9, scan.values, scan.quality, scan.reason, scan.rows, self._out)
        records: list[Record] = [self._reading(scan, column) for column in self._out[:count]]
        if self._watches:
            records.extend(self._events(scan))
        return records

    def _reading(self, scan: Scan, column: int) -> Reading:
        row = scan.row(column)
        quality = _QUALITIES[scan.quality[column]]
        value: Value = None
        if quality is not Quality.BAD:
            show = self._show[row]
            if show is _number and scan.kinds is not None:
                show = _BY_KIND[scan.kinds[column]]
            value = scan.objects[column] if column in scan.objects else show(scan.values[column])
        return Reading(
            machine=self._table.machine,
            point=self._table.names[row],
            value=value,
            stamp=_stamp(scan, column),
            unit=self._table.units[row],
            quality=quality,
            reason=_REASONS[scan.reason[column]],
        )

    def _events(self, scan: Scan) -> list[Event]:
        events = []
        for column in range(len(scan)) if scan.rows is not None else self._watches:
            row = scan.row(column)
            watch = self._watches.get(row)
            if watch is None or scan.quality[column] != Quality.GOOD or (step := watch.step(scan.values[column])) is None:
                continue
            before, after = step
            events.append(
                Event(
                    machine=self._table.machine,
                    point=self._table.names[row],
                    kind="limit",
                    severity=Severity.INFO if after == "normal" else Severity.ALARM,
                    before=before,
                    after=after,
                    stamp=scan.stamp,
                    value=scan.values[column],
                    unit=self._table.units[row],
                )
            )
        return events


class LimitWatch:
    """On which side of its limits a value is: `low`, `normal` or `high`; it comes back only beyond the hysteresis."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.state = "normal"

    def step(self, value: float) -> tuple[str, str] | None:
        """Take a good value; return (before, after) when the state changed."""
        low, high, hysteresis = self._limits.low, self._limits.high, self._limits.hysteresis
        before = self.state
        if high is not None and value > (high - hysteresis if before == "high" else high):
            self.state = "high"
        elif low is not None and value < (low + hysteresis if before == "low" else low):
            self.state = "low"
        else:
            self.state = "normal"
        return None if self.state == before else (before, self.state)


def _stamp(scan: Scan, column: int) -> Stamp:
    """Return the device's time for a value where it gives a credible one, else the time the answer arrived."""
    stamp = scan.stamp
    source_ns = scan.stamps[column] if scan.stamps is not None else 0
    if source_ns and stamp.quality is TimeQuality.SYNCED and abs(source_ns - stamp.wall_ns) <= SOURCE_TIME_TRUST_NS:
        return Stamp(source_ns, stamp.mono_ns + source_ns - stamp.wall_ns, stamp.boot, stamp.quality)
    return stamp


def form_of(spec: PointSpec) -> str:
    """Return what the configuration promises of a point's values: number, whole, unsigned, truth, text, or nothing (empty)."""
    kind = getattr(spec, "kind", "") or getattr(spec, "type", "")  # a driver's `kind` has the default of `type` filled in
    if spec.states or getattr(spec, "bits", None) or kind == "string":
        return "text"
    if kind == "bool":
        return "truth"
    if not isinstance(kind, str) or not kind.lstrip("u").startswith(("int", "float")):
        return ""
    if kind.startswith("float") or not _keeps_whole(spec):
        return "number"
    return "unsigned" if kind == "uint64" and spec.scale == 1 and spec.offset == 0 else "whole"


def _keeps_whole(spec: PointSpec) -> bool:
    return float(spec.scale).is_integer() and float(spec.offset).is_integer() and getattr(spec, "scale_from", None) is None


def _presenter(spec: PointSpec) -> Callable[[float], Value]:
    """Choose how the number in the column is shown: name of a state, truth, whole number or number."""
    if states := spec.states:
        return lambda value: states.get(int(value), _whole(value)) if math.isfinite(value) else None
    return _BY_FORM.get(form_of(spec), _number)


def _whole(value: float) -> Value:
    return int(value) if math.isfinite(value) else None


def _number(value: float) -> Value:
    return value if math.isfinite(value) else None


_QUALITIES = {int(quality): quality for quality in Quality}
_REASONS = {int(reason): reason for reason in Reason}
"""Members by number: a table is five times as fast as the call of an Enum."""

_BY_FORM: dict[str, Callable[[float], Value]] = {"truth": bool, "whole": _whole, "unsigned": _whole}
_BY_KIND: dict[int, Callable[[float], Value]] = {Kind.NUMBER: _number, Kind.WHOLE: _whole, Kind.TRUTH: bool}
