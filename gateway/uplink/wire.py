"""Version 1 of the batch lane's message as it stands on the wire: structs that are its schema, and how its columns are read.

`docs/formats.md` documents it for people; fields that are left out have the default given here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

from gateway.uplink.errors import FormatError
from gateway.uplink.words import GOOD, SYNCED

FORMAT = "retrofit-gateway/batch"
VERSION = 1


class Even(Struct, frozen=True):
    """A column of whole numbers at equal steps."""

    first: int
    step: int


Integers = list[int] | Even
"""Whole numbers: the first is relative to the message's base, each further one to the one before it."""

Words = str | list[str]
"""A word per value, or one word for all."""


class Base(Struct, frozen=True):
    """What the columns `seq` and `t` start from; t in µs since 1970 UTC."""

    seq: int
    t: int


class Series(Struct, omit_defaults=True):
    """The values of one point of one machine."""

    machine: str
    point: str
    kind: Literal["reading", "feature"]
    seq: Integers
    t: Integers
    value: list[Any]
    unit: str = ""
    quality: Words = GOOD
    reason: Words = ""
    time: Words = SYNCED
    window_s: float = 0.0
    band_hz: tuple[float | None, float | None] | None = None
    resolution: dict[Literal["relative", "absolute"], float] | None = None


class EventRow(Struct, omit_defaults=True):
    """An event; seq and t are relative to the message's base."""

    seq: int
    t: int
    machine: str
    point: str
    kind: str
    severity: str
    before: str
    after: str
    value: float | None = None
    unit: str = ""
    acknowledged: bool = False
    time: str = SYNCED


class LossRow(Struct, omit_defaults=True):
    """A tombstone: `count` records of `log` with seq `first`..`last` were dropped."""

    seq: int
    t: int
    log: str
    first: int
    last: int
    count: int
    time: str = SYNCED


class Wire(Struct, omit_defaults=True):
    """A whole message."""

    format: str
    version: int
    site: str
    gateway: str
    log: str
    epoch: str
    base: Base
    series: list[Series] = []
    events: list[EventRow] = []
    losses: list[LossRow] = []


def rows(base: Base, series: Series) -> Iterator[tuple[int, int, Any, str, str, str]]:
    """Yield seq, t (µs since 1970 UTC), value, quality, reason and time quality of each value of a series.

    Raises:
        FormatError: its columns do not fit together.
    """
    count = len(series.value)
    for name in ("seq", "t", "quality", "reason", "time"):
        column = getattr(series, name)
        if isinstance(column, list) and len(column) != count:
            raise FormatError(f"series '{series.point}': {name} has {len(column)} entries for {count} values")
    return zip(
        _running(series.seq, base.seq, count),
        _running(series.t, base.t, count),
        series.value,
        *(words if isinstance(words, list) else [words] * count for words in (series.quality, series.reason, series.time)),
        strict=True,
    )


def _running(column: Integers, base: int, count: int) -> Iterator[int]:
    if isinstance(column, Even):
        yield from (base + column.first + i * column.step for i in range(count))
        return
    for delta in column:
        base += delta
        yield base
