"""One machine's way from Scans and Blocks to records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway import log as logs
from gateway.condition import Board, Condition, Job, Kept
from gateway.config.spec import Machine
from gateway.model import Block, Event, PointTable, Record, Scan, Stamp
from gateway.ports import Keeps
from gateway.shape import Shape

from .bench import Bench
from .captures import Captures

Emit = Callable[[list[Record]], None]
Turned = Callable[[str, str], None]
"""Called with a machine and how it is now: `good`, `bad`, `ended`, or `gone` when it is no longer read or begins anew."""

log = logs.get("condition")


class MachineLine:
    """One machine: shape and condition; what is heavy of it is done on the bench."""

    def __init__(
        self,
        machine: Machine,
        bench: Bench,
        emit: Emit,
        turned: Turned,
        keeps: Keeps | None,
        hurry: Callable[[], None] = lambda: None,
        board: Board | None = None,
        captures: Path | None = None,
    ) -> None:
        self._machine = machine.name
        self._emits = emit
        self._hurry = hurry
        self._turned = turned
        self._shapes: dict[PointTable, Shape] = {}
        self._place = bench.place(machine.name, self._done)
        self._board = board or Board()
        self._captures = Captures(machine, captures)
        self.condition = Condition(machine, Kept(keeps, machine.name) if keeps else None, self._board)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What cannot be computed, and why."""
        passed_over = self._place.passed_over
        slow = f"the processor is too slow: {passed_over} windows passed over; lengthen 'every'" if passed_over else ""
        failed = self._place.failed
        wrong = f"{failed} windows could not be computed, which is a fault of this gateway; its log says more" if failed else ""
        return (*self.condition.warnings, *filter(None, [slow, wrong, self._captures.trouble]))

    @property
    def notes(self) -> tuple[str, ...]:
        """How the machine is doing, in words."""
        return self.condition.notes

    def scan(self, scan: Scan) -> None:
        """Take one Scan: report what is worth it, compute what is due."""
        self._board.take(scan)
        shape = self._shapes.get(scan.table)
        if shape is None:
            shape = self._shapes[scan.table] = Shape(scan.table)
        if records := shape.apply(scan) + self.condition.scan(scan):
            self._emit(records)

    def block(self, block: Block) -> None:
        """Take a piece of waveform."""
        self._captures.block(block)
        for job in self.condition.block(block):
            self._place.put(job)

    def tick(self, stamp: Stamp) -> None:
        """Let time pass."""
        try:
            self._captures.tick(stamp)
            if records := self.condition.tick(stamp):
                self._emit(records)
        except Exception:
            log.exception("record_fault", machine=self._machine)

    def operate(self, deed: str, point: str, stamp: Stamp, *, by: str, for_s: float | None) -> list[Event]:
        """Do something about an alarm, see `Alarms.act`; its events go the way of all others, and are returned."""
        stage = self.condition.alarms
        events = stage.act(deed, point, stamp, by=by, for_s=for_s) if stage else []
        if events:
            self._emit(list(events))
        return events

    def turned(self, state: str) -> None:
        """Pass on how the machine is."""
        self._turned(self._machine, state)

    async def end(self, now_s: float) -> None:
        """Keep what has to outlast a restart; windows that wait are forgotten."""
        self._place.clear()
        await self.condition.keep(now_s, finally_=True)
        await self._captures.end()

    def _emit(self, records: list[Record]) -> None:
        """Pass records on; with an event among them there is something to be kept at once."""
        self._emits(records)
        self._captures.records(records)
        if any(isinstance(record, Event) for record in records):
            self._hurry()

    def _done(self, job: Job) -> None:
        if records := self.condition.done(job):
            self._emit(records)
