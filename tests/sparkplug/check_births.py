"""Checks of NBIRTH and DBIRTH: what they carry, and where they stand."""

from __future__ import annotations

from tests.sparkplug.check_sessions import BDSEQ, bdseq_of
from tests.sparkplug.payload import BOOLEAN, INT64, Metric
from tests.sparkplug.rules import (
    Check,
    Finding,
    Findings,
    decodes,
    each,
    metric,
    metrics,
    qos,
    seq_in_range,
    seq_next,
    seq_zero,
    timestamp_now,
    unretained,
)
from tests.sparkplug.view import REBIRTH, Message, View


def _has_bdseq(message: Message) -> str:
    found = len(message.payload.named(BDSEQ))
    return "" if found == 1 else f"{found} metrics '{BDSEQ}' instead of one"


def _bdseq_of_will(message: Message) -> str:
    will = bdseq_of(message.session.will)
    same = will is not None and bdseq_of(message) == will
    return "" if same else f"bdSeq {bdseq_of(message)}, and {will} in the will"


def _is_int64(message: Message, found: Metric) -> str:
    return "" if found.datatype == INT64 else f"data type {found.datatype} instead of Int64"


def _is_boolean(message: Message, found: Metric) -> str:
    return "" if found.datatype == BOOLEAN else f"data type {found.datatype} instead of Boolean"


def _is_false(message: Message, found: Metric) -> str:
    return "" if found.field == "boolean" and found.raw is False else f"{found.field} {found.raw} instead of false"


def _is_false_boolean(message: Message, found: Metric) -> str:
    return _is_boolean(message, found) or _is_false(message, found)


def _is_there(message: Message, found: Metric) -> str:
    return ""


def _complete(message: Message, found: Metric) -> str:
    missing = [what for what, there in (("name", found.name), ("data type", found.datatype)) if not there]
    if found.field is None and not found.is_null:
        missing.append("value")
    return f"no {', no '.join(missing)}" if missing else ""


def _value_or_null(message: Message, found: Metric) -> str:
    if found.is_null:
        return "null, and yet a value" if found.field is not None else ""
    return "" if found.field is not None else "neither a value nor null"


def _after_node(message: Message) -> str:
    return "" if message.nbirth is not None else "no NBIRTH in this session before"


def _before_data(message: Message) -> str:
    """Births come in one go; later comes only a device that has come back, or that nobody knew when the node was born."""
    if message.nbirth is None:
        return "no NBIRTH before"
    device = message.place.device
    due = device in message.nbirth.alive and message.birth is None
    died = any(
        m.kind == "DDEATH" and m.place.device == device and message.nbirth.at < m.at < message.at for m in message.session.messages
    )
    return f"data was sent before the birth of {device}" if due and message.data_before and not died else ""


def _first(view: View) -> Findings:
    """The first message of a session is the node's birth; a session that never came to it may only say that it ends."""
    for session in view.edge:
        if session.messages:
            first = session.messages[0]
            alone = first.kind == "NDEATH" and len(session.messages) == 1
            yield Finding(
                first.at, "" if first.kind == "NBIRTH" or alone else f"the first message of the session is {first.topic!r}"
            )


CHECKS: dict[str, Check] = {
    "principles-birth-certificates-order": _first,
    "message-flow-edge-node-birth-publish-nbirth-payload": each("NBIRTH", decodes),
    "message-flow-edge-node-birth-publish-nbirth-payload-bdseq": each("NBIRTH", metric(BDSEQ, _is_int64), _bdseq_of_will),
    "message-flow-edge-node-birth-publish-nbirth-payload-seq": each("NBIRTH", seq_in_range),
    "message-flow-edge-node-birth-publish-nbirth-qos": each("NBIRTH", qos(0)),
    "message-flow-edge-node-birth-publish-nbirth-retained": each("NBIRTH", unretained),
    "topics-nbirth-mqtt": each("NBIRTH", qos(0), unretained),
    "topics-nbirth-seq-num": each("NBIRTH", seq_zero),
    "topics-nbirth-timestamp": each("NBIRTH", timestamp_now),
    "topics-nbirth-metrics": each("NBIRTH", metrics(_complete)),
    "topics-nbirth-bdseq-included": each("NBIRTH", _has_bdseq),
    "topics-nbirth-bdseq-matching": each("NBIRTH", _bdseq_of_will),
    "topics-nbirth-rebirth-metric": each("NBIRTH", metric(REBIRTH, _is_false_boolean)),
    "payloads-nbirth-timestamp": each("NBIRTH", timestamp_now),
    "payloads-nbirth-seq": each("NBIRTH", seq_in_range),
    "payloads-sequence-num-req-nbirth": each("NBIRTH", seq_in_range),
    "payloads-nbirth-bdseq": each("NBIRTH", _has_bdseq),
    "payloads-nbirth-bdseq-repeat": each("NBIRTH", _bdseq_of_will),
    "payloads-nbirth-rebirth-req": each("NBIRTH", metric(REBIRTH, _is_false_boolean)),
    "payloads-nbirth-qos": each("NBIRTH", qos(0)),
    "payloads-nbirth-retain": each("NBIRTH", unretained),
    "operational-behavior-data-commands-rebirth-name": each("NBIRTH", metric(REBIRTH, _is_there)),
    "operational-behavior-data-commands-rebirth-datatype": each("NBIRTH", metric(REBIRTH, _is_boolean)),
    "operational-behavior-data-commands-rebirth-value": each("NBIRTH", metric(REBIRTH, _is_false)),
    "operational-behavior-data-publish-nbirth-values": each("NBIRTH", metrics(_value_or_null)),
    "message-flow-device-birth-publish-nbirth-wait": each("DBIRTH", _after_node),
    "message-flow-device-birth-publish-dbirth-payload": each("DBIRTH", decodes),
    "message-flow-device-birth-publish-dbirth-payload-seq": each("DBIRTH", seq_in_range, seq_next),
    "message-flow-device-birth-publish-dbirth-qos": each("DBIRTH", qos(0)),
    "message-flow-device-birth-publish-dbirth-retained": each("DBIRTH", unretained),
    "topics-dbirth-mqtt": each("DBIRTH", qos(0), unretained),
    "topics-dbirth-seq": each("DBIRTH", seq_in_range, seq_next),
    "topics-dbirth-timestamp": each("DBIRTH", timestamp_now),
    "topics-dbirth-metrics": each("DBIRTH", metrics(_complete)),
    "payloads-dbirth-timestamp": each("DBIRTH", timestamp_now),
    "payloads-dbirth-seq": each("DBIRTH", seq_in_range),
    "payloads-dbirth-seq-inc": each("DBIRTH", seq_in_range, seq_next),
    "payloads-dbirth-order": each("DBIRTH", _before_data),
    "payloads-dbirth-qos": each("DBIRTH", qos(0)),
    "payloads-dbirth-retain": each("DBIRTH", unretained),
    "operational-behavior-data-publish-dbirth-values": each("DBIRTH", metrics(_value_or_null)),
}
