"""Read a YAML file into a tree that keeps the place of everything; every mistake becomes a Problem, nothing is raised.

The tree is built from libyaml's events rather than by PyYAML's `compose`: libyaml composes recursively in C, and a file of
twenty thousand opening brackets ends the process. Here the depth, the size of the file and what aliases blow up are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from gateway.config import syntax
from gateway.config.node import Entry, Mapping, Node, Scalar, Sequence
from gateway.config.problem import Problem, Source, looks_secret
from gateway.config.scalar import plain, tagged

MAX_BYTES = 1_000_000
MAX_NODES = 200_000
_TAG = "tag:yaml.org,2002:"
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loaded(Struct):
    """One file: its text, its tree (None when it is no YAML or empty) and what is wrong with it as YAML."""

    source: Source
    root: Node | None
    problems: list[Problem]


class _Refused(Exception):  # noqa: N818  (a user's mistake, not a fault)
    """Reading stops here."""

    def __init__(self, mark: Any, message: str) -> None:
        super().__init__(message)
        self.line = mark.line + 1
        self.column = mark.column + 1
        self.message = message


def load(path: Path, file: str | None = None) -> Loaded:
    """Read `path`; `file` is how messages call it."""
    file = file or str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return Loaded(Source(file, []), None, [Problem(file, 0, 0, _unreadable(error))])
    if len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1000} kB; this is not a configuration, or it should be a profile"
        return Loaded(Source(file, []), None, [Problem(file, 0, 0, message)])
    return loads(data, file)


def loads(data: bytes, file: str) -> Loaded:
    """Read the bytes of a file."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", "replace")
        source = Source(file, syntax.lines_of(text))
        return Loaded(source, None, [Problem(file, *syntax.not_utf8(data, error))])
    source = Source(file, syntax.lines_of(text))
    problems: list[Problem] = []
    tree = _Tree(source, problems)
    try:
        root = tree.document(yaml.parse(text, Loader=_Loader))
    except _Refused as refused:
        problems.append(Problem(file, refused.line, refused.column, refused.message))
        return Loaded(source, None, problems)
    except (yaml.YAMLError, ValueError) as error:
        last = Problem(file, *syntax.sentence(error, text, source.lines))
        problems[:] = [*(p for p in problems if (p.line, p.column) != (last.line, last.column)), last]
        return Loaded(source, None, problems)
    return Loaded(source, root, problems)


