"""What `vibration:` needs around it: the point that tells the speed, names that are free, rows of data files."""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING

from gateway.config.bearing import LEAST_TURNS, Bearing
from gateway.config.bearings import Bearings
from gateway.config.build import build
from gateway.config.found import BAD, Found
from gateway.config.iso import boundaries
from gateway.config.node import Entry, Node, Scalar, Sequence
from gateway.config.node import Mapping as MappingNode
from gateway.config.quantity import Duration
from gateway.config.rotation import Shaft
from gateway.config.vibration import GIVEN, BearingSpec, Vibration, announced, bearings_of
from gateway.config.words import meant, quoted
from gateway.config.zones import Boundaries

if TYPE_CHECKING:
    from gateway.config.outcome import Outcome

_RPM = ("rpm", "1/min", "U/min", "min-1", "min⁻¹")


def features_of(node: MappingNode, waves: Iterable[str], found: Found) -> tuple[list[str], tuple[Shaft, Node] | None]:
    """Return the names of the features that `node`, under `vibration:`, asks for, and what tells the speed, and where."""
    spec = build(Vibration, node, Found())
    if spec is BAD:
        return [*announced(Vibration(), waves)], None
    if "bearing" in node.entries:
        _check_bearings(spec, node.entries["bearing"].value, found)
    _check_turns(spec, node, found)
    told = (spec.speed, node.entries["speed"].value) if isinstance(spec.speed, Shaft) and spec.speed.point else None
    return [*announced(spec, waves)], told


def _check_turns(spec: Vibration, node: MappingNode, found: Found) -> None:
    """Warn of windows that are too short for what is asked of them, as far as the speed is written down."""
    rpm = spec.speed.rpm if isinstance(spec.speed, Shaft) else None
    turns = spec.window * rpm / 60 if rpm else LEAST_TURNS
    if "bearing" in node.entries and rpm and turns < LEAST_TURNS:
        needed = Duration(math.ceil(LEAST_TURNS * 60 / rpm)).written
        words = f"a window of {spec.window.written} holds {turns:.3g} turns of the shaft, and a verdict takes {LEAST_TURNS}"
        found.warning(node.entries["bearing"].key, f"{words}; make it {needed} or longer")
    if "iso" in node.entries and spec.window < 1:
        found.warning(node.entries["iso"].key, f"a zone takes a window of 1s or longer, not {spec.window.written}")


def zones_of(spec: Vibration | None) -> Boundaries | None:
    """Return the boundaries that `iso:` names."""
    return boundaries()[spec.iso] if spec is not None and spec.iso else None


def bearings_for(spec: Vibration | None) -> dict[str, Bearing]:
    """Return the bearings by their name in the machine, with what the data file knows of their types; unknown ones are left out."""
    return {name: found for name, one in bearings_of(spec).items() if isinstance(found := resolved(one), Bearing)} if spec else {}


def resolved(one: BearingSpec) -> Bearing | str:
    """Return a bearing as it was given, or looked up by its type; in words, why there is none."""
    try:
        if one.type:
            return _table().find(one.type)
        if one.balls and one.ball and one.pitch:
            return Bearing.of_geometry(one.name or "", one.balls, one.ball, one.pitch, one.angle, source=GIVEN)
        outer, inner, element, cage = (rate or 0.0 for rate in (one.outer, one.inner, one.element, one.cage))
        return Bearing(one.name or "", outer, inner, element, cage, source=GIVEN)
    except ValueError as error:
        return str(error)


@functools.cache
def _table() -> Bearings:
    return Bearings()


def _check_bearings(spec: Vibration, node: Node, found: Found) -> None:
    nodes = node.items if isinstance(node, Sequence) else [node]
    for one, at in zip(bearings_of(spec).values(), nodes, strict=False):
        answer = resolved(one)
        if isinstance(answer, str):
            typed = at.entries.get("type") if isinstance(at, MappingNode) else None
            found.error(typed.value if typed else at, answer)


def check_speeds(outcomes: list[Outcome], found: Found) -> None:
    """Check that the points which tell speeds exist, of whatever machine, and are in rpm."""
    by_name = {outcome.name: outcome for outcome in outcomes}
    for outcome in outcomes:
        if outcome.speed is None:
            continue
        shaft, at = outcome.speed
        name = shaft.machine or outcome.name
        other = by_name.get(name)
        if other is None:
            found.error(at, f"there is no machine {quoted(name)}{meant(name, by_name)} whose point could tell the speed")
        elif shaft.point not in other.points:
            words = f"machine '{name}' has no point {quoted(shaft.point)} to tell the speed{meant(shaft.point, other.points)}"
            cure = "a fixed one is written like '1480rpm'" if shaft.machine else "one of another machine is written MACHINE/POINT"
            found.error(at, f"{words}; {cure}")
        elif other.machine is not None and other.machine.points[shaft.point].unit not in _RPM:
            unit = other.machine.points[shaft.point].unit
            words = f"the point '{shaft.point}' " + (f"is in '{unit}'" if unit else "has no unit")
            found.error(at, f"{words}; the speed of a shaft is a point whose 'unit:' is rpm")


def taken_names(entries: Mapping[Hashable, Entry], found: Found) -> None:
    """Report points whose names belong to features."""
    for name, entry in entries.items():
        if str(name).startswith("vibration.") and isinstance(entry.key, Scalar):
            found.error(entry.key, "names that begin with 'vibration.' belong to features; choose another")
