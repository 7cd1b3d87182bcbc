"""A node and a host that do everything right, as a script that writes a trace: ground truth, without the gateway."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from tests.sparkplug.encode import encode
from tests.sparkplug.payload import BOOLEAN, DOUBLE, INT32, INT64, Metric, Payload, Properties, Property
from tests.sparkplug.trace import (
    Accepted,
    Closed,
    Connect,
    Delivered,
    Disconnect,
    Event,
    Lost,
    Measured,
    Publish,
    Setting,
    Subscribe,
    Trace,
    Will,
)
from tests.sparkplug.view import REBIRTH

START_MS = 1_790_000_000_000
FIELDS = {BOOLEAN: "boolean", INT32: "int", INT64: "long", DOUBLE: "double"}


@dataclass
class Value:
    """A metric of the script: its alias, its data type, what it holds, and how good that is."""

    alias: int
    datatype: int
    value: Any
    quality: int = 192
    at_ms: int = START_MS - 5000


class Script:
    """Writes events one after the other; `devices` maps a device, or None for the node, to its metrics by name."""

    def __init__(self, setting: Setting, devices: dict[str | None, dict[str, Value]]) -> None:
        self.setting = setting
        self.devices = devices
        self.events: list[Event] = []
        self.now_ms = START_MS
        self.link = 0
        self._links = 0
        self._bdseq = -1
        self._seq = 0
        self._version = "5"
        self._hosts: dict[str, tuple[int, int]] = {}  # link and timestamp of the host, by server

    def trace(self) -> Trace:
        """Return what was written so far."""
        return Trace(self.setting, tuple(self.events))

    def topic(self, kind: str, device: str | None = None) -> str:
        """Return a topic of the node."""
        return "/".join(filter(None, ["spBv1.0", self.setting.group, kind, self.setting.node, device]))

    def wait(self, ms: int) -> None:
        """Let time go by."""
        self.now_ms += ms

    # ── the node ──

    def connect(self, server: str = "a", version: str = "5", writes: bool = False) -> None:
        """Connect and subscribe."""
        self._links += 1
        self.link, self._version = self._links, version
        self._bdseq = (self._bdseq + 1) % 256
        will = Will(self.topic("NDEATH"), encode(self._death()), qos=1, retain=False)
        self._note(Connect, server=server, client=self.setting.client, version=version, clean=True, will=will)
        self._note(Accepted)
        filters = [(self.topic("NCMD"), 1)]
        if writes:
            filters.append((self.topic("DCMD", "press-1"), 1))
        if self.setting.primary_host:
            filters.append((f"spBv1.0/STATE/{self.setting.primary_host}", 1))
        self._note(Subscribe, filters=tuple(filters))

    def births(self, *devices: str) -> None:
        """Send the birth of the node and of these devices, of all without any."""
        self._seq = -1
        own = [self._metric(name, value, born=True) for name, value in self.devices[None].items()]
        fixed = [Metric("bdSeq", None, self.now_ms, INT64, field="long", raw=self._bdseq)]
        fixed.append(Metric(REBIRTH, None, self.now_ms, BOOLEAN, field="boolean", raw=False))
        self._send("NBIRTH", None, own + fixed)
        for device in devices or [name for name in self.devices if name]:
            self.birth(device)

    def birth(self, device: str) -> None:
        """Send the birth of a device."""
        self._send("DBIRTH", device, [self._metric(name, value, born=True) for name, value in self.devices[device].items()])

    def data(self, device: str | None, **values: Any) -> None:
        """Measure something and report it."""
        found = []
        for name, value in values.items():
            item = self.devices[device][name]
            item.value, item.at_ms = value, self.now_ms
            self.events.append(Measured(at_ms=self.now_ms, device=device, metric=name, value=value))
            found.append(self._metric(name, item, born=False))
        self._send("DDATA" if device else "NDATA", device, found)

    def history(self, device: str, name: str, value: Any, age_ms: int) -> None:
        """Report something from the past."""
        old = replace(self.devices[device][name], value=value, at_ms=self.now_ms - age_ms)
        self._send("DDATA", device, [replace(self._metric(name, old, born=False), is_historical=True)])

    def lose(self, device: str) -> None:
        """Lose a device, and say so."""
        self.events.append(Lost(at_ms=self.now_ms, device=device))
        self._send("DDEATH", device, [])

    def leave(self) -> None:
        """End the session as it should be ended."""
        self._publish(self.topic("NDEATH"), encode(self._death()), qos=1)
        self._note(Disconnect, reason=4 if self._version == "5" else 0)
        self._note(Closed)

    def die(self) -> None:
        """End without a word."""
        self._note(Closed)

    # ── the host ──

    def host_online(self, server: str = "a", host: str = "scada", client: str = "host") -> None:
        """Connect a host and let it say that it is there."""
        self._links += 1
        self._hosts[server] = (self._links, self.now_ms)
        will = Will(f"spBv1.0/STATE/{host}", self._state(online=False), qos=1, retain=True)
        link = self._links
        at_ms = self.now_ms
        self.events.append(
            Connect(at_ms=at_ms, link=link, server=server, client=f"{client}-{server}", version="5", clean=True, will=will)
        )
        self.events.append(Accepted(at_ms=at_ms, link=link))
        topic = f"spBv1.0/STATE/{host}"
        self.events.append(Publish(at_ms=at_ms, link=link, topic=topic, payload=self._state(online=True), qos=1, retain=True))
        self.now_ms += 10

    def host_offline(self, server: str = "a", host: str = "scada") -> None:
        """Let the host say that it goes, and disconnect it."""
        link, _ = self._hosts[server]
        self._hosts[server] = (link, self.now_ms)
        topic = f"spBv1.0/STATE/{host}"
        payload = self._state(online=False)
        self.events.append(Publish(at_ms=self.now_ms, link=link, topic=topic, payload=payload, qos=1, retain=True))
        self.events.append(Disconnect(at_ms=self.now_ms, link=link))
        self.events.append(Closed(at_ms=self.now_ms, link=link))

    def told(self, online: bool, at_ms: int | None = None, host: str = "scada") -> None:
        """Hand a STATE to the node."""
        payload = self._state(online, at_ms)
        self._note(Delivered, topic=f"spBv1.0/STATE/{host}", payload=payload, qos=1)

    def asked_for_rebirth(self) -> None:
        """Hand a request for a rebirth to the node."""
        request = Payload(self.now_ms, (Metric(REBIRTH, datatype=BOOLEAN, field="boolean", raw=True),))
        self._note(Delivered, topic=self.topic("NCMD"), payload=encode(request))

    # ── ──

    def _state(self, online: bool, at_ms: int | None = None) -> bytes:
        return json.dumps({"online": online, "timestamp": self.now_ms if at_ms is None else at_ms}).encode()

    def _death(self) -> Payload:
        return Payload(self.now_ms, (Metric("bdSeq", None, self.now_ms, INT64, field="long", raw=self._bdseq),))

    def _metric(self, name: str, item: Value, *, born: bool) -> Metric:
        null = item.value is None
        raw = item.value & 0xFFFFFFFF if item.datatype == INT32 and not null else item.value
        typed = born or self.setting.datatype_in_data
        quality = None if item.quality == 192 else Properties(("Quality",), (Property(INT32, "int", item.quality),))
        metric = Metric(name if born else None, item.alias, item.at_ms, item.datatype if typed else None, properties=quality)
        return replace(metric, is_null=True) if null else replace(metric, field=FIELDS[item.datatype], raw=raw)

    def _send(self, kind: str, device: str | None, metrics: list[Metric]) -> None:
        self._seq = (self._seq + 1) % 256
        ordered = tuple(sorted(metrics, key=lambda metric: metric.timestamp or 0))
        self._publish(self.topic(kind, device), encode(Payload(self.now_ms, ordered, self._seq)))

    def _publish(self, topic: str, payload: bytes, qos: int = 0) -> None:
        self._note(Publish, topic=topic, payload=payload, qos=qos)

    def _note(self, kind: type[Event], **what: Any) -> None:
        self.events.append(kind(at_ms=self.now_ms, link=self.link, **what))
        self.now_ms += 10
