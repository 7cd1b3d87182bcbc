"""A decoder of Sparkplug B payloads, by hand from the wire: what is there, what is not, what it means. None of the gateway's code.

The wire format is that of Protocol Buffers (https://protobuf.dev/programming-guides/encoding), the fields are those of
sparkplug_b.proto (Sparkplug 3.0, 6.4). Presence is kept, since most rules are about what must or must not be there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64 = range(1, 9)
FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME, TEXT, UUID, DATASET, BYTE_ARRAY, FILE, TEMPLATE = range(9, 20)
PROPERTY_SET, PROPERTY_SET_LIST = 20, 21
LAST_TYPE = 34
"""The numbers of the data types; 22 to 34 are arrays, which travel as bytes."""

_BITS = {INT8: 8, INT16: 16, INT32: 32, INT64: 64}
_FIELD_OF = {
    **dict.fromkeys((INT8, INT16, INT32, UINT8, UINT16, UINT32), "int"),
    **dict.fromkeys((INT64, UINT64, DATETIME), "long"),
    FLOAT: "float",
    DOUBLE: "double",
    BOOLEAN: "boolean",
    DATASET: "dataset",
    TEMPLATE: "template",
    **dict.fromkeys((STRING, TEXT, UUID), "string"),
    **dict.fromkeys((BYTE_ARRAY, FILE, *range(22, 35)), "bytes"),
}
_WIDTH = {UINT8: 8, UINT16: 16, UINT32: 32, UINT64: 64, DATETIME: 64}


class PayloadError(ValueError):
    """These bytes are no Sparkplug payload; says what and where."""


@dataclass(frozen=True)
class Property:
    """One value of a property set; `field` is the kind of value that was sent, None when there is none."""

    type: int | None = None
    field: str | None = None
    value: Any = None
    is_null: bool | None = None


@dataclass(frozen=True)
class Properties:
    """The properties of a metric: two lists that belong together."""

    keys: tuple[str, ...] = ()
    values: tuple[Property, ...] = ()

    def get(self, key: str) -> Property | None:
        """Return the value that stands at the place of this key."""
        return dict(zip(self.keys, self.values, strict=False)).get(key)


@dataclass(frozen=True)
class Metric:
    """One metric as it was sent; None: was not sent. `field` is the kind of value on the wire, `raw` that value."""

    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    datatype: int | None = None
    is_historical: bool | None = None
    is_transient: bool | None = None
    is_null: bool | None = None
    properties: Properties | None = None
    field: str | None = None
    raw: Any = None

    def value(self, datatype: int | None = None) -> Any:
        """Return what it means, by its own data type or else the one given (from the birth); None when null or not there.

        Raises:
            PayloadError: the kind of value does not fit the data type, or the value does not fit its width.
        """
        kind = self.datatype if self.datatype is not None else datatype
        if self.is_null or self.field is None:
            return None
        if kind is None or kind not in _FIELD_OF:
            raise PayloadError(f"a value of the unknown data type {kind}")
        if _FIELD_OF[kind] != self.field:
            raise PayloadError(f"data type {kind} stands in {_FIELD_OF[kind]}_value, not in {self.field}_value")
        if kind in _BITS:
            return _signed(self.raw, _BITS[kind])
        if kind in _WIDTH and self.raw >> _WIDTH[kind]:
            raise PayloadError(f"{self.raw} does not fit data type {kind}")
        return self.raw


@dataclass(frozen=True)
class Payload:
    """One payload as it was sent; None: was not sent."""

    timestamp: int | None = None
    metrics: tuple[Metric, ...] = ()
    seq: int | None = None
    uuid: str | None = None
    body: bytes | None = None

    def named(self, name: str) -> list[Metric]:
        """Return the metrics of this name, in order."""
        return [metric for metric in self.metrics if metric.name == name]


def _signed(number: int, bits: int) -> int:
    """Two's complement. Tahu sends small negative numbers with 32 or 64 bits, others with their own width; both mean the same."""
    wide = 64 if bits == 64 else 32
    number &= (1 << wide) - 1
    number = number - (1 << wide) if number >> (wide - 1) else number
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        low = number & ((1 << bits) - 1)
        if number != low:
            raise PayloadError(f"{number} does not fit into {bits} bits")
        number = low - (1 << bits)
    return number


