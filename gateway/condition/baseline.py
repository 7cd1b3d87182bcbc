"""What is usual of a machine in run, learned per class of speed, and how far each window lies from it.

Rows of features that belong together (those of one window) are collected only while the machine runs. Up to `MOST_ROWS` of them are
kept whole, beyond that a uniform random sample (Vitter's algorithm R), so memory is bounded; when enough were seen, centre, spread
and distance are found of them (see `robust`), a step at each tick. From then on `<feature>.z` and `vibration.novelty` are told.
"""

from __future__ import annotations

import binascii
import math
import random
from array import array
from collections.abc import Callable, Generator
from typing import Any, Literal

import msgspec
from msgspec import Struct

from gateway.config.learning import BASELINE, Baseline, Learn, learned
from gateway.config.rotation import Shaft
from gateway.config.running import STATE
from gateway.config.spec import Machine
from gateway.model import Feature, Quality, Record, Stamp

from .chain import Measured
from .robust import Usual, finding

MOST_ROWS = 512
MOST_CLASSES = 12
"""Classes of speed that are learned at most: each needs its own time and memory."""

FEWEST_ROWS = 30
FORGETS_S = 30 * 86400.0
HEARTBEAT_S = 600.0
_LONGEST_TICK_S = 60.0
_REFRESH = 64  # rows that come in between two looks at what is usual, for one that follows
_PATIENCE = 5  # windows in run that lack a feature before it is left out


class KeptKnown(Struct):
    """One class as it is kept: what is usual, or the rows so far as base64 of float32."""

    width: int
    seen: int = 0
    watched_s: float = 0.0
    rows: str = ""
    usual: Usual | None = None


class Known:
    """What is known of one group of features in one class of speed: rows while it learns, then what is usual of them."""

    def __init__(self, width: int, learn: Learn, follow: bool, draw: random.Random) -> None:
        self.usual: Usual | None = None
        self.seen = 0
        self.watched_s = 0.0
        self._width = width
        self._learn = learn
        self._follow = follow
        self._draw = draw
        self._rows: array[float] = array("f")
        self._fresh = 0
        self._work: Generator[None, None, Usual] | None = None

    @property
    def progress(self) -> float:
        """How much of the time to learn is over, 0 to 1."""
        if self.usual is not None:
            return 1.0
        if self._learn.windows:
            return min(1.0, self.seen / self._learn.windows)
        return min(1.0, self.watched_s / self._learn.seconds, self.seen / FEWEST_ROWS)

    @property
    def words(self) -> str:
        """How far it is, for a person."""
        if self.usual is not None:
            return "learned"
        if self._learn.windows:
            return f"learning: {min(self.seen, self._learn.windows)} of {self._learn.windows} windows in run"
        return f"learning: {self.watched_s / 86400:.1f} of {self._learn.seconds / 86400:g} d, {self.seen} windows in run"

    def push(self, row: list[float], since_s: float) -> None:
        """Learn a row, `since_s` after the last one."""
        if self.usual is not None and not self._follow:
            return
        self.seen += 1
        count = len(self._rows) // self._width
        if count < MOST_ROWS:
            self._rows.extend(row)
        elif self.usual is None:
            if (place := self._draw.randrange(self.seen)) < MOST_ROWS:
                self._put(place, row)
        elif self._draw.random() < MOST_ROWS * min(since_s, 3600.0) / FORGETS_S:
            self._put(self._draw.randrange(MOST_ROWS), row)
            self._fresh += 1

    def tick(self, passed_s: float) -> bool:
        """Let time pass; return whether something was learned just now."""
        if self.seen and self.usual is None:
            self.watched_s += passed_s
        if self._work is None:
            if (self.usual is None and self.progress >= 1.0) or self._fresh >= _REFRESH:
                self._fresh = 0
                numbers, width = self._rows.tolist(), self._width
                self._work = finding([numbers[i : i + width] for i in range(0, len(numbers), width)])
            return False
        try:
            next(self._work)
        except StopIteration as done:
            first = self.usual is None
            self.usual, self._work = done.value, None
            if not self._follow:
                self._rows = array("f")
            return first
        return False

    def keep(self) -> KeptKnown:
        """Return what is to be kept."""
        rows = binascii.b2a_base64(self._rows.tobytes(), newline=False).decode("ascii")
        return KeptKnown(self._width, self.seen, round(self.watched_s, 1), rows, self.usual)

    def restore(self, kept: KeptKnown) -> None:
        """Go on from what was kept; ValueError where it does not fit."""
        rows = array("f")
        rows.frombytes(binascii.a2b_base64(kept.rows))
        if kept.width != self._width or len(rows) % self._width or not all(map(math.isfinite, rows)):
            raise ValueError("rows do not fit the features")
        if kept.usual is not None and len(kept.usual.centre) != self._width:
            raise ValueError("what is usual does not fit the features")
        self.seen, self.watched_s, self._rows, self.usual = kept.seen, kept.watched_s, rows, kept.usual

    def _put(self, place: int, row: list[float]) -> None:
        self._rows[place * self._width : (place + 1) * self._width] = array("f", row)


