"""A batch message as plain rows, for tools: `gateway decode`, the demo, a notebook."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.model import Event, Feature, Reading, Stamp, Tombstone
from gateway.uplink.batch import read
from gateway.uplink.errors import FormatError
from gateway.uplink.layout import Layout
from gateway.uplink.wire import Wire
from gateway.uplink.words import REASON, Row, band

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def flat(payload: bytes | bytearray | memoryview | str) -> Iterator[dict[str, Any]]:
    """Yield one plain dict per record, as JSON has it, column by column.

    Every dict has t (ISO 8601, UTC), kind, machine, point, value, unit, quality, log, epoch, seq; where they apply also
    reason, time, window_s, band_hz, resolution (how far the value may be off, as it stands in site.yaml), and the fields of an
    event or a tombstone.

    Raises:
        FormatError: the payload is no such message.
    """
    message, rows = read(payload)
    for row in rows:
        yield flat_row(message, row)


def flat_row(message: Wire | Layout, row: Row) -> dict[str, Any]:
    """Return one record of a message as a plain dict."""
    return _flat(row) | {"log": message.log, "epoch": message.epoch, "seq": row.seq}


def _flat(row: Row) -> dict[str, Any]:
    record = row.record
    made: dict[str, Any] = {"t": _moment(record.stamp, row.seq), "kind": type(record).__name__.lower()}
    if isinstance(record, Tombstone):
        made |= {"machine": "", "point": "", "value": None, "unit": "", "quality": "good"}
        made |= {"lost": record.lost.value, "first": record.first, "last": record.last, "count": record.count}
    else:
        made |= {"machine": record.machine, "point": record.point, "value": _value(record.value), "unit": record.unit}
        made["quality"] = "good" if isinstance(record, Event) else record.quality.word
    if isinstance(record, Event):
        made |= {"event": record.kind, "severity": record.severity.value, "before": record.before, "after": record.after}
        made["acknowledged"] = record.acknowledged
    if isinstance(record, Reading | Feature) and record.reason:
        made["reason"] = REASON[record.reason]
    if isinstance(record, Feature):
        limits = band(record.band_hz)
        made |= {"window_s": record.window_s, "band_hz": limits and list(limits)}
    if row.resolution:
        made["resolution"] = row.resolution.written
    if record.stamp.quality != "synced":
        made["time"] = record.stamp.quality.value
    return made


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": b64encode(value).decode()}
    return [_value(entry) for entry in value] if isinstance(value, list) else value


def _moment(stamp: Stamp, seq: int) -> str:
    try:
        moment = _EPOCH + timedelta(microseconds=stamp.wall_ns // 1000)
    except OverflowError:
        raise FormatError(f"t of seq {seq} is outside the years 1 to 9999") from None
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
