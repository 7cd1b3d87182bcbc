"""The alarms of a machine: events when one changes its state, what a person does about it, and what outlasts a restart.

Every change is an `Event` of kind `alarm`, whose `before` and `after` are `normal`, `shelved`, `suppressed`, `out-of-service`, or a
level with its state, `high alarm unacknowledged` for example. A value that is bad neither raises nor clears; when that lasts it is
told as an event of kind `stale`. An alarm that comes and goes is told as one of kind `chatter`. After a restart each alarm that is
not normal is told once more, with `before` equal to `after`, so that whoever was not there knows.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.config.alarm import Alarm
from gateway.config.spec import Machine
from gateway.model import Event, Quality, Severity, Stamp, TimeQuality

from .chain import Measured
from .watch import ACKNOWLEDGED, NORMAL, OUT_OF_SERVICE, SHELVED, UNACKNOWLEDGED, Held, Watch

STATE = "state"
"""The point that tells in which state the machine is."""

SLOW_S = 1800.0
"""Patience with features that have no period in the configuration of their own."""

MOST_SHELVED_S = 30 * 86_400.0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm as it is listed: what it is, since when, by what value and beyond which limit, and who did something about it.

    `since_wall_ns` is when it came into this state; `shelved_s` how long it stays shelved.
    """

    point: str
    level: str
    state: str
    priority: str
    value: float | None
    unit: str
    limit: float | None
    since_wall_ns: int
    stale: bool
    chattering: bool
    raises: int
    by: str
    shelved_s: float | None


class _Entry:
    def __init__(self, spec: Alarm, patience_s: float) -> None:
        self.watch = Watch(spec)
        self.patience_s = patience_s
        self.seen_s: float | None = None
        self.value: float | None = None
        self.unit = ""
        self.since_wall_ns = 0
        self.until_wall_ns = 0
        self.left_s: float | None = None  # of a shelving that was restored, until the clock of this boot is known
        self.by = ""
        self.told = NORMAL
        self.news = False  # restored, and not told yet
        self.chattering = False


