"""How fast the shaft turns: written down, told by a point of some machine, or not known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from gateway.config.rotation import Shaft
from gateway.config.running import elsewhere
from gateway.config.spec import Machine
from gateway.config.vibration import Estimate, Vibration

from .board import Board


def lowest_rpm(spec: Vibration) -> float:
    """Return the lowest speed that the configuration speaks of; infinite where it says nothing."""
    if isinstance(spec.speed, Estimate):
        return spec.speed.estimate.low_rpm
    return spec.speed.rpm if spec.speed and spec.speed.rpm is not None else math.inf


def watched(machines: Iterable[Machine]) -> set[tuple[str, str]]:
    """Return the points, by machine and name, that tell the speed of a shaft, or the state of another machine."""
    machines = list(machines)
    states = {told for machine in machines if machine.state and (told := elsewhere(machine.state))}
    return states | {
        (machine.vibration.speed.machine or machine.name, machine.vibration.speed.point)
        for machine in machines
        if machine.vibration and isinstance(machine.vibration.speed, Shaft) and machine.vibration.speed.point
    }


def teller(machine: str, spec: Vibration, board: Board) -> Callable[[], float | None]:
    """Return what tells the speed in rpm now; a shaft that turns backwards turns as fast."""
    shaft = spec.speed
    if not isinstance(shaft, Shaft) or not shaft.point:
        fixed = shaft.rpm if isinstance(shaft, Shaft) else None
        return lambda: fixed

    def told() -> float | None:
        value = board.value(shaft.machine or machine, shaft.point)
        return None if value is None else abs(value)

    return told
