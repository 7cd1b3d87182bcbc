"""Adds one point to a site file without touching anything else in it, comments included; where that is not certain, not at all."""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from pathlib import Path

from msgspec import Struct

from gateway.config.check import check
from gateway.config.load import loads
from gateway.config.node import Entry, Mapping, Scalar, Sequence
from gateway.config.spec import Config


class NotSafe(Exception):  # noqa: N818  (a refusal, not a fault)
    """The file cannot be changed with certainty; `str()` says why."""


class Plan(Struct):
    """A change that was checked: what the file will be, and the difference to show."""

    path: Path
    before: bytes
    after: bytes
    diff: str

    def carry_out(self) -> None:
        """Replace the file at once or not at all, keeping its mode and owner.

        Raises:
            OSError: the folder or the file cannot be written, or somebody changed the file in between.
        """
        target = self.path.resolve()
        if target.read_bytes() != self.before:
            raise OSError(0, "the file has been changed in the meantime")
        status = target.stat()
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(self.after)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(status.st_mode & 0o7777)
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(name, status.st_uid, status.st_gid)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def append_point(path: Path, machine: str, name: str, line: str) -> Plan:
    """Return the change that appends `line` below the last point of a machine; nothing is written yet.

    Guaranteed: with the change the file is good, and differs from before in that point alone.

    Raises:
        NotSafe: the points stand in braces, are shared by an alias or come from a profile, or the name is taken.
    """
    before = path.read_bytes()
    text = before.decode("utf-8")
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    entry = _points(path, before, machine)
    at = _insertion(lines, entry, machine)
    points = _entries(entry)
    if name in {str(key.value) for key, _ in points}:
        raise NotSafe(f"{machine} already has a point '{name}'; choose another name")
    indent = " " * (points[0].key.column - 1)
    if not lines[at - 1].endswith("\n"):
        lines[at - 1] += ending
    changed = [*lines[:at], f"{indent}{line}{ending}", *lines[at:]]
    after = "".join(changed).encode("utf-8")
    _prove(path, after, machine, name)
    shown = difflib.unified_diff(text.splitlines(), "".join(changed).splitlines(), str(path), str(path), lineterm="", n=2)
    return Plan(path, before, after, "\n".join(shown))


def _points(path: Path, data: bytes, machine: str) -> Entry:
    """Return the entry `points:` of a machine."""
    root = loads(data, str(path)).root
    machines = root.entries["machines"].value if isinstance(root, Mapping) and "machines" in root.entries else None
    for item in machines.items if isinstance(machines, Sequence) else ():
        name = item.entries.get("name") if isinstance(item, Mapping) else None
        if isinstance(item, Mapping) and name and isinstance(name.value, Scalar) and name.value.value == machine:
            entry = item.entries.get("points")
            if entry is None or not isinstance(entry.value, Mapping) or not entry.value.entries:
                raise NotSafe(f"{machine} has no 'points:' of its own in {path}")
            return entry
    raise NotSafe(f"the machine {machine} was not found in {path}")


def _entries(points: Entry) -> list[Entry]:
    assert isinstance(points.value, Mapping)
    return list(points.value.entries.values())


def _insertion(lines: list[str], entry: Entry, machine: str) -> int:
    """Return the number of the line behind the last point."""
    head = lines[entry.key.line - 1][entry.key.column - 1 :]
    if re.fullmatch(r"points\s*:\s*(#.*)?", head.strip()) is None:
        how = "with an anchor or alias, so that others share them" if re.search(r":\s*[&*]", head) else "in braces on one line"
        raise NotSafe(f"the points of {machine} are written {how}")
    keys = [key for key, _ in _entries(entry)]
    column = keys[0].column
    if keys[0].line <= entry.key.line or any(key.column != column for key in keys):
        raise NotSafe(f"the points of {machine} do not stand one below the other")
    last = at = max(key.line for key in keys)
    for number in range(last + 1, len(lines) + 1):
        text = lines[number - 1]
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        if len(text) - len(text.lstrip(" ")) < column:
            break
        at = number
    return at


def _prove(path: Path, after: bytes, machine: str, name: str) -> None:
    """Check the changed file, and that nothing but this point is new in it."""
    old = check(path).config
    handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".yaml", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(after)
        checked = check(temporary)
    finally:
        Path(temporary).unlink()
    if checked.config is None:
        problem = next((one.message for one in checked.problems if one.level == "error"), "it would not be good any more")
        raise NotSafe(problem)
    if old is None or not _differs_in(old, checked.config, machine, name):
        raise NotSafe("more than this point would change")


def _differs_in(old: Config, new: Config, machine: str, name: str) -> bool:
    if list(old.machines) != list(new.machines) or (old.uplinks, old.contract) != (new.uplinks, new.contract):
        return False
    for one, was in old.machines.items():
        points = dict(new.machines[one].points)
        if one == machine and points.pop(name, None) is None:
            return False
        if points != was.points or _rest(new, one) != _rest(old, one):
            return False
    return True


def _rest(config: Config, name: str) -> tuple[object, ...]:
    machine = config.machines[name]
    return tuple(getattr(machine, key) for key in machine.__struct_fields__ if key != "points")
