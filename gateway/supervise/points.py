"""What may ever be told of a machine, known from its configuration alone: points, features, sides of limits, alarms."""

from __future__ import annotations

from gateway.condition import announced, texts
from gateway.config.spec import Machine
from gateway.shape import form_of
from gateway.uplink.sparkplug.device import Point


def points_of(machine: Machine) -> list[Point]:
    """Return the metrics of a machine; what shows later beside them is found by its first value."""
    points = [Point(name, spec.unit, form_of(spec)) for name, spec in machine.points.items()]
    limits = [name for name, spec in machine.points.items() if spec.limits]
    points += [Point(f"{name}/limit", form="text", of=name, initial="normal") for name in limits]
    points += [Point(f"{name}/alarm", form="text", of=name, initial="normal") for name in machine.alarms]
    words = texts(machine)
    points += [Point(name, unit, "text" if name in words else "number") for name, unit in announced(machine).items()]
    return points
