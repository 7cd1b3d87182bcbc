"""Checks of topics, and of the names that stand in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.sparkplug.rules import Check, Finding, Findings, Rule, each, topic_is_right, wills
from tests.sparkplug.trace import Publish
from tests.sparkplug.view import DEVICE_KINDS, NODE_KINDS, Message, Place, Session, View


def _everything(rule: Rule) -> Check:
    """Apply a rule to whatever the node publishes, wills as well."""

    def check(view: View) -> Findings:
        for session in view.edge:
            for message in [*([session.will] if session.will else []), *session.messages]:
                if (problem := rule(message)) is not None:
                    yield Finding(message.at, problem)

    return check


def _structure(message: Message) -> str:
    levels = message.topic.split("/")
    kind = levels[2] if len(levels) > 2 else ""
    wanted = 4 if kind in NODE_KINDS else 5 if kind in DEVICE_KINDS else 0
    return "" if len(levels) == wanted and all(levels) else f"topic {message.topic!r} is not namespace/group/type/node[/device]"


def _namespace(message: Message) -> str:
    return "" if message.place.namespace == "spBv1.0" else f"namespace {message.place.namespace!r}"


def _has_device(message: Message) -> str | None:
    if message.kind not in DEVICE_KINDS:
        return None
    return "" if message.place.device else f"topic {message.topic!r} names no device"


def _has_no_device(message: Message) -> str | None:
    if message.kind not in NODE_KINDS:
        return None
    return "" if message.place.device is None else f"topic {message.topic!r} names a device"


def _is_text(name: str) -> str:
    return "" if name and not any("\ud800" <= letter <= "\udfff" for letter in name) else f"{name!r} is not UTF-8 text"


def _is_plain(name: str) -> str:
    return f"{name!r} has a letter that topics reserve" if set(name) & set("+/#\0") else ""


def _is_valid(name: str) -> str:
    return _is_text(name) or _is_plain(name)


def _id(part: Callable[[Place], str | None], rule: Callable[[str], str]) -> Check:
    """Apply a rule to one part of every topic that has it."""

    def of_message(message: Message) -> str | None:
        name = part(message.place)
        return None if name is None or not message.kind else rule(name)

    return _everything(of_message)


def _group(place: Place) -> str | None:
    return place.group


def _node(place: Place) -> str | None:
    return place.node


def _device(place: Place) -> str | None:
    return place.device


def _same_node_as_birth(message: Message) -> str | None:
    if message.nbirth is None:
        return None
    born = message.nbirth.place
    same = (born.group, born.node) == (message.place.group, message.place.node)
    return "" if same else f"topic {message.topic!r} after a birth at {message.nbirth.topic!r}"


def _strangers(view: View) -> Iterator[tuple[Session, str, int, str]]:
    """Yield what clients other than the node publish or leave as a will: session, how, index, topic."""
    for session in [*view.others, *view.hosts]:
        if session.connect.will is not None:
            yield session, "will", session.at, session.connect.will.topic
        for at, event in session.published():
            yield session, "message", at, event.topic


def _alone(kinds: tuple[str, ...], how: tuple[str, ...]) -> Check:
    """Nobody else speaks for this group and node."""

    def check(view: View) -> Findings:
        for session in view.edge:
            yield Finding(session.at, "")
        for session, way, at, topic in _strangers(view):
            place = Place.of(topic)
            if way in how and place.kind in kinds and (place.group, place.node) == (view.setting.group, view.setting.node):
                yield Finding(at, f"client {session.connect.client!r} speaks for this node: {way} at {topic!r}")

    return check


_SPEAKS = ("NBIRTH", "NDATA", "DBIRTH", "DDATA", "DDEATH")


def _one_birth_per_device(view: View) -> Findings:
    """In one round of births every device comes once."""
    for session in view.edge:
        seen: set[str | None] = set()
        for message in session.messages:
            if message.kind == "DBIRTH":
                twice = message.place.device in seen
                yield Finding(message.at, f"a second device {message.place.device!r} in one round of births" if twice else "")
                seen.add(message.place.device)
            else:
                seen.clear()


def _ids_differ_by_more_than_case(view: View) -> Findings:
    """Groups and nodes of everyone, devices of this node."""
    spelled: dict[tuple[str, ...], tuple[str, ...]] = {}
    for at, event in enumerate(view.events):
        place = Place.of(event.topic) if isinstance(event, Publish) else None
        if place is None or not place.kind or place.kind.endswith("CMD"):
            continue
        words = [("group", place.group), ("node", place.group, place.node)]
        words += [("device", place.group, place.node, place.device)] if place.device else []
        for word in words:
            first = spelled.setdefault(tuple(part.lower() for part in word), word)
            yield Finding(at, "" if first == word else f"{'/'.join(word[1:])} and {'/'.join(first[1:])} differ by case only")


def _names_differ_by_more_than_case(message: Message) -> str:
    spelled: dict[str, str] = {}
    for metric in message.payload.metrics:
        first = spelled.setdefault((metric.name or "").lower(), metric.name or "")
        if first != metric.name:
            return f"metrics {first!r} and {metric.name!r} differ by case only"
    return ""


CHECKS: dict[str, Check] = {
    "topic-structure": _everything(_structure),
    "topic-structure-namespace-a": _everything(_namespace),
    "topic-structure-namespace-device-id-associated-message-types": _everything(_has_device),
    "topic-structure-namespace-device-id-non-associated-message-types": _everything(_has_no_device),
    "topic-structure-namespace-valid-group-id": _id(_group, _is_valid),
    "topic-structure-namespace-valid-edge-node-id": _id(_node, _is_valid),
    "topic-structure-namespace-valid-device-id": _id(_device, _is_valid),
    "intro-group-id-string": _id(_group, _is_text),
    "intro-group-id-chars": _id(_group, _is_plain),
    "intro-edge-node-id-string": _id(_node, _is_text),
    "intro-edge-node-id-chars": _id(_node, _is_plain),
    "intro-device-id-string": _id(_device, _is_text),
    "intro-device-id-chars": _id(_device, _is_plain),
    "intro-edge-node-id-uniqueness": _alone(("NDEATH",), ("will", "message")),
    "topic-structure-namespace-unique-edge-node-descriptor": _alone(_SPEAKS, ("message",)),
    "payloads-nbirth-edge-node-descriptor": _alone(("NBIRTH",), ("message",)),
    "topic-structure-namespace-unique-device-id": _one_birth_per_device,
    "case-sensitivity-sparkplug-ids": _ids_differ_by_more_than_case,
    "case-sensitivity-metric-names": each("NBIRTH DBIRTH", _names_differ_by_more_than_case),
    "topics-nbirth-topic": each("NBIRTH", topic_is_right),
    "message-flow-edge-node-birth-publish-nbirth-topic": each("NBIRTH", topic_is_right),
    "topics-dbirth-topic": each("DBIRTH", topic_is_right),
    "message-flow-device-birth-publish-dbirth-topic": each("DBIRTH", topic_is_right),
    "message-flow-device-birth-publish-dbirth-match-edge-node-topic": each("DBIRTH", _same_node_as_birth),
    "topics-ndata-topic": each("NDATA", topic_is_right),
    "topics-ddata-topic": each("DDATA", topic_is_right),
    "topics-ddeath-topic": each("DDEATH", topic_is_right),
    "topics-ndeath-topic": each("NDEATH", topic_is_right),
    "message-flow-edge-node-birth-publish-will-message-topic": wills(topic_is_right),
}