class Alarms:
    """The stage that watches the points and features under `alarms:`; see the module for what it tells."""

    name = "alarms"

    def __init__(self, machine: Machine) -> None:
        self.urgent = False
        self._machine = machine.name
        self._entries = {point: _Entry(spec, _patience_s(machine, point, spec)) for point, spec in machine.alarms.items()}
        self._by_state = any(spec.only_in for spec in machine.alarms.values())
        self._now_s = 0.0

    def wants(self, point: str, unit: str) -> bool:
        """Say whether a point has an alarm, or tells in which state the machine is."""
        return point in self._entries or (self._by_state and point == STATE)

    def take(self, measured: Measured) -> list[Event]:
        """Take a value; return the events it makes."""
        records: list[Event] = []
        self._now_s = now_s = measured.stamp.mono_ns / 1e9
        if self._by_state and measured.point == STATE and measured.name:
            for point, other in self._entries.items():
                if only_in := other.watch.spec.only_in:
                    other.watch.suppress(measured.name not in only_in, now_s)
                    records += self._told(point, other, measured.stamp)
        if (entry := self._entries.get(measured.point)) is None:
            return records
        if measured.quality is not Quality.GOOD or (measured.value is None and measured.name):
            entry.watch.hold()
            return records
        entry.value, entry.unit, entry.seen_s = measured.value, measured.unit, now_s
        if entry.watch.stale:
            entry.watch.stale = False
            records.append(self._event(measured.point, entry, "stale", "stale", "good", measured.stamp, Severity.INFO))
        entry.watch.step(measured.value, now_s)
        return records + self._told(measured.point, entry, measured.stamp)

    def tick(self, stamp: Stamp) -> list[Event]:
        """Let delays and shelving end; return the events this makes."""
        records: list[Event] = []
        self._now_s = now_s = stamp.mono_ns / 1e9
        for point, entry in self._entries.items():
            watch = entry.watch
            if entry.left_s is not None:
                watch.until_s, entry.left_s = now_s + entry.left_s, None
            if entry.seen_s is None:
                entry.seen_s = now_s
            if watch.aside == SHELVED and entry.until_wall_ns and stamp.quality is TimeQuality.SYNCED:
                left_s = (entry.until_wall_ns - stamp.wall_ns) / 1e9  # a restart on a computer without a clock took time, too
                watch.until_s = min(watch.until_s or now_s, now_s + left_s)
            if not watch.stale and not watch.suppressed and not watch.aside and now_s - entry.seen_s > entry.patience_s:
                watch.stale = True
                watch.hold()
                records.append(self._event(point, entry, "stale", "good", "stale", stamp, Severity.WARNING))
            watch.tick(now_s)
            if entry.news:
                entry.news = False
                records.append(self._event(point, entry, "alarm", entry.told, entry.told, stamp, _severity(watch)))
            records += self._told(point, entry, stamp)
        return records

    def act(self, deed: str, point: str, stamp: Stamp, *, by: str, for_s: float | None = None) -> list[Event]:
        """Do what a person wants with an alarm; return the events this makes, none when there was nothing to do.

        Args:
            deed: `ack`, `shelve`, `unshelve`, `out-of-service` or `in-service`.
            point: one that has an alarm.
            stamp: now.
            by: who wants it, in words.
            for_s: for how long it is shelved.

        Raises:
            KeyError: the point has no alarm.
            ValueError: there is no such deed, or it cannot be shelved for so long.
        """
        entry = self._entries[point]
        watch, now_s = entry.watch, stamp.mono_ns / 1e9
        done = True
        if deed == "ack":
            done = watch.acknowledge()
        elif deed == "shelve":
            if for_s is None or not 0 < for_s <= MOST_SHELVED_S:
                raise ValueError("an alarm is shelved for more than 0s and at most 30d; 'out-of-service' has no end")
            watch.put_aside(SHELVED, now_s + for_s, now_s)
            entry.until_wall_ns = stamp.wall_ns + round(for_s * 1e9) if stamp.quality is TimeQuality.SYNCED else 0
        elif deed == "out-of-service":
            done = watch.aside != OUT_OF_SERVICE
            watch.put_aside(OUT_OF_SERVICE, None, now_s)
        elif deed in {"unshelve", "in-service"}:
            done = watch.aside == (SHELVED if deed == "unshelve" else OUT_OF_SERVICE)
            if done:
                watch.put_aside("", None, now_s)
        else:
            raise ValueError(f"there is no deed '{deed}'")
        if not done:
            return []
        return self._told(point, entry, stamp, by)

    def move(self, point: str, level: str, limit: float) -> None:
        """Set another limit for a level of an alarm, such as `high warning`; without that level nothing happens."""
        for threshold in self._entries[point].watch.thresholds:
            if threshold.level == level:
                threshold.move(limit)

    def listed(self) -> list[Standing]:
        """Return every alarm, standing or not, in the order of the configuration."""
        return [self._standing(point, entry) for point, entry in self._entries.items()]

    def keep(self) -> Any:
        """Return what is not normal, by point."""
        kept = {}
        for point, entry in self._entries.items():
            held = entry.watch.held(self._now_s)
            held.since_wall_ns, held.until_wall_ns, held.by = entry.since_wall_ns, entry.until_wall_ns, entry.by
            held.value = entry.value if held.state != NORMAL else None
            if held.state != NORMAL or held.aside:
                kept[point] = held
        return msgspec.to_builtins(kept)

    def restore(self, kept: Any) -> None:
        """Go on from what was kept; an alarm that is no longer configured is forgotten."""
        for point, held in msgspec.convert(kept, dict[str, Held]).items():
            if (entry := self._entries.get(point)) is None:
                continue
            entry.watch.restore(held)
            entry.value, entry.by = held.value, held.by
            entry.since_wall_ns, entry.until_wall_ns = held.since_wall_ns, held.until_wall_ns
            entry.left_s = min(held.left_s, MOST_SHELVED_S) if entry.watch.aside == SHELVED else None
            entry.told = entry.watch.words
            entry.news = entry.told != NORMAL

    def _told(self, point: str, entry: _Entry, stamp: Stamp, by: str = "") -> list[Event]:
        """Return the events of what has changed since the last were told."""
        records: list[Event] = []
        watch = entry.watch
        if watch.words != entry.told:
            before, entry.told, entry.since_wall_ns, entry.news = entry.told, watch.words, stamp.wall_ns, False
            entry.by = by or (entry.by if watch.shown == ACKNOWLEDGED else "")
            self.urgent = True
            records.append(self._event(point, entry, "alarm", before, entry.told, stamp, _severity(watch)))
        if watch.chattering != entry.chattering and not watch.aside:  # who shelved it knows
            entry.chattering = watch.chattering
            words = ("steady", "chattering") if watch.chattering else ("chattering", "steady")
            severity = Severity.WARNING if watch.chattering else Severity.INFO
            records.append(self._event(point, entry, "chatter", *words, stamp, severity))
        return records

    def _event(self, point: str, entry: _Entry, kind: str, before: str, after: str, stamp: Stamp, severity: Severity) -> Event:
        return Event(
            machine=self._machine,
            point=point,
            kind=kind,
            severity=severity,
            before=before,
            after=after,
            stamp=stamp,
            value=entry.value,
            unit=entry.unit,
            acknowledged=entry.watch.shown == ACKNOWLEDGED,
        )

    def _standing(self, point: str, entry: _Entry) -> Standing:
        watch = entry.watch
        level = watch.level if watch.stands else watch.present
        limit = next((threshold.limit for threshold in watch.thresholds if threshold.level == level), None)
        shelved_s = watch.until_s - self._now_s if watch.aside == SHELVED and watch.until_s is not None else entry.left_s
        return Standing(
            point=point,
            level=level,
            state=watch.shown,
            priority=watch.spec.priority,
            value=entry.value,
            unit=entry.unit,
            limit=limit,
            since_wall_ns=entry.since_wall_ns,
            stale=watch.stale,
            chattering=watch.chattering,
            raises=len(watch.raises),
            by=entry.by,
            shelved_s=None if shelved_s is None else round(max(0.0, shelved_s), 1),
        )


def _severity(watch: Watch) -> Severity:
    """Return how soon a person should look: at what nobody has seen yet by its level, at anything else when there is time."""
    if watch.shown != UNACKNOWLEDGED:
        return Severity.INFO
    return Severity.ALARM if watch.level.endswith("alarm") else Severity.WARNING


def _patience_s(machine: Machine, point: str, spec: Alarm) -> float:
    """Return after how long without a good value nothing is watched any more: three periods of what comes more slowly."""
    if machine.vibration and point.startswith("vibration."):
        period_s = machine.vibration.every + machine.vibration.window
    elif point in machine.points:
        period_s = machine.points[point].every or machine.every_s
    elif machine.temperature and point.rpartition(".")[2] == "change":
        return max(float(spec.stale), SLOW_S + 60.0 * machine.temperature.every)  # nothing is told while it learns
    elif machine.temperature and point.rpartition(".")[0] in machine.points:
        period_s = machine.temperature.every + machine.temperature.window
    else:
        period_s = SLOW_S / 3
    return max(float(spec.stale), 3.0 * period_s)
