"""The way back from the decoded forms of `payload` to bytes, for good and for broken messages; nothing is checked here."""

from __future__ import annotations

import struct
from typing import Any

from tests.sparkplug.payload import BYTES, FIXED32, FIXED64, VARINT, Metric, Payload, Properties, Property

_METRIC_FIELD = {
    "int": 10,
    "long": 11,
    "float": 12,
    "double": 13,
    "boolean": 14,
    "string": 15,
    "bytes": 16,
    "dataset": 17,
    "template": 18,
}
_PROPERTY_FIELD = {"int": 3, "long": 4, "float": 5, "double": 6, "boolean": 7, "string": 8, "set": 9, "list": 10}


def encode(payload: Payload) -> bytes:
    """Encode a payload: the fields that are there, in the order of their numbers."""
    out = _number(1, payload.timestamp)
    out += b"".join(_chunk(2, _metric(metric)) for metric in payload.metrics)
    out += _number(3, payload.seq) + _chunk(4, payload.uuid) + _chunk(5, payload.body)
    return out


def _metric(metric: Metric) -> bytes:
    out = _chunk(1, metric.name) + _number(2, metric.alias) + _number(3, metric.timestamp) + _number(4, metric.datatype)
    out += _number(5, metric.is_historical) + _number(6, metric.is_transient) + _number(7, metric.is_null)
    if metric.properties is not None:
        out += _chunk(9, _properties(metric.properties))
    return out + _value(_METRIC_FIELD, metric.field, metric.raw)


def _properties(properties: Properties) -> bytes:
    return b"".join(_chunk(1, key) for key in properties.keys) + b"".join(_chunk(2, _property(p)) for p in properties.values)


def _property(item: Property) -> bytes:
    return _number(1, item.type) + _number(2, item.is_null) + _value(_PROPERTY_FIELD, item.field, item.value)


def _value(numbers: dict[str, int], field: str | None, value: Any) -> bytes:
    if field is None:
        return b""
    number = numbers[field]
    if field == "float":
        return _key(number, FIXED32) + struct.pack("<f", value)
    if field == "double":
        return _key(number, FIXED64) + struct.pack("<d", value)
    return _number(number, value) if field in {"int", "long", "boolean"} else _chunk(number, value)


def _number(number: int, value: int | None) -> bytes:
    return b"" if value is None else _key(number, VARINT) + varint(int(value))


def _chunk(number: int, value: bytes | str | None) -> bytes:
    if value is None:
        return b""
    data = value.encode() if isinstance(value, str) else value
    return _key(number, BYTES) + varint(len(data)) + data


def _key(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it: seven bits per byte, the lowest first; negative ones as 64 bits."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
