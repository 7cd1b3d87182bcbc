"""The values that one machine tells and another one needs: the speed that a controller knows, for the sensor on its spindle."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gateway.model import PointTable, Quality, Scan


class Board:
    """The latest good number of the points that somebody watches, by machine and point; the others cost a look-up per Scan."""

    def __init__(self) -> None:
        self._watched: dict[str, frozenset[str]] = {}
        self._rows: dict[PointTable, dict[int, str]] = {}
        self._values: dict[tuple[str, str], float] = {}

    def watch(self, points: Iterable[tuple[str, str]]) -> None:
        """Watch these points, given by machine and name, from now on, and no others."""
        wanted = set(points)
        self._watched = {machine: frozenset(point for owner, point in wanted if owner == machine) for machine, _ in sorted(wanted)}
        self._rows.clear()
        self._values = {key: value for key, value in self._values.items() if key in wanted}

    def take(self, scan: Scan) -> None:
        """Note what a Scan tells of the points that are watched; a value that is bad is none."""
        table = scan.table
        names = self._watched.get(table.machine)
        if not names:
            return
        rows = self._rows.get(table)
        if rows is None:
            rows = self._rows[table] = {row: name for row, name in enumerate(table.names) if name in names}
        for column in range(len(scan)) if rows else ():
            name = rows.get(scan.row(column))
            if name is None:
                continue
            value = scan.values[column]
            if scan.quality[column] != Quality.BAD and math.isfinite(value):
                self._values[table.machine, name] = value
            else:
                self._values.pop((table.machine, name), None)

    def forget(self, machine: str) -> None:
        """Forget what a machine told, for it is no longer read."""
        self._values = {key: value for key, value in self._values.items() if key[0] != machine}

    def value(self, machine: str, point: str) -> float | None:
        """Return the latest number of a point; None before the first good one, after a bad one, and where nobody watches it."""
        return self._values.get((machine, point))
