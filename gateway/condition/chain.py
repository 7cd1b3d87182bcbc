"""The stages that a measured value passes: each may turn it into records, and what it makes is measured for those behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from gateway.model import Feature, PointTable, Quality, Reading, Record, Scan, Stamp


class Measured(Struct, frozen=True, gc=False):
    """One value of a point or a feature: a number, and `name` where the point gives its values names.

    A value that is bad is None and has no name; one that is nothing but a text, a state for example, is None with a name.
    """

    point: str
    value: float | None
    unit: str
    stamp: Stamp
    quality: Quality = Quality.GOOD
    name: str = ""


class Stage(Protocol):
    """One step that makes something of what was measured."""

    def wants(self, point: str, unit: str) -> bool:
        """Say whether values of this point, read or computed, are to be handed over."""

    def take(self, measured: Measured) -> Sequence[Record]:
        """Take a value; return what it gives."""

    def tick(self, stamp: Stamp) -> Sequence[Record]:
        """Return what is due because time has passed; called about once a second."""


@runtime_checkable
class Durable(Protocol):
    """A stage that goes on after a restart where it was.

    Attributes:
        name: a word for what it keeps, its own among the stages of a machine.
        urgent: set when what is to be kept should not wait for the next regular moment; cleared when it was kept.
    """

    name: str
    urgent: bool

    def keep(self) -> Any:
        """Return what is to be kept, as plain JSON values."""

    def restore(self, kept: Any) -> None:
        """Go on from what was kept; what makes no sense raises ValueError, TypeError, KeyError or msgspec.ValidationError."""


class Chain:
    """The stages of one machine, in order; a feature that one makes is offered to those behind it."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)
        self._wanted: dict[PointTable, dict[int, tuple[Stage, ...]]] = {}
        self._takers: dict[tuple[str, str], tuple[tuple[int, Stage], ...]] = {}

    def scan(self, scan: Scan) -> list[Record]:
        """Take the columns of a Scan that some stage wants; the others cost nothing."""
        if not self.stages:
            return []
        table = scan.table
        wanted = self._wanted.get(table)
        if wanted is None:
            pairs = enumerate(zip(table.names, table.units, strict=True))
            wanted = {row: tuple(stage for _, stage in takers) for row, pair in pairs if (takers := self._of(*pair))}
            self._wanted[table] = wanted
        records: list[Record] = []
        if not wanted:
            return records
        for column in range(len(scan)) if scan.rows is not None else wanted:
            row = scan.row(column)
            if row in wanted:
                records += self._pass(_measured(scan, column, row), 0)
        return records

    def features(self, features: Sequence[Record]) -> list[Record]:
        """Take features computed of a waveform; return them, and after each what the stages make of it."""
        records: list[Record] = []
        for feature in features:
            records.append(feature)
            records += self._offer(feature, 0)
        return records

    def tick(self, stamp: Stamp) -> list[Record]:
        """Let time pass."""
        records: list[Record] = []
        for place, stage in enumerate(self.stages):
            for record in stage.tick(stamp):
                records.append(record)
                records += self._offer(record, place + 1)
        return records

    def _of(self, point: str, unit: str) -> tuple[tuple[int, Stage], ...]:
        takers = self._takers.get((point, unit))
        if takers is None:
            takers = tuple((place, stage) for place, stage in enumerate(self.stages) if stage.wants(point, unit))
            self._takers[point, unit] = takers
        return takers

    def _pass(self, measured: Measured, start: int) -> list[Record]:
        records: list[Record] = []
        for place, stage in self._of(measured.point, measured.unit):
            if place < start:
                continue
            for record in stage.take(measured):
                records.append(record)
                records += self._offer(record, place + 1)
        return records

    def _offer(self, record: Record, start: int) -> list[Record]:
        if not isinstance(record, Feature | Reading) or start >= len(self.stages):
            return []
        value = record.value if record.quality is not Quality.BAD else None
        number, name = (None, value) if isinstance(value, str) else (value, "")
        return self._pass(Measured(record.point, number, record.unit, record.stamp, record.quality, name), start)


def _measured(scan: Scan, column: int, row: int) -> Measured:
    quality = Quality(scan.quality[column])
    value = scan.values[column]
    names = getattr(scan.table.specs[row], "states", None) or {}
    good = quality is not Quality.BAD and value == value
    name = names.get(int(value), "") if good and names and value.is_integer() else ""
    return Measured(scan.table.names[row], value if good else None, scan.table.units[row], scan.stamp, quality, name)
