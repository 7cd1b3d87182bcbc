"""A batch message as plain rows, for tools: `gateway decode`, the demo, a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.uplink.errors import FormatError
from gateway.uplink.wire import Wire, read, rows

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def flat(payload: bytes | bytearray | memoryview | str) -> Iterator[dict[str, Any]]:
    """Yield one plain dict per record, as JSON has it, series by series.

    Every dict has t (ISO 8601, UTC), kind, machine, point, value, unit, quality, log, epoch, seq; where they apply also
    reason, time, window_s, band_hz, and the fields of an event or a tombstone.

    Raises:
        FormatError: the payload is no such message.
    """
    wire = read(payload)
    for series in wire.series:
        for seq, t, value, quality, reason, time in rows(wire.base, series):
            row = _flat(wire, seq, t, time, series.kind, machine=series.machine, point=series.point, value=value, unit=series.unit)
            row["quality"] = quality
            if reason:
                row["reason"] = reason
            if series.kind == "feature":
                row |= {"window_s": series.window_s, "band_hz": None if series.band_hz is None else list(series.band_hz)}
            yield row
    for event in wire.events:
        fields = {name: getattr(event, name) for name in ("severity", "before", "after", "acknowledged")}
        names: dict[str, Any] = {name: getattr(event, name) for name in ("machine", "point", "value", "unit")}
        row = _flat(wire, wire.base.seq + event.seq, wire.base.t + event.t, event.time, "event", **names)
        yield row | {"event": event.kind, **fields}
    for loss in wire.losses:
        row = _flat(wire, wire.base.seq + loss.seq, wire.base.t + loss.t, loss.time, "tombstone")
        yield row | {"lost": loss.log, "first": loss.first, "last": loss.last, "count": loss.count}


def _flat(
    wire: Wire, seq: int, t: int, time: str, kind: str, machine: str = "", point: str = "", value: Any = None, unit: str = ""
) -> dict[str, Any]:
    try:
        moment = (_EPOCH + timedelta(microseconds=t)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError:
        raise FormatError(f"t of seq {seq} is outside the years 1 to 9999") from None
    row = {"t": moment, "kind": kind, "machine": machine, "point": point, "value": value, "unit": unit, "quality": "good"}
    row |= {"log": wire.log, "epoch": wire.epoch, "seq": seq}
    if time != "synced":
        row["time"] = time
    return row
