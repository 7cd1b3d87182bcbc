"""One machine: its connection, the options of its driver, its profile and its points."""

from __future__ import annotations

from typing import Any, cast

from gateway.config.alarms import by_baseline, check_alarms, resolved
from gateway.config.build import build, fields_of
from gateway.config.connection import Line, Lines
from gateway.config.derived import Derived
from gateway.config.found import BAD, Found
from gateway.config.node import Mapping, Node, Scalar
from gateway.config.options import Entries, accept, hopeless, options, together
from gateway.config.outcome import Outcome
from gateway.config.profile import Profile, Profiles, merged
from gateway.config.sensor import bearings_for, features_of, taken_names, zones_of
from gateway.config.spec import Link, Machine, MachineSpec
from gateway.config.thermal import check_temperature
from gateway.config.url import Url
from gateway.driver import Plugin

_KEYS = fields_of(MachineSpec)
_MOVED = {key: f"is a key of the machine, not an option in its URL; write '{key}:' beside 'connect:'" for key in _KEYS}


class Machines:
    """Checks the machines of one site file, one after the other."""

    def __init__(self, lines: Lines, profiles: Profiles, base: str, found: Found) -> None:
        self._lines = lines
        self._profiles = profiles
        self._base = base
        self._found = found
        self._built: dict[tuple[str, int], tuple[Node, Any]] = {}  # by identity of the node, which is kept so that it stays its own
        self._tables: dict[tuple[str, int], tuple[Node, dict[str, Any]]] = {}

    def check(self, node: Node) -> Outcome | None:
        """Check one entry of `machines:`; None when it is not even a mapping."""
        found = self._found
        if not isinstance(node, Mapping):
            build(MachineSpec, node, found)
            return None
        before = len(found.problems)
        beside = {key: entry for key, entry in node.entries.items() if key not in _KEYS}
        spec = build(MachineSpec, node.part({key: entry for key, entry in node.entries.items() if key in _KEYS}), found)
        connect = _value(node, "connect")
        url, line = self._lines.named(connect) if isinstance(connect, Scalar) else (None, None)
        profile = self._profile(node)
        points = merged(profile.points if profile else None, _value(node, "points"))
        names = tuple(str(key) for key in points.entries) if isinstance(points, Mapping) else ()
        outcome = Outcome(_text(node, "name"), _value(node, "name") or node, names)
        link: Link | None = None
        unit: Any = BAD
        table: dict[str, Any] = {}
        if url is None or url.plugin is None:
            hopeless(beside, _KEYS, found)
        else:
            if profile and profile.spec and profile.spec.driver != url.plugin.name:
                words = f"this profile is for the driver '{profile.spec.driver}', and {url.scheme} is served by '{url.plugin.name}'"
                found.error(cast("Node", _value(node, "profile")), words)
                profile = None  # its points and options would only be misread
                points = _value(node, "points")
            link, unit = self._link_and_unit(url, line, beside, profile)
            table = self._points(url.plugin, points)
            if link and unit is not BAD:
                outcome.link, outcome.unit, outcome.place = link, unit, _value(node, "connect") or node
                outcome.medium = url.plugin.medium(link.scheme, link.address)
                outcome.waves = url.plugin.waves(link, unit) if url.plugin.waves else outcome.waves
                outcome.files = tuple(url.plugin.files(link)) if url.plugin.files else ()
                self._across(url.plugin, link, unit, table, node, points)
        if url and url.plugin and url.scheme in url.plugin.schemes and "vibration" in node.entries:
            described = getattr(outcome.unit, "waveform", True) is not None or outcome.unit is BAD
            if not url.plugin.streams or not described:
                words = f"{url.scheme} brings no waveform to compute vibration features from; leave 'vibration' out"
                cure = (
                    "say where it stands with 'waveform'" if url.plugin.streams else "connect a waveform such as replay:bearing.wav"
                )
                found.error(node.entries["vibration"].key, f"{words}, or {cure}")
        self._conditions(outcome, node, points, table)
        check_alarms(outcome.name, node, {**dict.fromkeys(outcome.points), **table}, outcome.features, found)
        good = not any(problem.level == "error" for problem in found.problems[before:])
        if good and not outcome.points and not outcome.features:
            words = f"machine '{outcome.name}' has neither points nor vibration, so nothing is read from it"
            found.warning(outcome.key, words)
        if spec is not BAD and good:
            whole = bool(link) and unit is not BAD and (profile is None or profile.good)
            if whole:
                assert link is not None
                outcome.machine = Machine(
                    spec.name,
                    link,
                    unit,
                    float(spec.every),
                    table,
                    spec.vibration,
                    spec.temperature,
                    state=spec.state,
                    alarms=resolved(spec.alarms, zones_of(spec.vibration)),
                    by_baseline=by_baseline(spec.alarms),
                    waves=outcome.waves,
                    baseline=spec.baseline,
                    trend=spec.trend,
                    kpis=spec.kpis,
                    zones=zones_of(spec.vibration),
                    bearings=bearings_for(spec.vibration),
                )
        return outcome

    def _profile(self, node: Mapping) -> Profile | None:
        reference = _value(node, "profile")
        if isinstance(reference, Scalar) and isinstance(reference.value, str) and reference.value:
            return self._profiles.take(reference, self._found)
        return None

    def _link_and_unit(self, url: Url, line: Line | None, beside: Entries, profile: Profile | None) -> tuple[Link | None, Any]:
        """Return the machine's Link (None: something is wrong) and its unit options (BAD: something is wrong)."""
        plugin, found = cast("Plugin", url.plugin), self._found
        links, units = fields_of(plugin.link), fields_of(plugin.unit)
        defaults, good = accept(profile.options if profile else {}, [*links, *units], found)
        if line:
            words = f"belongs to the connection '{line.name}' (line {line.key.line}), which several machines share; write it there"
            elsewhere = {key: words for key in links if key not in units}
            keys, known = accept(beside, units, found, elsewhere=elsewhere, beside=_KEYS)
            place: Node = url.node
            cure = "; write it as a key of the machine"
            link = line.link
        else:
            params, clean = accept(url.params, [*links, *units], found, elsewhere=_MOVED, driver=url.scheme)
            keys, known = accept(beside, [*links, *units], found, beside=_KEYS)
            keys, same = together(Url(url.node, url.scheme, url.address, params, plugin, url.good), keys, found)
            known = known and clean and same
            place = url.node
            cure = "; add it to the URL or as a key beside 'connect:'"
            built: Any = options(plugin.link, links, {**defaults, **keys}, place, cure, found)
            link = Link(url.scheme, url.address, built, self._base) if built is not BAD and url.good else None
        unit = options(plugin.unit, units, {**defaults, **keys}, place, cure, found)
        return (link if good and known else None), unit

    def _points(self, plugin: Plugin, points: Node | None) -> dict[str, Any]:
        if not isinstance(points, Mapping):
            return {}
        if (known := self._tables.get((plugin.name, id(points)))) is not None:
            return known[1]
        before = len(self._found.problems)
        built = {str(key): self._point(plugin, entry.value) for key, entry in points.entries.items()}
        table = {name: point for name, point in built.items() if point is not BAD}
        if len(self._found.problems) == before:
            self._tables[plugin.name, id(points)] = points, table
        return table

    def _point(self, plugin: Plugin, node: Node) -> Any:
        """Return the point a node describes; machines of one profile share it, which saves most of its memory."""
        if (known := self._built.get((plugin.name, id(node)))) is not None:
            return known[1]
        before = len(self._found.problems)
        built = build(plugin.point, node, self._found)
        if len(self._found.problems) == before:
            self._built[plugin.name, id(node)] = node, built
        return built

    def _across(self, plugin: Plugin, link: Link, unit: Any, table: dict[str, Any], node: Mapping, points: Node | None) -> None:
        """Let the driver say what does not fit together."""
        entries = points.entries if isinstance(points, Mapping) else {}
        for finding in plugin.check(link, unit, table) if plugin.check else ():
            at = _value(node, finding.key) or cast("Node", _value(node, "connect"))
            if finding.point:
                entry = entries[finding.point]
                part = entry.value.entries.get(finding.key) if isinstance(entry.value, Mapping) else None
                at = part.value if part else entry.key
            elif len(table) < len(entries):
                continue  # while points are wrong, what concerns all of them may be a consequence
            report = self._found.warning if finding.level == "warning" else self._found.error
            report(at, finding.message)

    def _conditions(self, outcome: Outcome, node: Mapping, points: Node | None, table: dict[str, Any]) -> None:
        """Note the features that will be computed, and check them against the points there are."""
        features: list[str] = []
        entries = points.entries if isinstance(points, Mapping) else {}
        taken_names(entries, self._found)
        vibration, temperature = _value(node, "vibration"), _value(node, "temperature")
        if isinstance(vibration, Mapping):
            names, outcome.speed = features_of(vibration, outcome.waves, self._found)
            features += names
        if isinstance(temperature, Mapping):
            features += check_temperature(outcome.name, temperature, outcome.points, entries, table, self._found)
        derived = Derived(outcome.name, entries, table, features, self._found)
        derived.check(node, outcome.waves)
        outcome.features, outcome.by = tuple(derived.features), derived.by


def _value(node: Mapping, key: str) -> Node | None:
    entry = node.entries.get(key)
    return entry.value if entry else None


def _text(node: Mapping, key: str) -> str:
    value = _value(node, key)
    return value.text if isinstance(value, Scalar) else ""
