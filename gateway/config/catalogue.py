"""All profiles there are, each read and checked with the points of its driver: for lists, searches and scans.

Only what a profile says is looked at; no site file is needed and no device is asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from gateway.config.build import build, fields_of
from gateway.config.found import BAD, Found
from gateway.config.node import Node, Scalar
from gateway.config.options import accept
from gateway.config.problem import Problem, Source
from gateway.config.profile import Profile, Profiles, ProfileSpec
from gateway.config.words import meant, quoted
from gateway.driver import Plugin, find, schemes


class Known(Struct, frozen=True):
    """One profile: `name` is `vendor/model`; `points` are the driver's own point structs; `problems` is empty when it is sound."""

    name: str
    path: Path
    spec: ProfileSpec | None
    points: dict[str, Any]
    options: dict[str, str]
    problems: tuple[Problem, ...]
    sources: dict[str, Source]

    @property
    def good(self) -> bool:
        """Whether a machine could use it."""
        return self.spec is not None and not any(problem.level == "error" for problem in self.problems)

    @property
    def words(self) -> str:
        """Everything one may search for, in small letters: name, maker, types, and what the points are called and measured in."""
        spec = self.spec
        told = (self.name, spec.name, spec.vendor, spec.model, *spec.notes) if spec else (self.name,)
        measured = (f"{name} {getattr(point, 'unit', '')}" for name, point in self.points.items())
        return " ".join((*told, *measured)).casefold()


def catalogue(folder: Path | None = None) -> list[Known]:
    """Return every profile beside the site file in `folder` and of the packaged ones, sorted by name; broken ones too."""
    base = folder or Path()
    profiles = Profiles(base, base)
    return [_known(name, profiles) for name in profiles.names()]


def _known(name: str, profiles: Profiles) -> Known:
    found = Found()
    path = profiles.path(name)
    assert path is not None
    profile = profiles.take(Scalar(str(path), 1, 1, value=name, text=name), found)
    spec = profile.spec if profile else None
    points: dict[str, Any] = {}
    options: dict[str, str] = {}
    if profile and spec:
        plugin = plugin_named(spec.driver)
        if plugin is None:
            names = sorted({find(scheme).name for scheme in schemes()})
            place = Node(str(path), 1, 1)
            found.error(place, f"there is no driver {quoted(spec.driver)}{meant(spec.driver, names)}")
        else:
            points = _points(profile, plugin, found)
            accept(profile.options, [*fields_of(plugin.link), *fields_of(plugin.unit)], found)
            options = {str(key): entry.value.text for key, entry in profile.options.items() if isinstance(entry.value, Scalar)}
    return Known(name, path, spec, points, options, tuple(found.problems), found.sources)


def plugin_named(name: str) -> Plugin | None:
    """Return the driver of that name; None when there is none."""
    return next((plugin for scheme in schemes() if (plugin := find(scheme)).name == name), None)


def _points(profile: Profile, plugin: Plugin, found: Found) -> dict[str, Any]:
    entries = profile.points.entries if profile.points else {}
    built = {str(key): build(plugin.point, entry.value, found) for key, entry in entries.items()}
    return {name: point for name, point in built.items() if point is not BAD}
