"""Profiles: what is known about a device, written once as data. `profile: vendor/model` in a machine takes it over.

A profile is looked for beside the site file (`profiles/vendor/model.yaml`), then in the packaged `configs/profiles`. Its
points are merged with those of the machine key by key: a key of a point that stands in the machine replaces the profile's, as a
whole. Every value keeps its place, so a mistake in a profile is reported in the profile.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from gateway.config.build import build, fields_of
from gateway.config.data import data_folder
from gateway.config.found import BAD, Found
from gateway.config.load import load
from gateway.config.node import Entry, Mapping, Node, Scalar
from gateway.config.spec import Name, Spec
from gateway.config.words import nearest, quoted

_REFERENCE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*/[A-Za-z0-9_-][A-Za-z0-9_.-]*")


class Quirk(Spec, frozen=True, kw_only=True):
    """An option of the driver that the device needs, and why; a machine that knows better says otherwise."""

    value: Annotated[Any, Meta(description="what the option is set to")]
    why: Annotated[str, Meta(min_length=1, description="what happens without it, in one sentence")]


class Serial(Spec, frozen=True, kw_only=True):
    """How the maker sets the serial port: where a scan begins. It changes nothing in a machine; that says its own."""

    baud: Annotated[int, Meta(ge=50, le=4_000_000)] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop: Annotated[int, Meta(ge=1, le=2)] | None = None


class Identify(Spec, frozen=True, kw_only=True):
    """What gives the device away to a scan; patterns use * and ?, upper and lower case are the same."""

    vendor: Annotated[str, Meta(description="pattern for the vendor name (function 43/14)", examples=["Schneider*"])] = ""
    product: Annotated[str, Meta(description="pattern for product code or name (43/14)", examples=["ATV320*"])] = ""
    server_id: Annotated[str, Meta(description="pattern for the server identification (function 17)")] = ""
    sunspec: Annotated[int, Meta(ge=1, description="number of a SunSpec model that stands behind the common one")] | None = None
    register: Annotated[str, Meta(description="register that holds a type number", examples=["input 0x0b"])] = ""
    values: Annotated[list[int], Meta(description="type numbers of this device")] = field(default_factory=list)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if bool(self.register) != bool(self.values):
            yield "register" if self.register else "values", "a type number needs both 'register' (where) and 'values' (which)"


class ProfileSpec(Spec, frozen=True, kw_only=True):
    """`profiles/<vendor>/<model>.yaml`: what is known about a device; options of its driver may stand beside as keys."""

    name: Annotated[str, Meta(min_length=1, description="what it is, as printed on the device", examples=["Janitza UMG 96"])]
    vendor: Annotated[str, Meta(description="who makes it", examples=["Janitza"])] = ""
    model: Annotated[str, Meta(description="types it holds for, as printed on them", examples=["UMG 96RM, UMG 96RM-E"])] = ""
    driver: Annotated[str, Meta(description="driver it is read with")] = "modbus"
    source: Annotated[str, Meta(min_length=1, description="where the addresses come from: manual, edition, page")]
    sources: Annotated[list[str], Meta(description="what they were compared with, independent of the first")] = field(
        default_factory=list
    )
    verified: Annotated[
        Literal["untested", "image", "device"],
        Meta(description="image: tested against a register image made from the source; device: read from a device and compared"),
    ] = "untested"
    notes: Annotated[list[str], Meta(description="what must be set on the device, or is not in its manual")] = field(
        default_factory=list
    )
    serial: Serial | None = None
    identify: Identify | None = None
    quirks: Annotated[dict[Name, Quirk], Meta(description="options of the driver that the device needs, each with its reason")] = (
        field(default_factory=dict)
    )
    points: Annotated[dict[Name, Any], Meta(description="name of the point: where it is and what it means")] = field(
        default_factory=dict
    )


class Profile:
    """A profile that was read: what it says, its points, and defaults of the driver's options."""

    def __init__(self, spec: ProfileSpec | None, points: Mapping | None, options: dict[Hashable, Entry], good: bool) -> None:
        self.spec = spec
        self.points = points
        self.options = options
        self.good = good


class Profiles:
    """The profiles that one site file can see; each file is read once."""

    def __init__(self, folder: Path, shown: Path) -> None:
        self._folders = [(folder / "profiles", shown / "profiles")]
        self._read: dict[Path, Profile | None] = {}
        try:
            packaged = data_folder() / "profiles"
        except FileNotFoundError:
            return
        if packaged != self._folders[0][0]:
            self._folders.append((packaged, packaged))

    def names(self) -> list[str]:
        """Return the names of all profiles, `vendor/model`."""
        found = {f"{path.parent.name}/{path.stem}" for folder, _ in self._folders for path in folder.glob("*/*.yaml")}
        return sorted(found)

    def path(self, name: str) -> Path | None:
        """Return the file of a profile; one beside the site comes before a packaged one of the same name."""
        return next((path for folder, _ in self._folders if (path := folder / f"{name}.yaml").is_file()), None)

    def take(self, reference: Scalar, found: Found) -> Profile | None:
        """Return the profile that a machine names; None, and a problem, when there is none."""
        name = str(reference.value)
        if not _REFERENCE.fullmatch(name):
            found.error(reference, f"{quoted(name)} is not the name of a profile; write vendor/model{self._meant(name)}")
            return None
        if path := self.path(name):
            if path not in self._read:
                shown = next(shown for folder, shown in self._folders if path.is_relative_to(folder))
                self._read[path] = self._load(path, shown / f"{name}.yaml", found)
            return self._read[path]
        places = f"looked in {self._folders[0][1]}/ and in the profiles that come with the gateway"
        found.error(reference, f"there is no profile {quoted(name)}{self._meant(name)} ({places})")
        return None

    def _meant(self, name: str) -> str:
        near = nearest(name, self.names())
        return f", did you mean '{near}'?" if near else "; 'gateway profiles' lists them"

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
        spec = build(ProfileSpec, own, found)
        points = root.entries.get("points")
        options = {key: entry for key, entry in root.entries.items() if key not in known}
        if spec is not BAD:
            options = _with_quirks(options, root, found)
        return Profile(
            None if spec is BAD else spec,
            points.value if points and isinstance(points.value, Mapping) else None,
            options,
            spec is not BAD and not loaded.problems,
        )


def _with_quirks(options: dict[Hashable, Entry], root: Mapping, found: Found) -> dict[Hashable, Entry]:
    """Return the options with those that stand under `quirks` together with their reason."""
    quirks = root.entries.get("quirks")
    if quirks is None or not isinstance(quirks.value, Mapping):
        return options
    for key, entry in quirks.value.entries.items():
        if key in options:
            found.error(options[key].key, f"'{key}' also stands under 'quirks', with its reason; keep that one")
        elif isinstance(entry.value, Mapping):
            options[key] = Entry(entry.key, entry.value.entries["value"].value)
    return options


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
