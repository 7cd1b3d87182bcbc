"""What stands under `state:`: how a machine is told to be off, idle, in run or at fault."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, field

from gateway.config.base import Name, Spec
from gateway.config.quantity import Duration

STATE = "state"
WORDS = ("off", "idle", "run", "fault")
"""The states of a machine, in the order in which they are told apart."""

_PERCENT = re.compile(r"\s*\+?(\d+(?:\.\d*)?|\.\d+)\s*%\s*")


class Margin(NamedTuple):
    """How far a value must come back to leave a threshold: `most`, of the threshold where `relative`, else in its unit."""

    most: float
    relative: bool

    @classmethod
    def parse(cls, value: object) -> Margin:
        """Read `10%`, or a bare number in the unit of the value.

        Raises:
            ValueError: it is neither, or not from 0% to 90%.
        """
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not 0 <= value < math.inf:
                raise ValueError(f"a hysteresis is 0 or more, not {value}")
            return cls(float(value), False)
        match = _PERCENT.fullmatch(value.replace(",", ".")) if isinstance(value, str) else None
        if match is None:
            raise ValueError(
                "expected a hysteresis such as '10%' (of the threshold), or a number in the unit of the value such as 0.2"
            )
        if not 0 <= (most := float(match[1]) / 100) <= 0.9:
            raise ValueError(f"a relative hysteresis lies between 0% and 90%, not at {value}")
        return cls(most, True)

    def below(self, threshold: float) -> float:
        """Return where a threshold counts as left again."""
        return threshold - (abs(threshold) * self.most if self.relative else self.most)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written forms."""
        return {"type": ["number", "string"], "minimum": 0, "pattern": rf"^{_PERCENT.pattern}$", "examples": ["10%", 0.2]}


class StateNames(Spec, frozen=True, kw_only=True):
    """Which names of a point stand for which state; a name that stands nowhere leaves the state unknown."""

    off: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    run: list[str] = field(default_factory=list)
    fault: list[str] = field(default_factory=list)


class Running(Spec, frozen=True, kw_only=True):
    """The state of a machine (off, idle, run, fault) as point `state`, its operating hours, starts and cycles."""

    by: Annotated[
        str,
        Meta(
            min_length=1,
            description="the point or feature that tells: a current, a power, vibration.velocity_rms, or a point with 'states'; "
            "MACHINE/POINT is a point of another machine",
            examples=["motor_current", "vibration.velocity_rms", "mode", "press-1/motor_current"],
        ),
    ]
    idle: Annotated[
        float | None,
        Meta(description="from this value on it is idle, below it is off; without it only run and off are told"),
    ] = None
    run: Annotated[float | None, Meta(description="from this value on the machine runs, in the unit of what 'by' names")] = None
    states: Annotated[
        StateNames | None, Meta(description="where 'by' names a point with 'states': which of its names mean what")
    ] = None
    fault: Annotated[
        Name | None, Meta(description="a point that is true, or not 0, while the machine is at fault; it goes before 'by'")
    ] = None
    hysteresis: Annotated[Margin, Meta(description="how far a value must fall below a threshold to leave it")] = Margin(0.1, True)
    dwell: Annotated[Duration, Meta(description="how long a new state must last before it counts")] = Duration(5)
    cycles: Annotated[
        Name | None, Meta(description="a counter point that counts the cycles; without it a cycle is idle, run, idle")
    ] = None
    hours: Annotated[Duration, Meta(description="operating hours the machine had before the gateway came")] = Duration(0)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.states is not None:
            if elsewhere(self) is not None:
                yield "by", "names a point of another machine, of which only the number is told; write 'run' instead of 'states'"
            for key, value in (("run", self.run), ("idle", self.idle)):
                if value is not None:
                    yield key, "is a threshold, and 'states' maps names; keep one of the two"
            if not self.states.run:
                yield "states", "needs 'run': the names that mean that the machine runs"
            yield from self._twice(self.states)
        elif self.run is None:
            yield "", "a state needs 'run', the value from which on the machine runs, or 'states' for a point with names"
        elif self.idle is not None and self.idle >= self.run:
            yield "idle", f"idle ({self.idle:g}) must be below run ({self.run:g})"
        elif self.idle is not None and self.hysteresis.below(self.run) <= self.idle:
            yield "hysteresis", "reaches from 'run' down to 'idle', so that idle would never be told; make it smaller"
        if self.dwell > 3600:
            yield "dwell", "a state that must last more than 1h is never seen"

    def _twice(self, states: StateNames) -> Iterable[tuple[str, str]]:
        owner: dict[str, str] = {}
        for word in WORDS:
            for name in getattr(states, word):
                if owner.setdefault(name, word) != word:
                    yield "states", f"has '{name}' under {owner[name]} and under {word}; keep one"


def elsewhere(spec: Running) -> tuple[str, str] | None:
    """Return machine and point where a point of another machine tells the state."""
    machine, slash, point = spec.by.rpartition("/")
    return (machine, point) if slash else None


def points_of(spec: Running) -> dict[str, str]:
    """Return the points that tell of the state, each with its unit; `state` itself is a text."""
    return {STATE: "", "hours": "h", "hours_since_start": "h", "starts": "1", "cycles": "1"}
