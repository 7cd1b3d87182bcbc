"""What is computed of temperatures, checked against the points there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from gateway.config.build import build
from gateway.config.found import BAD, Found
from gateway.config.node import Mapping, Node, Scalar, Sequence
from gateway.config.temperature import TO_KELVIN, Temperature, features_of
from gateway.config.words import meant, quoted


def check_temperature(
    machine: str, node: Mapping, points: Collection[str], entries: dict[Any, Any], table: dict[str, Any], found: Found
) -> list[str]:
    """Report points that do not exist or measure no temperature, and names that are taken; return the names of the features.

    Args:
        machine: name of the machine.
        node: what stands under `temperature:`.
        points: the names of its points.
        entries: where these stand.
        table: those of them that have no problems.
        found: takes the problems.
    """
    for item in _names(node):
        if item.value not in points:
            found.error(item, f"machine '{machine}' has no point {quoted(item.text)}{meant(item.text, points)}")
    ambient = _value(node, "ambient")
    if isinstance(ambient, Scalar) and (unit := getattr(table.get(ambient.text), "unit", "")) and unit not in TO_KELVIN:
        found.error(ambient, f"'{ambient.text}' is in {unit}; what is around the machine is measured in °C, K or °F")
    spec = build(Temperature, node, Found())
    if spec is BAD:
        listed = _value(node, "points")
        items = listed.items if isinstance(listed, Sequence) else []
        return [f"{name}.slope" for name in [item.text for item in items if isinstance(item, Scalar)] or points]
    features = list(features_of(spec, {name: point.unit for name, point in table.items()}))
    for name in features:
        if name in entries:
            point, _, what = name.rpartition(".")
            words = f"the name '{name}' belongs to the {what.replace('_', ' ')} of '{point}' (see 'temperature:')"
            found.error(entries[name].key, f"{words}; choose another")
    return features


def _names(node: Mapping) -> Iterable[Scalar]:
    """Yield every place at which a point is named."""
    listed, limits, ambient = (_value(node, key) for key in ("points", "limit", "ambient"))
    nodes: list[Node | None] = [*(listed.items if isinstance(listed, Sequence) else ()), ambient]
    nodes += [entry.key for entry in limits.entries.values()] if isinstance(limits, Mapping) else []
    return (item for item in nodes if isinstance(item, Scalar) and item.value is not None)


def _value(node: Mapping, key: str) -> Node | None:
    entry = node.entries.get(key)
    return entry.value if entry else None
