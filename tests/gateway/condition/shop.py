"""A machine whose points and features the test plays, second by second."""

from __future__ import annotations

import contextlib
import math
from array import array
from typing import Any

from gateway.clock import ManualClock
from gateway.condition import Condition, Kept
from gateway.config.spec import Link, Machine, PointSpec
from gateway.model import Event, Feature, PointTable, Quality, Reading, Record, Scan


class Shelf:
    """Keeps values in memory, as a data folder does on disk."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.writes = 0

    def get(self, name: str, kind: Any, default: Any) -> Any:
        return self.values.get(name, default)

    def put(self, name: str, value: Any) -> None:
        self.values[name] = value
        self.writes += 1

    async def aput(self, name: str, value: Any) -> None:
        self.put(name, value)


class Shop:
    """One machine under a clock that the test moves; `records` is everything it gave."""

    def __init__(
        self, points: dict[str, PointSpec], *, shelf: Shelf | None = None, clock: ManualClock | None = None, **keys: Any
    ) -> None:
        self.clock = clock or ManualClock()
        self.shelf = shelf or Shelf()
        self.machine = Machine("m", Link("fake", "m", None), None, 1.0, points, **keys)
        self.table = PointTable("m", tuple(points), tuple(spec.unit for spec in points.values()), tuple(points.values()))
        self.records: list[Record] = []
        self.values: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        """Start the gateway anew on what it has kept, as after a power cut."""
        self.condition = Condition(self.machine, Kept(self.shelf, "m"))

    def run(self, seconds: float, step_s: float = 1.0, **values: float) -> None:
        """Let time pass, with a scan of these values (NaN: bad) at every step."""
        self.values |= values
        for _ in range(round(seconds / step_s)):
            self.clock.advance(step_s)
            self.records += self.condition.scan(self._scan())
            self.records += self.condition.tick(self.clock.stamp())
            self._keep()

    def _keep(self) -> None:
        work = self.condition.keep(self.clock.monotonic())
        with contextlib.suppress(StopIteration):
            work.send(None)  # nothing in it waits here, and a loop for each second would take longer than all else

    def feature(self, unit: str = "1", **values: float) -> None:
        """Give features of a window that ends now, by name without `vibration.`."""
        stamp = self.clock.stamp()
        given = [
            Feature(machine="m", point=f"vibration.{name}", value=value, stamp=stamp, unit=unit) for name, value in values.items()
        ]
        self.records += self.condition._chain.features(given)

    def told(self, point: str) -> list[Any]:
        """Return the values of a point in the order in which they were told, None for a bad one."""
        return [r.value for r in self.records if isinstance(r, Reading | Feature) and r.point == point]

    def last(self, point: str) -> Any:
        """Return the last value told of a point."""
        return self.told(point)[-1]

    def changes(self, point: str) -> list[Any]:
        """Return the values of a point without repetitions."""
        told = self.told(point)
        return [value for i, value in enumerate(told) if i == 0 or value != told[i - 1]]

    @property
    def events(self) -> list[Event]:
        """The events so far."""
        return [record for record in self.records if isinstance(record, Event)]

    def _scan(self) -> Scan:
        numbers = [self.values.get(name, math.nan) for name in self.table.names]
        quality = bytearray(Quality.BAD if math.isnan(number) else Quality.GOOD for number in numbers)
        return Scan(self.table, array("d", numbers), quality, bytearray(len(numbers)), self.clock.stamp())
