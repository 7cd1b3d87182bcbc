"""The alarms of a machine, checked against the points and features there are."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from collections.abc import Mapping as Dictionary
from typing import Any

from gateway.config.alarm import Alarm
from gateway.config.features import TEXTS as TEXT_NAMES
from gateway.config.found import Found
from gateway.config.node import Mapping, Scalar, Sequence
from gateway.config.words import listing, meant, quoted
from gateway.config.zones import Boundaries

TEXTS = {"string", "bytes", "text"}
STATE = "state"


def check_alarms(machine: str, node: Mapping, points: Dictionary[str, Any], features: Collection[str], found: Found) -> None:
    """Report alarms on what does not exist or is no number, and states that the machine never has.

    Args:
        machine: name of the machine.
        node: its entry in the site file.
        points: the points that are read, each with its spec, None where that has problems of its own.
        features: the names of what is computed.
        found: takes the problems.
    """
    entry = node.entries.get("alarms")
    if entry is None or not isinstance(entry.value, Mapping):
        return
    known = [*points, *features]
    for key, alarm in entry.value.entries.items():
        name = str(key)
        if name not in known:
            found.error(alarm.key, f"machine '{machine}' has no point or feature {quoted(name)}{meant(name, known)}")
        elif name == STATE and name not in points:
            found.error(alarm.key, f"'{name}' is a word, not a number, and has no limits; alarm on what tells the state")
        elif getattr(points.get(name), "type", None) in TEXTS:
            found.error(alarm.key, f"'{name}' is a text, which has no limits; only numbers have")
        elif name not in points and name.rpartition(".")[2] in TEXT_NAMES:
            found.error(alarm.key, f"'{name}' is a word, not a number, and has no limits")
        if isinstance(alarm.value, Mapping):
            _standard(name, node, alarm.value, found)
            _states(machine, node, alarm.value, points, found)


def resolved(alarms: Dictionary[str, Alarm], zones: Boundaries | None) -> dict[str, Alarm]:
    """Return the alarms with numbers where they name ISO's zones."""
    return {name: one.with_zones(zones.velocity_mm_s) if zones and one.by_standard else one for name, one in alarms.items()}


def by_baseline(alarms: Dictionary[str, Alarm]) -> frozenset[str]:
    """Return the points whose warning follows what is usual."""
    return frozenset(name for name, one in alarms.items() if one.warning == "baseline")


def _standard(name: str, node: Mapping, alarm: Mapping, found: Found) -> None:
    for key in ("warning", "alarm"):
        entry = alarm.entries.get(key)
        if entry is None or not isinstance(entry.value, Scalar) or entry.value.value not in ("iso", "baseline"):
            continue
        vibration = node.entries.get("vibration")
        if not name.endswith(".velocity_rms"):
            found.error(
                entry.value, f"ISO's zones are for velocities such as vibration.velocity_rms, not for '{name}'; write a number"
            )
        elif vibration is None or not isinstance(vibration.value, Mapping) or "iso" not in vibration.value.entries:
            found.error(entry.value, "which zones? Add 'iso:' to 'vibration:', for example iso: group2-rigid")
        elif entry.value.value == "baseline" and "baseline" not in node.entries:
            found.error(entry.value, "nothing learns what is usual; add 'baseline:' to the machine, for example baseline: {}")


def _states(machine: str, node: Mapping, alarm: Mapping, points: Dictionary[str, Any], found: Found) -> None:
    entry = alarm.entries.get("only_in")
    if entry is None:
        return
    if STATE in node.entries:
        return
    if STATE not in points:
        words = f"machine '{machine}' does not tell its state, so 'only_in' cannot be judged"
        found.error(
            entry.key, f"{words}; add 'state: {{by: POINT, run: VALUE}}' to the machine, or a point named 'state' with 'states'"
        )
        return
    names: Dictionary[Hashable, str] | None = getattr(points[STATE], "states", None)
    for item in entry.value.items if isinstance(entry.value, Sequence) else ():
        if names and isinstance(item, Scalar) and item.value not in names.values():
            found.error(
                item, f"the point 'state' of machine '{machine}' is never {quoted(item.text)}; it has {listing(names.values())}"
            )
