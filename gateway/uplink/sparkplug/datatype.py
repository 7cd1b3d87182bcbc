"""Datatypes of Sparkplug B 3.0 (section 6.4.16) and which of them a value of ours is sent as.

Few are used on purpose: every number that may have a fraction is a Double, every whole one an Int64 (UInt64 where the register is
one), so that a scale that is added later, a total that grows beyond 32 bits or another controller changes nothing for the host.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

import msgspec

INT64 = range(-(2**63), 2**63)
UINT64 = range(2**64)


class DataType(IntEnum):
    """The numbers that stand in field `datatype` of a metric, in `types` of a DataSet and in `type` of a property."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTY_SET = 20
    PROPERTY_SET_LIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34


OF_FORM = {
    "number": DataType.DOUBLE,
    "whole": DataType.INT64,
    "unsigned": DataType.UINT64,
    "truth": DataType.BOOLEAN,
    "text": DataType.STRING,
}
"""What a point is sent as, by the form its configuration promises; a form that is not here shows with the first value."""

_NUMBERS = (DataType.BOOLEAN, DataType.INT64, DataType.UINT64, DataType.DOUBLE)


def of_value(value: Any) -> DataType | None:
    """Return the datatype a value has by itself; None for no value."""
    if value is None:
        return None
    if isinstance(value, bool):
        return DataType.BOOLEAN
    if isinstance(value, int):
        return DataType.INT64 if value in INT64 else DataType.UINT64 if value in UINT64 else DataType.DOUBLE
    if isinstance(value, float):
        return DataType.DOUBLE
    if isinstance(value, bytes | bytearray | memoryview):
        return DataType.BYTES
    return DataType.STRING


def joined(known: DataType | None, value: Any) -> DataType | None:
    """Return the datatype that holds `value` and what was sent as `known`; the same one wherever that is possible.

    It only ever widens, so a metric whose values change their type settles after a birth or two.
    """
    own = of_value(value)
    if known is None or own is None or own is known:
        return own if known is None else known
    if own not in _NUMBERS or known not in _NUMBERS:
        return DataType.STRING
    if DataType.BOOLEAN in (own, known):
        return own if known is DataType.BOOLEAN else known
    if known is DataType.UINT64 and own is DataType.INT64 and value >= 0:
        return known
    return DataType.DOUBLE


def fitted(datatype: DataType, value: Any) -> Any:
    """Return `value` in the form in which `datatype` is encoded, None where there is no value that a host could use.

    Call it with a datatype that `joined` returned for this value. A list becomes text in JSON.
    """
    if value is None:
        return None
    if datatype is DataType.STRING:
        return value if isinstance(value, str) else _text(value)
    if datatype is DataType.DOUBLE:
        number = _float(value)
        return number if math.isfinite(number) else None
    if datatype is DataType.BYTES:
        return bytes(value)
    if datatype is DataType.BOOLEAN:
        return bool(value)
    return int(value)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _text(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return str(value)