def decode(data: bytes) -> Payload:
    """Decode a payload.

    Raises:
        PayloadError: these bytes are none.
    """
    known: dict[str, Any] = {}
    metrics = []
    for number, wire, value in _fields(data):
        match number:
            case 1 | 3:
                known["timestamp" if number == 1 else "seq"] = _number(value, wire, number)
            case 2:
                metrics.append(_metric(_chunk(value, wire, number)))
            case 4:
                known["uuid"] = _text(value, wire, number)
            case 5:
                known["body"] = _chunk(value, wire, number)
    return Payload(metrics=tuple(metrics), **known)


_METRIC_VALUES = {10: "int", 11: "long", 12: "float", 13: "double", 14: "boolean", 15: "string", 16: "bytes", 17: "dataset"}
_METRIC_VALUES |= {18: "template", 19: "extension"}
_PROPERTY_VALUES = {3: "int", 4: "long", 5: "float", 6: "double", 7: "boolean", 8: "string", 9: "set", 10: "list"}
_FLAGS = {5: "is_historical", 6: "is_transient", 7: "is_null"}


def _metric(data: bytes) -> Metric:
    known: dict[str, Any] = {}
    for number, wire, value in _fields(data):
        if number == 1:
            known["name"] = _text(value, wire, number)
        elif number in {2, 3, 4}:
            known[("alias", "timestamp", "datatype")[number - 2]] = _number(value, wire, number)
        elif number in _FLAGS:
            known[_FLAGS[number]] = bool(_number(value, wire, number))
        elif number == 9:
            known["properties"] = _properties(_chunk(value, wire, number))
        elif number in _METRIC_VALUES:
            known |= {"field": _METRIC_VALUES[number], "raw": _value(_METRIC_VALUES[number], value, wire, number)}
    return Metric(**known)


def _properties(data: bytes) -> Properties:
    keys, values = [], []
    for number, wire, value in _fields(data):
        if number == 1:
            keys.append(_text(value, wire, number))
        elif number == 2:
            values.append(_property(_chunk(value, wire, number)))
    return Properties(tuple(keys), tuple(values))


def _property(data: bytes) -> Property:
    known: dict[str, Any] = {}
    for number, wire, value in _fields(data):
        if number in {1, 2}:
            sent = _number(value, wire, number)
            known |= {"type": sent} if number == 1 else {"is_null": bool(sent)}
        elif number in _PROPERTY_VALUES:
            known |= {"field": _PROPERTY_VALUES[number], "value": _value(_PROPERTY_VALUES[number], value, wire, number)}
    return Property(**known)


def _value(kind: str, value: Any, wire: int, number: int) -> Any:
    if kind in {"int", "long"}:
        return _number(value, wire, number)
    if kind == "boolean":
        return bool(_number(value, wire, number))
    if kind in {"float", "double"}:
        wanted, code = (FIXED32, "<f") if kind == "float" else (FIXED64, "<d")
        if wire != wanted:
            raise PayloadError(f"field {number} has wire type {wire}, not {wanted}")
        return struct.unpack(code, value)[0]
    return _text(value, wire, number) if kind == "string" else _chunk(value, wire, number)


def _number(value: Any, wire: int, number: int) -> int:
    if wire != VARINT:
        raise PayloadError(f"field {number} has wire type {wire}, not a varint")
    return int(value)


def _chunk(value: Any, wire: int, number: int) -> bytes:
    if wire != BYTES:
        raise PayloadError(f"field {number} has wire type {wire}, not a length")
    return bytes(value)


def _text(value: Any, wire: int, number: int) -> str:
    try:
        return _chunk(value, wire, number).decode()
    except UnicodeDecodeError as exc:
        raise PayloadError(f"field {number} is not UTF-8: {exc}") from None


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield number, wire type and value of every field: int for a varint, bytes for the others."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if not number:
            raise PayloadError(f"field number 0 at byte {at}")
        if wire == VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            size, at = _varint(data, at)
        elif wire in {FIXED64, FIXED32}:
            size = 8 if wire == FIXED64 else 4
        else:
            raise PayloadError(f"wire type {wire} at byte {at}")
        if at + size > len(data):
            raise PayloadError(f"field {number} ends after the end")
        yield number, wire, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise PayloadError("a number ends after the end")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if number >> 64:
                raise PayloadError("a number has more than 64 bits")
            return number, at
    raise PayloadError("a number has more than ten bytes")
