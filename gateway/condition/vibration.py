"""The waveforms of one machine: cut into windows on the event loop, computed beside it, and judged by the worst of their axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, convert, to_builtins

from gateway.config.bearing import Bearing
from gateway.config.vibration import Vibration, axis_of
from gateway.config.zones import Boundaries
from gateway.model import Block, Feature, Quality, Reading, Reason, Record, Stamp

from .analysis import Analysis
from .axes import Axes
from .result import Result
from .windows import Window, Windower, later


class Job:
    """The features of one window, computed by `run`, which may be called beside the event loop: it touches nothing but its own.

    Jobs of one waveform share the memory they compute in, so one of them runs at a time.
    """

    def __init__(self, sensor: Sensor, window: Window, rpm: float | None) -> None:
        self.sensor = sensor
        self.window = window
        self._rpm = rpm
        self.result: Result | None = None

    @property
    def samples(self) -> int:
        """How many samples the window has."""
        return len(self.window.samples)

    def run(self) -> None:
        """Compute `result`."""
        self.result = self.sensor.analysis().measure(self.window.samples, self._rpm)

    @property
    def features(self) -> list[Record]:
        """The records of what was computed; empty before it was."""
        return [] if self.result is None else list(self.sensor.records(self.window, self.result))


class Memory(Struct, frozen=True):
    """What a gear's NA4 remembers, and of what: it means nothing at another rate, in another unit or of another gear."""

    records: int
    mean_variance: float
    rate_hz: float
    unit: str
    teeth: int


