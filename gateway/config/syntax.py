"""What the YAML parser could not read, as a sentence with a cure."""

from __future__ import annotations

import re

import yaml

_SPLIT = re.compile(r"\r\n|\r|\n|\x85|\u2028|\u2029")
_CUT = re.compile(r"[^\s#'\"][ \t]+#[^\s#]")
_CLOSING = {"[": "]", "{": "}"}


def lines_of(text: str) -> list[str]:
    """Return the lines of a text as YAML counts them."""
    return _SPLIT.split(text)


def not_utf8(data: bytes, error: UnicodeDecodeError) -> tuple[int, int, str]:
    """Return line, column and sentence for bytes that are not UTF-8."""
    before = data[: error.start].decode("utf-8-sig", "replace")
    lines = lines_of(before)
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        kind = "it is UTF-16"
    else:
        kind = f"this byte is '{data[error.start : error.start + 1].decode('latin-1')}' in Windows-1252"
        if not data[error.start] >= 0xA0:
            kind = f"byte 0x{data[error.start]:02x}"
    return len(lines), len(lines[-1]) + 1, f"the file is not UTF-8 text ({kind}); save it as UTF-8"


def sentence(error: Exception, text: str, lines: list[str]) -> tuple[int, int, str]:
    """Return line, column (1-based) and sentence for what the parser refused."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return _not_text(error, text)
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return 0, 0, f"this is not YAML: {error.problem}"
    line, column = mark.line, mark.column
    opened = error.context_mark
    problem, context = error.problem or "", error.context or ""
    if tab := _tab(lines, min(line, len(lines) - 1)):
        return tab
    if opened is not None and ("quoted scalar" in context) and "end of stream" in problem:
        return opened.line + 1, opened.column + 1, "the quote that opens here is not closed"
    if opened is not None and context.startswith("while parsing a flow") and (found := _unclosed(lines, opened, line, column)):
        return found
    if opened is not None and context in {"while scanning an alias", "while scanning an anchor"}:
        sign = "*" if "alias" in context else "&"
        return opened.line + 1, opened.column + 1, f"a value that begins with '{sign}' needs quotes: \"{sign}\""
    if opened is not None and "simple key" in context:
        return opened.line + 1, opened.column + 1, "this line is no 'key: value'; a colon and a space are missing"
    here = _text_at(lines, line, column)
    if "node content" in problem and not here:
        last = max((number for number, code in enumerate(lines) if code.strip()), default=0)
        return last + 1, len(lines[last]) + 1, "the file ends in the middle; a value, or the bracket that closes one, is missing"
    if "mapping values are not allowed" in problem:
        return _colon(lines, line, column)
    for part, words in _SENTENCES:
        if part in problem:
            return line + 1, column + 1, words.format(here=here[:1], line=(opened.line + 1) if opened else line + 1)
    if "block" in context and (
        "expected key" in problem or "expected '-' indicator" in problem or "expected <block end>" in problem
    ):
        return line + 1, column + 1, _block(here, opened, line, column)
    return (
        line + 1,
        column + 1,
        f"this is not YAML: {problem}; check the indentation, brackets and quotes here and in the line above",
    )


MAX_DEPTH = 32
"""Levels of lists and mappings within each other."""

TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels; is a bracket missing?"

_SENTENCES = (
    ("maximum nesting depth", TOO_DEEP),  # newer parsers have a limit of their own, far above ours
    ("cannot start any token", "a value cannot begin with '{here}'; put it in quotes"),
    ("unknown escape character", "in double quotes a backslash begins an escape; use single quotes for a text with backslashes"),
    ("expected ':'", "a key needs ': ' behind it, a colon and a space"),
    ("tab character", "a tab stands in the indentation; YAML wants spaces"),
    ("node content", "'{here}' cannot stand here: something is missing before it, or a text needs quotes"),
    ("block sequence entries are not allowed", "a list item '- ' cannot begin here; put it on a line of its own"),
    ("comment or line break", "text behind '|' or '>' belongs on the next line, indented"),
    ("chomping or indentation", "text behind '|' or '>' belongs on the next line, indented"),
    ("directive", "a line cannot begin with '%'; put the text in quotes"),
    ("incompatible YAML", "only YAML 1.x can be read; leave the %YAML line out"),
    ("document start", "this line begins further left than the file does; align the lines of one level"),
    ("tag", "'!' begins a tag; put the text in quotes"),
)


def _not_text(error: Exception, text: str) -> tuple[int, int, str]:
    reader = error if isinstance(error, yaml.reader.ReaderError) else None
    position = reader.position if reader else 0
    # the C reader counts bytes, the Python one characters
    if reader and reader.encoding == "?":
        position = len(text.encode()[:position].decode("utf-8", "ignore"))
    before = lines_of(text[:position])
    char = text[position : position + 1]
    what = f"a control character (0x{ord(char):02x}) stands here" if char else "this is not text"
    return len(before), len(before[-1]) + 1, f"{what}; delete it, or save the file again as UTF-8 text"


def _tab(lines: list[str], last: int) -> tuple[int, int, str] | None:
    for number in (last, last - 1):
        if 0 <= number < len(lines):
            line = lines[number]
            indent = line[: len(line) - len(line.lstrip(" \t"))]
            if "\t" in indent:
                return number + 1, indent.index("\t") + 1, "a tab stands in the indentation; YAML wants spaces"
    return None


def _unclosed(lines: list[str], opened: yaml.Mark, line: int, column: int) -> tuple[int, int, str] | None:
    bracket = _text_at(lines, opened.line, opened.column)[:1]
    closing = _CLOSING.get(bracket)
    if closing is None:
        return None
    for number in range(opened.line, min(line + 1, len(lines))):
        if cut := _CUT.search(lines[number], opened.column if number == opened.line else 0):
            at = lines[number].index("#", cut.start())
            words = f"' #' begins a comment that hides the rest of the line, also the '{closing}'; put the value in quotes"
            return number + 1, at + 1, words
    here = _text_at(lines, line, column)
    if line > opened.line or not here:
        return opened.line + 1, opened.column + 1, f"the '{bracket}' that opens here is not closed with '{closing}'"
    if here[:1] in "]}":
        return line + 1, column + 1, f"'{here[:1]}' closes a '{bracket}' (column {opened.column + 1}); write '{closing}'"
    return line + 1, column + 1, f"expected ',' or '{closing}' here, for the '{bracket}' at column {opened.column + 1}"


def _colon(lines: list[str], line: int, column: int) -> tuple[int, int, str]:
    """A ': ' that cannot be: a second one in the line, one that is missing in the line above, or an indentation."""
    before = _text_at(lines, line, 0)[:column]
    if ": " in before:
        return line + 1, column + 1, "a second ': ' stands in this line; a text with ': ' in it needs quotes"
    above = next((number for number in range(line - 1, -1, -1) if _code(lines[number])), None)
    if above is not None:
        code = _code(lines[above])
        start = len(lines[above]) - len(lines[above].lstrip()) + 1
        if not code.endswith(":") and ": " not in code:
            return above + 1, start, "this line is no 'key: value'; a colon and a space are missing"
    return line + 1, len(before) - len(before.lstrip()) + 1, "this line is indented deeper than the line above allows; align it"


def _code(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line).strip()


def _block(here: str, opened: yaml.Mark | None, line: int, column: int) -> str:
    if (opened is not None and line == opened.line) or not here:
        return "the value ended before this; put the whole value in quotes"
    began = f" (it begins at line {opened.line + 1}, column {opened.column + 1})" if opened is not None else ""
    if opened is not None and column != opened.column:
        return f"the indentation fits neither the block above{began} nor what is around it; align it with its neighbours"
    if here.startswith("- "):
        return f"a list item '- ' stands among keys{began}; indent it below its key, or remove the '-'"
    return f"a key stands among list items{began}; indent it to belong to an item, or outdent it"


def _text_at(lines: list[str], line: int, column: int) -> str:
    return lines[line][column:] if 0 <= line < len(lines) else ""
