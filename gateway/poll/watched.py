"""What poll knows of a machine: its groups of points on their grids, how it is doing, where its data goes."""

from __future__ import annotations

import math
from typing import Protocol
from zlib import crc32

from msgspec import Struct, field

from gateway.config.spec import Machine
from gateway.model import Block, PointTable, Scan, Stamp

from .quarantine import Quarantine

BRIEFEST_S = 0.05
LONGEST_PATIENCE_S = 0.25
"""A machine that is read for longer than this, or than it usually takes, is overtaken where the line allows it."""

_FORGETS = 0.95


class Sink(Protocol):
    """Where a machine's Scans and Blocks go; called from the poller's task, must not block."""

    def scan(self, scan: Scan) -> None:
        """Take one Scan."""

    def block(self, block: Block) -> None:
        """Take one Block."""

    def turned(self, state: str) -> None:
        """Take note that the machine is now `good`, `bad` or `ended`; it comes before the Scan that shows it."""


class Health(Struct, kw_only=True):
    """How a machine is doing: `state` is `starting`, `good`, `bad` or `ended`; `error` and `hint` in words when bad.

    `missed` counts the moments of its grids that passed without a read although it was not in quarantine.
    """

    state: str = "starting"
    error: str = ""
    hint: str = ""
    since: Stamp | None = None
    last: Stamp | None = None
    scans: int = 0
    blocks: int = 0
    missed: int = 0
    errors: int = 0
    took_s: float = 0.0


class Group(Struct, eq=False):
    """The points of one machine that share a period; their moments are `phase_s` + k x `every_s`, whatever happens between.

    `due_s` is the next one, or the moment of a first read, which does not wait for the grid; `usual_s` is what a read takes.
    `beside` is a waveform that a machine has besides its points: it comes by itself and is never read.
    """

    table: PointTable
    every_s: float
    phase_s: float
    due_s: float = 0.0
    usual_s: float = 0.0
    beside: bool = False
    _on_grid: bool = False

    def begin(self, now_s: float) -> None:
        """Be due at once, and from then on at the moments of the grid."""
        if not math.isinf(self.due_s):
            self.due_s = now_s
        self._on_grid = False

    def advance(self, now_s: float) -> int:
        """Set the next moment of the grid; return how many have passed unused. They are not made up for."""
        if not self._on_grid:
            self._on_grid = True
            self.due_s = self.phase_s + self.every_s * math.ceil((now_s + self.every_s / 2 - self.phase_s) / self.every_s)
            return 0
        missed = max(0, int((now_s - self.due_s) // self.every_s))
        self.due_s += self.every_s * (missed + 1)
        return missed

    def took(self, seconds: float) -> None:
        """Take note of how long a read took."""
        self.usual_s = max(seconds, self.usual_s * _FORGETS)

    @property
    def patience_s(self) -> float:
        """How long a read of it is waited for before others may overtake."""
        return min(LONGEST_PATIENCE_S, max(BRIEFEST_S, 1.5 * self.usual_s)) if self.usual_s else LONGEST_PATIENCE_S


class Watched(Struct, eq=False):
    """One machine on a connection.

    Attributes:
        rests_until_s: it takes too much of the line and is left alone until then.
        slow: its last read took longer than usual, so the next one is not waited for.
    """

    machine: Machine
    groups: list[Group]
    sink: Sink
    health: Health = field(default_factory=Health)
    quarantine: Quarantine = field(default_factory=Quarantine)
    rests_until_s: float = 0.0
    slow: bool = False
    warning: str = ""

    @property
    def table(self) -> PointTable:
        """The points of its first group; most machines have one."""
        return self.groups[0].table

    @property
    def dubious(self) -> bool:
        """Whether its next read may take long: it was slow the last time, or is in quarantine."""
        return self.slow or self.quarantine.active

    def begin(self, now_s: float) -> None:
        """Let all groups be due at once."""
        for group in self.groups:
            group.begin(now_s)

    def next(self) -> tuple[float, Group]:
        """Return the group to be read next, and when; in quarantine the moment is that of the next probe."""
        read = self.groups[:-1] if self.groups[-1].beside else self.groups
        group = min(read, key=_due) if len(read) > 1 else read[0]
        if self.quarantine.active and not math.isinf(group.due_s):
            return self.quarantine.probe_at_s, group
        return max(group.due_s, self.rests_until_s), group


def _due(group: Group) -> float:
    return group.due_s


def groups_of(machine: Machine) -> list[Group]:
    """Split a machine's points by their period, the shortest first; a waveform is a group without points, the last one."""
    periods: dict[float, list[str]] = {}
    for name, spec in machine.points.items():
        every_s = getattr(spec, "every", None) or machine.every_s
        periods.setdefault(float(every_s), []).append(name)
    groups = []
    for every_s in sorted(periods) or [machine.every_s]:
        names = tuple(periods.get(every_s, ()))
        specs = tuple(machine.points[name] for name in names)
        units = tuple(spec.unit for spec in specs)
        table = PointTable(machine.name, names, units, specs, machine.options, every_s)
        groups.append(Group(table, every_s, phase_s(machine.name, every_s)))
    if periods and getattr(machine.options, "waveform", None) is not None:
        table = PointTable(machine.name, (), (), (), machine.options, machine.every_s)
        groups.append(Group(table, machine.every_s, phase_s(machine.name, machine.every_s), beside=True))
    return groups


def phase_s(name: str, every_s: float) -> float:
    """Return where in the period a machine's moments lie: always the same for a name, and spread evenly over many."""
    return crc32(f"{name} {every_s:g}".encode()) / 2**32 * every_s
