"""Checks of how a node connects, subscribes, and says good-bye: CONNECT with its will, SUBSCRIBE, NDEATH, DISCONNECT."""

from __future__ import annotations

from collections.abc import Callable

from tests.sparkplug.payload import INT64, Metric
from tests.sparkplug.rules import Check, Finding, Findings, both, decodes, each, metric, no_seq, qos, unretained, wills
from tests.sparkplug.view import BIRTHS, Message, Session, View

BDSEQ = "bdSeq"


def sessions(rule: Callable[[Session], str | None]) -> Check:
    """Apply a rule to every session of the node."""

    def check(view: View) -> Findings:
        for session in view.edge:
            if (problem := rule(session)) is not None:
                yield Finding(session.at, problem)

    return check


def bdseq_of(message: Message | None) -> int | None:
    """Return the bdSeq of a birth or death."""
    found = message.payload.named(BDSEQ) if message else []
    return found[0].raw if len(found) == 1 else None


def _clean(version: str) -> Callable[[Session], str | None]:
    def rule(session: Session) -> str | None:
        if session.connect.version != version:
            return None
        if not session.connect.clean:
            return "the session is not begun clean"
        return f"the session outlives the connection by {session.connect.expiry_s} s" if session.connect.expiry_s else ""

    return rule


def _has_will(session: Session) -> str:
    return "" if session.will else "CONNECT without a will"


def _will_is_death(session: Session) -> str:
    if session.will is None:
        return "no death certificate in CONNECT"
    return "" if session.will.kind == "NDEATH" else f"the will at {session.will.topic!r} is no NDEATH"


def _births_after_session(session: Session) -> str | None:
    births = [message.at for message in session.messages if message.kind in BIRTHS]
    if not births:
        return None
    return "" if session.accepted is not None and session.accepted < births[0] else "a birth before the broker accepted the session"


def _subscribes(kind: str, host: bool = False) -> Callable[[Session], str | None]:
    """Before its birth the node has subscribed to exactly this topic, at QoS 1."""

    def rule(session: Session) -> str | None:
        setting = session.setting
        if host and setting.primary_host is None:
            return None
        wanted = f"spBv1.0/STATE/{setting.primary_host}" if host else f"spBv1.0/{setting.group}/{kind}/{setting.node}"
        birth = next((message.at for message in session.messages if message.kind == "NBIRTH"), None)
        if birth is None and not host:
            return None  # ended before it came to that
        if birth is None and session.accepted is None:
            return None
        granted = [level for _, topic, level in session.subscribed(birth) if topic == wanted]
        if not granted:
            return f"not subscribed to {wanted!r}"
        return "" if granted[-1] == 1 or host else f"subscribed to {wanted!r} at QoS {granted[-1]}"

    return rule


def _commands_of_devices(view: View) -> Findings:
    """Where the node takes commands for a device, it does so by the device's own topic, at QoS 1."""
    for session in view.edge:
        for at, topic, level in session.subscribed():
            levels = topic.split("/")
            if "DCMD" in levels:
                right = levels[:4] == ["spBv1.0", view.setting.group, "DCMD", view.setting.node] and len(levels) == 5 and level == 1
                yield Finding(at, "" if right else f"subscribed to {topic!r} at QoS {level}")


def _is_bdseq(message: Message, found: Metric) -> str:
    if found.datatype != INT64 or found.field != "long":
        return f"data type {found.datatype} in {found.field}_value instead of Int64"
    return "" if 0 <= found.raw <= 255 else f"bdSeq {found.raw}"


def _bdseq_goes_on(view: View) -> Findings:
    """One more with every CONNECT, 0 after 255."""
    last: int | None = None
    for session in view.edge:
        number = bdseq_of(session.will)
        if number is not None and last is not None:
            wanted = (last + 1) % 256
            yield Finding(session.at, "" if number == wanted else f"bdSeq {number} instead of {wanted}")
        last = number if number is not None else last


def _bdseq_begins_at_zero(view: View) -> Findings:
    if view.setting.fresh and view.edge:
        number = bdseq_of(view.edge[0].will)
        yield Finding(view.edge[0].at, "" if number == 0 else f"the first bdSeq is {number}")


def _only_bdseq(message: Message) -> str:
    names = [metric.name for metric in message.payload.metrics]
    return "" if names == [BDSEQ] else f"metrics {names} instead of bdSeq alone"


