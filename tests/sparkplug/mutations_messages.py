"""What breaks the assertions about births, data, deaths of devices, aliases and properties: by id, the trace and the change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.sparkplug.change import (
    Change,
    altered,
    content,
    doubled,
    fields,
    is_a,
    is_sent,
    message,
    metric,
    moved,
    no_metric,
    without,
)
from tests.sparkplug.payload import BOOLEAN, DATASET, INT32, UINT64, Payload
from tests.sparkplug.trace import Measured
from tests.sparkplug.view import REBIRTH

HOUR_MS = 3_600_000
GARBAGE = b"\x0a\x05{}"

LATHE_BIRTH, SECOND_ROUND = 1, 2
"""The nth DBIRTH of the trace: the last of the first round, the first of the second."""


def _properties(**what: Any) -> Any:
    """Change the property set of a metric."""
    return lambda old: replace(old, **what)


def _quality(**what: Any) -> Any:
    """Change the one property of a metric, its quality."""
    return lambda old: replace(old, values=(replace(old.values[0], **what),))


def _of_each(kind: str, birth: str, sample: str) -> dict[str, tuple[str, Change]]:
    """Return what NDATA and DDATA have in common; `sample` is what the trace measured for it."""
    sent = kind.upper()
    device = None if kind == "ndata" else "press-1"
    return {
        f"topics-{kind}-mqtt": ("life", message(sent, retain=True)),
        f"topics-{kind}-seq-num": ("life", fields(sent, seq=lambda seq: seq + 1)),
        f"topics-{kind}-timestamp": ("life", fields(sent, timestamp=None)),
        f"topics-{kind}-payload": ("life", altered(is_a(Measured, device=device), value="something else")),
        f"payloads-{kind}-timestamp": ("life", fields(sent, timestamp=lambda ms: ms - 10 * 60_000)),
        f"payloads-{kind}-seq": ("life", fields(sent, seq=None)),
        f"payloads-{kind}-seq-inc": ("life", fields(sent, seq=256)),
        f"payloads-{kind}-order": ("life", moved(is_sent(sent), is_sent("NBIRTH"))),
        f"payloads-{kind}-qos": ("life", message(sent, qos=1)),
        f"payloads-{kind}-retain": ("life", message(sent, retain=True)),
        f"topics-{birth}-metric-reqs": ("life", no_metric(birth.upper(), sample)),
        f"operational-behavior-data-publish-{birth}": ("life", metric(sent, 0, alias=404)),
        f"operational-behavior-data-publish-{birth}-change": ("life", doubled(is_sent(sent))),
        f"operational-behavior-data-publish-{birth}-order": (
            "life",
            content(birth.upper(), lambda payload: replace(payload, metrics=_first_is_newest(payload))),
        ),
    }


def _first_is_newest(payload: Payload) -> tuple[Any, ...]:
    first, *rest = payload.metrics
    return (replace(first, timestamp=(first.timestamp or 0) + 20_000), *rest)


MESSAGES: dict[str, tuple[str, Change]] = {
    "principles-birth-certificates-order": ("life", moved(is_sent("DBIRTH"), is_sent("NBIRTH"))),
    "message-flow-edge-node-birth-publish-nbirth-payload": ("life", message("NBIRTH", payload=GARBAGE)),
    "message-flow-edge-node-birth-publish-nbirth-payload-bdseq": ("life", metric("NBIRTH", "bdSeq", datatype=UINT64)),
    "message-flow-edge-node-birth-publish-nbirth-payload-seq": ("life", fields("NBIRTH", seq=None)),
    "message-flow-edge-node-birth-publish-nbirth-qos": ("life", message("NBIRTH", qos=1)),
    "message-flow-edge-node-birth-publish-nbirth-retained": ("life", message("NBIRTH", retain=True)),
    "topics-nbirth-mqtt": ("life", message("NBIRTH", retain=True)),
    "topics-nbirth-seq-num": ("life", fields("NBIRTH", nth=1, seq=17)),
    "topics-nbirth-timestamp": ("life", fields("NBIRTH", timestamp=None)),
    "topics-nbirth-metrics": ("life", metric("NBIRTH", "machines", datatype=None)),
    "topics-nbirth-bdseq-included": ("life", no_metric("NBIRTH", "bdSeq")),
    "topics-nbirth-bdseq-matching": ("life", metric("NBIRTH", "bdSeq", raw=200)),
    "topics-nbirth-rebirth-metric": ("life", no_metric("NBIRTH", REBIRTH)),
    "payloads-nbirth-timestamp": ("life", fields("NBIRTH", timestamp=lambda ms: ms // 1000)),
    "payloads-nbirth-seq": ("life", fields("NBIRTH", seq=256)),
    "payloads-sequence-num-req-nbirth": ("life", fields("NBIRTH", seq=1000)),
    "payloads-nbirth-bdseq": ("life", metric("NBIRTH", "bdSeq", name="bdseq")),
    "payloads-nbirth-bdseq-repeat": ("life", metric("NBIRTH", "bdSeq", nth=1, raw=1)),
    "payloads-nbirth-rebirth-req": ("life", metric("NBIRTH", REBIRTH, raw=True)),
    "payloads-nbirth-qos": ("life", message("NBIRTH", qos=2)),
    "payloads-nbirth-retain": ("life", message("NBIRTH", retain=True)),
    "operational-behavior-data-commands-rebirth-name": ("life", metric("NBIRTH", REBIRTH, name="Node Control/rebirth")),
    "operational-behavior-data-commands-rebirth-datatype": ("life", metric("NBIRTH", REBIRTH, datatype=INT32)),
    "operational-behavior-data-commands-rebirth-value": ("life", metric("NBIRTH", REBIRTH, raw=True)),
    "operational-behavior-data-publish-nbirth-values": ("life", metric("NBIRTH", "machines", is_null=True)),
    "message-flow-device-birth-publish-nbirth-wait": ("life", without(is_sent("NBIRTH"))),
    "message-flow-device-birth-publish-dbirth-payload": ("life", message("DBIRTH", payload=GARBAGE)),
    "message-flow-device-birth-publish-dbirth-payload-seq": ("life", fields("DBIRTH", seq=0)),
    "message-flow-device-birth-publish-dbirth-qos": ("life", message("DBIRTH", qos=1)),
    "message-flow-device-birth-publish-dbirth-retained": ("life", message("DBIRTH", retain=True)),
    "topics-dbirth-mqtt": ("life", message("DBIRTH", qos=1)),
    "topics-dbirth-seq": ("life", fields("DBIRTH", nth=LATHE_BIRTH, seq=7)),
    "topics-dbirth-timestamp": ("life", fields("DBIRTH", timestamp=None)),
    "topics-dbirth-metrics": ("life", metric("DBIRTH", "position", field=None)),
    "payloads-dbirth-timestamp": ("life", fields("DBIRTH", timestamp=lambda ms: ms + 10 * 60_000)),
    "payloads-dbirth-seq": ("life", fields("DBIRTH", seq=None)),
    "payloads-dbirth-seq-inc": ("life", fields("DBIRTH", nth=LATHE_BIRTH, seq=1)),
    "payloads-dbirth-order": ("life", moved(is_sent("DBIRTH", "lathe-2"), is_sent("NDATA"), nth=1, to=1, after=True)),
    "payloads-dbirth-qos": ("life", message("DBIRTH", qos=1)),
    "payloads-dbirth-retain": ("life", message("DBIRTH", retain=True)),
    "operational-behavior-data-publish-dbirth-values": ("life", metric("DBIRTH", "door", is_null=None)),
    **_of_each("ndata", "nbirth", "machines"),
    **_of_each("ddata", "dbirth", "temperature"),
    "principles-rbe-recommended": ("life", metric("DDATA", 0, field="double", raw=41.5)),
    "operational-behavior-device-ddeath": ("life", without(is_sent("DDEATH"))),
    "topics-ddeath-mqtt": ("life", message("DDEATH", retain=True)),
    "topics-ddeath-seq-num": ("life", fields("DDEATH", seq=0)),
    "payloads-ddeath-timestamp": ("life", fields("DDEATH", timestamp=None)),
    "payloads-ddeath-seq": ("life", fields("DDEATH", seq=None)),
    "payloads-ddeath-seq-inc": ("life", fields("DDEATH", seq=lambda seq: seq - 1)),
    "payloads-ddeath-seq-number": ("life", fields("DDEATH", seq=None)),
    "payloads-sequence-num-always-included": ("life", fields("DDATA", nth=3, seq=None)),
    "payloads-sequence-num-incrementing": ("life", without(is_sent("DDATA"), nth=1)),
    "payloads-timestamp-in-utc": ("life", fields("DDATA", timestamp=lambda ms: ms + HOUR_MS)),
    "payloads-metric-timestamp-in-utc": ("life", metric("DDATA", 0, timestamp=lambda ms: ms + HOUR_MS)),
    "payloads-name-birth-data-requirement": ("life", metric("DDATA", 0, timestamp=None)),
    "payloads-name-requirement": ("life", metric("DDATA", 0, alias=None)),
    "payloads-metric-datatype-req": ("life", metric("DBIRTH", "parts", datatype=None)),
    "payloads-metric-datatype-not-req": ("untyped", metric("DDATA", 0, datatype=10)),
    "payloads-metric-datatype-value": ("life", metric("DBIRTH", "parts", datatype=35)),
    "payloads-metric-datatype-value-type": ("life", metric("DDATA", 0, datatype=-1)),
    "payloads-alias-uniqueness": ("life", metric("DBIRTH", "speed", nth=LATHE_BIRTH, alias=2)),
    "payloads-alias-birth-requirement": ("life", metric("DBIRTH", "position", alias=None)),
    "payloads-alias-data-cmd-requirement": ("life", metric("DDATA", 0, name="temperature")),
    "operational-behavior-data-commands-rebirth-name-aliases": ("life", metric("NBIRTH", REBIRTH, alias=0)),
    "payloads-propertyset-keys-array-size": ("life", metric("DBIRTH", "door", properties=_properties(keys=()))),
    "payloads-propertyset-values-array-size": ("life", metric("DBIRTH", "door", properties=_properties(values=()))),
    "payloads-metric-propertyvalue-type-req": ("life", metric("DBIRTH", "door", properties=_quality(type=None))),
    "payloads-metric-propertyvalue-type-type": ("life", metric("DBIRTH", "door", properties=_quality(type=1 << 32))),
    "payloads-metric-propertyvalue-type-value": ("life", metric("DBIRTH", "door", properties=_quality(type=DATASET))),
    "payloads-propertyset-quality-value-type": ("life", metric("DBIRTH", "door", properties=_quality(type=4))),
    "payloads-propertyset-quality-value-value": ("life", metric("DBIRTH", "door", properties=_quality(value=64))),
}

MORE_MESSAGES: list[tuple[str, str, Change]] = [
    ("topics-ddata-payload", "life", fields("DDATA", metrics=())),
    ("topics-ddata-payload", "life", message("DDATA", payload=GARBAGE)),
    ("topics-ndata-payload", "life", without(is_sent("NDATA"), nth=1)),
    ("payloads-ddata-order", "life", moved(is_sent("DDATA"), is_sent("DBIRTH"), nth=4, to=SECOND_ROUND)),
    ("payloads-ndata-order", "life", moved(is_sent("NDATA"), is_sent("DBIRTH"), nth=1, to=SECOND_ROUND)),
    ("payloads-sequence-num-incrementing", "life", fields("DDATA", nth=260, seq=lambda seq: seq + 256)),
    ("topics-dbirth-metric-reqs", "life", metric("DDATA", 0, field="string", raw="41.75")),
    ("topics-dbirth-metric-reqs", "life", metric("DDATA", 0, datatype=BOOLEAN)),
    ("operational-behavior-data-publish-dbirth-values", "life", metric("DBIRTH", "door", field="boolean", raw=False)),
    ("payloads-metric-datatype-value", "life", metric("NBIRTH", "machines", datatype=0)),
    ("payloads-alias-uniqueness", "life", metric("DBIRTH", "position", alias=2)),
    ("payloads-alias-uniqueness", "life", metric("DBIRTH", "position", alias=1)),
    ("payloads-alias-data-cmd-requirement", "life", metric("NDATA", 0, name="machines", alias=None)),
    ("payloads-propertyset-quality-value-value", "life", metric("DBIRTH", "door", properties=_quality(field="long"))),
    ("payloads-metric-propertyvalue-type-value", "life", metric("DBIRTH", "door", properties=_quality(type=0))),
    ("payloads-metric-timestamp-in-utc", "life", metric("NBIRTH", "machines", timestamp=lambda ms: ms + HOUR_MS)),
    ("operational-behavior-device-ddeath", "life", moved(is_sent("DDEATH"), is_sent("DBIRTH", "lathe-2"), to=2, after=True)),
    ("payloads-dbirth-seq-inc", "life", without(is_sent("DBIRTH"))),
]
"""Further ways to break the same ones."""
