"""What a broker sees of an edge node and of hosts, as a list of events: the only thing the checker looks at.

A recording of a real run (`observer`) and a made one (`good`) are the same to it. Two kinds of event are not from the wire: what
the test did to a machine (`Measured`, `Lost`), without which nobody could say that something is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something happened: `at_ms` is UTC in ms since 1970, `link` the number of the connection, 0 for none."""

    at_ms: int
    link: int = 0


@dataclass(frozen=True)
class Will:
    """What the broker publishes when the client is gone."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, kw_only=True)
class Connect(Event):
    """A CONNECT packet; `expiry_s` is 0 where MQTT 3.1.1 has none and where the property is absent."""

    server: str
    client: str
    version: str
    clean: bool
    expiry_s: int = 0
    keepalive_s: int = 60
    will: Will | None = None


@dataclass(frozen=True, kw_only=True)
class Accepted(Event):
    """The broker's answer to CONNECT; 0 is yes."""

    code: int = 0


@dataclass(frozen=True, kw_only=True)
class Subscribe(Event):
    """A SUBSCRIBE packet: (filter, QoS) pairs."""

    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Publish(Event):
    """A PUBLISH packet of a client. Bytes of the topic that are not UTF-8 stand as surrogates."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, kw_only=True)
class Delivered(Publish):
    """A PUBLISH packet of the broker, to the client of this link."""


@dataclass(frozen=True, kw_only=True)
class Disconnect(Event):
    """A DISCONNECT packet of the client; MQTT 3.1.1 has no reason, which is 0."""

    reason: int = 0


@dataclass(frozen=True, kw_only=True)
class Closed(Event):
    """The connection is gone, with or without DISCONNECT before."""


@dataclass(frozen=True, kw_only=True)
class Measured(Event):
    """From here on a metric that is released really has this value; `device` is None for the node's own."""

    device: str | None
    metric: str
    value: Any


@dataclass(frozen=True, kw_only=True)
class Lost(Event):
    """From here on the machine cannot be reached."""

    device: str


@dataclass(frozen=True)
class Setting:
    """What the checker must know beforehand: who is looked at and how it was configured."""

    group: str
    node: str
    client: str
    primary_host: str | None = None
    servers: tuple[str, ...] = ()
    datatype_in_data: bool = True
    fresh: bool = True
    """Whether this trace begins with the first connection ever of this node."""


@dataclass(frozen=True)
class Trace:
    """A run: its setting, and its events in the order in which they happened."""

    setting: Setting
    events: tuple[Event, ...]