def _unreadable(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "this is a folder; name the file in it"
        case PermissionError():
            return "the file may not be read by this user; see its permissions with ls -l"
    return f"the file cannot be read: {error.strerror or error}"


class _Tree:
    """Builds the tree of one file from events."""

    def __init__(self, source: Source, problems: list[Problem]) -> None:
        self._source = source
        self._problems = problems
        self._anchors: dict[str, tuple[Node | None, int, int]] = {}
        self._nodes = 0
        self._commented = {number for number, line in enumerate(source.lines) if "#" in line}

    def document(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        seen = False
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    raise _Refused(event.start_mark, "a second document begins here ('---'); one file holds one")
                seen = True
                first = next(events)
                root = self._node(first, events, 0)
        if isinstance(root, Scalar) and root.value is None and not root.text:
            return None
        return root

    def _problem(self, mark: Any, message: str) -> None:
        self._problems.append(Problem(self._source.file, mark.line + 1, mark.column + 1, message))

    def _count(self, mark: Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _Refused(mark, f"the file grows beyond {MAX_NODES} values through its aliases (*name); write less of them")

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._nodes
        self._count(mark, 1)
        anchor = event.anchor
        if anchor is not None:
            if anchor in self._anchors:
                self._problem(mark, f"anchor '&{anchor}' is defined twice (first at line {self._anchors[anchor][2]}); rename one")
            self._anchors[anchor] = (None, 0, mark.line + 1)
        if depth > syntax.MAX_DEPTH:
            raise _Refused(mark, syntax.TOO_DEEP)
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            node = self._mapping(event, events, depth)
        else:
            node = self._sequence(event, events, depth)
        if anchor is not None:
            self._anchors[anchor] = (node, self._nodes - before, mark.line + 1)
        return node

    def _alias(self, event: Any) -> Node:
        name = event.anchor
        node, size, line = self._anchors.get(name, (None, 0, 0))
        if node is None:
            if line:
                raise _Refused(event.start_mark, f"alias '*{name}' stands inside the anchor '&{name}' it repeats (line {line})")
            cure = f'put it in quotes if it is meant as text: "*{name}"'
            raise _Refused(event.start_mark, f"'*{name}' repeats an anchor '&{name}' that is not there; {cure}")
        self._count(event.start_mark, size)
        return node

    def _scalar(self, event: Any) -> Scalar:
        mark, text, tag = event.start_mark, event.value, event.tag
        is_plain = not event.style
        value: Any = text
        if tag is None:
            if is_plain:
                value = plain(text)
        elif tag.startswith(_TAG) and tag[len(_TAG) :] in {"str", "int", "float", "bool", "null"}:
            try:
                value = tagged(tag[len(_TAG) :], text)
            except ValueError as error:
                self._problem(mark, f"{error}; leave the tag out, or put the value in quotes")
        elif tag != "!":
            self._tag(mark, tag, text)
        node = Scalar(self._source.file, mark.line + 1, mark.column + 1, value, text)
        if is_plain and event.end_mark.line in self._commented:
            self._comment(node, event.end_mark)
        return node

    def _tag(self, mark: Any, tag: str, text: str) -> None:
        name = tag.replace(_TAG, "!!")
        if name == "!secret":
            cure = f"write {{secret: {text}}}" if _NAME.fullmatch(text) else "write {secret: NAME}"
        else:
            cure = "leave it out, or put the text in quotes"
        self._problem(mark, f"unknown tag '{name}'; {cure}")

    def _comment(self, node: Scalar, end: Any) -> None:
        rest = self._source.lines[end.line][end.column :]
        after = rest.lstrip(" \t")
        if not after.startswith("#"):
            return
        node.comment = True
        if after[1:2].strip(" \t#!-=*") and (rest != after or not node.text):
            node.cut = True
            whole = f"{node.text} {re.split(r'[,}]|]', after)[0].rstrip()}".strip()
            whole = whole if len(whole) <= 40 else f"{whole[:39]}…"
            column = end.column + 1 + len(rest) - len(after)
            cure = f"put the whole value in quotes: \"{whole}\", or a space behind '#' if a comment is meant"
            message = f"' #' begins a comment, so the value ends before it; {cure}"
            self._problems.append(Problem(self._source.file, end.line + 1, column, message))

    def _sequence(self, event: Any, events: Iterator[Any], depth: int) -> Sequence:
        mark = event.start_mark
        if event.tag not in {None, "!", f"{_TAG}seq"}:
            self._tag(mark, event.tag, "")
        items = []
        for child in events:
            if isinstance(child, yaml.SequenceEndEvent):
                break
            items.append(self._node(child, events, depth + 1))
        return Sequence(self._source.file, mark.line + 1, mark.column + 1, items)

    def _mapping(self, event: Any, events: Iterator[Any], depth: int) -> Mapping:
        mark = event.start_mark
        if event.tag not in {None, "!", f"{_TAG}map"}:
            self._tag(mark, event.tag, "")
        entries: dict[Hashable, Entry] = {}
        merges: list[Entry] = []
        for child in events:
            if isinstance(child, yaml.MappingEndEvent):
                break
            key = self._node(child, events, depth + 1)
            second = next(events)
            value = self._node(second, events, depth + 1)
            if not isinstance(key, Scalar):
                self._problem(
                    child.start_mark,
                    f"a key must be a single word, not {key.found}; text that begins with '{{' or '[' needs quotes",
                )
                continue
            if key.value == "<<" and getattr(child, "style", "") in {None, ""}:
                merges.append(Entry(key, value))
                continue
            name = key.value if type(key.value) in {str, int} else key.text
            if name in entries:
                self._problem(child.start_mark, f"duplicate key '{key.text}' (first at line {entries[name].key.line}); keep one")
                continue
            if isinstance(value, Mapping) and value.owner is None:
                value.owner = key
            elif isinstance(value, Scalar) and looks_secret(name):
                self._hide(key, value, second)
            entries[name] = Entry(key, value)
        for entry in merges:
            self._merge(entries, entry)
        return Mapping(self._source.file, mark.line + 1, mark.column + 1, entries)

    def _merge(self, entries: dict[Hashable, Entry], merge: Entry) -> None:
        """Add what `<<: *name` brings; keys that stand here win, and the first of several mappings wins."""
        parts = merge.value.items if isinstance(merge.value, Sequence) else [merge.value]
        for part in parts:
            if not isinstance(part, Mapping):
                self._problems.append(
                    Problem(part.file, part.line, part.column, f"'<<' takes the alias of a mapping (<<: *name), found {part.found}")
                )
                continue
            for name, entry in part.entries.items():
                entries.setdefault(name, entry)

    def _hide(self, key: Scalar, value: Scalar, event: Any) -> None:
        """Remember a literal under a key such as `password`, so that it is never shown."""
        value.secret = True
        start, end = event.start_mark, event.end_mark
        for line in range(start.line, min(end.line + 1, len(self._source.lines))):
            first = start.column if line == start.line else 0
            last = end.column if line == end.line else len(self._source.lines[line])
            if last > first:
                self._source.spans.append((line + 1, first, last))
        if key.value != "secret" or not _NAME.fullmatch(value.text):
            self._source.literals.update(part for part in (value.text, *value.text.splitlines()) if part)
