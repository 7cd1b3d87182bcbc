"""What a machine will cost its line, before anything is asked; needs no protocol library and no device."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from drivers.modbus.address import TABLES, Address
from drivers.modbus.allowed import Allowed
from drivers.modbus.area import Area
from drivers.modbus.cost import Cost
from drivers.modbus.plan import Block, Limits, Span, one_each, plan, spans
from drivers.modbus.request import FUNCTIONS
from drivers.modbus.spec import ModbusPoint, ModbusUnit
from gateway.config.spec import Link
from gateway.driver import PlannedRequest

SCALE_FACTOR: Final = "(scale factor)"
_SHOWN: Final = 4


def forecast(
    link: Link, unit: ModbusUnit, points: dict[str, ModbusPoint], turnaround_s: float | None = None
) -> Iterable[PlannedRequest]:
    """Yield the requests of one scan of these points, in order, with what each costs; without a turnaround, a usual one counts.

    Those that are sent together share the turnaround.
    """
    cost = Cost.of(link, turnaround_s)
    names = list(points)
    blocks = _blocks(unit, points, cost.at_a_time(unit.pipeline))
    round_trips = math.ceil(len(blocks) / unit.pipeline)
    for part in blocks:
        request = part.request
        first = Address(FUNCTIONS[request.function], request.address)
        last = Address(FUNCTIONS[request.function], request.address + request.count - 1)
        yield PlannedRequest(
            what=f"{first.table} (function {request.function})",
            place=_span(first.manual, last.manual),
            wire=_span(first.wire, last.wire),
            count=request.count,
            bytes=cost.bytes(request),
            seconds=cost.seconds(request, round_trips / len(blocks)),
            points=tuple(dict.fromkeys(names[row] if row < len(names) else SCALE_FACTOR for row in part.rows)),
        )


def _blocks(unit: ModbusUnit, points: dict[str, ModbusPoint], cost: Cost) -> list[Block]:
    wanted = [_placed(span, unit, point) for span, point in zip(spans(points.values()), points.values(), strict=True)]
    factors = {point.scale_from: None for point in points.values() if point.scale_from is not None}
    wanted += [Span(len(points) + i, TABLES[at.table].function, at.wire, at.wire + 1) for i, at in enumerate(factors)]
    if unit.one_per_request:
        return one_each(unit.unit, wanted)
    return plan(unit.unit, wanted, Limits.of(unit, cost), Allowed.of(unit).cuts)


def remarks(link: Link, unit: ModbusUnit) -> Iterable[str]:
    """Yield what bounds the requests to a unit besides its points and its line, in words."""
    if unit.allow:
        yield f"nothing is asked for but {_listed(Allowed.of(unit).areas)}"
    elif unit.deny:
        yield f"never asked for: {_listed([Area(unit.place(area.first), unit.place(area.last)) for area in unit.deny])}"
    if unit.pipeline > 1:
        yield f"up to {unit.pipeline} requests at a time"


def _placed(span: Span, unit: ModbusUnit, point: ModbusPoint) -> Span:
    """Return the span as this unit counts it."""
    shift = unit.place(point.at).wire - point.at.wire
    return Span(span.row, span.function, span.start + shift, span.end + shift) if shift else span


def _listed(areas: Sequence[Area]) -> str:
    return ", ".join(map(str, areas[:_SHOWN])) + (f" and {len(areas) - _SHOWN} more" if len(areas) > _SHOWN else "")


def _span(first: Any, last: Any) -> str:
    return str(first) if first == last else f"{first}-{last}"
