"""The read plan of one unit: the requests that read every point exactly once in the least time the line allows.

A point is never split over two requests, no request is longer than the unit or the protocol allows. Bisection and what the unit
forbids add cuts: wire addresses that no request may reach across.

Why the plan is the fastest one: let points be sorted by where they begin. Of two requests that cross, the points of the earlier one
that begin within the later one also end within it, so moving them there costs nothing; so there is a fastest plan in which every
request takes a run of neighbours. Among those, the fastest way to cover the first i points ends with the request from some point j,
after the fastest way to cover the points before j. All i are gone through once; the j that are still within reach are kept in a
queue whose head is the best.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import Final

from msgspec import Struct

from drivers.modbus.address import TABLES
from drivers.modbus.cost import TCP, Cost
from drivers.modbus.request import MAX_COUNT, REGISTER_FUNCTIONS, Request
from drivers.modbus.spec import ModbusPoint, ModbusUnit

BITS_PER_REGISTER: Final = 16

_FINE: Final = 1 << 20
"""More than there can be requests in a plan, so that their number decides only between plans of the same cost."""


_MOST_SHARED: Final = 8


class Span(Struct, frozen=True, gc=False):
    """Where the point in row `row` of the table stands: wire addresses `start` to `end` (exclusive) of a function code."""

    row: int
    function: int
    start: int
    end: int


_SHARED: dict[tuple[int, ...], tuple[tuple[ModbusPoint, ...], list[Span]]] = {}
"""Spans by identity of the points, which are kept so that no other can take their place."""


class Block(Struct, frozen=True):
    """One request and the rows of the points that its answer holds, in the order of their addresses."""

    request: Request
    spans: tuple[Span, ...]

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of the points in it."""
        return tuple(span.row for span in self.spans)


class Limits(Struct, frozen=True):
    """How long a request may be, in registers (for bits 16 times as many), and what it costs.

    `max_gap` is the largest gap that may be read along, however cheap; None: whatever the cost says.
    """

    max_registers: int = 125
    max_gap: int | None = None
    cost: Cost = TCP

    @classmethod
    def of(cls, unit: ModbusUnit, cost: Cost = TCP) -> Limits:
        """Return the limits of a unit on a line of this cost."""
        return cls(unit.max_registers, unit.max_gap, cost)

    def count(self, function: int) -> int:
        """Return the most items one request may ask for."""
        if function in REGISTER_FUNCTIONS:
            return self.max_registers
        return min(MAX_COUNT[function], self.max_registers * BITS_PER_REGISTER)

    def gap(self, function: int) -> int:
        """Return the largest gap between two points that may be read along, in items."""
        if self.max_gap is None:
            return MAX_COUNT[function]
        return self.max_gap if function in REGISTER_FUNCTIONS else self.max_gap * BITS_PER_REGISTER


def spans(points: Iterable[ModbusPoint]) -> list[Span]:
    """Return where each point stands; tables of the very same points, as machines of one profile have, share the spans."""
    points = tuple(points)
    key = tuple(map(id, points))
    if (known := _SHARED.get(key)) is None:
        found = [Span(row, TABLES[point.at.table].function, point.at.wire, point.end) for row, point in enumerate(points)]
        while len(_SHARED) >= _MOST_SHARED:
            del _SHARED[next(iter(_SHARED))]
        known = _SHARED[key] = points, found
    return known[1]


def plan(unit: int, wanted: Iterable[Span], limits: Limits, cuts: Collection[tuple[int, int]] = ()) -> list[Block]:
    """Return the requests that read every span exactly once, in the least time within the limits.

    A span that is longer than the limits allow gets a request of its own.

    Args:
        unit: unit number.
        wanted: what is to be read.
        limits: of the unit and the line.
        cuts: (function code, wire address) that no request may reach across.
    """
    order = sorted(wanted, key=lambda span: (span.function, span.start, span.end, span.row))
    return [block(unit, group) for run in _runs(order, limits, cuts) for group in _fastest(run, limits)]


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


def _runs(order: Sequence[Span], limits: Limits, cuts: Collection[tuple[int, int]]) -> Iterable[list[Span]]:
    """Split sorted spans wherever no request may reach from one side to the other: function code, cut, gap."""
    barriers = deque(sorted(set(cuts)))
    run: list[Span] = []
    end = 0
    for span in order:
        cut = False
        while barriers and barriers[0] <= (span.function, span.start):
            function, _ = barriers.popleft()
            cut = cut or function == span.function
        if run and (cut or span.function != run[0].function or span.start - end > limits.gap(span.function)):
            yield run
            run, end = [], 0
        run.append(span)
        end = max(end, span.end)
    if run:
        yield run


def _fastest(run: Sequence[Span], limits: Limits) -> Iterable[Sequence[Span]]:
    """Split a run into the requests that take the least time; among equals the fewest, and those filled from the left."""
    function = run[0].function
    request, item = limits.cost.weights(function)
    request, item = request * _FINE + 1, item * _FINE  # between a gap and a request of the same cost, the gap is chosen
    most = limits.count(function)
    ends = list(accumulate((span.end for span in run), max))
    least = [0]  # cost of the fastest way to read the first i spans
    begins = []  # where its last request begins
    reach: deque[tuple[int, int]] = deque()  # (cost of all before j, less what begins at j; j), the best first
    for i, span in enumerate(run):
        offer = least[i] - span.start * item
        while reach and reach[-1][0] >= offer:
            reach.pop()
        reach.append((offer, i))
        while len(reach) > 1 and ends[i] - run[reach[0][1]].start > most:
            reach.popleft()
        best, j = reach[0]
        least.append(best + ends[i] * item + request)
        begins.append(j)
    groups = []
    stop = len(run)
    while stop:
        groups.append(run[begins[stop - 1] : stop])
        stop = begins[stop - 1]
    return reversed(groups)


def one_each(unit: int, wanted: Iterable[Span]) -> list[Block]:
    """Return one request per value; points that mean the same registers share it."""
    groups: dict[tuple[int, int, int], list[Span]] = {}
    for span in wanted:
        groups.setdefault((span.function, span.start, span.end), []).append(span)
    return [block(unit, groups[key]) for key in sorted(groups)]
