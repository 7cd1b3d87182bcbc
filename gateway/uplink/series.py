"""Version 1: records become series, and back. Numbers with a resolution are written with as few digits as it allows."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeVar

from gateway.config.quantity import Resolution
from gateway.model import Event, Feature, Log, Reading, Sequenced, Severity, Tombstone
from gateway.uplink import words
from gateway.uplink.scale import rounded
from gateway.uplink.wire import FORMAT, VERSION, Base, Even, EventRow, Integers, LossRow, Series, Wire, Words, rows
from gateway.uplink.words import QUALITY, REASON, TIME, Column, Origin, Resolve, Row

K = TypeVar("K")


def make(site: str, gateway: str, run: list[Sequenced], resolve: Resolve) -> Wire:
    """Return the message that holds a run of records of one log and epoch."""
    base = Base(run[0].seq, run[0].record.stamp.wall_ns // 1000)
    wire = Wire(FORMAT, VERSION, site, gateway, run[0].log.value, words.text(run[0].epoch), base)
    columns, others = words.columns(run, words.plain_json)
    wire.series = [_series(base, origin, column, resolve(*origin[:2])) for origin, column in columns.items()]
    wire.events, wire.losses = events_and_losses(base, others)
    return wire


def _series(base: Base, origin: Origin, column: Column, resolution: Resolution | None) -> Series:
    machine, point, unit, window = origin
    series = Series(
        machine=words.text(machine),
        point=words.text(point),
        kind="reading" if window is None else "feature",
        unit=words.text(unit),
        seq=_integers([seq - base.seq for seq in column.seq]),
        t=_integers([t - base.t for t in column.t]),
        value=column.value,
        quality=_words(column.quality, QUALITY),
        reason=_words(column.reason, REASON),
        time=_words(column.time, TIME),
    )
    if window is not None:
        series.window_s, series.band_hz = words.finite(window[0]) or 0.0, words.band(window[1])
    if resolution is not None and any(type(value) in {float, int} for value in column.value):
        series.value = [rounded(value, resolution) if type(value) in {float, int} else value for value in column.value]
        series.resolution = {"relative" if resolution.relative else "absolute": resolution.most}
    return series


def _integers(numbers: list[int]) -> Integers:
    deltas = [numbers[0], *(b - a for a, b in pairwise(numbers))]
    if len(deltas) > 2 and len(set(deltas[1:])) == 1:
        return Even(deltas[0], deltas[1])
    return deltas


def _words(codes: list[K], meaning: dict[K, str]) -> Words:
    """Return one word when all codes are the same, else a word per code."""
    return meaning[codes[0]] if codes.count(codes[0]) == len(codes) else [meaning[code] for code in codes]


def events_and_losses(base: Base, others: list[Sequenced]) -> tuple[list[EventRow], list[LossRow]]:
    """Return the rows of events and tombstones, which are the same in both versions."""
    events, losses = [], []
    for item in others:
        record, seq = item.record, item.seq - base.seq
        t, time = record.stamp.wall_ns // 1000 - base.t, TIME[record.stamp.quality]
        if isinstance(record, Tombstone):
            losses.append(LossRow(seq, t, record.lost.value, record.first, record.last, record.count, time))
        elif isinstance(record, Event):
            events.append(
                EventRow(
                    seq,
                    t,
                    machine=words.text(record.machine),
                    point=words.text(record.point),
                    kind=words.text(record.kind),
                    severity=record.severity.value,
                    before=words.text(record.before),
                    after=words.text(record.after),
                    value=words.finite(record.value),
                    unit=words.text(record.unit),
                    acknowledged=record.acknowledged,
                    time=time,
                )
            )
    return events, losses


# ── and back ──


def rows_of(wire: Wire) -> Iterator[Row]:
    """Yield the records of a message, series by series, then events, then losses.

    Raises:
        FormatError, ValueError: it holds a word this program does not know.
    """
    for series in wire.series:
        window = (series.window_s, words.unband(series.band_hz)) if series.kind == "feature" else None
        for seq, t, value, quality, reason, time in rows(wire.base, series):
            common: dict[str, Any] = {
                "machine": series.machine,
                "point": series.point,
                "value": _unplain(value),
                "stamp": words.stamp(t, time),
                "unit": series.unit,
                "quality": words.quality(quality),
                "reason": words.reason(reason),
            }
            record = Reading(**common) if window is None else Feature(**common, window_s=window[0], band_hz=window[1])
            yield Row(seq, record, _resolution(series))
    yield from other_rows(wire.base, wire.events, wire.losses)


def _resolution(series: Series) -> Resolution | None:
    return next((Resolution(most, kind == "relative") for kind, most in (series.resolution or {}).items()), None)


def other_rows(base: Base, events: list[EventRow], losses: list[LossRow]) -> Iterator[Row]:
    """Yield events and tombstones."""
    for event in events:
        fields = {name: getattr(event, name) for name in ("machine", "point", "kind", "before", "after", "value", "unit")}
        stamp, severity = words.stamp(base.t + event.t, event.time), Severity(event.severity)
        yield Row(base.seq + event.seq, Event(**fields, severity=severity, acknowledged=event.acknowledged, stamp=stamp))
    for loss in losses:
        span = {"first": loss.first, "last": loss.last, "count": loss.count}
        yield Row(base.seq + loss.seq, Tombstone(lost=Log(loss.log), **span, stamp=words.stamp(base.t + loss.t, loss.time)))


def _unplain(value: Any) -> Any:
    if isinstance(value, list):
        return [_unplain(entry) for entry in value]
    if isinstance(value, dict):
        return b64decode(value["base64"], validate=True)
    return value
