"""Records what passes between clients and brokers as a trace: a TCP relay that reads the packets on their way, both ways."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tests.sparkplug import packets
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
)
from tests.waiting import until

UNKNOWN_VERSION = b"\x20\x02\x00\x01"
"""CONNACK of MQTT 3.1.1: unacceptable protocol version."""


def now_ms() -> int:
    """Return the time of now as a trace has it."""
    return time.time_ns() // 1_000_000


class Observer:
    """One trace of any number of servers; an event is noted before its bytes are passed on: causes stand before effects."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._links = 0

    def trace(self, setting: Setting) -> Trace:
        """Return what was recorded so far."""
        return Trace(setting, tuple(self.events))

    def measured(self, device: str | None, metric: str, value: Any) -> None:
        """Note that a metric has this value from now on."""
        self.events.append(Measured(at_ms=now_ms(), device=device, metric=metric, value=value))

    def lost(self, device: str) -> None:
        """Note that a machine cannot be reached from now on."""
        self.events.append(Lost(at_ms=now_ms(), device=device))

    def published(self, start: str = "spBv1.0/") -> Iterator[Publish]:
        """Yield what clients have published at topics that begin so."""
        for event in self.events:
            if type(event) is Publish and event.topic.startswith(start):
                yield event

    @contextlib.asynccontextmanager
    async def before(self, name: str, port: int, *, old: bool = False) -> AsyncIterator[Server]:
        """Relay a free port to the broker at a port of this computer; it stands in the trace under this name."""
        server = Server(self, name, port, old=old)
        await server.back()
        try:
            yield server
        finally:
            server.frozen.set()
            server.away()
            await until(lambda: not server.busy, 10, "the connections have ended")

    def link(self) -> int:
        """Return the number of a new connection."""
        self._links += 1
        return self._links


class Server:
    """The relay before one broker.

    Attributes:
        port: where it listens.
        frozen: cleared, nothing passes any more, in both directions, and nothing is closed.
        busy: connections that are open.
        old: behave as a broker that knows MQTT 3.1.1 only.
    """

    def __init__(self, observer: Observer, name: str, target: int, *, old: bool = False) -> None:
        self.name = name
        self.port = 0
        self.old = old
        self._listener: asyncio.Server | None = None
        self.frozen = asyncio.Event()
        self.frozen.set()
        self.busy = 0
        self._observer = observer
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()

    async def back(self) -> None:
        """Listen, on the port it had before if it had one."""
        self._listener = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def away(self) -> None:
        """Be gone: every connection is reset, and new ones are refused."""
        if self._listener is not None:
            self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self.busy += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            self.busy -= 1
            return
        link = Link(self.name, self._observer)
        pair = {writer, back}
        self._writers |= pair
        try:
            up = self._carry(reader, back, link.of_client, writer if self.old else None)
            await asyncio.gather(up, self._carry(there, writer, link.of_broker))
        finally:
            self._writers -= pair
            for end in pair:
                end.transport.abort()
            link.closed()
            self.busy -= 1

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        note: Callable[[bytes], None],
        refuse: asyncio.StreamWriter | None = None,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self.frozen.wait()
                note(data)
                if refuse is not None and b"MQTT\5" in data[:12]:
                    refuse.write(UNKNOWN_VERSION)
                    refuse.close()
                    break
                writer.write(data)
                await writer.drain()
        writer.close()


class Link:
    """One connection: turns its bytes into events."""

    def __init__(self, server: str, observer: Observer) -> None:
        self.number = observer.link()
        self._server = server
        self._observer = observer
        self._version = "5"
        self._up, self._down = packets.Stream(), packets.Stream()

    def of_client(self, data: bytes) -> None:
        """Read what the client sends."""
        for kind, flags, body in self._up.feed(data):
            if kind == packets.CONNECT:
                said = packets.connecting(body)
                self._version = said.version
                known = {"client": said.client, "version": said.version, "clean": said.clean, "will": said.will}
                self._note(Connect, server=self._server, expiry_s=said.expiry_s, keepalive_s=said.keepalive_s, **known)
            elif kind == packets.PUBLISH:
                self._publish(Publish, flags, body)
            elif kind == packets.SUBSCRIBE:
                self._note(Subscribe, filters=packets.subscribing(body, self._version))
            elif kind == packets.DISCONNECT:
                self._note(Disconnect, reason=packets.disconnecting(body))

    def of_broker(self, data: bytes) -> None:
        """Read what the broker sends."""
        for kind, flags, body in self._down.feed(data):
            if kind == packets.CONNACK:
                self._note(Accepted, code=packets.accepting(body))
            elif kind == packets.PUBLISH:
                self._publish(Delivered, flags, body)

    def closed(self) -> None:
        """Note the end."""
        self._note(Closed)

    def _publish(self, event: type[Publish], flags: int, body: bytes) -> None:
        topic, payload, qos, retain = packets.publishing(flags, body, self._version)
        self._note(event, topic=topic, payload=payload, qos=qos, retain=retain)

    def _note(self, kind: type[Event], **what: Any) -> None:
        self._observer.events.append(kind(at_ms=now_ms(), link=self.number, **what))
