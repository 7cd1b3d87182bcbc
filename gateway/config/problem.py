"""A mistake in a configuration file: where it is, what is wrong, what to do; and how it is shown. Secrets are never shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct, field

MASK = "***"
_WIDTH = 120
_LONGEST = 500
_SHORTEST_SECRET = 4
_SECRET_KEY = re.compile(r"(?i)(pass(word|wd|phrase)|pwd|secret|token|api[_-]?key|private[_-]?key)$")
_LITERAL = re.compile(
    r"""(?ix) (["']? [\w-]* (?:pass(?:word|wd|phrase)|pwd|secret|token|api[_-]?key|private[_-]?key) ["']? \s* [:=] \s*)
    (?! [\[{|>*] ) ( "[^"]*"? | '[^']*'? | [^\s,}&]+ ( [ ] [^\s,}&:]+ (?=[\s,}]|$) )* )"""
)
_USER_INFO = re.compile(r"(://[^/\s:@]*:)([^/\s@]+)(?=@)")
_QUOTED = re.compile(
    r"""(?<!\w)'.*?'(?!\w) | "[^"]*" | \{(?![^{}]*\bsecret:[ ]NAME\})[^{}]*\} | \[[^][]*\]""", re.VERBOSE | re.DOTALL
)
_WORD = re.compile(r"[a-z]+")


class Source(Struct):
    """The text of one file, by line, and what in it must not be shown: spans (line, first column, end) and literal texts."""

    file: str
    lines: list[str]
    spans: list[tuple[int, int, int]] = field(default_factory=list)
    literals: set[str] = field(default_factory=set)

    def hide(self, line: int, column: int, text: str) -> None:
        """Never show `text`, which stands at (or begins at) this place."""
        self.literals.update(part for part in (text, *text.splitlines()) if part)
        if 0 < line <= len(self.lines):
            self.spans.append((line, column - 1, len(self.lines[line - 1])))

    def shown(self, number: int, column: int) -> tuple[str, int]:
        """Return a line (1-based) as it may be shown, "" when there is none, and where a column (0-based) of it is then."""
        if not 0 < number <= len(self.lines):
            return "", 0
        text = self.lines[number - 1]
        hidden = [(start, end) for line, start, end in self.spans if line == number]
        hidden += [match.span(2) for match in _LITERAL.finditer(text)] + [match.span(2) for match in _USER_INFO.finditer(text)]
        for literal in self.literals:
            if len(literal) >= _SHORTEST_SECRET:
                hidden += [match.span() for match in re.finditer(re.escape(literal), text)]
        parts: list[str] = []
        at, shift = 0, 0
        for start, end in sorted(hidden):
            if end <= at:
                continue
            start = max(start, at)
            if start > at or not parts or parts[-1] != MASK:
                parts += [text[at:start], MASK]
                shift += len(MASK) * (end <= column)
            shift -= (end - start) * (end <= column) + max(0, column - start) * (start < column < end)
            at = end
        return "".join([*parts, text[at:]]), min(column, len(text)) + shift


class Problem(Struct, frozen=True):
    """One finding; line and column are 1-based, 0 means the file as a whole. A warning does not stop the gateway."""

    file: str
    line: int
    column: int
    message: str
    level: Literal["error", "warning"] = "error"

    @property
    def head(self) -> str:
        """The finding as one line: `file:line:col: message`."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {'warning: ' if self.level == 'warning' else ''}{self.message}"


class ConfigError(Exception):
    """A configuration has problems; `str()` is what the user reads: every problem with its place, line and caret."""

    def __init__(self, problems: Iterable[Problem], sources: Mapping[str, Source] | None = None) -> None:
        self.problems = tuple(problems)
        self.sources = dict(sources or {})
        super().__init__(render(self.problems, self.sources))


def looks_secret(key: object) -> bool:
    """Say whether a key is one under which people write a password."""
    return isinstance(key, str) and bool(_SECRET_KEY.search(key))


def tidy(problems: Iterable[Problem], sources: Mapping[str, Source]) -> tuple[Problem, ...]:
    """Return the problems without doubles, in the order of files, lines and columns, with literal secrets masked."""
    order = {file: number for number, file in enumerate(sources)}
    secrets = sorted((text for source in sources.values() for text in source.literals), key=len, reverse=True)
    secrets = [text for text in secrets if len(text) >= _SHORTEST_SECRET]
    clean = []
    for problem in problems:
        message = _USER_INFO.sub(rf"\g<1>{MASK}", problem.message)
        for text in secrets:
            message = _masked(message, text)
        message = printable(message[:_LONGEST]) + ("…" if len(message) > _LONGEST else "")
        clean.append(Problem(problem.file, problem.line, problem.column, message, problem.level))
    return tuple(sorted(set(clean), key=lambda p: (order.get(p.file, len(order)), p.file, p.line, p.column, p.message)))


def _masked(message: str, secret: str) -> str:
    """Return a message with a secret masked: everywhere, or, when it is a plain word (`pass`), only where a value is quoted.

    Messages quote what users wrote; a plain word outside of that is the program's own, as in 'user and password'.
    """
    if not _WORD.fullmatch(secret):
        return message.replace(secret, MASK)
    return _QUOTED.sub(lambda match: match[0].replace(secret, MASK), message)


def printable(text: str) -> str:
    """Return `text` on one line, without characters that would steer a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char in "\t\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def render(problems: Iterable[Problem], sources: Mapping[str, Source]) -> str:
    """Return problems as text for people: `file:line:col: message`, then the line of the file with a caret below the place."""
    out = []
    for problem in problems:
        out.append(problem.head)
        source = sources.get(problem.file)
        line, column = source.shown(problem.line, problem.column - 1) if source else ("", 0)
        if not line.strip():
            continue
        start = max(0, column - _WIDTH + 40)
        shown = printable(line[start : start + _WIDTH])
        out += [f"    {shown.rstrip()}", f"    {' ' * (column - start)}^"]
    return "\n".join(out)
