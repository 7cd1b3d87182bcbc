"""Checks of NDATA, DDATA and DDEATH, and of what holds for every payload and every metric."""

from __future__ import annotations

from tests.sparkplug.payload import DATASET, LAST_TYPE, TEMPLATE, Metric, PayloadError
from tests.sparkplug.rules import (
    Check,
    Finding,
    Findings,
    both,
    decodes,
    each,
    has_seq,
    metrics,
    near,
    qos,
    seq_in_range,
    seq_next,
    timestamp_now,
    unretained,
    wills,
)
from tests.sparkplug.trace import Lost, Measured
from tests.sparkplug.view import BIRTHS, DATA, NUMBERED, Message, Session, View

NUMBERED_KINDS = " ".join(NUMBERED)

TOLD_MS = 20_000
"""What has changed is on the broker by then, also from a busy computer."""


def _born(message: Message, found: Metric) -> str:
    """Everything that is reported was in the birth in effect, by name and by data type, and can be read by it."""
    name = message.name_of(found)
    if message.birth is None:
        return "no birth in effect"
    born = message.birth.payload.named(name) if name is not None else []
    if not born:
        return f"{name or f'alias {found.alias}'} was not in the birth"
    if found.datatype not in {None, born[0].datatype}:
        return f"data type {found.datatype}, and {born[0].datatype} in the birth"
    try:
        found.value(born[0].datatype)
    except PayloadError as exc:
        return str(exc)
    return ""


def _after_births(message: Message) -> str:
    if message.nbirth is None or message.birth is None:
        return "data before the birth"
    return "data before the birth of a device that lived on" if message.births_owed else ""


def _changes(message: Message) -> list[bool]:
    """Say of every metric that is not history whether it differs from what a host holds."""
    current = [metric for metric in message.payload.metrics if not metric.is_historical]
    return [message.known.get(message.name_of(metric) or "") != message.state_of(metric) for metric in current]


def _something_changed(message: Message) -> str | None:
    changes = _changes(message)
    return None if not changes else "" if any(changes) else "nothing in it has changed"


def _everything_changed(message: Message) -> str | None:
    changes = _changes(message)
    return None if not changes else "" if all(changes) else f"{changes.count(False)} of {len(changes)} metrics have not changed"


def _chronological(message: Message) -> str:
    times = [metric.timestamp for metric in message.payload.metrics if not metric.is_historical and metric.timestamp is not None]
    return "" if times == sorted(times) else "the metrics do not stand in the order of their timestamps"


def _holds_something(message: Message) -> str:
    return "" if message.payload.metrics else "no metrics"


def _told(of_node: bool) -> Check:
    """What was measured reaches the broker in time, and before something else is measured; while a session stands."""

    def check(view: View) -> Findings:
        pending: dict[tuple[str | None, str], tuple[int, Measured]] = {}
        by_event = {message.at: message for message in view.messages}
        for at, event in enumerate(view.events):
            if isinstance(event, Measured) and (event.device is None) == of_node:
                if (key := (event.device, event.metric)) in pending:
                    yield from _never_told(view, *pending[key], event.at_ms)
                pending[key] = at, event
            elif isinstance(event, Lost):
                pending = {key: value for key, value in pending.items() if key[0] != event.device}
            elif message := by_event.get(at):
                for found in message.payload.metrics if message.kind in BIRTHS + DATA else ():
                    key = message.place.device, message.name_of(found) or ""
                    if key in pending and message.state_of(found)[0] == pending[key][1].value:
                        since, measured = pending.pop(key)
                        late = event.at_ms > measured.at_ms + TOLD_MS
                        yield from _never_told(view, since, measured, event.at_ms) if late else [Finding(at, "")]
        for since, measured in pending.values():
            yield from _never_told(view, since, measured, view.events[-1].at_ms)

    return check


def _never_told(view: View, at: int, measured: Measured, now_ms: int) -> Findings:
    """Say that it was not reported in time, unless the session ended before it had to be."""
    session = _standing(view, at)
    if session is not None and (session.ended is None or view.events[session.ended].at_ms > min(now_ms, measured.at_ms + TOLD_MS)):
        yield Finding(at, f"{measured.metric} = {measured.value!r} was not reported")


def _death_of_device(view: View) -> Findings:
    """A device that was lost dies: no birth and no rebirth takes it up again without a death before."""
    for at, event in enumerate(view.events):
        session = _standing(view, at) if isinstance(event, Lost) else None
        if session is None or not isinstance(event, Lost):
            continue
        later = [message for message in session.messages if message.at > at]
        if event.device not in (later[0].alive if later else frozenset()):
            continue
        fate = next((m for m in later if m.kind in {"DDEATH", "DBIRTH"} and m.place.device == event.device), None)
        if fate is not None:
            yield Finding(fate.at, "" if fate.kind == "DDEATH" else f"{event.device} was lost and came back without DDEATH")
        elif session.ended is None:
            yield Finding(at, f"{event.device} was lost without DDEATH")


def _standing(view: View, at: int) -> Session | None:
    return next((s for s in view.edge if s.at < at and (s.ended is None or s.ended > at)), None)


def _has_timestamp(message: Message, found: Metric) -> str:
    return "" if found.timestamp is not None else "no timestamp"


