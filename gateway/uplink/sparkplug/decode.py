"""Reads the protobuf form of a payload, whoever wrote it: it ends with a `Payload` or a `FormatError`.

What it makes is bounded by `MAX_BYTES`, `MAX_METRICS` and `MAX_PROPERTIES`. Source: sparkplug_b.proto of Sparkplug 3.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from gateway.uplink.errors import FormatError

from .datatype import DataType
from .payload import Metric, Opaque, Payload, Property

MAX_BYTES = 1 << 20
MAX_METRICS = 20_000
MAX_PROPERTIES = 64

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")
_SIGNED = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}


class _Fixed(bytes):
    """A field of fixed width."""


def decode(data: bytes) -> Payload:
    """Read a payload; fields that are not known are passed over.

    A value is shown by its datatype where the message says it, else as it stands in the message: an integer unsigned.

    Raises:
        FormatError: it is none, or larger than anything that makes sense here.
    """
    if len(data) > MAX_BYTES:
        raise FormatError(f"a payload of {len(data)} bytes is too large, at most {MAX_BYTES} are read")
    timestamp: int | None = None
    seq: int | None = None
    metrics: list[Metric] = []
    for number, value in _fields(data):
        if number == 1:
            timestamp = _whole(value, "timestamp")
        elif number == 2:
            if len(metrics) >= MAX_METRICS:
                raise FormatError(f"a payload with more than {MAX_METRICS} metrics is not read")
            metrics.append(_decoded_metric(_bytes(value, "metrics")))
        elif number == 3:
            seq = _whole(value, "seq")
    return Payload(timestamp=timestamp, seq=seq, metrics=tuple(metrics))


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise FormatError("the payload breaks off within a number")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise FormatError("a number of the payload has more than 64 bits")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and raw value of every field; fixed-width and nested ones as bytes."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        field, form = key >> 3, key & 7
        if not 0 < field < 1 << 29:
            raise FormatError(f"a payload has no field {field}")
        if form == _VARINT:
            value, at = _read_varint(data, at)
            yield field, value
            continue
        if form == _LENGTH:
            length, at = _read_varint(data, at)
        elif form in {_EIGHT, _FOUR}:
            length = 8 if form == _EIGHT else 4
        else:
            raise FormatError(f"field {field} is of a form that is not used ({form})")
        if length > len(data) - at:
            raise FormatError(f"the payload breaks off within field {field}")
        piece = data[at : at + length]
        yield field, piece if form == _LENGTH else _Fixed(piece)
        at += length


def _decoded_metric(data: bytes) -> Metric:
    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    datatype: int | None = None
    historical = null = False
    properties: dict[str, Property] = {}
    raw: tuple[int, int | bytes] | None = None
    for field, value in _fields(data):
        if field == 1:
            name = _words(value, "name")
        elif field == 2:
            alias = _whole(value, "alias")
        elif field == 3:
            timestamp = _whole(value, "timestamp")
        elif field == 4:
            datatype = _whole(value, "datatype")
        elif field == 5:
            historical = bool(_whole(value, "is_historical"))
        elif field == 7:
            null = bool(_whole(value, "is_null"))
        elif field == 9:
            properties = _decoded_properties(_bytes(value, "properties"))
        elif 10 <= field <= 19:
            raw = (field, value)  # of several the last one stands, as in every protobuf library
    kind = _datatype(datatype)
    shown = None if null or raw is None else _shown(10, raw, kind)
    return Metric(
        name=name,
        alias=alias,
        timestamp=timestamp,
        datatype=kind,
        bare=datatype is None,
        historical=historical,
        value=shown,
        properties=properties,
    )


def _decoded_properties(data: bytes) -> dict[str, Property]:
    keys: list[str] = []
    values: list[Property] = []
    for field, value in _fields(data):
        if field == 1:
            keys.append(_words(value, "keys"))
        elif field == 2:
            values.append(_decoded_property(_bytes(value, "values")))
        if max(len(keys), len(values)) > MAX_PROPERTIES:
            raise FormatError(f"a metric with more than {MAX_PROPERTIES} properties is not read")
    if len(keys) != len(values):
        raise FormatError(f"a property set has {len(keys)} keys and {len(values)} values")
    return dict(zip(keys, values, strict=True))


def _decoded_property(data: bytes) -> Property:
    datatype: int | None = None
    null = False
    raw: tuple[int, int | bytes] | None = None
    for field, value in _fields(data):
        if field == 1:
            datatype = _whole(value, "type")
        elif field == 2:
            null = bool(_whole(value, "is_null"))
        elif 3 <= field <= 11:
            raw = (field, value)
    kind = _datatype(datatype)
    return Property(kind, None if null or raw is None else _shown(3, raw, kind))


def _shown(first: int, raw: tuple[int, int | bytes], datatype: DataType) -> Any:
    """Return a value as Python has it; the form in which it stands decides, the datatype gives integers their sign."""
    field, value = raw
    place = field - first
    if place in {0, 1, 4}:
        number = _whole(value, "value")
        if place == 4:
            return bool(number)
        bits = _SIGNED.get(datatype)
        if bits is None:
            return number
        number &= (1 << bits) - 1
        return number - (1 << bits) if number >> bits - 1 else number
    if place in {2, 3}:
        form = _FLOAT if place == 2 else _DOUBLE
        if not isinstance(value, _Fixed) or len(value) != form.size:
            raise FormatError("a number with a fraction does not stand in its fixed width")
        return form.unpack(value)[0]
    data = _bytes(value, "value")
    if place == 5:
        return _words(data, "value")
    return data if place == 6 and first == 10 else Opaque(field, data)


def _datatype(number: int | None) -> DataType:
    try:
        return DataType(number or 0)
    except ValueError:
        raise FormatError(f"there is no datatype {number}") from None


def _whole(value: int | bytes, name: str) -> int:
    if isinstance(value, bytes):
        raise FormatError(f"'{name}' is not a number")
    return value


def _bytes(value: int | bytes, name: str) -> bytes:
    if isinstance(value, int | _Fixed):
        raise FormatError(f"'{name}' is a number where text or a message should stand")
    return value


def _words(value: int | bytes, name: str) -> str:
    try:
        return _bytes(value, name).decode()
    except UnicodeDecodeError:
        raise FormatError(f"'{name}' is not UTF-8") from None
