"""Windows of Blocks and points of Scans become features."""

from __future__ import annotations

from gateway.config.spec import Machine, Temperature, Vibration
from gateway.model import Block, PointTable, Record, Scan

from . import vibration
from .slope import TO_KELVIN, TemperatureSlope
from .vibration import VibrationFeatures

__all__ = ["Condition", "announced"]


def announced(machine: Machine) -> dict[str, str]:
    """Return the features a machine may give, by point, each with its unit; empty where that shows with the first one."""
    features = dict(vibration.announced(machine.vibration)) if machine.vibration else {}
    if machine.temperature:
        chosen = machine.temperature.points or [name for name, spec in machine.points.items() if spec.unit in TO_KELVIN]
        features |= {f"{name}.slope": "K/min" for name in chosen}
    return features


class Condition:
    """The features of one machine, from both ways in: its waveform and its points."""

    def __init__(self, machine: str, vibration: Vibration | None, temperature: Temperature | None) -> None:
        self._machine = machine
        self._vibration = VibrationFeatures(machine, vibration) if vibration else None
        self._temperature = temperature
        self._slopes: dict[PointTable, dict[int, TemperatureSlope]] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What cannot be computed, and why."""
        return self._vibration.warnings if self._vibration else ()

    def block(self, block: Block) -> list[Record]:
        """Take a piece of waveform; return the features of the windows it completes."""
        return self._vibration.push(block) if self._vibration else []

    def scan(self, scan: Scan) -> list[Record]:
        """Take a Scan; return the features that are due."""
        if self._temperature is None:
            return []
        slopes = self._slopes.get(scan.table)
        if slopes is None:
            slopes = self._slopes[scan.table] = self._choose(scan.table, self._temperature)
        if not slopes:
            return []
        due = []
        for column in range(len(scan)) if scan.rows is not None else slopes:
            slope = slopes.get(scan.row(column))
            if slope is not None and (record := slope.push(scan, column)) is not None:
                due.append(record)
        return due

    def _choose(self, table: PointTable, spec: Temperature) -> dict[int, TemperatureSlope]:
        return {
            row: TemperatureSlope(self._machine, name, table.units[row], spec)
            for row, name in enumerate(table.names)
            if (name in spec.points if spec.points else table.units[row] in TO_KELVIN)
        }
