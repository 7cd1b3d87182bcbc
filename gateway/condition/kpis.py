"""Figures for the month: availability, utilisation, downtime events, hours in run, energy per hour in run (docs/kpis.md).

They are sums over the time in which the state of the machine is known; the month is that of the gateway's local time, and ends only
by a clock that is known.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec
from msgspec import Struct

from gateway.config.kpi import KILOWATT_HOURS, LAST_MONTH, Kpis, points_of
from gateway.config.running import STATE
from gateway.config.spec import Machine
from gateway.model import Feature, Quality, Reason, Record, Stamp, TimeQuality

from .chain import Measured
from .meter import Meter

_LONGEST_TICK_S = 60.0
_LEAST_S = 60.0
_LEAST_RUN_S = 360.0


class Month(Struct):
    """The sums of one month: seconds of planned time by state, seconds in run at any time, and what was counted.

    Attributes:
        name: year and month, `2026-11`; empty while the time is not known.
        unknown_s: planned time in which the state was not known.
        hours_s: time in run, planned or not.
        energy_kwh: what the meter has counted while the state was known.
    """

    name: str = ""
    run_s: float = 0.0
    idle_s: float = 0.0
    off_s: float = 0.0
    fault_s: float = 0.0
    unknown_s: float = 0.0
    hours_s: float = 0.0
    downtime_events: int = 0
    energy_kwh: float = 0.0

    def figures(self) -> dict[str, float | None]:
        """Return the figures by the name of their point; None where there is too little to say."""
        known_s = self.run_s + self.idle_s + self.off_s + self.fault_s
        planned_s, busy_s = known_s + self.unknown_s, self.run_s + self.idle_s
        return {
            "kpi.availability": 100 * self.run_s / known_s if known_s >= _LEAST_S else None,
            "kpi.utilisation": 100 * self.run_s / busy_s if busy_s >= _LEAST_S else None,
            "kpi.coverage": 100 * known_s / planned_s if planned_s >= _LEAST_S else None,
            "kpi.downtime_events": float(self.downtime_events),
            "kpi.hours": self.hours_s / 3600,
            "kpi.energy": self.energy_kwh,
            "kpi.energy_per_hour": self.energy_kwh * 3600 / self.hours_s if self.hours_s >= _LEAST_RUN_S else None,
        }


class KeptKpis(Struct):
    """What is kept: this month, the last one, and how long a stop has lasted that goes on."""

    month: Month
    last: Month | None = None
    stopped_s: float = 0.0
    told: bool = False


class KpiStage:
    """The stage that sums up the month."""

    name = "kpis"

    def __init__(self, machine: Machine, spec: Kpis) -> None:
        self.urgent = False
        self._machine = machine.name
        self._spec = spec
        self._units = points_of(spec)
        self._factor = KILOWATT_HOURS.get(machine.points[spec.energy].unit, 1.0) if spec.energy in machine.points else 1.0
        self._kept = KeptKpis(Month())
        self._state = ""
        self._meter = Meter()
        self._mono: Stamp | None = None
        self._due_s = -float(spec.every)
        self._clock_known = True

    @property
    def notes(self) -> tuple[str, ...]:
        """The figures, in words."""
        figures = self._kept.month.figures()
        parts = [
            f"{word} {value:.0f} %" for word in ("availability", "utilisation") if (value := figures[f"kpi.{word}"]) is not None
        ]
        events = self._kept.month.downtime_events
        parts += [f"{figures['kpi.hours']:.1f} h in run", f"{events} downtime event{'' if events == 1 else 's'}"]
        return (f"this month: {', '.join(parts)}",)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What cannot be summed up, and why."""
        if self._clock_known:
            return ()
        lost = ", and what is planned is not counted" if self._spec.planned else ""
        return (f"kpis: the time is not known, so the month does not change{lost}",)

    def wants(self, point: str, unit: str) -> bool:
        """Say whether a point is summed up."""
        return point in {STATE, self._spec.energy}

    def take(self, measured: Measured) -> list[Record]:
        """Take the state, or a reading of the meter."""
        if measured.point == STATE:
            self._state = measured.name
        if measured.point == self._spec.energy and measured.value is not None and measured.quality is Quality.GOOD:
            if self._state:
                self._kept.month.energy_kwh += self._factor * self._meter.take(measured.value)
            else:
                self._meter.begin(measured.value)  # of what was used meanwhile nobody knows in which state
        return []

    def tick(self, stamp: Stamp) -> list[Record]:
        """Count the time that has passed; return the figures when they are due."""
        before, self._mono = self._mono, stamp
        self._clock_known = stamp.quality is not TimeQuality.UNCERTAIN
        local = time.localtime(stamp.wall_ns / 1e9)
        rolled = self._clock_known and self._roll(f"{local.tm_year:04d}-{local.tm_mon:02d}")
        passed_s = (stamp.mono_ns - before.mono_ns) / 1e9 if before is not None and before.boot == stamp.boot else 0.0
        if 0 < passed_s <= _LONGEST_TICK_S:
            self._count(passed_s, self._is_planned(local))
        now_s = stamp.mono_ns / 1e9
        if not rolled and now_s - self._due_s < float(self._spec.every):
            return []
        self._due_s = now_s
        return self._told(stamp)

    def keep(self) -> Any:
        """Return the sums."""
        return msgspec.to_builtins(self._kept)

    def restore(self, kept: Any) -> None:
        """Go on with the sums."""
        value = msgspec.convert(kept, KeptKpis)
        for month in filter(None, (value.month, value.last)):
            if any(number < 0 for number in msgspec.structs.astuple(month)[1:]):
                raise ValueError("a sum is negative")
        self._kept = value

    def _roll(self, name: str) -> bool:
        """Begin another month; one that lies before this one is a clock that was set back, and changes nothing."""
        kept = self._kept
        if not kept.month.name:
            kept.month.name = name
        if name <= kept.month.name:
            return False
        kept.last, kept.month = kept.month, Month(name)
        self.urgent = True
        return True

    def _is_planned(self, local: time.struct_time) -> bool:
        planned = self._spec.planned
        if planned is None:
            return True
        return self._clock_known and planned.holds(local.tm_wday, local.tm_hour * 60 + local.tm_min)

    def _count(self, passed_s: float, planned: bool) -> None:
        kept, month, state = self._kept, self._kept.month, self._state
        if state == "run":
            month.hours_s += passed_s
        if planned:
            part = f"{state or 'unknown'}_s"
            setattr(month, part, getattr(month, part) + passed_s)
        if state == "run" or not planned:
            kept.stopped_s, kept.told = 0.0, False
        elif state:
            kept.stopped_s += passed_s
            if kept.stopped_s >= float(self._spec.downtime) and not kept.told:
                kept.told = True
                month.downtime_events += 1

    def _told(self, stamp: Stamp) -> list[Record]:
        figures = self._kept.month.figures()
        last = self._kept.last.figures() if self._kept.last else dict.fromkeys(figures)
        figures |= {f"{name}.{LAST_MONTH}": value for name, value in last.items()}
        return [
            Feature(
                machine=self._machine,
                point=point,
                value=None if (value := figures[point]) is None else round(value, 4),
                stamp=stamp,
                unit=unit,
                quality=Quality.BAD if value is None else Quality.GOOD,
                reason=Reason.NO_DATA if value is None else Reason.NONE,
            )
            for point, unit in self._units.items()
        ]
