"""Version 2 of the batch lane's message as it stands on the wire: structs that are its schema; `docs/formats.md` documents it.

Where version 1 has a series per point, version 2 has a table per group of points that were measured together, so that what
they share is written once. All values of a table stand in one column, point after point. Columns of numbers stand last, as a
compressor likes text and numbers apart.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from gateway.uplink.scale import Mode
from gateway.uplink.wire import Base, EventRow, LossRow
from gateway.uplink.words import GOOD, SYNCED

VERSION = 2


class Plane(Struct, frozen=True):
    """The seq of every value when they are evenly numbered: `first + row * (number of row) + point * (number of point)`."""

    first: int
    row: int
    point: int


class Rhythm(Struct, frozen=True, omit_defaults=True):
    """Times at nearly equal steps: `first + step * (number of row) + off[number of row]`; no `off`: exactly equal."""

    first: int
    step: int
    off: list[int] | None = None


class Steps(Struct, omit_defaults=True, kw_only=True):
    """Numbers on scales (see `Scale` for mode, step, digits, error), as small whole numbers; one scale for all points, or one each.

    `k` of a value is the `start` of its point plus its entry in `steps`; with `running` plus all entries of its point up to it.
    """

    mode: Mode
    step: float | list[float] = 1.0
    digits: int | list[int] = 0
    error: float | list[float] = 0.0
    running: bool = False
    start: list[int]
    sign: int | list[int] = 1
    exact: list[tuple[int, float | int | None]] = []
    steps: list[int]


Places = dict[str, list[int]]
"""Words by the places of the values they are true of."""


class Table(Struct, omit_defaults=True, kw_only=True):
    """Values of several points of one machine, measured at the same times; or at times of their own, `rows` of each point."""

    machine: str
    kind: Literal["reading", "feature"]
    points: list[str]
    unit: str | list[str] = ""
    window_s: float = 0.0
    band_hz: list[tuple[float | None, float | None] | None] | None = None
    rows: list[int] | None = None
    quality: str | Places = GOOD
    reason: str | Places = ""
    time: str | Places = SYNCED
    seq: Plane | list[int]
    t: Rhythm | list[int]
    value: list[Any] | Steps


class Layout(Struct, omit_defaults=True):
    """A whole message."""

    format: str
    version: int
    site: str
    gateway: str
    log: str
    epoch: str
    base: Base
    tables: list[Table] = []
    events: list[EventRow] = []
    losses: list[LossRow] = []
