"""Which requests a scan of one table takes: planned for its line, narrowed by what was learned about the unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from drivers.modbus.address import Address
from drivers.modbus.allowed import Allowed
from drivers.modbus.check import not_allowed
from drivers.modbus.cost import Cost
from drivers.modbus.decode import BlockDecoder
from drivers.modbus.memory import Memory
from drivers.modbus.pipeline import Pipeline
from drivers.modbus.plan import Block, Limits, block, one_each, plan, spans
from drivers.modbus.request import FUNCTIONS
from drivers.modbus.spec import ModbusPoint, ModbusUnit
from gateway.driver import DeviceError
from gateway.model import PointTable, Reason

NAMED: Final = 5
"""Most points that one warning names."""

RETRY_S: Final = 60.0
"""A point the unit does not know is asked for again after this time."""


class TablePlan:
    """The requests of one table, in order, each with what decodes its answer; and what stays wrong, in words.

    Behind the points of the table stand those that hold the scale factors: `points` has both, `factors` gives the row of the factor
    by the row of a point.
    """

    def __init__(self, table: PointTable, memory: Memory, cost: Cost, pipeline: Pipeline) -> None:
        """Plan.

        Raises:
            DeviceError: a point is not allowed to be asked for; `gateway check` tells it earlier.
        """
        unit = table.options
        assert isinstance(unit, ModbusUnit)
        self.table = table
        self.unit = unit
        self.memory = memory
        self.allowed = Allowed.of(unit)
        self.points, self.factors = with_factors(table.specs, unit)
        self.spans = spans(self.points)
        self.parts: list[tuple[Block, BlockDecoder]] = []
        self._cost = cost
        self._pipeline = pipeline
        self._see_that_all_is_allowed()
        self.renew()

    @property
    def is_for_another_pace(self) -> bool:
        """Whether it was made for more requests at a time than the unit turned out to stand."""
        return self._depth != self._pipeline.depth

    def renew(self) -> None:
        """Plan anew with what is known now."""
        self._depth = self._pipeline.depth
        wanted = [span for span in self.spans if span.row not in self.memory.unknown]
        if self.unit.one_per_request:
            parts = one_each(self.unit.unit, wanted)
        else:
            refused = {(self.spans[row].function, self.spans[row].start) for row in self.memory.unknown}
            limits = Limits.of(self.unit, self._cost.at_a_time(self._depth))
            parts = plan(self.unit.unit, wanted, limits, self.memory.cuts | self.allowed.cuts | refused)
        self.parts = [(part, self.decoder(part)) for part in parts]

    def single(self, row: int) -> Block:
        """Return the request for one point alone."""
        return block(self.unit.unit, [self.spans[row]])

    def decoder(self, part: Block) -> BlockDecoder:
        """Return what decodes the answer to a part of it."""
        return BlockDecoder(part, self.points, self.unit)

    def name(self, row: int) -> str:
        """Return what the point in a row is called."""
        return self.table.names[row] if row < len(self.table) else "scale factor"

    @property
    def warnings(self) -> list[str]:
        """What stays wrong: points and tables the unit refuses, requests it finds too long, counters that began anew."""
        found = []
        memory = self.memory
        who = f"{self.table.machine}: unit {self.unit.unit}"
        if words := self._pipeline.warning(who):
            found.append(words)
        for function in sorted(memory.absent):
            table, rows = FUNCTIONS[function], [span.row for span in self.spans if span.function == function]
            found.append(f"{who} does not have the table '{table}' (function {function}): {self._named(rows)}; is it another one?")
        if memory.too_long is not None:
            refused, most = memory.too_long
            found.append(
                f"{who} refuses to hand out {refused} registers at once, and hands out {most}; write max_registers: {most}"
            )
        if memory.unknown:
            found.append(
                f"{who} refuses {self._named(sorted(memory.unknown))}; compare with the manual (off by one, or another table?). "
                f"Asked again every {RETRY_S:g} s"
            )
        for row, total in memory.totals.items():
            if total.last_reset is not None:
                before, after = total.last_reset
                found.append(
                    f"{self.table.machine}: the counter {self.name(row)} fell from {before} to {after}, which is no wrap: it was "
                    f"reset ({total.resets} times so far), and what it counted in between is unknown"
                )
        return found

    def _named(self, rows: Sequence[int]) -> str:
        """Return the names and places of a few points."""
        few = [f"{self.name(row)} ({self.points[row].at})" for row in rows[:NAMED]]
        return ", ".join(few) + (f" and {len(rows) - NAMED} more" if len(rows) > NAMED else "")

    def _see_that_all_is_allowed(self) -> None:
        for span in self.spans:
            if not self.allowed.holds(span.function, span.start, span.end):
                point = self.points[span.row]
                words = not_allowed(self.unit, self.allowed, point.at, point.width)
                message, _, hint = f"{self.table.machine}: {self.name(span.row)} at {words}".rpartition("; ")
                raise DeviceError(message, hint=hint, reason=Reason.NO_DATA)


def with_factors(specs: Sequence[ModbusPoint], unit: ModbusUnit) -> tuple[list[ModbusPoint], dict[int, int]]:
    """Return the points where the unit has them, the scale factors behind them, and the row of its factor by row of a point."""
    points = [spec if unit.place(spec.at) == spec.at else replace(spec, at=unit.place(spec.at)) for spec in specs]
    rows: dict[Address, int] = {}
    factors: dict[int, int] = {}
    for row, spec in enumerate(specs):
        if (at := spec.scale_from) is None:
            continue
        if at not in rows:
            rows[at] = len(points)
            points.append(ModbusPoint(at=at, type="int16"))
        factors[row] = rows[at]
    return points, factors
