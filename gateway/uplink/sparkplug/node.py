"""The edge node as a state machine without I/O: records, machines, commands and connections in, messages out.

Whatever happens in whatever order, what comes out is valid Sparkplug: births first, then data; a seq that is given only to what was
handed over; nothing of a device that is dead, nothing by an alias that the host was not told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from gateway.model import Event, Feature, Reading, Stamp

from . import birth
from .alias import Aliases
from .command import Rebirths
from .device import BAD, Device, Point, Update, Value
from .encode import encode
from .past import Past
from .payload import Payload

MOST_VALUES = 500
"""Values in one message."""

MOST_PENDING = 20_000
"""Changes that wait for a line that is too slow; above it only the last of every metric is kept."""

OWN_PAUSE_S = 5.0
"""Births that the node sends by itself, as a metric has shown its type or unit, are at least so far apart."""

FLAPPING_S = 600.0
LONGEST_HOLD_S = 60.0
"""A machine that dies again within ten minutes is born again only after it has answered for a while, at most a minute."""


class Outgoing(Struct, frozen=True):
    """A message to be handed over; its seq counts only when `Node.sent` is called."""

    kind: str
    topic: str
    payload: bytes
    seq: int
    device: str = ""
    count: int = 0
    historical: bool = False


class _Hold(Struct):
    """How often a machine has died lately, and until when its birth is held back for that."""

    deaths: int = 0
    last_s: float = -math.inf
    until_s: float = -math.inf


class Node:
    """The node and its devices.

    Attributes:
        host_online: births may go out; False while a primary host is waited for.
        skipped: changes that were left out because the line was too slow.
        too_large: devices whose birth is larger than the broker takes.
    """

    def __init__(
        self,
        group: str,
        name: str,
        aliases: Aliases,
        past: Past,
        *,
        bare: bool = False,
        repair: Callable[[Stamp], Stamp] = lambda stamp: stamp,
    ) -> None:
        """Make a node that knows nothing yet and is not connected.

        Args:
            group: the group, in our words the site.
            name: the edge node, in our words the gateway.
            aliases: where metrics get their numbers from.
            past: what is sent later of what was missed; one that is never asked costs nothing.
            bare: leave the datatype out of data messages.
            repair: gives a stamp from before the clock was known its time.
        """
        self.aliases = aliases
        self.past = past
        self.own = Device("", aliases)
        self.own.up = True
        self.devices: dict[str, Device] = {}
        self.rebirths = Rebirths()
        self.host_online = True
        self.skipped = 0
        self.too_large: set[str] = set()
        self._group, self._name = group, name
        self._write = birth.Writer(repair, bare=bare)
        self._connected = False
        self._bdseq = 0
        self._most_bytes = 0
        self._seq = 0
        self._again = False
        self._own_birth_s = -math.inf
        self._gone: list[Device] = []
        self._holds: dict[str, _Hold] = {}
        self._turn: list[str] = []

    # ── what happens ──

    def define(
        self, machines: Mapping[str, Sequence[Point]], released: Callable[[str, str], bool] = lambda machine, point: False
    ) -> None:
        """Have these machines with these points; what is not among them is shared no more, and vanishes at the host too.

        Args:
            machines: all points that are announced and released.
            released: says it of a point that a record brought, although nobody had announced it.
        """
        for name in [name for name in self.devices if name not in machines]:
            gone = self.devices.pop(name)
            self._gone += [gone] if gone.born else []
            self.past.forget(name)
            self._holds.pop(name, None)
        for name, points in machines.items():
            device = self.devices.get(name)
            if device is None:
                device = self.devices[name] = Device(name, self.aliases)
            device.define(points, partial(released, name))
        self.past.restart()
        self._own_birth_s = -math.inf  # what the member has changed is told at once

    def turned(self, machine: str, state: str, now: Stamp) -> None:
        """Take note of how a machine is: `good`, or anything else; `gone` when it is no longer read, and its values are void."""
        device = self.devices.get(machine)
        if device is None:
            return
        up = state == "good"
        if device.up and not up:
            self._died(machine, now)
        if up and not device.up:
            self._rose(machine, now)
        device.up = up
        if not up:
            device.lost = device.born
            device.pending.clear()
        if state == "gone":
            device.forget()
            self._holds.pop(machine, None)

    def offer(self, records: Iterable[Reading | Feature | Event]) -> bool:
        """Take what was reported, all of it released; return whether there is something new to be told."""
        news = False
        for record in records:
            device = self.devices.get(record.machine)
            if device is not None:
                news |= device.take(record)
        if news and sum(len(device.pending) for device in self.devices.values()) > MOST_PENDING:
            self.skipped += sum(device.thin() for device in self.devices.values())
        return news or any(device.born and device.outdated for device in self.devices.values())

    def renew(self) -> None:
        """Send births as soon as possible: what was told before is right only now, as the time has become known."""
        self._again = True

    def begin(self, bdseq: int, most_bytes: int) -> None:
        """Begin a session: there is a connection whose will carries `bdseq`; the broker takes payloads up to so many bytes."""
        self.end(None)
        self._connected = True
        self._bdseq = bdseq
        self._most_bytes = most_bytes

    def end(self, lost: Stamp | None) -> None:
        """End the session; the host may not have got what was sent since `lost`."""
        self._connected = self.own.born = False
        self.own.pending.clear()
        self._gone.clear()
        for device in self.devices.values():
            if device.born and lost is not None:
                self.past.ended(device.name, lost)
            device.born = device.lost = False
            device.pending.clear()

    def _died(self, machine: str, now: Stamp) -> None:
        hold = self._holds.setdefault(machine, _Hold())
        now_s = now.mono_ns / 1e9
        hold.deaths = hold.deaths + 1 if now_s - hold.last_s < FLAPPING_S else 1
        hold.last_s = now_s

    def _rose(self, machine: str, now: Stamp) -> None:
        hold = self._holds.get(machine)
        if hold is not None and hold.deaths > 1:
            hold.until_s = now.mono_ns / 1e9 + min(LONGEST_HOLD_S, 2.0 ** (hold.deaths - 2))

    # ── what is to be sent ──

    def next(self, now: Stamp) -> Outgoing | None:
        """Return the message that is due; hand it over and call `sent`, or end the session. None: nothing is due."""
        if not self._connected or not self.host_online:
            return None
        now_s = now.mono_ns / 1e9
        if self.own.born and (dead := self._dead()) is not None:
            return self._message("DDEATH", dead.name, Payload(timestamp=birth.ms(now), seq=self._seq))
        if not self.own.born or self._again or self.rebirths.due_s <= now_s or self._outdated(now_s):
            return self._node_birth(now)
        for name, device in self.devices.items():
            if self._ready(device, now_s) and (message := self._device_birth(name, device, now)):
                return message
        if self.own.pending:
            return self._data("NDATA", self.own, now)
        if (turn := self._next_in_turn()) is not None:
            return self._data("DDATA", turn, now)
        return self._past(now)

    def sent(self, message: Outgoing, now: Stamp) -> None:
        """Note that a message was handed over; only now its seq is used."""
        self._seq = (message.seq + 1) % 256
        if message.kind == "NBIRTH":
            self.rebirths.born(now.mono_ns / 1e9)
        elif message.kind == "DBIRTH":
            self.past.born(message.device, now)
        elif message.kind == "DDEATH":
            self.past.ended(message.device, now)

    def due_s(self, now: Stamp) -> float:
        """Return when to look again although nothing happens, monotonic seconds; infinity for never."""
        if not self._connected or not self.host_online:
            return math.inf
        moments = [-math.inf if self._again else self.rebirths.due_s]
        if any(device.born and device.outdated for device in self.devices.values()):
            moments.append(self._own_birth_s + OWN_PAUSE_S)
        moments += [self._held_s(device) for device in self.devices.values() if device.up and device.slots and not device.born]
        past_s = self.past.due_s()
        return min([*moments, *([] if past_s is None else [past_s])])

    def death(self, bdseq: int) -> tuple[str, bytes]:
        """Return topic and payload of the NDEATH of a session, also its will."""
        return self._topic("NDEATH"), encode(birth.death(bdseq))

    @property
    def born(self) -> bool:
        """Whether the host was told that the node is there."""
        return self.own.born

    def _held_s(self, device: Device) -> float:
        hold = self._holds.get(device.name)
        return math.inf if device.name in self.too_large else -math.inf if hold is None else hold.until_s

    def _ready(self, device: Device, now_s: float) -> bool:
        return device.up and not device.born and bool(device.slots) and self._held_s(device) <= now_s

    def _dead(self) -> Device | None:
        """Return a device that the host believes alive and that is not."""
        if self._gone:
            return self._gone.pop(0)
        for device in self.devices.values():
            if device.born and (device.lost or not (device.up and device.slots)):
                device.born = device.lost = False
                device.pending.clear()
                return device
        return None

    def _outdated(self, now_s: float) -> bool:
        if now_s - self._own_birth_s < OWN_PAUSE_S or not any(d.born and d.outdated for d in self.devices.values()):
            return False
        self._own_birth_s = now_s
        self.past.restart()
        return True

    def _node_birth(self, now: Stamp) -> Outgoing:
        payload = self._write.node_birth(self.own, self._bdseq, now)
        self.own.born = True
        self._again = False
        for device in self.devices.values():
            device.born = False
            device.pending.clear()
        self.too_large.clear()
        return self._message("NBIRTH", "", payload)

    def _device_birth(self, name: str, device: Device, now: Stamp) -> Outgoing | None:
        message = self._message(
            "DBIRTH", name, Payload(timestamp=birth.ms(now), seq=self._seq, metrics=self._write.born(device, now))
        )
        if len(message.payload) > self._most_bytes:
            self.too_large.add(name)
            return None
        for slot in device.slots.values():
            if slot.datatype is not None:
                self.aliases.learn(name, slot.name, slot.datatype, slot.unit)
        device.born = True
        return message

    def _next_in_turn(self) -> Device | None:
        """Return the device whose changes are told next; every one has its turn."""
        if not self._turn:
            self._turn = [name for name, device in self.devices.items() if device.pending]
        while self._turn:
            device = self.devices.get(self._turn.pop(0))
            if device is not None and device.pending:
                return device
        return None

    def _data(self, kind: str, device: Device, now: Stamp) -> Outgoing:
        count = self._write.in_order(device.pending, MOST_VALUES)
        message, count = self._fitting(kind, device.name, device.pending[:count], now)
        for slot, value in device.pending[:count]:
            slot.quality = value.quality
        del device.pending[:count]
        return message

    def _past(self, now: Stamp) -> Outgoing | None:
        taken = self.past.take(now.mono_ns / 1e9)
        if taken is None:
            return None
        name, updates = taken
        if not self.devices[name].born:  # its new birth is larger than the broker takes
            self.past.ended(name, now)
            return None
        message, count = self._fitting("DDATA", name, updates, now, historical=True)
        self.past.settle(updates[count:])
        return message

    def _fitting(
        self, kind: str, device: str, updates: list[Update], now: Stamp, *, historical: bool = False
    ) -> tuple[Outgoing, int]:
        """Return a message with as many of the changes as the broker takes, at least one, and how many those are."""
        while True:
            metrics = self._write.data(updates, historical=historical)
            payload = Payload(timestamp=birth.ms(now), seq=self._seq, metrics=metrics)
            message = self._message(kind, device, payload, historical=historical)
            if len(message.payload) <= self._most_bytes or (len(updates) == 1 and updates[0][1].value is None):
                return message, len(updates)
            if len(updates) > 1:
                updates = updates[: len(updates) // 2]
            else:
                slot, value = updates[0]
                updates = [(slot, Value(None, BAD, value.stamp))]

    def _message(self, kind: str, device: str, payload: Payload, *, historical: bool = False) -> Outgoing:
        seq = payload.seq or 0
        return Outgoing(kind, self._topic(kind, device), encode(payload), seq, device, len(payload.metrics), historical)

    def _topic(self, kind: str, device: str = "") -> str:
        head = f"spBv1.0/{self._group}/{kind}/{self._name}"
        return f"{head}/{device}" if device else head
