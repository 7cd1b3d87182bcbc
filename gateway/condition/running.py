"""Whether a machine is off, idle, in run or at fault, and for how long: `state`, `hours`, `hours_since_start`, `starts`, `cycles`.

A value counts for a state by a threshold with hysteresis; the state changes when the new one has lasted for the dwell time. While
the value is bad the state is unknown: nothing is counted, and run before and after such a time is one run. Numbers are told at most
every five minutes and only after they were kept, so they never go back, and a power cut loses at most that time.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from gateway.config.running import STATE, Running, elsewhere, points_of
from gateway.config.spec import Machine
from gateway.model import Feature, Quality, Reading, Reason, Record, Stamp

from .board import Board
from .chain import Measured
from .meter import Meter

REPORT_S = 300.0
"""Time between two reports of the numbers, where they have changed."""

HEARTBEAT_S = 600.0
"""Everything is told at the latest after this time, also without a change."""

LONGEST_TICK_S = 60.0
"""Two ticks that lie further apart were not one time of watching: the computer stood still in between."""

_UNWRITTEN_S = 60.0
_LEFT_DWELLS = 3.0


class Totals(Struct):
    """What is kept: the last known state, where the run came from, and the sums."""

    state: str = ""
    came_from: str = ""
    run_s: float = 0.0
    since_start_s: float = 0.0
    starts: int = 0
    cycles: float = 0.0
    counter: float | None = None


class RunningStage:
    """The stage that tells the state of a machine and what follows from it."""

    name = STATE

    def __init__(self, machine: Machine, spec: Running, board: Board) -> None:
        self.urgent = False
        self.state = ""
        self._machine = machine.name
        self._spec = spec
        self._meanings = {name: word for word in ("off", "idle", "run", "fault") for name in getattr(spec.states, word, ())}
        self._units = points_of(spec)
        self._board = board
        self._elsewhere = elsewhere(spec)
        self._patience_s = _patience_s(machine, spec)
        self._totals = Totals()
        self._meter = Meter()
        self._by = ""
        self._fault = False
        self._wanted = ""
        self._wanted_s = self._left_s = self._seen_s = self._entered_s = 0.0
        self._last: Stamp | None = None
        self._told: dict[str, float] = {}
        self._due_s = self._heartbeat_s = self._prepared_s = -HEARTBEAT_S
        self._prepared: dict[str, float] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """How the machine is doing, in words."""
        state = f"{self.state or 'state not known'}"
        if self.state and self._last is not None:
            minutes = (self._last.mono_ns / 1e9 - self._entered_s) / 60
            state += f" for {minutes:.0f} min" if minutes < 120 else f" for {minutes / 60:.0f} h"
        numbers = self._numbers()
        return (f"{state}; {numbers['hours']:.1f} h in run, {self._totals.starts} starts, {numbers['cycles']:g} cycles",)

    def wants(self, point: str, unit: str) -> bool:
        """Say whether a point tells of the state."""
        return point in {self._spec.by, self._spec.fault, self._spec.cycles}

    def take(self, measured: Measured) -> list[Record]:
        """Take a value; return the state when it changes."""
        now_s = measured.stamp.mono_ns / 1e9
        good = measured.quality is not Quality.BAD
        if measured.point == self._spec.cycles and good and measured.value is not None:
            self._totals.cycles += self._meter.take(measured.value)
            self._totals.counter = self._meter.last
        if measured.point == self._spec.fault:
            self._fault = good and bool(measured.value)
        if measured.point == self._spec.by:
            self._seen_s = now_s
            self._by = self._word(measured.value, measured.name) if good else ""
        return self._settle(measured.stamp, now_s)

    def tick(self, stamp: Stamp) -> list[Record]:
        """Count the time that has passed; return what is due."""
        now_s = stamp.mono_ns / 1e9
        last, self._last = self._last, stamp
        if last is not None and last.boot == stamp.boot and self.state == "run":
            passed_s = (stamp.mono_ns - last.mono_ns) / 1e9
            if 0 < passed_s <= LONGEST_TICK_S:
                self._totals.run_s += passed_s
                self._totals.since_start_s += passed_s
        if self._elsewhere:
            self._by = self._word(self._board.value(*self._elsewhere))
        if self._patience_s and self._by and now_s - self._seen_s > self._patience_s:
            self._by = ""
        records = self._settle(stamp, now_s)
        if now_s - self._heartbeat_s >= HEARTBEAT_S:
            self._heartbeat_s = now_s
            self._told.clear()
            if not records:
                records.append(self._reading(stamp))
        return records + self._report(stamp, now_s)

    def keep(self) -> Any:
        """Return the totals."""
        return msgspec.to_builtins(self._totals)

    def restore(self, kept: Any) -> None:
        """Go on with the totals; what the machine is now, its next values tell."""
        totals = msgspec.convert(kept, Totals)
        if min(totals.run_s, totals.since_start_s, totals.starts, totals.cycles) < 0:
            raise ValueError("a total is negative")
        self._totals = totals
        self._meter = Meter(totals.counter)

    def _word(self, value: float | None, name: str = "") -> str:
        if self._spec.states is not None:
            return self._meanings.get(name, "")
        if value is None or (run := self._spec.run) is None:
            return ""
        before, idle, below = self._by or self._totals.state, self._spec.idle, self._spec.hysteresis.below
        if value >= (below(run) if before == "run" else run):
            return "run"
        if idle is not None and value >= (below(idle) if before in {"idle", "run"} else idle):
            return "idle"
        return "off"

    def _settle(self, stamp: Stamp, now_s: float) -> list[Record]:
        """Change the state when another one has lasted for the dwell time, or none has but this one is long left."""
        wanted = "fault" if self._fault else self._by
        if wanted == self.state:
            self._wanted, self._left_s = wanted, now_s
            return []
        if self._wanted == self.state:
            self._left_s = now_s
        if wanted != self._wanted:
            self._wanted, self._wanted_s = wanted, now_s
        dwell_s = float(self._spec.dwell)
        if now_s - self._wanted_s < dwell_s and now_s - self._left_s < _LEFT_DWELLS * dwell_s:
            return []
        self._enter(wanted, now_s)
        return [self._reading(stamp)]

    def _enter(self, state: str, now_s: float) -> None:
        totals, before = self._totals, self._totals.state
        self.state, self._entered_s, self._left_s = state, now_s, now_s
        if not state:
            return
        if state == "run" and before != "run":
            totals.came_from, totals.since_start_s = before, 0.0
            totals.starts += bool(before)
        if state == "idle" and before == "run" and totals.came_from == "idle" and self._spec.cycles is None:
            totals.cycles += 1
        totals.state = state

    def _report(self, stamp: Stamp, now_s: float) -> list[Record]:
        """Return the numbers that have changed: first they are made ready and kept, and told when that is done."""
        if self._prepared is not None:
            if self.urgent and now_s - self._prepared_s < _UNWRITTEN_S:
                return []
            changed = {point: value for point, value in self._prepared.items() if self._told.get(point) != value}
            self._told |= changed
            self._prepared = None
            return [
                Feature(machine=self._machine, point=point, value=value, stamp=stamp, unit=self._units[point])
                for point, value in changed.items()
            ]
        if now_s - self._due_s >= REPORT_S and (numbers := self._numbers()) != self._told:
            self._due_s = self._prepared_s = now_s
            self._prepared, self.urgent = numbers, True
        return []

    def _numbers(self) -> dict[str, float]:
        totals = self._totals
        hours = round((totals.run_s + float(self._spec.hours)) / 3600, 4)
        since = round(totals.since_start_s / 3600, 4)
        return {"hours": hours, "hours_since_start": since, "starts": float(totals.starts), "cycles": totals.cycles}

    def _reading(self, stamp: Stamp) -> Reading:
        known = bool(self.state)
        return Reading(
            machine=self._machine,
            point=STATE,
            value=self.state or None,
            stamp=stamp,
            quality=Quality.GOOD if known else Quality.BAD,
            reason=Reason.NONE if known else Reason.NO_DATA,
        )


def _patience_s(machine: Machine, spec: Running) -> float:
    """Return after how long a silence a computed value no longer tells the state; 0: never, a point says that it is bad."""
    if spec.by in machine.points or elsewhere(spec) is not None:
        return 0.0
    if spec.by.startswith("vibration.") and machine.vibration:
        return 3 * max(float(machine.vibration.every), float(machine.vibration.window)) + float(spec.dwell)
    return 3 * float(machine.temperature.every) + float(spec.dwell) if machine.temperature else 0.0
