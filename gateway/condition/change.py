"""Whether a temperature has left what it was: steps and drifts, told once each.

The first 60 periods (in run, where the machine tells its state) give mean and deviation, one median a period. From then on an
EWMA chart (weight 0.2, 3 sigma) and a two-sided CUSUM (k = 0.5 sigma, h = 5 sigma) must both say so before a change is told;
sigma is the robust deviation of what was learned, at least half the change that is worth telling. A change of which half or
more came from one period to the next is a `step`, a slower one a `drift`. Afterwards the new normal is learned in the same way,
so one change is told once; when that is done, the event goes back to `steady`.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct

from cython_ext.trackers import Cusum, Ewma
from gateway.config.temperature import TO_KELVIN, Temperature
from gateway.model import Event, Feature, Quality, Record, Severity, Stamp

from .chain import Measured

STATE = "state"
LEARN = 60
"""Periods that are learned from."""

RECENT = 30
"""Periods in which the jump of a step is looked for."""


class Learned(Struct):
    """What is kept of a point: what was learned, or the medians so far, in °C."""

    medians: list[float] = []
    mean: float | None = None
    deviation: float = 0.0
    ewma: dict[str, float] | None = None
    cusum: dict[str, float] | None = None
    recent: list[float] = []
    kind: str = ""
    way: str = ""


class Changes:
    """The stage that tells steps and drifts of the chosen temperatures."""

    name = "changes"

    def __init__(self, machine: str, spec: Temperature, points: dict[str, str], *, by_state: bool) -> None:
        self.urgent = False
        self._machine = machine
        self._by_state = by_state
        self._runs = not by_state
        self._spec = spec
        self._points = {name: _Point(spec) for name, unit in points.items() if self._chosen(name, unit)}

    @property
    def notes(self) -> tuple[str, ...]:
        """How far the learning is, in words."""
        learning = {name: len(point.learned.medians) for name, point in self._points.items() if point.learned.mean is None}
        return tuple(f"{name}: learns what is normal, {count} of {LEARN} periods" for name, count in learning.items())

    def wants(self, point: str, unit: str) -> bool:
        """Say whether a point is watched, or tells whether the machine runs."""
        return point in self._points or (self._by_state and point == STATE)

    def take(self, measured: Measured) -> list[Record]:
        """Take a reading; return the change when a period has ended, and an event when it is one."""
        if self._by_state and measured.point == STATE:
            self._runs = measured.name == "run"
        point = self._points.get(measured.point)
        if point is None or not self._runs or measured.value is None or measured.quality is not Quality.GOOD:
            return []
        records: list[Record] = []
        change, told = point.push(measured.value * TO_KELVIN.get(measured.unit, 1.0), measured.stamp.mono_ns / 1e9)
        if change is not None:
            records.append(
                Feature(
                    machine=self._machine,
                    point=f"{measured.point}.change",
                    value=change,
                    stamp=measured.stamp,
                    unit="K",
                    window_s=point.every_s,
                )
            )
        if told is not None:
            self.urgent = True
            kind, before, after = told
            records.append(
                Event(
                    machine=self._machine,
                    point=measured.point,
                    kind=kind,
                    severity=Severity.INFO if after == "steady" else Severity.WARNING,
                    before=before,
                    after=after,
                    stamp=measured.stamp,
                    value=measured.value,
                    unit=measured.unit,
                )
            )
        return records

    def tick(self, stamp: Stamp) -> list[Record]:
        """Do nothing: a period ends with a reading."""
        return []

    def keep(self) -> Any:
        """Return what was learned, by point."""
        return msgspec.to_builtins({name: point.kept() for name, point in self._points.items()})

    def restore(self, kept: Any) -> None:
        """Go on with what was learned."""
        for name, learned in msgspec.convert(kept, dict[str, Learned]).items():
            if name in self._points:
                self._points[name].restore(learned)

    def _chosen(self, name: str, unit: str) -> bool:
        if self._spec.points:
            return name in self._spec.points
        return unit in TO_KELVIN and name != self._spec.ambient


class _Point:
    def __init__(self, spec: Temperature) -> None:
        self.every_s = float(spec.every)
        self.learned = Learned()
        self._least = spec.change or 1.0
        self._values: list[float] = []
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._due_s: float | None = None
        self._ewma: Ewma | None = None
        self._cusum: Cusum | None = None

    def push(self, value: float, now_s: float) -> tuple[float | None, tuple[str, str, str] | None]:
        """Take a value in K; at the end of a period return how far it is from what was learned, and what is to be told."""
        self._values.append(value)
        del self._values[:-1000]
        if self._due_s is None:
            self._due_s = now_s + self.every_s
        if now_s < self._due_s:
            return None, None
        self._due_s = max(self._due_s + self.every_s, now_s)
        period, self._values = median(self._values), []
        self._recent.append(period)
        if self._ewma is None or self._cusum is None:
            return None, self._learn(period)
        moved, summed = self._ewma.update(period), self._cusum.update(period)
        smooth = self._ewma.average - self._ewma.mean
        size = max(abs(smooth), abs(self._cusum.estimate - self._cusum.mean))
        if not moved or moved != summed or size < self._least:
            return smooth, None
        jump = max((moved * (b - a) for a, b in pairwise(self._recent)), default=0.0)
        kind, way = "step" if jump >= size / 2 else "drift", "up" if moved > 0 else "down"
        self.learned, self._ewma, self._cusum = Learned(kind=kind, way=way), None, None
        self._recent.clear()
        return moved * size, (kind, "steady", way)

    def kept(self) -> Learned:
        """Return what is kept."""
        self.learned.recent = list(self._recent)
        self.learned.ewma = self._ewma.keep() if self._ewma else None
        self.learned.cusum = self._cusum.keep() if self._cusum else None
        return self.learned

    def restore(self, learned: Learned) -> None:
        """Go on with what was kept."""
        self.learned = learned
        self._recent.extend(learned.recent)
        if learned.mean is not None:
            self._watch(learned.mean, learned.deviation)
            assert self._ewma is not None
            assert self._cusum is not None
            if learned.ewma is not None and learned.cusum is not None:
                self._ewma.restore(learned.ewma)
                self._cusum.restore(learned.cusum)

    def _learn(self, period: float) -> tuple[str, str, str] | None:
        kind, way = self.learned.kind, self.learned.way
        self.learned.medians.append(period)
        if len(self.learned.medians) < LEARN:
            return None
        mean = median(self.learned.medians)
        deviation = 1.4826 * median(abs(value - mean) for value in self.learned.medians)
        self._watch(mean, max(deviation, self._least / 2))
        return (kind, way, "steady") if kind else None

    def _watch(self, mean: float, deviation: float) -> None:
        self.learned = Learned(mean=mean, deviation=deviation)
        self._ewma, self._cusum = Ewma(mean, deviation), Cusum(mean, deviation)
