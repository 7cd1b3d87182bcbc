"""What is derived from points and features of a machine: each name it rests on exists and fits, and none of its own is taken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gateway.config import kpi, running
from gateway.config.build import build
from gateway.config.found import BAD, Found
from gateway.config.kpi import KILOWATT_HOURS, Kpis
from gateway.config.learning import Baseline, Trend, baseline_points, followed, learned, trend_points
from gateway.config.node import Mapping, Node, Scalar, Sequence
from gateway.config.running import Running, elsewhere
from gateway.config.vibration import Vibration, texts
from gateway.config.words import meant, quoted

if TYPE_CHECKING:
    from gateway.config.outcome import Outcome


class Derived:
    """Checks the keys of one machine that derive points from other ones, and names these points.

    Attributes:
        features: the names of what is computed; what is derived is added to it.
        by: what tells the state where that is a point of another machine, and where it is named.
    """

    def __init__(self, machine: str, entries: dict[Any, Any], table: dict[str, Any], features: list[str], found: Found) -> None:
        self.features = features
        self.by: tuple[Running, Node] | None = None
        self._machine = machine
        self._entries = entries
        self._table = table
        self._found = found

    def check(self, node: Mapping, waves: Iterable[str] = ("vibration",)) -> None:
        """Check what `node`, the machine, derives; what its structs say themselves was reported already."""
        vibration = build(Vibration, _value(node, "vibration") or node.part({}), Found())
        no_numbers = texts(vibration, waves) if vibration is not BAD else frozenset()
        measured = [name for name in self.features if name not in no_numbers]
        has_state = running.STATE in node.entries or running.STATE in self._entries
        state, baseline, trend = (_value(node, key) for key in ("state", "baseline", "trend"))
        if isinstance(state, Mapping):
            self._state(state)
        if isinstance(baseline, Mapping):
            self._baseline(baseline, measured)
        if isinstance(trend, Mapping):
            self._trend(trend, measured)
        if isinstance(kpis := _value(node, "kpis"), Mapping):
            self._kpis(kpis, has_state)
        for key, part in (("baseline", baseline), ("trend", trend)):
            if part is not None and not has_state:
                words = f"'{key}' without 'state' takes all of the time for time in run; say with 'state:' when the machine runs"
                self._found.warning(node.entries[key].key, words)

    def _state(self, node: Mapping) -> None:
        spec = build(Running, node, Found())
        if spec is not BAD and elsewhere(spec) is not None:
            self.by = spec, node.entries["by"].value
        else:
            self._named(node, "by", [*self._entries, *self.features])
        self._named(node, "fault", self._entries)
        self._named(node, "cycles", self._entries)
        by, cycles = self._table.get(_text(node, "by")), _text(node, "cycles")
        if by is not None and "run" in node.entries and _is_text(by):
            words = f"'{_text(node, 'by')}' is a text, which no threshold can be held against; name a point with numbers"
            self._found.error(node.entries["by"].value, words)
        if self._names_of(cycles):
            words = f"'{cycles}' has names for its values and counts nothing; name a counter"
            self._found.error(node.entries["cycles"].value, words)
        names = self._names_of(_text(node, "by"))
        states = _value(node, "states")
        if names is not None and states is None and "run" in node.entries:
            words = f"'{_text(node, 'by')}' has names for its values ({', '.join(names)})"
            self._found.error(
                node.entries["run"].key, f"{words}; say which of them mean what with 'states: {{run: [{names[-1]}]}}'"
            )
        if isinstance(states, Mapping) and _text(node, "by") in self._table:
            if names is None:
                words = f"'{_text(node, 'by')}' has no names for its values; give it 'states', or write a number with 'run'"
                self._found.error(node.entries["states"].key, words)
            else:
                self._mapped(states, names)
        if spec is not BAD:
            self._add(running.points_of(spec), "state", "the state of the machine")

    def _baseline(self, node: Mapping, measured: list[str]) -> None:
        spec = build(Baseline, node, Found())
        self._listed(node, "features", measured, "feature")
        self._named(node, "speed", self._entries)
        if spec is BAD:
            return
        if not learned(spec, measured):
            words = f"machine '{self._machine}' has no features to learn; it needs 'vibration:'"
            self._found.error(node.place, words)
        self._add(baseline_points(spec, measured), "baseline", "the baseline")

    def _trend(self, node: Mapping, measured: list[str]) -> None:
        spec = build(Trend, node, Found())
        known = [*self._entries, *measured]
        self._listed(node, "features", known, "point or feature")
        limits = _value(node, "limits")
        for entry in limits.entries.values() if isinstance(limits, Mapping) else ():
            if entry.key.text not in known:
                words = f"machine '{self._machine}' has no point or feature {quoted(entry.key.text)}{meant(entry.key.text, known)}"
                self._found.error(entry.key, words)
        if spec is BAD:
            return
        if not followed(spec, measured):
            words = "there is nothing to follow: name a point or feature with 'features: [...]'"
            self._found.error(node.place, words)
        self._add(trend_points(spec, dict.fromkeys(measured, ""), known), "trend", "the trend")

    def _kpis(self, node: Mapping, has_state: bool) -> None:
        spec = build(Kpis, node, Found())
        self._named(node, "energy", self._entries)
        point = self._table.get(_text(node, "energy"))
        if point is not None and point.unit not in KILOWATT_HOURS:
            has = f"is in {point.unit}" if point.unit else "has no unit"
            words = f"'{_text(node, 'energy')}' {has}, and a meter counts energy; name a point in {', '.join(KILOWATT_HOURS)}"
            self._found.error(node.entries["energy"].value, words)
        if not has_state:
            self._found.error(node.place, "'kpis' rest on the state of the machine; say with 'state:' when it runs")
        if spec is not BAD:
            self._add(kpi.points_of(spec), "kpis", "the figures of the month")

    def _listed(self, node: Mapping, key: str, known: list[str], what: str) -> None:
        """Check that everything a list names is known."""
        listed = _value(node, key)
        for item in listed.items if isinstance(listed, Sequence) else ():
            if isinstance(item, Scalar) and isinstance(item.value, str) and item.text not in known:
                words = f"machine '{self._machine}' has no {what} {quoted(item.text)}{meant(item.text, known)}"
                self._found.error(item, words)

    def _mapped(self, states: Mapping, names: list[str]) -> None:
        """Check the names of a point that stand for states."""
        taken: set[str] = set()
        for entry in states.entries.values():
            for item in entry.value.items if isinstance(entry.value, Sequence) else ():
                if isinstance(item, Scalar) and item.text not in names:
                    self._found.error(item, f"this point has no name {quoted(item.text)} for a value{meant(item.text, names)}")
                taken.add(item.text if isinstance(item, Scalar) else "")
        if left := [name for name in names if name not in taken]:
            words = f"nothing is said of {', '.join(map(quoted, left))}, in which the state is unknown"
            self._found.warning(states.place, words)

    def _named(self, node: Mapping, key: str, known: Iterable[Any]) -> None:
        """Check that what a key names is one of those known."""
        value = _value(node, key)
        names = [str(name) for name in known]
        if isinstance(value, Scalar) and isinstance(value.value, str) and value.text not in names:
            what = "point or feature" if self.features and key == "by" else "point"
            self._found.error(value, f"machine '{self._machine}' has no {what} {quoted(value.text)}{meant(value.text, names)}")

    def _names_of(self, point: str) -> list[str] | None:
        states = getattr(self._table.get(point), "states", None)
        return list(states.values()) if states else None

    def _add(self, names: Iterable[str], key: str, what: str) -> None:
        """Note derived points; a point of the machine that has such a name is an error."""
        for name in names:
            if name in self._entries:
                words = f"the name '{name}' belongs to {what} (see '{key}:'); choose another"
                self._found.error(self._entries[name].key, words)
            self.features.append(name)


def check_tellers(outcomes: list[Outcome], found: Found) -> None:
    """Check that the points of other machines which tell a state exist, and are numbers."""
    by_name = {outcome.name: outcome for outcome in outcomes}
    for outcome in outcomes:
        told = elsewhere(outcome.by[0]) if outcome.by else None
        if outcome.by is None or told is None:
            continue
        (name, point), at = told, outcome.by[1]
        other = by_name.get(name)
        if other is None:
            found.error(at, f"there is no machine {quoted(name)}{meant(name, by_name)} whose point could tell the state")
        elif point not in other.points:
            found.error(at, f"machine '{name}' has no point {quoted(point)} to tell the state{meant(point, other.points)}")
        elif other.machine is not None and _is_text(other.machine.points[point]):
            found.error(at, f"'{point}' of machine '{name}' is a text, which no threshold can be held against")


def _is_text(point: Any) -> bool:
    return bool(getattr(point, "bits", None)) or "string" in {getattr(point, "type", ""), getattr(point, "kind", "")}


def _value(node: Mapping, key: str) -> Node | None:
    entry = node.entries.get(key)
    return entry.value if entry else None


def _text(node: Mapping, key: str) -> str:
    value = _value(node, key)
    return value.text if isinstance(value, Scalar) else ""
