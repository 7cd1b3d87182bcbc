"""What a Sparkplug B payload is made of (section 6.4 of Sparkplug 3.0); `encode` and `decode` know its protobuf form."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from .datatype import DataType


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