class Group:
    """Features that come together, and what is known of them by class of speed.

    Attributes:
        asked: the features that are to be learned; `names` are those that come at all.
        waveform: where they come from together; empty for one that comes by itself, which has no novelty.
    """

    def __init__(self, asked: list[str], waveform: str) -> None:
        self.asked = asked
        self.names = asked
        self.waveform = waveform
        self.came: set[str] = set()
        self.incomplete = 0
        self.known: dict[str, Known] = {}
        self.row: dict[str, float | None] = {}
        self.stamp: Stamp | None = None
        self.last_s: float | None = None


class KeptGroup(Struct):
    """What is kept of a group."""

    asked: list[str]
    names: list[str]
    known: dict[str, KeptKnown]


class BaselineStage:
    """The stage that learns what is usual, and tells how far from it every window in run lies."""

    name = "baseline"

    def __init__(
        self, machine: Machine, spec: Baseline, features: list[str], rpm: Callable[[], float | None] = lambda: None
    ) -> None:
        self.urgent = False
        self._machine = machine.name
        self._spec = spec
        self._state_known = machine.state is not None or STATE in machine.points
        self._running = not self._state_known
        self._speed: float | None = None
        shaft = machine.vibration.speed if machine.vibration else None
        self._speed_point = spec.speed or ""
        self._rpm = rpm if not spec.speed and isinstance(shaft, Shaft) and shaft.point else None
        groups = learned(spec, features)
        self._groups = [Group(names, waveform) for waveform, names in groups.items() if waveform]
        self._groups += [Group([name], "") for name in groups.get("", [])]
        self._group_of = {name: group for group in self._groups for name in group.names}
        self._draw = random.Random(machine.name)  # noqa: S311  (which rows stay in a sample, not a secret)
        self._mono_s: float | None = None
        self._told: tuple[int, float] | None = None
        self._crowded = False

    @property
    def notes(self) -> tuple[str, ...]:
        """How far learning is, in words."""
        if not self._groups or not (known := self._groups[0].known):
            return ("baseline: none yet, it is learned while the machine runs",)
        return tuple(f"baseline{f' at {name} rpm' if name else ''} {one.words}" for name, one in known.items())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What cannot be learned, and why."""
        left_out = [name for group in self._groups for name in group.asked if name not in group.names]
        missing = (f"baseline without {', '.join(left_out)}, which does not come",) if left_out else ()
        if not self._crowded:
            return missing
        return (
            *missing,
            f"more than {MOST_CLASSES} classes of speed: the last ones have no baseline; make 'speed_class' wider",
        )

    def usual_of(self, point: str) -> float | None:
        """Return what is usual of a point, of several classes of speed in the highest; None while it is not learned."""
        group = self._group_of.get(point)
        if group is None or point not in group.names:
            return None
        place = group.names.index(point)
        return max((one.usual.centre[place] for one in group.known.values() if one.usual is not None), default=None)

    def wants(self, point: str, unit: str) -> bool:
        """Say whether a point is learned, or tells when to learn."""
        return point in self._group_of or point == self._speed_point or (point == STATE and self._state_known)

    def take(self, measured: Measured) -> list[Record]:
        """Take a feature; return what follows of the window before, where this one begins another."""
        if measured.point == STATE and self._state_known:
            self._running = measured.name == "run"
            return []
        if measured.point == self._speed_point:
            self._speed = measured.value if measured.quality is Quality.GOOD else None
        group = self._group_of.get(measured.point)
        if group is None:
            return []
        records: list[Record] = []
        if group.stamp is not None and group.stamp != measured.stamp:
            records = self._finished(group)
        group.stamp = measured.stamp
        if measured.point not in group.names:
            return records
        value = measured.value if measured.quality is Quality.GOOD else None  # what is clipped is not usual
        group.row[measured.point] = value if value is not None and math.isfinite(value) else None
        return records + (self._finished(group) if len(group.row) == len(group.names) else [])

    def tick(self, stamp: Stamp) -> list[Record]:
        """Let time pass: windows that are complete are judged, learning takes a step, progress is told."""
        now_s = stamp.mono_ns / 1e9
        passed_s = 0.0 if self._mono_s is None else now_s - self._mono_s
        passed_s = passed_s if 0 < passed_s <= _LONGEST_TICK_S else 0.0
        self._mono_s = now_s
        records: list[Record] = []
        for group in self._groups:
            if group.stamp is not None:
                records += self._finished(group)
            for known in group.known.values():
                self.urgent |= known.tick(passed_s)
        return records + self._progress(stamp, now_s)

    def forget(self) -> None:
        """Forget what was learned, and begin anew: after maintenance the old state is usual no more."""
        for group in self._groups:
            group.known.clear()
        self._crowded, self.urgent, self._told = False, True, None

    def keep(self) -> Any:
        """Return what was learned."""
        groups = [
            KeptGroup(one.asked, one.names, {name: known.keep() for name, known in one.known.items()}) for one in self._groups
        ]
        return msgspec.to_builtins({group.asked[0]: group for group in groups})

    def restore(self, kept: Any) -> None:
        """Go on with what was learned; a group whose features are others now begins anew."""
        groups = msgspec.convert(kept, dict[str, KeptGroup])
        for group in self._groups:
            value = groups.get(group.asked[0])
            if value is None or value.asked != group.asked or not set(value.names) <= set(group.asked):
                continue
            group.names = value.names
            for name, one in value.known.items():
                if bool(name) != self._by_speed or (name and not float(name) > 0):
                    continue  # classes of speed came or went since
                known = self._new(group)
                known.restore(one)
                group.known[name] = known

    @property
    def _by_speed(self) -> bool:
        return bool(self._speed_point or self._rpm)

    def _new(self, group: Group) -> Known:
        return Known(len(group.names), self._spec.learn, self._spec.follow, self._draw)

    def _finished(self, group: Group) -> list[Record]:
        """Judge the row of a window, and learn it."""
        row, stamp = group.row, group.stamp
        group.row, group.stamp = {}, None
        known = self._class(group) if self._running else None
        if known is None or stamp is None:
            return []
        values = [row.get(name) for name in group.names]
        now_s = stamp.mono_ns / 1e9
        since_s = max(0.0, now_s - group.last_s) if group.last_s is not None else 0.0
        group.last_s = now_s
        whole = [value for value in values if value is not None]
        if len(whole) == len(values):
            known.push(whole, since_s)
        elif not any(one.seen for one in group.known.values()):
            _shorten(group, row)
        return list(self._judged(group, known.usual, values, stamp)) if known.usual else []

    def _judged(self, group: Group, usual: Usual, values: list[float | None], stamp: Stamp) -> Generator[Record, None, None]:
        for place, (name, value) in enumerate(zip(group.names, values, strict=True)):
            if value is not None:
                yield self._feature(f"{name}.z", usual.z(place, value), stamp)
        if group.waveform:
            yield self._feature(f"{group.waveform}.novelty", usual.distance(values), stamp)

    def _feature(self, point: str, value: float | None, stamp: Stamp, unit: Literal["1", "%"] = "1") -> Feature:
        quality = Quality.GOOD if value is not None else Quality.BAD
        return Feature(machine=self._machine, point=point, value=value, stamp=stamp, unit=unit, quality=quality)

    def _class(self, group: Group) -> Known | None:
        """Return what is known in the present class of speed; None where the speed is not known or there are too many classes."""
        name = ""
        if self._by_speed:
            speed = self._rpm() if self._rpm else self._speed
            if speed is None or speed <= 0:
                return None
            name = self._nearest(group, speed) or f"{speed:.4g}"
        known = group.known.get(name)
        if known is None:
            if len(group.known) >= MOST_CLASSES:
                self._crowded = True
                return None
            known = group.known[name] = self._new(group)
        return known

    def _nearest(self, group: Group, speed: float) -> str:
        """Return the class in whose middle a speed lies closest; the first speed of a class is its middle."""
        nearest = min(group.known, key=lambda name: abs(math.log(speed / float(name))), default="")
        half = 0.5 * self._spec.speed_class.share
        return nearest if nearest and abs(speed / float(nearest) - 1) <= half else ""

    def _progress(self, stamp: Stamp, now_s: float) -> list[Record]:
        """Tell how far learning is when a percent more was learned, and at every heartbeat: the class that is least far."""
        known = self._groups[0].known.values() if self._groups else ()
        percent = math.floor(100 * min((one.progress for one in known), default=0.0))
        if any(one.usual is None for one in known):
            percent = min(percent, 99)
        if self._told is not None and self._told[0] == percent and now_s - self._told[1] < HEARTBEAT_S:
            return []
        self._told = percent, now_s
        return [self._feature(BASELINE, float(percent), stamp, "%")]


def _shorten(group: Group, row: dict[str, float | None]) -> None:
    """Learn without those features that came in none of the first windows in run: with them nothing would ever be learned."""
    group.came |= {name for name, value in row.items() if value is not None}
    group.incomplete += 1
    if group.incomplete >= _PATIENCE and group.came:
        group.names = [name for name in group.asked if name in group.came]
        group.known.clear()