def _same_bdseq_as_birth(view: View) -> Findings:
    """Both forms of the death, the will and the message, carry what the births of this session carry."""
    for session in view.edge:
        births = [message for message in session.messages if message.kind == "NBIRTH"]
        deaths = [session.will] if session.will else []
        deaths += [message for message in session.messages if message.kind == "NDEATH"]
        for death in deaths if births else []:
            number, born = bdseq_of(death), {bdseq_of(birth) for birth in births}
            yield Finding(death.at, "" if born == {number} and number is not None else f"bdSeq {number}, and {born} at birth")


def _goodbyes(rule: Callable[[Session, list[Message]], str | None]) -> Check:
    """Apply a rule to every session that ended with DISCONNECT after a birth; it gets the deaths published before."""

    def check(view: View) -> Findings:
        for session in view.edge:
            if session.disconnect is not None and any(message.kind == "NBIRTH" for message in session.messages):
                at, _ = session.disconnect
                problem = rule(session, [m for m in session.messages if m.kind == "NDEATH" and m.at < at])
                if problem is not None:
                    yield Finding(at, problem)

    return check


def _death_before(version: str = "") -> Callable[[Session, list[Message]], str | None]:
    def rule(session: Session, deaths: list[Message]) -> str | None:
        if version and session.connect.version != version:
            return None
        return "" if deaths else "DISCONNECT without NDEATH before"

    return rule


def _nothing_after_death(session: Session, deaths: list[Message]) -> str | None:
    if not deaths:
        return None
    late = [message for message in session.messages if message.at > deaths[-1].at and message.kind]
    return f"{late[0].kind} after NDEATH" if late else ""


def _with_will(session: Session, deaths: list[Message]) -> str | None:
    if session.connect.version != "5" or session.disconnect is None:
        return None
    reason = session.disconnect[1].reason
    return "" if reason == 4 else f"DISCONNECT with reason 0x{reason:02X} instead of 0x04, which sends the will"


CHECKS: dict[str, Check] = {
    "principles-persistence-clean-session-311": sessions(_clean("3.1.1")),
    "principles-persistence-clean-session-50": sessions(_clean("5")),
    "message-flow-edge-node-birth-publish-connect": sessions(_births_after_session),
    "message-flow-edge-node-birth-publish-will-message": sessions(_has_will),
    "message-flow-edge-node-birth-publish-will-message-payload": wills(decodes),
    "message-flow-edge-node-birth-publish-will-message-payload-bdseq": both(wills(metric(BDSEQ, _is_bdseq)), _bdseq_goes_on),
    "message-flow-edge-node-birth-publish-will-message-qos": wills(qos(1)),
    "message-flow-edge-node-birth-publish-will-message-will-retained": wills(unretained),
    "message-flow-edge-node-ncmd-subscribe": sessions(_subscribes("NCMD")),
    "message-flow-device-dcmd-subscribe": _commands_of_devices,
    "operational-behavior-primary-application-state-with-multiple-servers-state-subs": sessions(_subscribes("STATE", host=True)),
    "topics-nbirth-bdseq-increment": both(_bdseq_begins_at_zero, _bdseq_goes_on),
    "topics-ndeath-payload": both(wills(_only_bdseq), each("NDEATH", _only_bdseq)),
    "topics-ndeath-seq": both(wills(no_seq), each("NDEATH", no_seq)),
    "payloads-ndeath-seq": both(wills(no_seq), each("NDEATH", no_seq)),
    "payloads-ndeath-bdseq": _same_bdseq_as_birth,
    "payloads-ndeath-will-message": sessions(_will_is_death),
    "payloads-ndeath-will-message-qos": wills(qos(1)),
    "payloads-ndeath-will-message-retain": wills(unretained),
    "payloads-ndeath-will-message-publisher": _goodbyes(_death_before()),
    "payloads-ndeath-will-message-publisher-disconnect-mqtt311": _goodbyes(_death_before("3.1.1")),
    "payloads-ndeath-will-message-publisher-disconnect-mqtt50": _goodbyes(_with_will),
    "operational-behavior-edge-node-intentional-disconnect-ndeath": _goodbyes(_death_before()),
    "operational-behavior-edge-node-intentional-disconnect-packet": _goodbyes(_nothing_after_death),
}
