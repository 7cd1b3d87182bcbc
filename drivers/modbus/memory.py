"""What was learned about the points of one machine; it outlives the connection, and ends with the table."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from msgspec import Struct, field

from drivers.modbus.meaning import Total
from gateway.model import PointTable


class Memory(Struct):
    """What was learned.

    Attributes:
        unknown: rows the unit refuses, and when they are asked for again.
        cuts: (function code, wire address) that no request may reach across.
        absent: function codes the unit does not have.
        too_long: a number of items the unit refused because they were too many, and one it handed out; None: it never did.
        totals: totals of counters by row.
    """

    unknown: dict[int, float] = field(default_factory=dict)
    cuts: set[tuple[int, int]] = field(default_factory=set)
    absent: set[int] = field(default_factory=set)
    too_long: tuple[int, int] | None = None
    totals: dict[int, Total] = field(default_factory=dict)


_MEMORIES: WeakKeyDictionary[PointTable, Memory] = WeakKeyDictionary()


def memory_of(table: PointTable) -> Memory:
    """Return the memory of a table. A connection that is opened anew does not search, and a counter goes on where it was."""
    if (memory := _MEMORIES.get(table)) is None:
        memory = _MEMORIES[table] = Memory()
    return memory
