"""The protobuf form of a payload, without a protobuf library; what is not set is left out, as proto2 does.

Source: sparkplug_b.proto of Sparkplug 3.0.
"""

from __future__ import annotations

import struct
from typing import Any

from .datatype import DataType
from .payload import Metric, Payload, Property

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")
_INTS = {DataType.INT8, DataType.INT16, DataType.INT32, DataType.UINT8, DataType.UINT16, DataType.UINT32}
_LONGS = {DataType.INT64, DataType.UINT64, DataType.DATETIME}
_TEXTS = {DataType.STRING, DataType.TEXT, DataType.UUID}


def encode(payload: Payload) -> bytes:
    """Return the protobuf form.

    Raises:
        TypeError, ValueError: a value is not of its metric's datatype, or the datatype is one that is never sent (arrays, DataSet).
    """
    out = bytearray()
    if payload.timestamp is not None:
        _number(out, 1, payload.timestamp)
    for metric in payload.metrics:
        _block(out, 2, _metric(metric))
    if payload.seq is not None:
        _number(out, 3, payload.seq)
    return bytes(out)


def _varint(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _number(out: bytearray, field: int, value: int) -> None:
    _varint(out, field << 3 | _VARINT)
    _varint(out, value)


def _block(out: bytearray, field: int, data: bytes | bytearray) -> None:
    _varint(out, field << 3 | _LENGTH)
    _varint(out, len(data))
    out += data


def _metric(metric: Metric) -> bytearray:
    out = bytearray()
    if metric.name is not None:
        _block(out, 1, metric.name.encode())
    if metric.alias is not None:
        _number(out, 2, metric.alias)
    if metric.timestamp is not None:
        _number(out, 3, metric.timestamp)
    if not metric.bare:
        _number(out, 4, metric.datatype)
    if metric.historical:
        _number(out, 5, 1)
    if metric.value is None:
        _number(out, 7, 1)
    if metric.properties:
        _block(out, 9, _property_set(metric.properties))
    if metric.value is not None:
        _value(out, 10, metric.datatype, metric.value)
    return out


def _property_set(properties: dict[str, Property]) -> bytearray:
    out = bytearray()
    for key in properties:
        _block(out, 1, key.encode())
    for item in properties.values():
        inner = bytearray()
        _number(inner, 1, item.datatype)
        if item.value is None:
            _number(inner, 2, 1)
        else:
            _value(inner, 3, item.datatype, item.value)
        _block(out, 2, inner)
    return out


def _value(out: bytearray, first: int, datatype: DataType, value: Any) -> None:
    """Write a value; the fields of a metric's begin at 10, those of a property's at 3, in the same order."""
    if datatype in _INTS:
        _number(out, first, value & 0xFFFF_FFFF)
    elif datatype in _LONGS:
        _number(out, first + 1, value & 0xFFFF_FFFF_FFFF_FFFF)
    elif datatype is DataType.FLOAT:
        _varint(out, first + 2 << 3 | _FOUR)
        out += _FLOAT.pack(value)
    elif datatype is DataType.DOUBLE:
        _varint(out, first + 3 << 3 | _EIGHT)
        out += _DOUBLE.pack(value)
    elif datatype is DataType.BOOLEAN:
        _number(out, first + 4, bool(value))
    elif datatype in _TEXTS:
        _block(out, first + 5, value.encode("utf-8", "replace"))
    elif datatype is DataType.BYTES and first == 10:
        _block(out, first + 6, value)
    else:
        raise ValueError(f"a value of datatype {datatype.name} is never sent")