def _in_utc(message: Message, found: Metric) -> str | None:
    """Data that is not history is of now; a birth may hold what was measured long ago, but nothing of the future."""
    if found.timestamp is None:
        return None
    if message.kind in DATA and not found.is_historical:
        return near(message, found.timestamp)
    return near(message, max(found.timestamp, message.at_ms)) or ("" if found.timestamp > 0 else f"timestamp {found.timestamp}")


def _payload_in_utc(message: Message) -> str | None:
    return None if message.payload.timestamp is None else near(message, message.payload.timestamp)


def _has_name(message: Message, found: Metric) -> str:
    if found.name:
        return ""
    if found.alias is None:
        return "neither a name nor an alias"
    return "" if message.name_of(found) else f"no name, and no birth gave the alias {found.alias}"


def _has_type(message: Message, found: Metric) -> str:
    return "" if found.datatype is not None else "no data type"


def _type_is_uint32(message: Message, found: Metric) -> str | None:
    return None if found.datatype is None else "" if 0 <= found.datatype < 1 << 32 else f"data type {found.datatype}"


def _type_is_known(message: Message, found: Metric) -> str | None:
    return None if found.datatype is None else "" if 1 <= found.datatype <= LAST_TYPE else f"data type {found.datatype}"


def _has_no_type(message: Message, found: Metric) -> str | None:
    """A SHOULD NOT that is departed from by default, as common decoders fail otherwise; it holds where it was asked for."""
    if message.session.setting.datatype_in_data:
        return None
    return "" if found.datatype is None else f"data type {found.datatype}"


def _seq_after_birth(message: Message) -> str | None:
    return None if message.kind == "NBIRTH" else has_seq(message) or seq_in_range(message) or seq_next(message)


def no_optional_type(message: Message, found: Metric) -> str:
    """Nothing of the groups that do not apply: no DataSet, no Template."""
    optional = {DATASET, TEMPLATE} & {found.datatype} or found.field in {"dataset", "template", "extension"}
    return f"data type {found.datatype} in {found.field}_value" if optional else ""


def _of_data(kind: str, birth: str) -> dict[str, Check]:
    """Return the checks that NDATA and DDATA have in common, `kind` and `birth` in lower case as they stand in the ids."""
    sent = kind.upper()
    return {
        f"topics-{kind}-mqtt": each(sent, qos(0), unretained),
        f"topics-{kind}-seq-num": each(sent, seq_in_range, seq_next),
        f"topics-{kind}-timestamp": each(sent, timestamp_now),
        f"topics-{kind}-payload": both(each(sent, decodes, _holds_something), _told(kind == "ndata")),
        f"payloads-{kind}-timestamp": each(sent, timestamp_now),
        f"payloads-{kind}-seq": each(sent, has_seq),
        f"payloads-{kind}-seq-inc": each(sent, seq_in_range, seq_next),
        f"payloads-{kind}-order": each(sent, _after_births),
        f"payloads-{kind}-qos": each(sent, qos(0)),
        f"payloads-{kind}-retain": each(sent, unretained),
        f"topics-{birth}-metric-reqs": each(sent, metrics(_born)),
        f"operational-behavior-data-publish-{birth}": each(sent, metrics(_born)),
        f"operational-behavior-data-publish-{birth}-change": each(sent, _something_changed),
        f"operational-behavior-data-publish-{birth}-order": each(f"{birth.upper()} {sent}", _chronological),
    }


CHECKS: dict[str, Check] = {
    **_of_data("ndata", "nbirth"),
    **_of_data("ddata", "dbirth"),
    "principles-rbe-recommended": each("NDATA DDATA", _everything_changed),
    "operational-behavior-device-ddeath": _death_of_device,
    "topics-ddeath-mqtt": each("DDEATH", qos(0), unretained),
    "topics-ddeath-seq-num": each("DDEATH", seq_in_range, seq_next),
    "payloads-ddeath-timestamp": each("DDEATH", timestamp_now),
    "payloads-ddeath-seq": each("DDEATH", has_seq),
    "payloads-ddeath-seq-inc": each("DDEATH", seq_in_range, seq_next),
    "payloads-ddeath-seq-number": each("DDEATH", has_seq),
    "payloads-sequence-num-always-included": each(NUMBERED_KINDS, has_seq),
    "payloads-sequence-num-incrementing": each(NUMBERED_KINDS, _seq_after_birth),
    "payloads-timestamp-in-utc": both(wills(_payload_in_utc), each(f"{NUMBERED_KINDS} NDEATH", _payload_in_utc)),
    "payloads-metric-timestamp-in-utc": each("NBIRTH DBIRTH NDATA DDATA", metrics(_in_utc)),
    "payloads-name-birth-data-requirement": each("NBIRTH DBIRTH NDATA DDATA", metrics(_has_timestamp)),
    "payloads-name-requirement": each(f"{NUMBERED_KINDS} NDEATH", metrics(_has_name)),
    "payloads-metric-datatype-req": each("NBIRTH DBIRTH", metrics(_has_type)),
    "payloads-metric-datatype-not-req": each("NDATA DDATA", metrics(_has_no_type)),
    "payloads-metric-datatype-value": each(f"{NUMBERED_KINDS} NDEATH", metrics(_type_is_known)),
    "payloads-metric-datatype-value-type": each(f"{NUMBERED_KINDS} NDEATH", metrics(_type_is_uint32)),
}
