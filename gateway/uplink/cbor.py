"""CBOR (RFC 8949) with typed arrays (RFC 8746) for columns of numbers; of what comes in, only what we send is accepted."""

from __future__ import annotations

import math
import sys
from array import array
from typing import Any

from gateway.uplink.errors import FormatError

MAGIC = b"\xd9\xd9\xf7"
"""Tag 55799, "this is CBOR": the first bytes of every message."""

_TAGS = {"b": 72, "h": 77, "i": 78, "q": 79, "f": 85, "d": 86}
"""Tags of arrays of signed integers and floats, little-endian, by the type code of `array`."""
_CODES = {tag: code for code, tag in _TAGS.items()}
_SHORTEST = 4
"""Shorter lists are smaller as they are."""
_MAX_DEPTH = 24


def dump(message: dict[str, Any]) -> tuple[bytes, int]:
    """Return plain values as CBOR, and where in it the longest column of numbers begins (0: there is none).

    Lists of whole numbers or of floats become typed arrays; None among floats becomes NaN.
    """
    import cbor2

    longest = b""

    def packed(node: Any) -> Any:
        nonlocal longest
        if isinstance(node, dict):
            return {key: packed(value) for key, value in node.items()}
        if not isinstance(node, list):
            return node
        column = _array(node) if len(node) >= _SHORTEST else None
        if column is None:
            return [packed(value) for value in node]
        if sys.byteorder == "big":
            column.byteswap()
        content = column.tobytes()
        longest = max(longest, content, key=len)
        return cbor2.CBORTag(_TAGS[column.typecode], content)

    payload = MAGIC + cbor2.dumps(packed(message))
    return payload, payload.rindex(longest) if longest else 0


def _array(column: list[Any]) -> array[Any] | None:
    """Return the smallest array that holds the column exactly, None when it is not of one kind of numbers."""
    kinds = set(map(type, column))
    if kinds == {int}:
        low, high = min(column), max(column)
        for code, bits in (("b", 7), ("h", 15), ("i", 31), ("q", 63)):
            if -(1 << bits) <= low and high < 1 << bits:
                return array(code, column)
        return None
    if float not in kinds or kinds - {float, type(None)}:
        return None
    doubles = array("d", [math.nan if number is None else number for number in column])
    try:
        singles = array("f", doubles)
    except OverflowError:
        return doubles
    return singles if all(a == b or a != a for a, b in zip(doubles, singles, strict=True)) else doubles


def load(payload: bytes) -> Any:
    """Return what `dump` was given.

    Raises:
        FormatError: it is no CBOR, or holds what we never send.
    """
    import cbor2

    try:
        message = cbor2.loads(
            payload.removeprefix(MAGIC),
            semantic_decoders=dict.fromkeys(_BUILT_IN, _refuse),
            max_depth=_MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
        return _plain(message, cbor2.CBORTag)
    except (cbor2.CBORError, ValueError, RecursionError) as exc:
        cause = exc.__cause__ if isinstance(exc.__cause__, FormatError) else exc
        raise FormatError(f"not CBOR as it is sent here: {cause}") from None


_BUILT_IN = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
"""Tags that the library would turn into objects: dates, big numbers, patterns, references, …"""


def _refuse(*_: object) -> Any:
    raise FormatError("it has a tag that no message has")


def _plain(node: Any, tag: type) -> Any:
    """Return values as JSON has them, and bytes; typed arrays become lists."""
    if isinstance(node, dict):
        if not all(isinstance(key, str) for key in node):
            raise FormatError("a map has a key that is no text")
        return {key: _plain(value, tag) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value, tag) for value in node]
    if isinstance(node, tag):
        return _numbers(node)
    if isinstance(node, float) and not math.isfinite(node):
        raise FormatError("it holds a number that is not finite")
    if node is None or isinstance(node, bool | int | float | str | bytes):
        return node
    raise FormatError(f"it holds something that no message has ({type(node).__name__})")


def _numbers(tagged: Any) -> list[Any]:
    code, content = _CODES.get(tagged.tag), tagged.value
    if code is None or not isinstance(content, bytes):
        raise FormatError(f"it has the tag {tagged.tag}, which no message has")
    column = array(code)
    if len(content) % column.itemsize:
        raise FormatError("a typed array ends in the middle of a number")
    column.frombytes(content)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tolist() if code not in "fd" else [None if number != number else number for number in column]
