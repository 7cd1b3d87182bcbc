"""A trace, understood: the sessions of the edge node, its messages decoded and each with what a host knew before it arrived."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.sparkplug.payload import Metric, Payload, PayloadError, decode
from tests.sparkplug.trace import Accepted, Closed, Connect, Delivered, Disconnect, Event, Publish, Setting, Subscribe, Trace, Will

NODE_KINDS = ("NBIRTH", "NDATA", "NDEATH", "NCMD")
DEVICE_KINDS = ("DBIRTH", "DDATA", "DDEATH", "DCMD")
BIRTHS, DATA = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA")
NUMBERED = (*BIRTHS, *DATA, "DDEATH")
"""The kinds of message that carry a sequence number."""

REBIRTH = "Node Control/Rebirth"

State = tuple[Any, bool, Any]
"""What a host holds of a metric: value, is null, quality."""


@dataclass(frozen=True)
class Place:
    """A topic, taken apart at the first level that names a kind of message; `kind` is empty where none does."""

    namespace: str
    group: str
    kind: str
    node: str
    device: str | None

    @classmethod
    def of(cls, topic: str) -> Place:
        """Take a topic apart, also a wrong one."""
        levels = topic.split("/")
        at = next((n for n, level in enumerate(levels) if n and level in NODE_KINDS + DEVICE_KINDS), 0)
        if not at:
            return cls(levels[0], "", "", "", None)
        rest = levels[at + 1 :]
        return cls(levels[0], "/".join(levels[1:at]), levels[at], rest[0] if rest else "", "/".join(rest[1:]) or None)


@dataclass
class Message:
    """A message of the edge node, or its will. Below: what a host knew just before."""

    at: int  # index of the event
    at_ms: int
    topic: str
    qos: int
    retain: bool
    place: Place
    payload: Payload
    raw: bytes
    error: str  # why it could not be decoded; then the payload is empty
    session: Session
    is_will: bool = False
    previous_seq: int | None = None  # of the message before, since the NBIRTH
    birth: Message | None = None  # the birth in effect, of the node or of this device
    nbirth: Message | None = None  # the node's birth in effect
    alive: frozenset[str] = frozenset()  # devices that were born and have not died
    known: dict[str, State] = field(default_factory=dict)  # of the node or of this device
    aliases: dict[int, tuple[str | None, str]] = field(default_factory=dict)  # (device, name) by alias
    data_before: bool = False  # whether data was sent since the node's birth
    births_owed: bool = False  # whether the birth of a device that lived through a rebirth comes only after this

    @property
    def kind(self) -> str:
        return self.place.kind

    def name_of(self, metric: Metric) -> str | None:
        """Return the name of a metric, by alias where it has none; None when nobody can know it."""
        if metric.name is not None:
            return metric.name
        device, name = self.aliases.get(-1 if metric.alias is None else metric.alias, (None, None))
        return name if device == self.place.device else None

    def type_of(self, metric: Metric) -> int | None:
        """Return the data type of a metric: its own, else that of the birth."""
        if metric.datatype is not None or self.birth is None:
            return metric.datatype
        name = self.name_of(metric)
        return next((born.datatype for born in self.birth.payload.metrics if born.name == name), None)

    def state_of(self, metric: Metric) -> State:
        """Return what a host holds after this metric."""
        quality = metric.properties and metric.properties.get("Quality")
        try:
            value = metric.value(self.type_of(metric))
        except PayloadError as exc:
            value = exc
        return value, bool(metric.is_null), quality and quality.value


@dataclass
class Session:
    """One connection of a client, from CONNECT to its end."""

    connect: Connect
    at: int
    setting: Setting
    events: list[tuple[int, Event]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)  # of the edge node; the will is not among them
    will: Message | None = None
    known: dict[str | None, dict[str, State]] = field(default_factory=dict)  # what a host holds in the end, by device
    alive: frozenset[str] = frozenset()  # devices that are alive in the end
    ended: int | None = None  # index of DISCONNECT or of the end of the connection
    disconnect: tuple[int, Disconnect] | None = None

    @property
    def accepted(self) -> int | None:
        """Index of the broker's yes."""
        return next((at for at, event in self.events if isinstance(event, Accepted) and not event.code), None)

    def subscribed(self, before: int | None = None) -> list[tuple[int, str, int]]:
        """Return (index, filter, QoS) of every subscription, or of those before an event."""
        found = [(at, e) for at, e in self.events if isinstance(e, Subscribe) and (before is None or at < before)]
        return [(at, topic, qos) for at, event in found for topic, qos in event.filters]

    def delivered(self) -> Iterator[tuple[int, Delivered]]:
        """Yield what the broker handed to this client."""
        yield from ((at, event) for at, event in self.events if isinstance(event, Delivered))

    def published(self) -> Iterator[tuple[int, Publish]]:
        """Yield what this client published."""
        yield from ((at, e) for at, e in self.events if isinstance(e, Publish) and not isinstance(e, Delivered))


