"""What both versions of the batch message share: words for qualities and reasons, texts and values as a message can hold them."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import Struct

from gateway.config.quantity import Resolution
from gateway.model import Feature, Quality, Reading, Reason, Record, Sequenced, Stamp, TimeQuality
from gateway.uplink.errors import FormatError

GOOD = Quality.GOOD.word
SYNCED = TimeQuality.SYNCED.value

# A field is left out when it is its default: the same object, not just an equal one.
QUALITY = {quality: GOOD if quality is Quality.GOOD else quality.word for quality in Quality}
REASON = {reason: reason.name.lower() if reason else "" for reason in Reason}
TIME = {time: SYNCED if time is TimeQuality.SYNCED else time.value for time in TimeQuality}

Resolve = Callable[[str, str], Resolution | None]
"""Says how far the values of a machine's point may be off when they are sent; None: not at all."""

Origin = tuple[str, str, str, tuple[float, tuple[float, float] | None] | None]
"""Where a column's values come from: machine, point, unit; window and band of a feature."""


class Column(Struct):
    """The values of one origin in a run of records, with everything that can differ from value to value; t in µs since 1970."""

    seq: list[int]
    t: list[int]
    value: list[Any]
    quality: list[Quality]
    reason: list[Reason]
    time: list[TimeQuality]


def columns(run: list[Sequenced], plain: Callable[[Any], Any]) -> tuple[dict[Origin, Column], list[Sequenced]]:
    """Sort a run of records into columns; return them and what is neither reading nor feature, both in order.

    Args:
        run: records of one log and epoch.
        plain: returns a value as the encoding can hold it, or raises TypeError.
    """
    found: dict[Origin, Column] = {}
    others = []
    for item in run:
        record = item.record
        if isinstance(record, Reading):
            origin: Origin = (record.machine, record.point, record.unit, None)
        elif isinstance(record, Feature):
            origin = (record.machine, record.point, record.unit, (record.window_s, record.band_hz))
        else:
            others.append(item)
            continue
        column = found.get(origin)
        if column is None:
            column = found[origin] = Column([], [], [], [], [], [])
        value, quality, reason = record.value, record.quality, record.reason
        if type(value) is not float or not math.isfinite(value):
            value, quality, reason = _sendable(value, quality, reason, plain)
        column.seq.append(item.seq)
        column.t.append(record.stamp.wall_ns // 1000)
        column.value.append(value)
        column.quality.append(quality)
        column.reason.append(reason)
        column.time.append(record.stamp.quality)
    return found, others


def _sendable(value: Any, quality: Quality, reason: Reason, plain: Callable[[Any], Any]) -> tuple[Any, Quality, Reason]:
    try:
        result = plain(value)
    except (TypeError, RecursionError):
        return None, Quality.BAD, Reason.NOT_SUPPORTED
    if result is None and value is not None and quality is not Quality.BAD:
        return None, Quality.BAD, Reason.OUT_OF_RANGE
    return result, quality, reason


def plain(value: Any) -> Any:
    """Return a value as CBOR holds it; inside a list a float that is not finite becomes null too.

    Raises:
        TypeError: there is no place for it.
    """
    if value is None or isinstance(value, bool) or (isinstance(value, int) and -(2**63) <= value < 2**64):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    raise TypeError(f"no place for {type(value).__name__} in a message")


def plain_json(value: Any) -> Any:
    """Return a value as JSON holds it, see `plain`; bytes are `{"base64": …}`."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": b64encode(value).decode()}
    if isinstance(value, list | tuple):
        return [plain_json(entry) for entry in value]
    return plain(value)


def text(words: str) -> str:
    """Return the text without what UTF-8 cannot hold (half a surrogate pair, from a device that sends rubbish)."""
    return words if words.isascii() else words.encode("utf-8", "replace").decode()


def finite(number: float | None) -> float | None:
    """Return the number, or None when it is none."""
    return number if number is not None and math.isfinite(number) else None


def band(limits: tuple[float, float] | None) -> tuple[float | None, float | None] | None:
    """Return a band as it is sent: an open end is null."""
    return None if limits is None else (finite(limits[0]), finite(limits[1]))


# ── and back ──


class Row(Struct, frozen=True):
    """A record out of a message, with the seq of its key and how far its value may be off (None: not at all)."""

    seq: int
    record: Record
    resolution: Resolution | None = None


def unband(limits: tuple[float | None, float | None] | None) -> tuple[float, float] | None:
    """Return a band as it was."""
    return None if limits is None else (limits[0] or 0.0, math.inf if limits[1] is None else limits[1])


def stamp(t_us: int, time: str) -> Stamp:
    """Return the stamp of a received record: wall time alone."""
    return Stamp(t_us * 1000, 0, "", TimeQuality(time))


def quality(word: str) -> Quality:
    """Return the quality a word stands for."""
    return _known(_QUALITIES, word)


def reason(word: str) -> Reason:
    """Return the reason a word stands for."""
    return _known(_REASONS, word)


_QUALITIES = {word: member for member, word in QUALITY.items()}
_REASONS = {word: member for member, word in REASON.items()}

M = TypeVar("M")


def _known(members: dict[str, M], word: str) -> M:
    try:
        return members[word]
    except KeyError:
        raise FormatError(f"unknown word: {word!r}") from None
