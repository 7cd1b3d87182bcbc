"""A Sparkplug B payload and its protobuf form, encoded and decoded without a protobuf library.

Source: sparkplug_b.proto of Sparkplug 3.0. Encoding leaves out what is not set, as proto2 does. Decoding takes anything a stranger
may send: it ends with a `Payload` or a `FormatError`, and what it makes is bounded by `MAX_BYTES` and `MAX_METRICS`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from gateway.uplink.errors import FormatError

from .datatype import DataType

MAX_BYTES = 1 << 20
MAX_METRICS = 20_000
MAX_PROPERTIES = 64

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")
_SIGNED = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
_INTS = {DataType.INT8, DataType.INT16, DataType.INT32, DataType.UINT8, DataType.UINT16, DataType.UINT32}
_LONGS = {DataType.INT64, DataType.UINT64, DataType.DATETIME}
_TEXTS = {DataType.STRING, DataType.TEXT, DataType.UUID}


class _Fixed(bytes):
    """A field of fixed width."""


class Opaque(Struct, frozen=True):
    """A value of a kind that is not looked into: a DataSet, a Template, an extension; `field` is its number in the message."""

    field: int
    data: bytes


class Property(Struct, frozen=True):
    """A property of a metric; its value is None where it is null."""

    datatype: DataType
    value: Any


class Metric(Struct, frozen=True, kw_only=True):
    """One metric of a payload.

    Attributes:
        name: name, None where the alias stands for it.
        alias: number that stands for the name, unique over the node.
        timestamp: ms since 1970 UTC.
        datatype: what the value is encoded as; 0 when a decoded message does not say it.
        bare: leave the datatype out of the message.
        historical: the value was measured earlier and is not the current one.
        value: bool, int, float, str, bytes, an `Opaque`, or None for null.
        properties: by key.
    """

    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    datatype: DataType = DataType.UNKNOWN
    bare: bool = False
    historical: bool = False
    value: Any = None
    properties: dict[str, Property] = {}


class Payload(Struct, frozen=True, kw_only=True):
    """A message: when it was made (ms since 1970 UTC), its place in the sequence, its metrics."""

    timestamp: int | None = None
    seq: int | None = None
    metrics: tuple[Metric, ...] = ()


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


# ── encoding ──


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


# ── decoding ──


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
