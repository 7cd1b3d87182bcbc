"""On an alarm the waveform of the machine is kept, from before it to after it; nothing of it leaves the gateway."""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from gateway import log as logs
from gateway.config.capture import Capture
from gateway.config.spec import Machine
from gateway.model import Block, Event, Feature, Record, Severity, Stamp

from .recording import store, wav

MOST_SAMPLES = 1 << 20
"""Samples of one waveform that are held before an alarm, and again as many after it, at most: 4 MB each."""

PATIENCE_S = 10.0
"""When no waveform comes for as long after its time, what there is, is kept."""

log = logs.get("capture")


class _Wave:
    """The last samples of one waveform, without a gap, and the capture that is under way."""

    def __init__(self, spec: Capture) -> None:
        self._spec = spec
        self.blocks: deque[Block] = deque()
        self.held = 0
        self.alarms: list[Event] = []
        self.left = 0
        self.until_s = 0.0

    def push(self, block: Block) -> bool:
        """Take a Block; return whether the capture that was under way is complete and must be taken before this is held."""
        self.blocks.append(block)
        self.held += len(block.samples)
        if self.alarms:
            self.left -= len(block.samples)
            return self.left <= 0
        needed = min(round(self._spec.before * block.rate_hz), MOST_SAMPLES)
        while len(self.blocks) > 1 and self.held - len(self.blocks[0].samples) >= needed:
            self.held -= len(self.blocks.popleft().samples)
        return False

    def follows(self, block: Block) -> bool:
        """Say whether a Block goes on where the last one ended."""
        return not self.blocks or (
            not block.gap and block.rate_hz == self.blocks[-1].rate_hz and block.unit == self.blocks[-1].unit
        )

    def begin(self, event: Event) -> None:
        """Begin a capture, or note another alarm in the one under way."""
        if self.blocks and not self.alarms:
            self.left = min(round(self._spec.after * self.blocks[-1].rate_hz), MOST_SAMPLES)
            self.until_s = event.stamp.mono_ns / 1e9 + self._spec.after + PATIENCE_S
        if self.blocks:
            self.alarms.append(event)

    def take(self) -> tuple[list[Block], list[Event]]:
        """Return what was captured, and hold on to nothing of it."""
        blocks, alarms = list(self.blocks), self.alarms
        self.blocks.clear()
        self.alarms, self.held, self.left = [], 0, 0
        return blocks, alarms


class Captures:
    """The captures of one machine.

    Attributes:
        trouble: why the last one could not be kept, in words; empty when it could.
    """

    def __init__(self, machine: Machine, folder: Path | None) -> None:
        self._machine = machine.name
        self._spec = machine.vibration.capture if machine.vibration else Capture(keep=0)
        # a name of dots alone would lead out of the folder
        self._folder = folder / (machine.name if machine.name.strip(".") else f"_{machine.name}") if folder else None
        self._on = bool(self._spec.keep and machine.alarms and machine.vibration and folder)
        self._waves: dict[str, _Wave] = {}
        self._features: dict[str, dict[str, Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()
        self.trouble = ""

    def block(self, block: Block) -> None:
        """Hold on to a piece of waveform as long as an alarm may want it."""
        if not self._on:
            return
        wave = self._waves.get(block.point)
        if wave is None:
            wave = self._waves[block.point] = _Wave(self._spec)
        if not wave.follows(block):
            self._finish(block.point, wave)
        if wave.push(block):
            self._finish(block.point, wave)

    def records(self, records: Iterable[Record]) -> None:
        """Look for alarms among what the machine has to tell."""
        if not self._on:
            return
        for record in records:
            if isinstance(record, Feature):
                self._features[record.point] = {"value": record.value, "unit": record.unit}
            elif isinstance(record, Event) and _raised(record):
                for wave in self._waves.values():
                    wave.begin(record)

    def tick(self, stamp: Stamp) -> None:
        """End captures for which no more waveform comes."""
        for point, wave in self._waves.items():
            if wave.alarms and stamp.mono_ns / 1e9 >= wave.until_s:
                self._finish(point, wave)

    async def end(self) -> None:
        """Keep what is under way."""
        for point, wave in self._waves.items():
            self._finish(point, wave)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _finish(self, point: str, wave: _Wave) -> None:
        blocks, alarms = wave.take()
        if not alarms:
            return
        task = asyncio.get_running_loop().create_task(self._keep(point, blocks, alarms, dict(self._features)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, point: str, blocks: list[Block], alarms: list[Event], features: dict[str, Any]) -> None:
        async with self._writing:
            try:
                path = await asyncio.to_thread(self._write, point, blocks, alarms, features)
            except (OSError, ValueError) as error:
                reason = str(getattr(error, "strerror", None) or error)
                if not self.trouble:
                    log.error("capture_failed", machine=self._machine, reason=reason)
                self.trouble = f"the waveform of an alarm could not be kept: {reason.lower()}; make room on the disk"
            else:
                self.trouble = ""
                log.info("capture_kept", machine=self._machine, point=alarms[0].point, path=str(path))

    def _write(self, point: str, blocks: list[Block], alarms: list[Event], features: dict[str, Any]) -> Path:
        first, alarm = blocks[0], alarms[0]
        samples: array[float] = array("f")
        for block in blocks:
            samples.extend(block.samples)
        when = datetime.fromtimestamp(alarm.stamp.wall_ns / 1e9, UTC)
        several = "" if len(self._waves) == 1 else f"-{point}"
        about = {
            "machine": self._machine,
            "point": alarm.point,
            "waveform": point,
            "alarms": [to_builtins(event) for event in alarms],
            "start": datetime.fromtimestamp(first.start.wall_ns / 1e9, UTC).isoformat(timespec="microseconds"),
            "stamp": to_builtins(first.start),
            "rate_hz": first.rate_hz,
            "unit": first.unit,
            "samples": len(samples),
            "alarm_after_s": round((alarm.stamp.mono_ns - first.start.mono_ns) / 1e9, 6),
            "features": features,
        }
        assert self._folder is not None
        name = f"{when:%Y%m%dT%H%M%S}.{when.microsecond // 1000:03d}Z-{alarm.point}{several}"
        return store(self._folder, name, wav(samples, first.rate_hz), about, keep=self._spec.keep, most_bytes=round(self._spec.max))


def _raised(event: Event) -> bool:
    """Say whether an alarm has come, or become worse; one that is told again after a restart has not."""
    return event.kind == "alarm" and event.severity is not Severity.INFO and event.before != event.after
