"""Secrets stay secret: what was registered here is masked wherever it would be printed, and so is what a field's name gives away.

A leaf of its own, so that whoever reads a secret can register it, and logs, status and reports can mask it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_SECRET_KEY = re.compile(r"(?i)(passw(or)?d|secret|token|credential|private_?key|api_?key)|(^|_)(key|pin)$")
_MASK = "***"
_SHORTEST = 4


class _Secrets:
    """The registered values in every form in which they could be printed."""

    def __init__(self) -> None:
        self.values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        lines = {line for line in map(str.strip, value.splitlines()) if len(line) >= 16 and not line.startswith("-----")}
        # a private key is printed line by line, a password in a URL is quoted, in JSON and in a repr escaped
        escaped = {quote(value, safe=""), repr(value)[1:-1], repr(value.encode())[2:-1], json.dumps(value)[1:-1]}
        forms = {value, value.strip(), *escaped, *lines}
        self.values |= {form for form in forms if form}
        long = sorted((form for form in self.values if len(form) >= _SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, long))) if long else None

    def clear(self) -> None:
        self.values.clear()
        self._pattern = None

    def mask(self, text: str) -> str:
        # a very short secret would blank out half of every line, so it is masked only where it stands alone
        if text in self.values:
            return _MASK
        return self._pattern.sub(_MASK, text) if self._pattern else text


_secrets = _Secrets()


def redact(value: str | bytes) -> None:
    """Register a secret: from now on it is masked in every log line. Whoever reads a secret calls this first."""
    _secrets.add(value.decode("utf-8", "replace") if isinstance(value, bytes) else value)


def redacted(value: Any, depth: int = 8) -> Any:
    """Return `value` as plain JSON values with secrets masked: registered ones, and whatever stands under a secret's key.

    Never raises, whatever the value: what nests deeper than `depth` or cannot be shown becomes its type's name.
    """
    try:
        return _plain(value, depth)
    except Exception:  # a __repr__ of others may do anything
        return f"<{type(value).__name__}>"


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float):
        number = float(value) if isinstance(value, float) else int(value)
        return _text(str(number)) if str(number) in _secrets.values or abs(number) >= 2**63 else number
    if isinstance(value, bytes | bytearray | memoryview):
        return _text(bytes(value).decode("utf-8", "backslashreplace"))
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth == 0:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {_text(str(key)): hidden(str(key), item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, depth - 1) for item in value]
    return _text(str(value) if isinstance(value, BaseException | os.PathLike) else repr(value))


def _text(text: str) -> str:
    # half a surrogate pair, as in a file name that is not UTF-8, cannot be encoded later
    return _secrets.mask(str(text)).encode("utf-8", "backslashreplace").decode()


def hidden(key: str, value: Any, depth: int = 8) -> Any:
    """Return the value of one field as `redacted` does, or the mask when the field's name says that it is a secret."""
    return _MASK if value is not None and _SECRET_KEY.search(key) else redacted(value, depth)
