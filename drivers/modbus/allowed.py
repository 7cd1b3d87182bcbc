"""Which registers of a unit may be asked for: what `allow:` gives, less what `deny:` takes away. No request touches any other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from drivers.modbus.address import LAST_ADDRESS, TABLES, Address
from drivers.modbus.area import Area
from drivers.modbus.request import FUNCTIONS, Request
from gateway.driver import DeviceError
from gateway.model import Reason

if TYPE_CHECKING:
    from drivers.modbus.spec import ModbusUnit

Stretch = tuple[int, int]
"""Wire addresses from the first to the one behind the last."""

_EVERYTHING: Final = (0, LAST_ADDRESS + 1)


class Allowed:
    """The registers of one unit that may be asked for: stretches that do not touch each other, in order, by function code."""

    __slots__ = ("_starts", "_stretches")

    def __init__(self, stretches: Mapping[int, Iterable[Stretch]] | None = None) -> None:
        """Allow these stretches and nothing else; None: everything."""
        self._stretches: dict[int, list[Stretch]] | None = None
        if stretches is not None:
            self._stretches = {function: _joined(stretches.get(function, ())) for function in FUNCTIONS}
            self._starts = {function: [start for start, _ in found] for function, found in self._stretches.items()}

    @classmethod
    def of(cls, unit: ModbusUnit) -> Allowed:
        """Return what the options of a unit allow."""
        if not unit.allow and not unit.deny:
            return ALL
        given = _by_function(unit, unit.allow) if unit.allow else {function: [_EVERYTHING] for function in FUNCTIONS}
        taken = _by_function(unit, unit.deny)
        return cls({function: _without(_joined(found), _joined(taken[function])) for function, found in given.items()})

    @property
    def restricted(self) -> bool:
        """Whether anything is forbidden."""
        return self._stretches is not None

    @property
    def empty(self) -> bool:
        """Whether nothing is left that may be asked for."""
        return self._stretches is not None and not any(self._stretches.values())

    def holds(self, function: int, start: int, end: int) -> bool:
        """Say whether every wire address from `start` to before `end` may be asked for."""
        if self._stretches is None:
            return True
        i = bisect_right(self._starts[function], start) - 1
        return i >= 0 and end <= self._stretches[function][i][1]

    def permits(self, request: Request) -> bool:
        """Say whether a request touches nothing but what is allowed."""
        return self._stretches is None or self.holds(request.function, request.address, request.address + request.count)

    def first(self, function: int, near: int = 0) -> int | None:
        """Return the wire address `near` where it is allowed, else the lowest one that is; None: nothing of this table."""
        if self._stretches is None or self.holds(function, near, near + 1):
            return near
        found = self._stretches[function]
        return found[0][0] if found else None

    @property
    def cuts(self) -> frozenset[tuple[int, int]]:
        """(Function code, wire address) that no request may reach across: where each stretch begins.

        A request that reads allowed points and crosses none of them lies within one stretch, with all that it reads along.
        """
        if self._stretches is None:
            return frozenset()
        return frozenset((function, start) for function, found in self._stretches.items() for start, _ in found)

    @property
    def areas(self) -> tuple[Area, ...]:
        """What is allowed, table by table; empty where nothing is forbidden."""
        return tuple(
            Area(Address(FUNCTIONS[function], start), Address(FUNCTIONS[function], end - 1))
            for function, found in (self._stretches or {}).items()
            for start, end in found
        )

    def also(self, other: Allowed) -> Allowed:
        """Return what both allow."""
        if self._stretches is None or other._stretches is None:
            return other if self._stretches is None else self
        return Allowed(
            {
                function: [
                    (max(start, begin), min(end, stop))
                    for start, end in found
                    for begin, stop in other._stretches[function]
                    if max(start, begin) < min(end, stop)
                ]
                for function, found in self._stretches.items()
            }
        )

    def insist(self, request: Request) -> None:
        """See to it that a request is permitted.

        Raises:
            DeviceError: it is not, and must not be sent.
        """
        if not self.permits(request):
            hint = "extend 'allow' or narrow 'deny', or leave that point out"
            raise DeviceError(f"{request}: not asked, since 'allow' and 'deny' do not permit it", hint=hint, reason=Reason.NO_DATA)


def _by_function(unit: ModbusUnit, areas: Iterable[Area]) -> dict[int, list[Stretch]]:
    found: dict[int, list[Stretch]] = {function: [] for function in FUNCTIONS}
    for area in areas:
        found[TABLES[area.table].function].append((unit.place(area.first).wire, unit.place(area.last).wire + 1))
    return found


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the same addresses in stretches that neither overlap nor touch, in order."""
    found: list[Stretch] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _without(stretches: list[Stretch], taken: list[Stretch]) -> list[Stretch]:
    """Return what is in the first and not in the second, both as `_joined` makes them."""
    found = []
    for start, end in stretches:
        edges = [start, *(edge for begin, stop in taken if begin < end and stop > start for edge in (begin, stop)), end]
        found += [(begin, stop) for begin, stop in list(pairwise(edges))[::2] if begin < stop]
    return found


ALL: Final = Allowed()
"""Everything may be asked for."""
