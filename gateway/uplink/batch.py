"""The batch lane's message: columnar JSON that explains itself; `docs/formats.md` is its documentation.

A message carries a run of records of one log in the order of their seq, so that with site, gateway, log and epoch each
record's key can be rebuilt. Encoding never fails: a record that could not be sent would hold up all that follow.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from gateway.model import (
    Event,
    Feature,
    Log,
    Quality,
    Reading,
    Reason,
    Record,
    Sequenced,
    Severity,
    Stamp,
    TimeQuality,
    Tombstone,
)
from gateway.uplink.errors import FormatError
from gateway.uplink.wire import (
    FORMAT,
    GOOD,
    SYNCED,
    VERSION,
    Base,
    Column,
    Even,
    EventRow,
    LossRow,
    Series,
    Wire,
    Words,
    read,
    rows,
)

MAX_PAYLOAD = 128 * 1024
"""Bytes; larger runs are split."""


# A field is left out when it is its default: the same object, not just an equal one.
_QUALITY = {quality: GOOD if quality is Quality.GOOD else quality.word for quality in Quality}
_REASON = {reason: reason.name.lower() if reason else "" for reason in Reason}
_TIME = {time: SYNCED if time is TimeQuality.SYNCED else time.value for time in TimeQuality}

K = TypeVar("K")


class Message(Struct, frozen=True):
    """A payload and where it goes; it holds `count` records of one log and epoch, the last with seq `last`.

    `cut` names the points whose value alone was larger than a message and was left out.
    """

    topic: str
    payload: bytes
    log: Log
    epoch: str
    last: int
    count: int
    cut: tuple[str, ...] = ()


class Batch(Struct, frozen=True):
    """A decoded message: whose records they are, and the records with their keys, in the order of seq."""

    site: str
    gateway: str
    records: tuple[Sequenced, ...]


def topic(site: str, gateway: str) -> str:
    """Return the topic of the batch lane."""
    return f"coop/{site}/{gateway}/up/batch"


def question(site: str, gateway: str) -> Message:
    """Return a message that holds no record: it only asks whether the topic may be published to, and receivers read it as any."""
    payload = msgspec.json.encode(Wire(FORMAT, VERSION, site, gateway, Log.READING.value, "", Base(0, 0)))
    return Message(topic(site, gateway), payload, Log.READING, "", -1, 0)


def encode(
    site: str, gateway: str, records: Iterable[Sequenced], *, max_payload: int = MAX_PAYLOAD, largest_value: int = MAX_PAYLOAD
) -> list[Message]:
    """Return messages with all the records, in order within each log; never fails.

    Times are kept to the µs. A float that is not finite, or a value JSON cannot hold, becomes null with quality bad.

    Args:
        site: the member.
        gateway: the gateway.
        records: records with their keys, in order of seq within each log and epoch.
        max_payload: bytes a payload may have; a larger one is split, down to one record.
        largest_value: bytes the payload of one record may have; above, its value is replaced by null, quality bad.
    """
    runs: dict[tuple[Log, str], list[Sequenced]] = {}
    for item in records:
        runs.setdefault((item.log, item.epoch), []).append(item)
    messages: list[Message] = []
    for run in runs.values():
        _split(site, gateway, run, (max_payload, largest_value), messages)
    return messages


def _split(site: str, gateway: str, run: Sequence[Sequenced], limits: tuple[int, int], messages: list[Message]) -> None:
    payload = msgspec.json.encode(_wire(site, gateway, run))
    cut: tuple[str, ...] = ()
    head = run[0]
    if len(payload) > limits[0] and len(run) > 1:
        middle = len(run) // 2
        _split(site, gateway, run[:middle], limits, messages)
        _split(site, gateway, run[middle:], limits, messages)
        return
    if len(payload) > limits[1] and len(run) == 1 and isinstance(head.record, Reading):
        cut = (f"{head.record.machine}/{head.record.point}",)
        lesser = msgspec.structs.replace(head.record, value=None, quality=Quality.BAD, reason=Reason.NOT_SUPPORTED)
        payload = msgspec.json.encode(_wire(site, gateway, [msgspec.structs.replace(head, record=lesser)]))
    messages.append(Message(topic(site, gateway), payload, head.log, head.epoch, run[-1].seq, len(run), cut))


def _wire(site: str, gateway: str, run: Sequence[Sequenced]) -> Wire:
    base = Base(run[0].seq, run[0].record.stamp.wall_ns // 1000)
    wire = Wire(FORMAT, VERSION, site, gateway, run[0].log.value, _text(run[0].epoch), base)
    columns: dict[tuple[Any, ...], list[tuple[int, Reading | Feature]]] = {}
    for item in run:
        record, seq = item.record, item.seq
        if isinstance(record, Reading | Feature):
            window = (record.window_s, record.band_hz) if isinstance(record, Feature) else None
            columns.setdefault((record.machine, record.point, record.unit, window), []).append((seq, record))
        else:
            _add_row(wire, seq - base.seq, record.stamp.wall_ns // 1000 - base.t, record)
    wire.series = [_series(base, entries) for entries in columns.values()]
    return wire


def _add_row(wire: Wire, seq: int, t: int, record: Event | Tombstone) -> None:
    time = _TIME[record.stamp.quality]
    if isinstance(record, Tombstone):
        wire.losses.append(LossRow(seq, t, record.lost.value, record.first, record.last, record.count, time))
        return
    wire.events.append(
        EventRow(
            seq,
            t,
            machine=_text(record.machine),
            point=_text(record.point),
            kind=_text(record.kind),
            severity=record.severity.value,
            before=_text(record.before),
            after=_text(record.after),
            value=_finite(record.value),
            unit=_text(record.unit),
            acknowledged=record.acknowledged,
            time=time,
        )
    )


def _series(base: Base, entries: list[tuple[int, Reading | Feature]]) -> Series:
    head = entries[0][1]
    values, qualities, reasons, times = [], [], [], []
    for _, record in entries:
        value, quality, reason = record.value, record.quality, record.reason
        if type(value) is not float or not math.isfinite(value):
            value, quality, reason = _value(value, quality, reason)
        values.append(value)
        qualities.append(quality)
        reasons.append(reason)
        times.append(record.stamp.quality)
    series = Series(
        machine=_text(head.machine),
        point=_text(head.point),
        kind="feature" if isinstance(head, Feature) else "reading",
        unit=_text(head.unit),
        seq=_column([seq - base.seq for seq, _ in entries]),
        t=_column([record.stamp.wall_ns // 1000 - base.t for _, record in entries]),
        value=values,
        quality=_words(qualities, _QUALITY),
        reason=_words(reasons, _REASON),
        time=_words(times, _TIME),
    )
    if isinstance(head, Feature):
        series.window_s = _finite(head.window_s) or 0.0
        series.band_hz = None if head.band_hz is None else (_finite(head.band_hz[0]), _finite(head.band_hz[1]))
    return series


def _column(numbers: list[int]) -> Column:
    deltas = [numbers[0], *(b - a for a, b in pairwise(numbers))]
    if len(deltas) > 2 and len(set(deltas[1:])) == 1:
        return Even(deltas[0], deltas[1])
    return deltas


def _words(codes: list[K], words: dict[K, str]) -> Words:
    """Return one word when all codes are the same, else a word per code."""
    return words[codes[0]] if codes.count(codes[0]) == len(codes) else [words[code] for code in codes]


def _text(text: str) -> str:
    """Return the text without what UTF-8 cannot hold (half a surrogate pair, from a device that sends rubbish)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _value(value: Any, quality: Quality, reason: Reason) -> tuple[Any, Quality, Reason]:
    """Return value, quality and reason as they are sent."""
    try:
        plain = _plain(value)
    except (TypeError, RecursionError):
        return None, Quality.BAD, Reason.NOT_SUPPORTED
    if plain is None and value is not None and quality is not Quality.BAD:
        return None, Quality.BAD, Reason.OUT_OF_RANGE
    return plain, quality, reason


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it; inside a list a float that is not finite becomes null too."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and -(2**63) <= value < 2**64):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": b64encode(value).decode()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    raise TypeError(f"no place for {type(value).__name__} in a message")


