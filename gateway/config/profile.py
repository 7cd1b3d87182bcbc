"""Profiles: what is known about a device, written once as data. `profile: vendor/model` in a machine takes it over.

A profile is looked for beside the site file (`profiles/vendor/model.yaml`), then in the packaged `configs/profiles`. Its
points are merged with those of the machine key by key: a key of a point that stands in the machine replaces the profile's, as a
whole. Every value keeps its place, so a mistake in a profile is reported in the profile.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, field

from gateway.config.build import build, fields_of
from gateway.config.data import data_folder
from gateway.config.found import BAD, Found
from gateway.config.load import load
from gateway.config.node import Entry, Mapping, Node, Scalar
from gateway.config.spec import Name, Spec
from gateway.config.words import meant, quoted

_REFERENCE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*/[A-Za-z0-9_-][A-Za-z0-9_.-]*")


class ProfileSpec(Spec, frozen=True, kw_only=True):
    """`profiles/<vendor>/<model>.yaml`: what is known about a device; options of its driver may stand beside as keys."""

    name: Annotated[str, Meta(min_length=1, description="what it is, as printed on the device", examples=["Janitza UMG 96"])]
    source: Annotated[str, Meta(min_length=1, description="where the addresses come from: manual, edition, page")]
    points: Annotated[dict[Name, Any], Meta(description="name of the point: where it is and what it means")] = field(
        default_factory=dict
    )


class Profile:
    """A profile that was read: its points, and defaults of the driver's options."""

    def __init__(self, points: Mapping | None, options: dict[Hashable, Entry], good: bool) -> None:
        self.points = points
        self.options = options
        self.good = good


class Profiles:
    """The profiles that one site file can see; each file is read once."""

    def __init__(self, folder: Path, shown: Path) -> None:
        self._folders = [(folder / "profiles", shown / "profiles")]
        try:
            packaged = data_folder() / "profiles"
        except FileNotFoundError:
            return
        if packaged != self._folders[0][0]:
            self._folders.append((packaged, packaged))
        self._read: dict[Path, Profile | None] = {}

    def names(self) -> list[str]:
        """Return the names of all profiles, `vendor/model`."""
        found = {f"{path.parent.name}/{path.stem}" for folder, _ in self._folders for path in folder.glob("*/*.yaml")}
        return sorted(found)

    def take(self, reference: Scalar, found: Found) -> Profile | None:
        """Return the profile that a machine names; None, and a problem, when there is none."""
        name = str(reference.value)
        if not _REFERENCE.fullmatch(name):
            found.error(reference, f"{quoted(name)} is not the name of a profile; write vendor/model{meant(name, self.names())}")
            return None
        for folder, shown in self._folders:
            path = folder / f"{name}.yaml"
            if path not in self._read and path.is_file():
                self._read[path] = self._load(path, shown / f"{name}.yaml", found)
            if path in self._read:
                return self._read[path]
        places = f"looked in {self._folders[0][1]}/ and in the profiles that come with the gateway"
        found.error(reference, f"there is no profile {quoted(name)}{meant(name, self.names())} ({places})")
        return None

    def _load(self, path: Path, shown: Path, found: Found) -> Profile | None:
        loaded = load(path, str(shown))
        found.sources.setdefault(loaded.source.file, loaded.source)
        found.problems += loaded.problems
        root = loaded.root
        if not isinstance(root, Mapping):
            if not loaded.problems:
                found.error(root or Node(str(shown), 1, 1), "a profile is a mapping with the keys name, source and points")
            return None
        known = fields_of(ProfileSpec)
        own = root.part({key: entry for key, entry in root.entries.items() if key in known})
        good = build(ProfileSpec, own, found) is not BAD and not loaded.problems
        points = root.entries.get("points")
        return Profile(
            points.value if points and isinstance(points.value, Mapping) else None,
            {key: entry for key, entry in root.entries.items() if key not in known},
            good,
        )


def merged(base: Mapping | None, over: Node | None) -> Node | None:
    """Return the points of a profile with those of a machine laid over them, point by point and key by key."""
    if base is None:
        return over
    if over is None or (isinstance(over, Scalar) and over.value is None):
        return base
    if not isinstance(over, Mapping):
        return over
    entries: dict[Hashable, Entry] = dict(base.entries)
    for name, entry in over.entries.items():
        below = base.entries.get(name)
        value = entry.value
        if below and isinstance(below.value, Mapping) and isinstance(value, Mapping):
            value = value.part({**below.value.entries, **value.entries})
        entries[name] = Entry(entry.key, value)
    return over.part(entries)
