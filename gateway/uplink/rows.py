"""Version 2, and back: tables become records again; whatever a message claims, work and memory follow its bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, TypeVar

from gateway.config.quantity import Resolution
from gateway.model import Feature, Reading
from gateway.uplink import words
from gateway.uplink.errors import FormatError
from gateway.uplink.layout import Layout, Places, Plane, Rhythm, Steps, Table
from gateway.uplink.scale import MOST_DIGITS, Scale
from gateway.uplink.series import other_rows
from gateway.uplink.wire import Base
from gateway.uplink.words import GOOD, SYNCED, Row

T = TypeVar("T")


def rows_of(layout: Layout) -> Iterator[Row]:
    """Yield the records of a message, table by table and point by point, then events, then losses.

    Raises:
        FormatError, ValueError: it holds a word this program does not know, or its columns do not fit together.
    """
    for table in layout.tables:
        yield from _rows(layout.base, table)
    yield from other_rows(layout.base, layout.events, layout.losses)


def _rows(base: Base, table: Table) -> Iterator[Row]:
    points, value = len(table.points), table.value
    total = len(value.steps if isinstance(value, Steps) else value)
    sizes = _sizes(table, total)
    owner = [point for point, size in enumerate(sizes) for _ in range(size)]
    seqs, ts = _seqs(base, table, sizes), _times(base, table, sizes)
    resolutions: list[Resolution | None] = [None] * points
    values: list[Any]
    if isinstance(value, Steps):
        scales = _scales(table, value)
        resolutions = [_resolution(scale) for scale in scales]
        values = _numbers(table, value, scales, sizes)
    else:
        values = value
    qualities = _words(table, "quality", table.quality, GOOD, total)
    reasons = _words(table, "reason", table.reason, "", total)
    clocks = _words(table, "time", table.time, SYNCED, total)
    units = _each(table, "unit", table.unit)
    bands: list[Any] = _each(table, "band_hz", table.band_hz or None)
    for i, point in enumerate(owner):
        common: dict[str, Any] = {
            "machine": table.machine,
            "point": table.points[point],
            "value": _value(table, values[i]),
            "stamp": words.stamp(ts[i], clocks[i]),
            "unit": units[point],
            "quality": words.quality(qualities[i]),
            "reason": words.reason(reasons[i]),
        }
        if table.kind == "reading":
            yield Row(seqs[i], Reading(**common), resolutions[point])
        else:
            feature = Feature(**common, window_s=table.window_s, band_hz=words.unband(bands[point]))
            yield Row(seqs[i], feature, resolutions[point])


def _sizes(table: Table, total: int) -> list[int]:
    """Return how many values each point has."""
    points = len(table.points)
    if table.rows is None:
        if not points or total % points:
            raise _misfit(table, "value", total, f"{points} points")
        return [total // points] * points
    if len(table.rows) != points:
        raise _misfit(table, "rows", len(table.rows), f"{points} points")
    if min(table.rows, default=0) < 0 or sum(table.rows) != total:
        raise _misfit(table, "value", total, f"rows that are {sum(table.rows)} together")
    return table.rows


def _seqs(base: Base, table: Table, sizes: list[int]) -> list[int]:
    seq, total = table.seq, sum(sizes)
    if isinstance(seq, Plane):
        at = ((row, point) for point, size in enumerate(sizes) for row in range(size))
        return [base.seq + seq.first + row * seq.row + point * seq.point for row, point in at]
    if len(seq) != total:
        raise _misfit(table, "seq", len(seq), f"{total} values")
    return list(accumulate(seq, initial=base.seq))[1:]


def _times(base: Base, table: Table, sizes: list[int]) -> list[int]:
    """Return the time of every value."""
    t = table.t
    wanted = sizes[0] if table.rows is None else sum(sizes)
    off = t.off if isinstance(t, Rhythm) else t
    if off is not None and len(off) != wanted:
        raise _misfit(table, "t", len(off), f"{wanted} {'rows' if table.rows is None else 'values'}")
    if isinstance(t, Rhythm):
        ts = [base.t + t.first + i * t.step + (t.off[i] if t.off else 0) for i in range(wanted)]
    else:
        ts = list(accumulate(t, initial=base.t))[1:]
    return ts * len(sizes) if table.rows is None else ts


def _words(table: Table, name: str, places: str | Places, default: str, total: int) -> list[str]:
    if isinstance(places, str):
        return [places] * total
    found = [default] * total
    for word, indices in places.items():
        for i in indices:
            if not 0 <= i < total:
                raise FormatError(f"table of '{table.machine}': {name} names the value {i} of {total}")
            found[i] = word
    return found


def _each(table: Table, name: str, items: T | list[T]) -> list[T]:
    """Return an item per point, of what is either one for all or a list."""
    if not isinstance(items, list):
        return [items] * len(table.points)
    if len(items) != len(table.points):
        raise _misfit(table, name, len(items), f"{len(table.points)} points")
    return items


def _scales(table: Table, coded: Steps) -> list[Scale]:
    parts = (_each(table, name, getattr(coded, name)) for name in ("step", "digits", "error"))
    scales = [Scale(coded.mode, *each) for each in zip(*parts, strict=True)]
    for scale in scales:
        if not (scale.mode == "relative") <= scale.digits <= MOST_DIGITS:
            raise FormatError(f"table of '{table.machine}': digits is {scale.digits}")
    return scales


def _numbers(table: Table, coded: Steps, scales: list[Scale], sizes: list[int]) -> list[float | int | None]:
    total, begins = len(coded.steps), accumulate(sizes, initial=0)
    signs = coded.sign if isinstance(coded.sign, list) else [coded.sign] * total
    for name, column, wanted in (("start", coded.start, len(scales)), ("sign", signs, total)):
        if len(column) != wanted:
            raise _misfit(table, name, len(column), f"{wanted} of them")
    numbers: list[float | int | None] = []
    try:
        for start, scale, begin, size in zip(coded.start, scales, begins, sizes, strict=False):
            steps = coded.steps[begin : begin + size]
            ks = list(accumulate(steps, initial=start))[1:] if coded.running else [start + step for step in steps]
            numbers += [scale.number(k) for k in ks]
        if coded.mode == "relative":
            numbers = [number * sign for number, sign in zip(numbers, signs, strict=True) if number is not None]
    except (ArithmeticError, ValueError):
        raise FormatError(f"table of '{table.machine}': a step leads beyond all numbers") from None
    for i, number in coded.exact:
        if not 0 <= i < total:
            raise FormatError(f"table of '{table.machine}': exact names the value {i} of {total}")
        numbers[i] = number
    return numbers


def _value(table: Table, value: Any) -> Any:
    if isinstance(value, dict) or (isinstance(value, float) and not math.isfinite(value)):
        raise FormatError(f"table of '{table.machine}': no value can be {value!r}")
    if isinstance(value, list):
        for entry in value:
            _value(table, entry)
    return value


def _resolution(scale: Scale) -> Resolution | None:
    return Resolution(scale.error, scale.mode == "relative") if scale.error else None


def _misfit(table: Table, name: str, count: int, what: str) -> FormatError:
    return FormatError(f"table of '{table.machine}': {name} has {count} entries for {what}")
