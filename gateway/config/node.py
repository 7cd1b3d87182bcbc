"""The tree of a YAML file, with the place of every key and value. Lines and columns are 1-based."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from gateway.config.words import quoted


class Node:
    """Something in a file."""

    __slots__ = ("column", "file", "line")

    def __init__(self, file: str, line: int, column: int) -> None:
        self.file = file
        self.line = line
        self.column = column

    @property
    def found(self) -> str:
        """What stands here, for the sentence `expected …, found …`."""
        raise NotImplementedError


class Scalar(Node):
    """A single value.

    Attributes:
        value: None, bool, int, float or str, by the rules of YAML 1.2.
        text: as it was written, without quotes.
        loose: it comes from a URL, where everything is text: `unit=1` may be a number, `path=1` a text.
        secret: it stands under a key that holds secrets, so it is never shown.
        cut: a ` #` cut it off and that was already told.
        comment: a comment follows on the same line.
    """

    __slots__ = ("comment", "cut", "loose", "secret", "text", "value")

    def __init__(self, file: str, line: int, column: int, value: Any, text: str) -> None:
        super().__init__(file, line, column)
        self.value = value
        self.text = text
        self.loose = False
        self.secret = False
        self.cut = False
        self.comment = False

    @property
    def found(self) -> str:
        """What stands here."""
        if self.secret:
            return "something else"
        match self.value:
            case None:
                return "nothing"
            case bool():
                return str(self.value).lower()
            case int() | float():
                return f"the number {self.text}"
        return f"text {quoted(self.value)}"


class Entry(NamedTuple):
    """A key and its value."""

    key: Scalar
    value: Node


class Mapping(Node):
    """Keys and values in the order of the file.

    `owner` is the key it stands under, where a missing key is reported, `cure` what to say then besides.
    """

    __slots__ = ("cure", "entries", "owner")

    def __init__(self, file: str, line: int, column: int, entries: dict[Hashable, Entry], owner: Scalar | None = None) -> None:
        super().__init__(file, line, column)
        self.entries = entries
        self.owner = owner
        self.cure = ""

    @property
    def place(self) -> Node:
        """Where to report what concerns all of it."""
        return self.owner or self

    @property
    def found(self) -> str:
        """What stands here."""
        return "a mapping"

    def part(self, entries: dict[Hashable, Entry]) -> Mapping:
        """Return a mapping at the same place with other entries."""
        return Mapping(self.file, self.line, self.column, entries, self.owner)


class Sequence(Node):
    """A list."""

    __slots__ = ("items",)

    def __init__(self, file: str, line: int, column: int, items: list[Node]) -> None:
        super().__init__(file, line, column)
        self.items = items

    @property
    def found(self) -> str:
        """What stands here."""
        return "a list"
