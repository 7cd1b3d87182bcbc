"""The read plan of one unit: which points go together into one request.

Neighbours are merged where the gap between them is small; a point is never split over two requests; no request is longer than
the unit or the protocol allows. Bisection adds cuts: wire addresses that no request may reach across.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec import Struct

from drivers.modbus.address import TABLES
from drivers.modbus.request import MAX_COUNT, REGISTER_FUNCTIONS, Request
from drivers.modbus.spec import ModbusPoint, ModbusUnit

GAP_TCP: Final = 32
"""Registers read along on TCP by default: 64 bytes cost less than a further request."""

GAP_SERIAL: Final = 12
"""The same on a serial line, where a request and its turn-around cost about as much as 12 registers."""

BITS_PER_REGISTER: Final = 16


class Span(Struct, frozen=True, gc=False):
    """Where the point in row `row` of the table stands: wire addresses `start` to `end` (exclusive) of a function code."""

    row: int
    function: int
    start: int
    end: int


class Block(Struct, frozen=True):
    """One request and the rows of the points that its answer holds, in the order of their addresses."""

    request: Request
    spans: tuple[Span, ...]

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of the points in it."""
        return tuple(span.row for span in self.spans)


class Limits(Struct, frozen=True):
    """How long a request may be, and how large a gap is read along, in registers; for bits 16 times as many."""

    max_registers: int = 125
    max_gap: int = GAP_TCP

    @classmethod
    def of(cls, unit: ModbusUnit, *, serial: bool) -> Limits:
        """Return the limits of a unit on a serial line or not."""
        default = GAP_SERIAL if serial else GAP_TCP
        return cls(unit.max_registers, default if unit.max_gap is None else unit.max_gap)

    def count(self, function: int) -> int:
        """Return the most items one request may ask for."""
        if function in REGISTER_FUNCTIONS:
            return self.max_registers
        return min(MAX_COUNT[function], self.max_registers * BITS_PER_REGISTER)

    def gap(self, function: int) -> int:
        """Return the largest gap between two points that is read along, in items."""
        return self.max_gap if function in REGISTER_FUNCTIONS else self.max_gap * BITS_PER_REGISTER


def spans(points: Iterable[ModbusPoint]) -> list[Span]:
    """Return where each point stands."""
    return [Span(row, TABLES[point.at.table].function, point.at.wire, point.end) for row, point in enumerate(points)]


def plan(unit: int, wanted: Iterable[Span], limits: Limits, cuts: Collection[tuple[int, int]] = ()) -> list[Block]:
    """Return the requests that read every span exactly once.

    Args:
        unit: unit number.
        wanted: what is to be read.
        limits: of the unit and the line.
        cuts: (function code, wire address) that no request may reach across.
    """
    blocks: list[Block] = []
    group: list[Span] = []
    end = 0
    for span in sorted(wanted, key=lambda span: (span.function, span.start, span.end, span.row)):
        if group and _fits(group[0], end, span, limits, cuts):
            group.append(span)
            end = max(end, span.end)
            continue
        if group:
            blocks.append(block(unit, group))
        group, end = [span], span.end
    if group:
        blocks.append(block(unit, group))
    return blocks


def block(unit: int, group: Sequence[Span]) -> Block:
    """Return the one request that reads these spans, all of one function code, sorted by address."""
    start, end = group[0].start, max(span.end for span in group)
    return Block(Request(unit, group[0].function, start, end - start), tuple(group))


def halves(whole: Block) -> tuple[Block, Block] | None:
    """Return two blocks that together read the same points, cut at the widest gap nearest the middle; None for a single value.

    Points that share registers stay together, so that each half is a read of its own.
    """
    best: tuple[int, int] | None = None
    best_at = 0
    end, middle = 0, len(whole.spans) / 2
    for i, span in enumerate(whole.spans):
        if i and span.start >= end:
            rank = (span.start - end, -abs(round(2 * (i - middle))))
            if best is None or rank > best:
                best, best_at = rank, i
        end = max(end, span.end)
    if best is None:
        return None
    unit = whole.request.unit
    return block(unit, whole.spans[:best_at]), block(unit, whole.spans[best_at:])


def _fits(first: Span, end: int, span: Span, limits: Limits, cuts: Collection[tuple[int, int]]) -> bool:
    if span.function != first.function or span.start - end > limits.gap(span.function):
        return False
    if max(end, span.end) - first.start > limits.count(span.function):
        return False
    return not any(function == span.function and first.start < at <= span.start for function, at in cuts)
