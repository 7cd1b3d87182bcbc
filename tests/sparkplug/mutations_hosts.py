"""What breaks the assertions about rebirths, the primary host and the host's own part: by id, the trace and the change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.sparkplug.change import (
    Change,
    Events,
    altered,
    chain,
    find,
    inserted,
    is_a,
    is_host_state,
    is_of_host,
    is_of_node,
    is_sent,
    is_state,
    metric,
    moved,
    without,
)
from tests.sparkplug.script import START_MS
from tests.sparkplug.trace import Closed, Connect, Delivered, Disconnect, Event, Publish, Will

SECOND_ROUND = 2
"""The nth DBIRTH of the trace: the first of the second round."""


def _asked(event: Event) -> bool:
    return isinstance(event, Delivered) and "/NCMD/" in event.topic


def _data_goes_on(events: Events) -> Events:
    """Let the answer to the first request wait for three seconds, in which data goes on."""
    at = find(events, _asked)
    data = events[find(events, is_sent("DDATA"))]
    late = [replace(event, at_ms=event.at_ms + 3000) for event in events[at + 1 :]]
    return [*events[: at + 1], replace(data, at_ms=events[at].at_ms + 2000), *late]


def _no_answer(events: Events) -> Events:
    """Leave out the births that answer the first request."""
    at = find(events, _asked)
    births = [n for n in range(at, at + 4) if is_sent("NBIRTH")(events[n]) or is_sent("DBIRTH")(events[n])]
    later = [n for n, event in enumerate(events) if n > at + 4 and (is_sent("NBIRTH")(event) or _asked(event))]
    end = find(events, is_a(Disconnect))
    return [event for n, event in enumerate(events) if n not in births and not (n in later and n < end)]


def _old_will(at_ms: int) -> Callable[[Any], bytes]:
    return lambda payload: payload.replace(b'"timestamp": ', f'"timestamp": {at_ms}, "was": '.encode())


def _online(old: bytes) -> bytes:
    return old.replace(b"false", b"true")


def _offline(old: bytes) -> bytes:
    return old.replace(b"true", b"false")


def _host_will(change: Callable[[bytes], bytes]) -> Change:
    return altered(is_of_host, will=lambda old: replace(old, payload=change(old.payload)))


def _does_not_leave(events: Events) -> Events:
    """Let the node do nothing more when it is told that the host is offline."""
    return events[: find(events, is_state(online=False), 1) + 1]


def _data_after_offline(events: Events) -> Events:
    """Let the node send data for three more seconds after it was told that the host is offline."""
    at = find(events, is_state(online=False), 1)
    data = events[find(events, is_sent("DDATA"))]
    late = [replace(event, at_ms=event.at_ms + 3000) for event in events[at + 1 :]]
    return [*events[: at + 1], replace(data, at_ms=events[at].at_ms + 2000), *late]


def _leaves_at_old_offline(events: Events) -> Events:
    """Let the node end the session where it is told an offline that is too old."""
    at = find(events, is_state(online=False))
    rest = find(events, is_of_node, 1)
    ends = [event for event in events[at + 1 : rest] if event.link != events[at].link]
    gone: list[Event] = [kind(at_ms=events[at].at_ms + 10, link=events[at].link) for kind in (Disconnect, Closed)]
    return [*events[: at + 1], *gone, *ends, *events[rest:]]


def _second_host(event: Event) -> Event:
    will = Will("spBv1.0/STATE/scada", b'{"online": false, "timestamp": 1}', 1, retain=True)
    return Connect(at_ms=event.at_ms, link=98, server="a", client="host-twin", version="5", clean=True, will=will)


def _second_host_says(event: Event) -> Event:
    payload = b'{"online": true, "timestamp": 1}'
    return Publish(at_ms=event.at_ms, link=98, topic="spBv1.0/STATE/scada", payload=payload, qos=1, retain=True)


def _is_of_node_b(event: Event) -> bool:
    return is_of_node(event) and isinstance(event, Connect) and event.server == "b"


HOSTS: dict[str, tuple[str, Change]] = {
    "operational-behavior-data-commands-rebirth-action-1": ("life", _data_goes_on),
    "operational-behavior-data-commands-rebirth-action-2": ("life", without(is_sent("DBIRTH"), nth=SECOND_ROUND)),
    "operational-behavior-data-commands-rebirth-action-3": ("life", metric("NBIRTH", "bdSeq", nth=1, raw=1)),
    "message-flow-edge-node-birth-publish-phid-wait": ("walk", moved(is_sent("NBIRTH"), is_state())),
    "message-flow-edge-node-birth-publish-phid-wait-id": ("walk", altered(is_state(), topic="spBv1.0/STATE/other")),
    "message-flow-edge-node-birth-publish-phid-wait-online": ("walk", altered(is_state(), payload=_offline)),
    "message-flow-edge-node-birth-publish-phid-wait-timestamp": ("walk", altered(is_state(), nth=-1, payload=_old_will(START_MS))),
    "operational-behavior-edge-node-birth-sequence-wait": (
        "walk",
        moved(is_sent("DBIRTH"), is_state(online=False), to=1, after=True),
    ),
    "message-flow-edge-node-birth-publish-phid-offline": ("walk", without(is_sent("NDEATH"))),
    "operational-behavior-edge-node-termination-host-offline": ("walk", _does_not_leave),
    "operational-behavior-edge-node-termination-host-offline-reconnect": ("walk", altered(_is_of_node_b, server="c")),
    "operational-behavior-edge-node-termination-host-offline-timestamp": ("walk", _leaves_at_old_offline),
    "operational-behavior-primary-application-state-with-multiple-servers-walk": ("walk", altered(_is_of_node_b, server="a")),
    "operational-behavior-primary-application-state-with-multiple-servers-single-server": (
        "walk",
        moved(_is_of_node_b, is_state(online=False), to=1),
    ),
    "host-topic-phid-birth-payload": ("life", altered(is_host_state, payload=b"ONLINE")),
    "payloads-state-birth-payload": ("life", altered(is_host_state, payload=_old_will(START_MS + 1))),
    "operational-behavior-host-application-connect-will-payload": ("life", _host_will(_online)),
    "payloads-state-will-message-payload": ("life", _host_will(lambda old: old.replace(b'"timestamp"', b'"time"'))),
    "host-topic-phid-death-payload-timestamp-connect": ("life", _host_will(_old_will(START_MS - 10 * 60_000))),
    "host-topic-phid-death-payload-timestamp-disconnect-clean": ("life", without(is_host_state, nth=1)),
    "operational-behavior-host-application-host-id": (
        "life",
        chain(inserted(_second_host_says, is_host_state), inserted(_second_host, is_host_state)),
    ),
}

MORE_HOSTS: list[tuple[str, str, Change]] = [
    ("operational-behavior-data-commands-rebirth-action-2", "life", _no_answer),
    ("operational-behavior-edge-node-termination-host-offline", "walk", _data_after_offline),
    ("message-flow-edge-node-birth-publish-phid-offline", "walk", _does_not_leave),
    ("host-topic-phid-birth-payload", "life", altered(is_host_state, payload=_old_will(0))),
    (
        "host-topic-phid-death-payload-timestamp-disconnect-clean",
        "life",
        altered(is_host_state, nth=1, payload=_old_will(START_MS)),
    ),
    ("payloads-state-will-message-payload", "life", altered(is_of_host, will=None)),
    ("operational-behavior-edge-node-birth-sequence-wait", "walk", altered(is_state(), payload=_offline)),
    ("operational-behavior-edge-node-birth-sequence-wait", "walk", without(is_state(), nth=-1)),
]
"""Further ways to break the same ones."""