class Sensor:
    """One waveform of a machine at one rate and in one unit: its windows, and what they are computed with.

    Attributes:
        point: the name its features stand under.
        rate_hz: samples per second.
    """

    def __init__(
        self, machine: str, spec: Vibration, zones: Boundaries | None, bearings: Mapping[str, Bearing], block: Block
    ) -> None:
        self.point = block.point
        self.rate_hz = block.rate_hz
        self.unit = block.unit
        self._machine = machine
        self._spec = spec
        self._zones = zones
        self._bearings = bearings
        length = max(2, round(spec.window * block.rate_hz))
        self._windower = Windower(length, max(1, round(spec.every * block.rate_hz)), block.rate_hz)
        self._analysis: Analysis | None = None
        self._resumed: Memory | None = None
        self._notes: tuple[str, ...] = ()
        self._too_short = ""
        self._piece = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What cannot be computed, and why."""
        left_out = self._analysis.left_out if self._analysis else ()
        told = (self._foreign_unit(), self._too_short)
        return tuple(filter(None, (*told, *left_out, *(note for note in self._notes if note not in left_out))))

    def cut(self, block: Block) -> list[Window]:
        """Take a Block and return the windows it completes."""
        self._measure(block)
        windows = list(self._windower.push(block))
        if windows:
            self._too_short = ""
        return windows

    def analysis(self) -> Analysis:
        """Return what computes the windows, made with the first one, for that takes time; call it beside the event loop."""
        if self._analysis is None:
            analysis = Analysis(self._spec, self._windower.length, self.rate_hz, self.unit, self._zones, self._bearings)
            if self._resumed is not None:
                analysis.resume(self._resumed.records, self._resumed.mean_variance)
            self._analysis = analysis
        return self._analysis

    @property
    def memory(self) -> Memory | None:
        """What is to outlast a restart; None: nothing."""
        if self._analysis is None:
            return self._resumed
        records, mean_variance = self._analysis.memory
        return Memory(records, mean_variance, self.rate_hz, self.unit, _teeth(self._spec)) if records else None

    def resume(self, memory: Memory) -> None:
        """Go on from an earlier `memory`, if it is of the same."""
        if (memory.rate_hz, memory.unit, memory.teeth) == (self.rate_hz, self.unit, _teeth(self._spec)):
            self._resumed = memory

    def records(self, window: Window, result: Result) -> Iterator[Record]:
        """Yield the features of a window."""
        self._notes = result.notes
        length_s = len(window.samples) / self.rate_hz
        end = later(window.start, length_s)
        for item in result.values:
            point = f"{self.point}.{item.name}"
            if item.text is not None:
                yield Reading(
                    machine=self._machine, point=point, value=item.text or None, stamp=end, quality=item.quality, reason=item.reason
                )
                continue
            yield Feature(
                machine=self._machine,
                point=point,
                value=item.value,
                stamp=end,
                unit=item.unit,
                quality=item.quality,
                reason=item.reason,
                window_s=length_s,
                band_hz=item.band_hz,
            )

    def _foreign_unit(self) -> str:
        declared = self._spec.unit
        if not declared or not self.unit or declared.replace("2", "²") == self.unit.replace("2", "²"):
            return ""
        return f"the source says '{self.unit}', and is taken as '{declared}', as 'unit:' says"

    def _measure(self, block: Block) -> None:
        """Note when a waveform ends, or begins anew, before it has filled a window: a short recording never gives a feature."""
        length = self._windower.length
        if block.gap and 0 < self._piece < length:
            has, needs = f"{self._piece / block.rate_hz:.3g} s", f"{length / block.rate_hz:g} s"
            self._too_short = f"no features yet: the waveform breaks off after {has}, a window needs {needs}; shorten 'window'"
        self._piece = len(block.samples) + (0 if block.gap else self._piece)


class VibrationFeatures:
    """Cuts the Blocks of one machine into windows, those of each axis for themselves; unit and rate come with the first Block."""

    name = "vibration"

    def __init__(
        self,
        machine: str,
        spec: Vibration,
        zones: Boundaries | None = None,
        bearings: Mapping[str, Bearing] | None = None,
        rpm: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Begin.

        Args:
            machine: its name.
            spec: what is computed.
            zones: the boundaries of the machine's group.
            bearings: its bearings by name.
            rpm: tells how fast the shaft turns now.
        """
        self._machine = machine
        self._spec = spec
        self._zones = zones
        self._bearings = bearings or {}
        self._rpm = rpm
        self._sensors: dict[str, Sensor] = {}
        self._axes: dict[str, Axes] = {}
        self._kept: dict[str, Memory] = {}
        self.urgent = False

    def keep(self) -> Any:
        """Return what the gears of the waveforms remember."""
        found = {point: sensor.memory for point, sensor in self._sensors.items()}
        return to_builtins(self._kept | {point: memory for point, memory in found.items() if memory is not None})

    def restore(self, kept: Any) -> None:
        """Go on from what was kept; each waveform takes its own when it comes."""
        self._kept = convert(kept, dict[str, Memory])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What cannot be computed, and why; of several axes each thing once."""
        sensors = (warning for sensor in self._sensors.values() for warning in sensor.warnings)
        refused = (axes.refused for axes in self._axes.values())
        return tuple(dict.fromkeys(filter(None, (*sensors, *refused))))

    def cut(self, block: Block) -> list[Job]:
        """Take a Block and return a job for every window it completes."""
        sensor = self._sensors.get(block.point)
        if sensor is None or (sensor.rate_hz, sensor.unit) != (block.rate_hz, block.unit):
            sensor = self._sensors[block.point] = Sensor(self._machine, self._spec, self._zones, self._bearings, block)
            if (memory := self._kept.pop(block.point, None)) is not None:
                sensor.resume(memory)
            name, axis = axis_of(block.point)
            self._axes.setdefault(name, Axes()).known.add(axis)
        return [Job(sensor, window, self._rpm()) for window in sensor.cut(block)]

    def done(self, job: Job) -> Sequence[Record]:
        """Take a job that has run; return its features, and the zone when this was the last axis of a round."""
        records = job.features
        if job.result is None or job.result.zone is None:
            return records
        name, axis = axis_of(job.sensor.point)
        for verdict, quality, reason in self._axes[name].judged(axis, job.result):
            end = later(job.window.start, job.samples / job.sensor.rate_hz)
            records.append(self._zone(f"{name}.iso_zone", verdict, end, quality, reason))
        return records

    def _zone(self, point: str, zone: str, stamp: Stamp, quality: Quality, reason: Reason) -> Reading:
        return Reading(machine=self._machine, point=point, value=zone or None, stamp=stamp, quality=quality, reason=reason)


def _teeth(spec: Vibration) -> int:
    return spec.gear.teeth if spec.gear else 0
