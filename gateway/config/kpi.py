"""What stands under `kpis:`: when a machine is planned to work, and the meter of what it uses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from gateway.config.base import Name, Spec
from gateway.config.quantity import Duration

KILOWATT_HOURS = {"kWh": 1.0, "Wh": 1e-3, "MWh": 1e3, "GJ": 1e3 / 3.6, "MJ": 1 / 3.6, "kJ": 1e-3 / 3.6, "J": 1e-6 / 3.6}
"""kWh in one of a unit of energy."""

LAST_MONTH = "last_month"

_DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
_SPELT = {"di": "tu", "mi": "we", "do": "th", "so": "su"}
_PART = re.compile(r"(?:([A-Za-z]{2,9})(?:\s*-\s*([A-Za-z]{2,9}))?)?\s*(\d{1,2})[:.](\d{2})\s*-\s*(\d{1,2})[:.](\d{2})")
_DAY_MIN = 1440


class Planned(NamedTuple):
    """When a machine is planned to work: spans of minutes since Monday 0:00, local time; `written` is how it was put."""

    spans: tuple[tuple[int, int], ...]
    written: str

    @classmethod
    def parse(cls, value: object) -> Planned:
        """Read `Mo-Fr 06:00-22:00, Sa 06:00-14:00`; a span over midnight belongs to the day on which it begins.

        Raises:
            ValueError: it is no such plan.
        """
        example = "'Mo-Fr 06:00-22:00' or 'Mo-Fr 22:00-06:00, Sa 06:00-14:00'"
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"expected planned times such as {example}")
        spans: list[tuple[int, int]] = []
        for part in value.split(","):
            match = _PART.fullmatch(part.strip())
            if match is None:
                raise ValueError(f"'{part.strip()}' is no planned time; write it like {example}")
            begin, end = _minute(match[3], match[4]), _minute(match[5], match[6])
            if begin == end:
                raise ValueError(f"'{part.strip()}' ends when it begins; write 00:00-24:00 for a whole day")
            for day in _days(match[1], match[2]):
                start = day * _DAY_MIN + begin
                spans.append((start, start + (end - begin if end > begin else end - begin + _DAY_MIN)))
        return cls(tuple(sorted(spans)), value)

    def holds(self, weekday: int, minute: int) -> bool:
        """Say whether a minute of a day (0: Monday) is planned."""
        at = weekday * _DAY_MIN + minute
        return any(begin <= moment < end for begin, end in self.spans for moment in (at, at + 7 * _DAY_MIN))

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {"type": "string", "examples": ["Mo-Fr 06:00-22:00", "Mo-Fr 22:00-06:00, Sa 06:00-14:00"]}


def _minute(hour: str, minute: str) -> int:
    result = int(hour) * 60 + int(minute)
    if int(minute) > 59 or result > _DAY_MIN:
        raise ValueError(f"'{hour}:{minute}' is no time of day")
    return result


def _days(first: str | None, last: str | None) -> list[int]:
    if first is None:
        return list(range(7))
    begin = _day(first)
    end = _day(last) if last else begin
    return [day % 7 for day in range(begin, (end if end >= begin else end + 7) + 1)]


def _day(name: str) -> int:
    short = name.lower()[:2]
    short = _SPELT.get(short, short)
    if short not in _DAYS:
        raise ValueError(f"'{name}' is no day of the week; days are Mo, Tu, We, Th, Fr, Sa, Su")
    return _DAYS.index(short)


class Kpis(Spec, frozen=True, kw_only=True):
    """Figures for the month, as points `kpi.<name>`; they rest on `state:` (docs/kpis.md)."""

    energy: Annotated[Name | None, Meta(description="a point with the reading of an energy meter", examples=["energy_kwh"])] = None
    planned: Annotated[Planned | None, Meta(description="when the machine is planned to work, local time; without it always")] = (
        None
    )
    downtime: Annotated[Duration, Meta(description="from how long on not running in planned time is one downtime event")] = (
        Duration(600)
    )
    every: Annotated[Duration, Meta(description="time between two reports")] = Duration(600)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.every < 10:
            yield "every", "must be at least 10s; figures of a month hardly change in that time"


def points_of(spec: Kpis) -> dict[str, str]:
    """Return the figures, each with its unit."""
    points = {
        "kpi.availability": "%",
        "kpi.utilisation": "%",
        "kpi.coverage": "%",
        "kpi.downtime_events": "1",
        "kpi.hours": "h",
    }
    if spec.energy is not None:
        points |= {"kpi.energy": "kWh", "kpi.energy_per_hour": "kWh/h"}
    return points | {f"{name}.{LAST_MONTH}": unit for name, unit in points.items()}
