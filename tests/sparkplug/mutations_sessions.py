"""What breaks the assertions about topics, names, connections, wills and ends: by id, the trace and the change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.sparkplug.change import (
    Change,
    altered,
    chain,
    inserted,
    is_a,
    is_of_node,
    is_sent,
    message,
    metric,
    moved,
    no_metric,
    topic,
    will,
    will_content,
    without,
)
from tests.sparkplug.payload import Metric
from tests.sparkplug.trace import Accepted, Connect, Disconnect, Event, Publish, Subscribe, Will

GROUP, NODE, DEVICE = "/muster/", "/hall-1", "/press-1"
NO_TEXT = "\udcff"
"""A byte that is not UTF-8, as it stands in a trace."""


def stranger(**what: Any) -> Change:
    """Let another client connect and publish, in the middle of everything."""

    def connects(event: Event) -> Event:
        death = Will("spBv1.0/muster/NDEATH/hall-1", b"", 1, retain=False) if what.get("will") else None
        return Connect(at_ms=event.at_ms, link=99, server="a", client="stranger", version="5", clean=True, will=death)

    steps = []
    if "topic" in what:
        steps.append(
            inserted(lambda event: Publish(at_ms=event.at_ms, link=99, topic=what["topic"], payload=b""), is_sent("DBIRTH"))
        )
    return chain(*steps, inserted(connects, is_sent("NBIRTH")))


def wills_metric(**what: Any) -> Change:
    """Change the one metric of a will."""
    return will_content(lambda payload: replace(payload, metrics=(replace(payload.metrics[0], **what),)), nth=1)


def _bdseq(number: int, nth: int) -> Change:
    """Give another bdSeq to a connection of the trace with many: to the will and to the birth."""
    changed = will_content(lambda payload: replace(payload, metrics=(replace(payload.metrics[0], raw=number),)), nth)
    return chain(changed, metric("NBIRTH", "bdSeq", nth, raw=number))


def _filters(change: Any) -> Change:
    return altered(is_a(Subscribe), filters=change)


SESSIONS: dict[str, tuple[str, Change]] = {
    "topic-structure": ("life", topic("DDATA", NODE + DEVICE, NODE + "/line/press-1")),
    "topic-structure-namespace-a": ("life", topic("NDATA", "spBv1.0", "spAv1.0")),
    "topic-structure-namespace-device-id-associated-message-types": ("life", topic("DDATA", DEVICE, "")),
    "topic-structure-namespace-device-id-non-associated-message-types": ("life", topic("NDATA", NODE, NODE + DEVICE)),
    "topic-structure-namespace-valid-group-id": ("life", topic("NDATA", GROUP, "/mus/ter/")),
    "topic-structure-namespace-valid-edge-node-id": ("life", topic("NDATA", NODE, "/hall#1")),
    "topic-structure-namespace-valid-device-id": ("life", topic("DDATA", DEVICE, "/press+1")),
    "intro-group-id-string": ("life", topic("NDATA", GROUP, f"/muster{NO_TEXT}/")),
    "intro-group-id-chars": ("life", topic("NDATA", GROUP, "/muster+/")),
    "intro-edge-node-id-string": ("life", topic("NDATA", NODE, f"/hall{NO_TEXT}")),
    "intro-edge-node-id-chars": ("life", topic("NDATA", NODE, "/hall+1")),
    "intro-device-id-string": ("life", topic("DDATA", DEVICE, f"/press{NO_TEXT}")),
    "intro-device-id-chars": ("life", topic("DDATA", DEVICE, "/press#1")),
    "intro-edge-node-id-uniqueness": ("life", stranger(will=True)),
    "topic-structure-namespace-unique-edge-node-descriptor": ("life", stranger(topic="spBv1.0/muster/DDATA/hall-1/press-9")),
    "payloads-nbirth-edge-node-descriptor": ("life", stranger(topic="spBv1.0/muster/NBIRTH/hall-1")),
    "topic-structure-namespace-unique-device-id": ("life", topic("DBIRTH", "/lathe-2", DEVICE, nth=1)),
    "case-sensitivity-sparkplug-ids": ("life", topic("DBIRTH", "/lathe-2", "/Press-1", nth=1)),
    "case-sensitivity-metric-names": ("life", metric("DBIRTH", "position", name="Temperature")),
    "topics-nbirth-topic": ("life", topic("NBIRTH", GROUP, "/other/")),
    "message-flow-edge-node-birth-publish-nbirth-topic": ("life", topic("NBIRTH", NODE, "/hall-2")),
    "topics-dbirth-topic": ("life", topic("DBIRTH", GROUP, "/other/")),
    "message-flow-device-birth-publish-dbirth-topic": ("life", topic("DBIRTH", DEVICE, DEVICE + "/inner")),
    "message-flow-device-birth-publish-dbirth-match-edge-node-topic": ("life", topic("DBIRTH", NODE, "/hall-2")),
    "topics-ndata-topic": ("life", topic("NDATA", NODE, "/hall-2")),
    "topics-ddata-topic": ("life", topic("DDATA", NODE, "/hall-2")),
    "topics-ddeath-topic": ("life", topic("DDEATH", GROUP, "/other/")),
    "topics-ndeath-topic": ("life", topic("NDEATH", NODE, "/hall-2")),
    "message-flow-edge-node-birth-publish-will-message-topic": ("life", will(topic="spBv1.0/muster/NDEATH/hall-2")),
    "principles-persistence-clean-session-311": ("life", altered(is_a(Connect, version="3.1.1"), clean=False)),
    "principles-persistence-clean-session-50": ("life", altered(is_of_node, expiry_s=3600)),
    "message-flow-edge-node-birth-publish-connect": ("life", moved(is_sent("NBIRTH"), is_a(Accepted), to=1)),
    "message-flow-edge-node-birth-publish-will-message": ("life", altered(is_of_node, will=None)),
    "message-flow-edge-node-birth-publish-will-message-payload": ("life", will(payload=b'{"bdSeq": 0}')),
    "message-flow-edge-node-birth-publish-will-message-payload-bdseq": ("life", wills_metric(datatype=8)),
    "message-flow-edge-node-birth-publish-will-message-qos": ("life", will(qos=0)),
    "message-flow-edge-node-birth-publish-will-message-will-retained": ("life", will(retain=True)),
    "message-flow-edge-node-ncmd-subscribe": ("life", _filters((("spBv1.0/muster/NCMD/hall-1", 0),))),
    "message-flow-device-dcmd-subscribe": ("writable", _filters(lambda old: (old[0], (old[1][0], 0)))),
    "operational-behavior-primary-application-state-with-multiple-servers-state-subs": ("walk", _filters(lambda old: old[:1])),
    "topics-nbirth-bdseq-increment": ("many_lives", _bdseq(256, 256)),
    "topics-ndeath-payload": ("life", will_content(lambda p: replace(p, metrics=(*p.metrics, Metric("reason", 1))))),
    "topics-ndeath-seq": ("life", will_content(lambda payload: replace(payload, seq=0))),
    "payloads-ndeath-seq": ("life", message("NDEATH", payload=lambda data: data + b"\x18\x05")),
    "payloads-ndeath-bdseq": ("life", metric("NDEATH", "bdSeq", raw=77)),
    "payloads-ndeath-will-message": ("life", will(topic="spBv1.0/muster/DDEATH/hall-1/press-1")),
    "payloads-ndeath-will-message-qos": ("life", will(qos=2)),
    "payloads-ndeath-will-message-retain": ("life", will(retain=True)),
    "payloads-ndeath-will-message-publisher": ("life", without(is_sent("NDEATH"))),
    "payloads-ndeath-will-message-publisher-disconnect-mqtt311": ("life", without(is_sent("NDEATH"), nth=1)),
    "payloads-ndeath-will-message-publisher-disconnect-mqtt50": ("life", altered(is_a(Disconnect, reason=4), reason=0)),
    "operational-behavior-edge-node-intentional-disconnect-ndeath": (
        "life",
        moved(is_sent("NDEATH"), is_a(Disconnect), after=True),
    ),
    "operational-behavior-edge-node-intentional-disconnect-packet": (
        "life",
        moved(is_sent("DDATA"), is_sent("NDEATH"), after=True),
    ),
}

MORE_SESSIONS: list[tuple[str, str, Change]] = [
    ("topics-nbirth-bdseq-increment", "life", _bdseq(3, 0)),
    ("topics-nbirth-bdseq-increment", "many_lives", _bdseq(9, 100)),
    ("principles-persistence-clean-session-50", "life", altered(is_of_node, clean=False)),
    ("message-flow-edge-node-birth-publish-will-message-payload-bdseq", "life", wills_metric(raw=0)),
    ("message-flow-edge-node-birth-publish-will-message-payload-bdseq", "life", wills_metric(name="bdseq")),
    ("message-flow-edge-node-ncmd-subscribe", "life", _filters((("spBv1.0/muster/NCMD/+", 1),))),
    ("message-flow-edge-node-ncmd-subscribe", "life", moved(is_a(Subscribe), is_sent("DBIRTH"))),
    ("payloads-ndeath-bdseq", "life", no_metric("NDEATH", "bdSeq")),
    ("topics-ndeath-payload", "life", message("NDEATH", payload=b"")),
    ("message-flow-edge-node-birth-publish-connect", "life", altered(is_a(Accepted), nth=1, code=0x87)),
]
"""Further ways to break the same ones."""
