"""Windows of Blocks and points of Scans become features, states and alarms.

What is heavy, the features of a window, is a `Job` that runs beside the event loop; everything else is light and runs on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config import vibration as waveform
from gateway.config.kpi import points_of as kpi_points
from gateway.config.learning import baseline_points, trend_points
from gateway.config.running import STATE
from gateway.config.running import points_of as running_points
from gateway.config.spec import Machine
from gateway.config.temperature import features_of
from gateway.model import Block, Record, Scan, Stamp

from .alarms import Alarms, Standing
from .baseline import BaselineStage
from .board import Board
from .chain import Chain, Durable, Measured, Stage
from .change import Changes
from .iso import proposed_alarm
from .kept import Kept
from .kpis import KpiStage
from .running import RunningStage
from .slope import Slopes
from .speed import teller, watched
from .trend import TrendStage
from .vibration import Job, VibrationFeatures

__all__ = [
    "Board",
    "Chain",
    "Condition",
    "Durable",
    "Job",
    "Kept",
    "Measured",
    "Stage",
    "Standing",
    "announced",
    "texts",
    "watched",
]


def announced(machine: Machine) -> dict[str, str]:
    """Return the features a machine may give, by point, each with its unit; empty where that shows with the first one."""
    features = _measured(machine)
    if machine.state:
        features |= running_points(machine.state)
    if machine.baseline:
        features |= baseline_points(machine.baseline, _numbers(machine))
    if machine.trend:
        features |= trend_points(machine.trend, _followable(machine), _limits(machine))
    if machine.kpis:
        features |= kpi_points(machine.kpis)
    return features


def _measured(machine: Machine) -> dict[str, str]:
    """Return the features that are computed of waveforms and points alone."""
    features = waveform.announced(machine.vibration, machine.waves) if machine.vibration else {}
    if machine.temperature:
        features |= features_of(machine.temperature, {name: spec.unit for name, spec in machine.points.items()})
    return features


def _followable(machine: Machine) -> dict[str, str]:
    """Return what a trend may be taken of, each with its unit: what is measured, and points."""
    features = _measured(machine)
    return {name: features[name] for name in _numbers(machine)} | {name: spec.unit for name, spec in machine.points.items()}


def _limits(machine: Machine) -> dict[str, float]:
    """Return the limits that features have from elsewhere: the zone C/D of velocity, and before it the level of an alarm."""
    zones = machine.zones
    limits = {f"{wave}.velocity_rms": zones.velocity_mm_s[2] for wave in machine.waves} if zones else {}
    return limits | {name: one.alarm for name, one in machine.alarms.items() if isinstance(one.alarm, float)}


def _numbers(machine: Machine) -> list[str]:
    """Return those of the measured features that are numbers."""
    words = texts(machine)
    return [name for name in _measured(machine) if name not in words]


def texts(machine: Machine) -> frozenset[str]:
    """Return those of the announced points whose values are texts."""
    of_waveform = waveform.texts(machine.vibration, machine.waves) if machine.vibration else frozenset()
    return of_waveform | (frozenset({STATE}) if machine.state else frozenset())


class Condition:
    """What one machine's waveform and points tell of its condition: features, in the order of its stages."""

    def __init__(self, machine: Machine, kept: Kept | None = None, board: Board | None = None) -> None:
        self._vibration: VibrationFeatures | None = None
        if spec := machine.vibration:
            rpm = teller(machine.name, spec, board or Board())
            self._vibration = VibrationFeatures(machine.name, spec, machine.zones, machine.bearings, rpm)
        self._zones, self._waves, self._by_baseline = machine.zones, machine.waves, machine.by_baseline
        self._chain = Chain(_stages(machine, board or Board()))
        self.alarms = next((stage for stage in self._chain.stages if isinstance(stage, Alarms)), None)
        self._baseline = next((stage for stage in self._chain.stages if isinstance(stage, BaselineStage)), None)
        self._kept = kept
        if kept is not None:
            kept.restore(self._durable)

    @property
    def _durable(self) -> tuple[object, ...]:
        """What may have something to keep."""
        return (*self._chain.stages, self._vibration)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the stages have to say of how the machine is doing, in words."""
        stages = (note for stage in self._chain.stages for note in getattr(stage, "notes", ()))
        return (*self._proposals(), *stages)

    def _proposals(self) -> Iterator[str]:
        """Yield at which velocity the standard would have an alarm, by what is usual of this machine."""
        zones, baseline = self._zones, self._baseline
        usual = {wave: baseline.usual_of(f"{wave}.velocity_rms") for wave in self._waves} if zones and baseline else {}
        for wave, value in usual.items():
            if zones is not None and value is not None:
                words = (
                    f"{wave}: {value:.3g} mm/s is usual; {zones.standard} proposes an alarm at {proposed_alarm(zones, value):.3g}"
                )
                yield words if zones.verified else f"{words} (limits verified: no)"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What cannot be computed, and why."""
        stages = (warning for stage in self._chain.stages for warning in getattr(stage, "warnings", ()))
        return (*stages, *(self._vibration.warnings if self._vibration else ()), *(self._kept.troubles if self._kept else ()))

    def scan(self, scan: Scan) -> list[Record]:
        """Take a Scan; return what is due."""
        return self._chain.scan(scan)

    def block(self, block: Block) -> list[Job]:
        """Take a piece of waveform; return a job for every window that it completes."""
        return self._vibration.cut(block) if self._vibration else []

    def done(self, job: Job) -> list[Record]:
        """Take a job that has run; return its features, and what follows from them."""
        return self._chain.features(self._vibration.done(job)) if self._vibration else []

    def tick(self, stamp: Stamp) -> list[Record]:
        """Let time pass; called about once a second."""
        self._follow_baseline()
        return self._chain.tick(stamp)

    def _follow_baseline(self) -> None:
        """Set warnings that follow what is usual: a quarter of B/C above it, B/C itself while that is not known (ISO 20816-1)."""
        for point in self._by_baseline:
            if self.alarms and self._baseline and self._zones:
                usual = self._baseline.usual_of(point)
                limit = self._zones.velocity_mm_s[1] if usual is None else proposed_alarm(self._zones, usual)
                self.alarms.move(point, "high warning", limit)

    def forget(self, name: str) -> bool:
        """Let a stage forget what it has learned; return whether there is such a stage."""
        found = [stage for stage in self._chain.stages if getattr(stage, "name", "") == name and hasattr(stage, "forget")]
        for stage in found:
            stage.forget()
        return bool(found)

    async def keep(self, now_s: float, *, finally_: bool = False) -> None:
        """Keep what has to outlast a restart, when it is due or urgent, or `finally_`."""
        if self._kept is not None:
            await self._kept.save(self._durable, now_s, finally_=finally_)
            return
        for stage in self._chain.stages:
            if isinstance(stage, Durable):
                stage.urgent = False  # nothing is kept here, so nothing waits for it


def _stages(machine: Machine, board: Board) -> list[Stage]:
    """Return the stages a machine needs, in the order in which values pass them."""
    stages: list[Stage] = []
    rpm = teller(machine.name, machine.vibration, board) if machine.vibration else lambda: None
    if machine.temperature:
        stages.append(Slopes(machine.name, machine.temperature))
    if machine.state:
        stages.append(RunningStage(machine, machine.state, board))
    if machine.baseline:
        stages.append(BaselineStage(machine, machine.baseline, _numbers(machine), rpm))
    if machine.kpis:
        stages.append(KpiStage(machine, machine.kpis))
    if machine.trend:
        stages.append(TrendStage(machine, machine.trend, _followable(machine), _limits(machine)))
    if machine.temperature and machine.temperature.change is not None:
        units = {name: spec.unit for name, spec in machine.points.items()}
        stages.append(Changes(machine.name, machine.temperature, units, by_state=machine.state is not None))
    if machine.alarms:
        stages.append(Alarms(machine))  # the last: there may be an alarm on what any other makes
    return stages
