"""Plain scalars by the core schema of YAML 1.2 (section 10.3.2): `no`, `on` and `12:30` are texts, `010` is ten.

Octal numbers (`0o17`) are left out on purpose: as an address they would be read in another way than they are meant.
"""

from __future__ import annotations

import re

_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INT = re.compile(r"[-+]?[0-9]{1,300}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,200}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_FIRST = frozenset("+-.0123456789")


def plain(text: str) -> bool | int | float | str | None:
    """Return the value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in _FIRST:
        if _INT.fullmatch(text):
            return int(text)
        if _HEX.fullmatch(text):
            return int(text, 16)
        if len(text) <= 64 and _FLOAT.fullmatch(text):
            return float(text)
    return text


def tagged(tag: str, text: str) -> bool | int | float | str | None:
    """Return the value of a scalar with one of YAML's own tags (`str`, `int`, `float`, `bool`, `null`).

    Raises:
        ValueError: the text does not fit the tag.
    """
    if tag == "str":
        return text
    value = plain(text)
    if tag == "float" and type(value) is int:
        return float(value)
    if type(value).__name__.replace("NoneType", "null") != tag:
        raise ValueError(f"'{text}' is no {tag}")
    return value