@dataclass(frozen=True)
class HostState:
    """A STATE message: `problem` is empty when it can be understood."""

    host: str
    online: bool = False
    timestamp: int = 0
    problem: str = ""

    @classmethod
    def of(cls, topic: str, payload: bytes) -> HostState | None:
        """Read a STATE message; None when the topic is not one."""
        levels = topic.split("/")
        if len(levels) != 3 or levels[:2] != ["spBv1.0", "STATE"]:
            return None
        try:
            said = json.loads(payload.decode())
        except ValueError as exc:
            return cls(levels[2], problem=f"not JSON in UTF-8: {exc}")
        if not isinstance(said, dict) or not isinstance(said.get("online"), bool):
            return cls(levels[2], problem="no 'online' that is true or false")
        if not isinstance(said.get("timestamp"), int) or isinstance(said["timestamp"], bool):
            return cls(levels[2], problem="no 'timestamp' that is a number")
        return cls(levels[2], said["online"], said["timestamp"])


class View:
    """The trace as sessions: `edge` those of the node that is looked at, `hosts` those of host applications, `others` the rest."""

    def __init__(self, trace: Trace) -> None:
        self.setting: Setting = trace.setting
        self.events = trace.events
        self.sessions: list[Session] = []
        by_link: dict[int, Session] = {}
        for at, event in enumerate(trace.events):
            if isinstance(event, Connect):
                by_link[event.link] = Session(event, at, trace.setting)
                self.sessions.append(by_link[event.link])
            elif session := by_link.get(event.link):
                session.events.append((at, event))
                if isinstance(event, Disconnect):
                    session.disconnect = at, event
                if session.ended is None and isinstance(event, Disconnect | Closed):
                    session.ended = at
        self.edge = [session for session in self.sessions if session.connect.client == self.setting.client]
        self.hosts = [session for session in self.sessions if session not in self.edge and _is_host(session)]
        self.others = [session for session in self.sessions if session not in self.edge and session not in self.hosts]
        for session in self.edge:
            _replay(session)

    @property
    def messages(self) -> list[Message]:
        """All messages of the edge node, wills not."""
        return [message for session in self.edge for message in session.messages]

    def topic(self, kind: str, device: str | None = None) -> str:
        """Return the one right topic of a kind of message."""
        levels = ["spBv1.0", self.setting.group, kind, self.setting.node]
        return "/".join(levels if device is None else [*levels, device])


def _is_host(session: Session) -> bool:
    topics = [event.topic for _, event in session.published()]
    topics += [session.connect.will.topic] if session.connect.will else []
    return any(topic.startswith("spBv1.0/STATE/") for topic in topics)


def _message(session: Session, at: int, at_ms: int, sent: Publish | Will) -> Message:
    try:
        payload, error = decode(sent.payload), ""
    except PayloadError as exc:
        payload, error = Payload(), str(exc)
    place = Place.of(sent.topic)
    return Message(
        at, at_ms, sent.topic, sent.qos, sent.retain, place, payload, sent.payload, error, session, isinstance(sent, Will)
    )


def _replay(session: Session) -> None:
    """Fill in what a host knows before each message, as a host would: a birth begins anew, data adds to it."""
    if session.connect.will is not None:
        session.will = _message(session, session.at, session.connect.at_ms, session.connect.will)
    births: dict[str | None, Message] = {}  # None: the node itself
    known: dict[str | None, dict[str, State]] = {}
    aliases: dict[int, tuple[str | None, str]] = {}
    seq: int | None = None
    data_before = False
    for at, event in session.published():
        message = _message(session, at, event.at_ms, event)
        session.messages.append(message)
        kind, device = message.kind, message.place.device
        message.alive = frozenset(name for name in births if name is not None)
        if kind == "NBIRTH":
            births, known, aliases, seq = {}, {}, {}, None
        else:
            message.nbirth, message.birth = births.get(None), births.get(device)
            message.aliases, message.known = dict(aliases), dict(known.get(device, {}))
        message.previous_seq = seq
        data_before = kind != "NBIRTH" and (data_before or kind in DATA)
        message.data_before = data_before and kind not in DATA
        if kind in NUMBERED:
            seq = message.payload.seq
        if kind in BIRTHS:
            births[device] = message
            known[device] = {metric.name or "": message.state_of(metric) for metric in message.payload.metrics}
            aliases = {number: where for number, where in aliases.items() if where[0] != device}
            aliases |= {m.alias: (device, m.name or "") for m in message.payload.metrics if m.alias is not None}
        elif kind in DATA:
            current = known.setdefault(device, {})
            for metric in message.payload.metrics:
                name = message.name_of(metric)
                if name is not None and not metric.is_historical:
                    current[name] = message.state_of(metric)
        elif kind == "DDEATH":
            births.pop(device, None)
    session.known, session.alive = known, frozenset(name for name in births if name is not None)
    _mark_owed(session.messages)


def _mark_owed(messages: list[Message]) -> None:
    """Mark what was sent between a rebirth and the birth of a device that was alive at the rebirth and has not died since."""
    owed: dict[str, list[Message]] = {}  # what was sent since the node's birth, by device whose birth is due
    for message in messages:
        device = message.place.device or ""
        if message.kind == "NBIRTH":
            owed = {name: [] for name in message.alive}
        elif message.kind == "DDEATH":
            owed.pop(device, None)
        elif message.kind == "DBIRTH":
            for earlier in owed.pop(device, []):
                earlier.births_owed = True
        for waiting in owed.values():
            waiting.append(message)
