"""A Sparkplug payload as plain JSON values, for people: what `gateway decode` prints of one."""

from __future__ import annotations

import math
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from .datatype import DataType
from .decode import decode
from .payload import Metric, Opaque


def plain(data: bytes) -> dict[str, Any]:
    """Return what a payload says: `timestamp`, `seq` and `metrics`, each as far as it is there.

    Times are ISO 8601 in UTC, datatypes words of the standard, bytes `{"base64": …}`. A metric of a data message has an alias and
    no name: the birth before it says which name that is.

    Raises:
        FormatError: it is no Sparkplug payload.
    """
    payload = decode(data)
    shown: dict[str, Any] = {}
    if payload.timestamp is not None:
        shown["timestamp"] = _time(payload.timestamp)
    if payload.seq is not None:
        shown["seq"] = payload.seq
    return shown | {"metrics": [_metric(metric) for metric in payload.metrics]}


def _metric(metric: Metric) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if metric.name is not None:
        shown["name"] = metric.name
    if metric.alias is not None:
        shown["alias"] = metric.alias
    if metric.timestamp is not None:
        shown["timestamp"] = _time(metric.timestamp)
    if not metric.bare:
        shown["datatype"] = _word(metric.datatype)
    if metric.historical:
        shown["historical"] = True
    shown["value"] = _value(metric.value)
    if metric.properties:
        shown["properties"] = {key: _value(item.value) for key, item in metric.properties.items()}
    return shown


def _time(number: int) -> str | int:
    try:
        return datetime.fromtimestamp(number / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return number


def _word(datatype: DataType) -> str:
    special = {DataType.UUID: "UUID", DataType.DATETIME: "DateTime", DataType.DATASET: "DataSet"}
    words = "".join(part.capitalize() for part in datatype.name.split("_"))
    return special.get(datatype) or (f"UI{words[2:]}" if words.startswith("Uint") else words)


def _value(value: Any) -> Any:
    if isinstance(value, Opaque):
        return {"field": value.field, "base64": b64encode(value.data).decode()}
    if isinstance(value, bytes):
        return {"base64": b64encode(value).decode()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
