"""Where a feature goes over weeks: its trend with an interval, and when it reaches its limit, or in words why that cannot be told.

A straight line through the daily medians in run, of the logarithm where a feature grows by a share of itself (a velocity), of the
value where it does not (dB, °C). A trend is told for what it is only when the 80 % interval of its slope leaves out 0.
"""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
from msgspec import Struct

from gateway.config.learning import Trend, followed, grows
from gateway.config.running import STATE
from gateway.config.spec import Machine
from gateway.model import Feature, Quality, Reason, Record, Stamp, TimeQuality

from .chain import Measured
from .daily import Days, KeptDays
from .regression import FEWEST, Line, line

REPORT_S = 6 * 3600.0
DAYS_PER_MONTH = 30.4375
FURTHEST_SPANS = 10
"""A limit that lies further ahead than so many times what was watched is not told: nobody knows it."""


class Outlook(Struct):
    """What was found of one feature: its line, and the days to its limit with their interval; `words` says it, or why not."""

    words: str
    line: Line | None = None
    days: tuple[float, float, float] | None = None


class Followed:
    """One feature: its daily medians, and what follows of them."""

    def __init__(self, name: str, unit: str, limit: float | None, over_days: int, draw: random.Random) -> None:
        self.name = name
        self.unit = unit
        self.limit = limit
        self.collected = Days(draw)
        self.log = grows(unit)
        self.outlook = Outlook("")
        self._over = over_days
        self.look()

    def look(self) -> None:
        """Find the line through the days there are."""
        days = self.collected.days
        last = days[-1][0] if days else 0
        used = [(day, value) for day, value in days if last - day < self._over and (value > 0 or not self.log)]
        found = line([float(day) for day, _ in used], [math.log(value) if self.log else value for _, value in used])
        if found is None:
            self.outlook = Outlook(f"no trend yet: {len(used)} of {FEWEST} days")
        elif not found.sure:
            self.outlook = Outlook(f"no trend in {len(used)} days", found)
        else:
            self.outlook = self._ahead(found, used[0][0], last)

    def share(self, slope: float) -> float:
        """Return a slope as it is told: % per month, or per day in the unit."""
        return 100 * math.expm1(min(50.0, slope * DAYS_PER_MONTH)) if self.log else slope

    def _ahead(self, found: Line, first: int, last: int) -> Outlook:
        change = self.share(found.slope)
        words = f"{change:+.2g} %/month" if self.log else f"{change:+.2g} {self.unit}/day"
        if self.limit is None:
            return Outlook(words, found)
        level = math.log(self.limit) if self.log else self.limit
        if found.at(float(last)) >= level:
            return Outlook(f"{words}, at its limit of {self.limit:g} {self.unit}", found, (0.0, 0.0, 0.0))
        reached = found.reaches(level)
        if found.slope < 0 or reached is None:
            return Outlook(f"{words}, away from its limit", found)
        days, low, high = (max(0.0, moment - last) for moment in reached)
        if days > FURTHEST_SPANS * (last - first):
            return Outlook(f"{words}, its limit is further ahead than {last - first} days can tell", found)
        return Outlook(
            f"{words}, {self.limit:g} {self.unit} in {days:.0f} days ({low:.0f} to {high:.0f})", found, (days, low, high)
        )


class TrendStage:
    """The stage that follows features over days."""

    name = "trend"

    def __init__(self, machine: Machine, spec: Trend, features: dict[str, str], limits: dict[str, float]) -> None:
        self.urgent = False
        self._machine = machine.name
        self._state_known = machine.state is not None or STATE in machine.points
        self._running = not self._state_known
        draw = random.Random(machine.name)  # noqa: S311  (which values stay in a sample, not a secret)
        over = int(spec.over // 86_400)
        named = {**limits, **spec.limits}
        self._followed = {
            name: Followed(name, features.get(name, ""), named.get(name), over, draw) for name in followed(spec, features)
        }
        self._due_s = -REPORT_S
        self._clock_known = True

    @property
    def notes(self) -> tuple[str, ...]:
        """What is known of every feature, in words."""
        waits = () if self._clock_known else ("trend: the time is not known, so the day does not end",)
        return (*waits, *(f"{name}: {one.outlook.words}" for name, one in self._followed.items()))

    def wants(self, point: str, unit: str) -> bool:
        """Say whether a feature is followed."""
        return point in self._followed or (point == STATE and self._state_known)

    def take(self, measured: Measured) -> list[Record]:
        """Take a value; return the trend where a day has ended."""
        if measured.point == STATE and self._state_known:
            self._running = measured.name == "run"
        one = self._followed.get(measured.point)
        value = measured.value
        if one is None or not self._running or value is None or measured.quality is not Quality.GOOD or not math.isfinite(value):
            return []
        if not one.collected.take(value, measured.stamp):
            return []
        one.look()
        self.urgent = True
        return list(self._told(one, measured.stamp))

    def tick(self, stamp: Stamp) -> list[Record]:
        """Tell everything again from time to time."""
        self._clock_known = stamp.quality is not TimeQuality.UNCERTAIN
        now_s = stamp.mono_ns / 1e9
        if now_s - self._due_s < REPORT_S:
            return []
        self._due_s = now_s
        return [record for one in self._followed.values() for record in self._told(one, stamp)]

    def keep(self) -> Any:
        """Return the days of every feature."""
        return msgspec.to_builtins({name: one.collected.kept for name, one in self._followed.items()})

    def restore(self, kept: Any) -> None:
        """Go on with the days that were kept."""
        for name, days in msgspec.convert(kept, dict[str, KeptDays]).items():
            if (one := self._followed.get(name)) is not None:
                if not all(math.isfinite(value) for value in [*days.sample, *(value for _, value in days.days)]):
                    raise ValueError("a value is not finite")
                one.collected.kept = days
                one.look()

    def forget(self) -> None:
        """Forget all days: after a repair the old ones say nothing of what comes."""
        for one in self._followed.values():
            one.collected.kept = KeptDays()
            one.look()
        self.urgent, self._due_s = True, -REPORT_S

    def _told(self, one: Followed, stamp: Stamp) -> list[Record]:
        found, unit = one.outlook.line, "%/month" if one.log else f"{one.unit}/day"
        slopes = (found.slope, found.low, found.high) if found else (None, None, None)
        trusted = Quality.GOOD if found is None or found.sure else Quality.UNCERTAIN
        records: list[Record] = []
        for suffix, slope in zip(("trend", "trend_low", "trend_high"), slopes, strict=True):
            value = None if slope is None else one.share(slope)
            records.append(self._feature(f"{one.name}.{suffix}", value, unit, stamp, trusted))
        if one.limit is not None:
            for suffix, days in zip(("", "_low", "_high"), one.outlook.days or (None, None, None), strict=True):
                records.append(self._feature(f"{one.name}.days_to_limit{suffix}", days, "d", stamp, Quality.GOOD))
        return records

    def _feature(self, point: str, value: float | None, unit: str, stamp: Stamp, trusted: Quality) -> Feature:
        known = value is not None
        return Feature(
            machine=self._machine,
            point=point,
            value=None if value is None else round(value, 6),
            stamp=stamp,
            unit=unit,
            quality=trusted if known else Quality.BAD,
            reason=Reason.NONE if known else Reason.NO_DATA,
        )