# ── decode ──


def decode(payload: bytes | bytearray | memoryview | str) -> Batch:
    """Return the records of a message; stamps carry the wall time in µs and no monotonic time or boot.

    Raises:
        FormatError: the payload is no such message, or holds a word this program does not know.
    """
    wire = read(payload)
    try:
        log = Log(wire.log)
        entries = sorted(_records(wire), key=lambda entry: entry[0])
    except (ValueError, KeyError) as exc:
        raise FormatError(f"unknown word: {exc}") from None
    return Batch(wire.site, wire.gateway, tuple(Sequenced(log, wire.epoch, seq, record) for seq, record in entries))


def _records(wire: Wire) -> Iterator[tuple[int, Record]]:
    for series in wire.series:
        if series.kind == "feature":
            extra: dict[str, Any] = {"window_s": series.window_s, "band_hz": _band(series.band_hz)}
            make: Any = Feature
        else:
            extra, make = {}, Reading
        for seq, t, value, quality, reason, time in rows(wire.base, series):
            yield (
                seq,
                make(
                    machine=series.machine,
                    point=series.point,
                    value=_unplain(value),
                    stamp=_stamp(t, time),
                    unit=series.unit,
                    quality=Quality[quality.upper()],
                    reason=Reason[reason.upper()] if reason else Reason.NONE,
                    **extra,
                ),
            )
    for event in wire.events:
        fields = {name: getattr(event, name) for name in ("machine", "point", "kind", "before", "after", "value", "unit")}
        stamp = _stamp(wire.base.t + event.t, event.time)
        severity = Severity(event.severity)
        yield wire.base.seq + event.seq, Event(**fields, severity=severity, acknowledged=event.acknowledged, stamp=stamp)
    for loss in wire.losses:
        stamp = _stamp(wire.base.t + loss.t, loss.time)
        tombstone = Tombstone(lost=Log(loss.log), first=loss.first, last=loss.last, count=loss.count, stamp=stamp)
        yield wire.base.seq + loss.seq, tombstone


def _unplain(value: Any) -> Any:
    if isinstance(value, list):
        return [_unplain(entry) for entry in value]
    if isinstance(value, dict):
        return b64decode(value["base64"], validate=True)
    return value


def _stamp(t_us: int, time: str) -> Stamp:
    return Stamp(t_us * 1000, 0, "", TimeQuality(time))


def _band(band: tuple[float | None, float | None] | None) -> tuple[float, float] | None:
    return None if band is None else (band[0] or 0.0, math.inf if band[1] is None else band[1])
