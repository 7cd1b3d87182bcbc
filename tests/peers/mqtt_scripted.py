"""A broker that answers as a test says, for what real ones do rarely or never: reason codes, references, garbage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from gateway.config.spec import BrokerUrl

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14
SERVER_REFERENCE, RECEIVE_MAXIMUM, SERVER_KEEPALIVE = 0x1C, 0x21, 0x13


def length(count: int) -> bytes:
    """Return a variable byte integer."""
    out = bytearray()
    while True:
        count, low = divmod(count, 128)
        out.append(low | (128 if count else 0))
        if not count:
            return bytes(out)


def packet(kind: int, body: bytes = b"", flags: int = 0) -> bytes:
    """Return a control packet."""
    return bytes([kind << 4 | flags]) + length(len(body)) + body


def text(words: str) -> bytes:
    """Return a UTF-8 string with its length."""
    data = words.encode()
    return len(data).to_bytes(2, "big") + data


def reference(server: str) -> bytes:
    """Return the property Server Reference, empty for none."""
    return bytes([SERVER_REFERENCE]) + text(server) if server else b""


def publish(topic: str, payload: bytes, *, retain: bool = False) -> bytes:
    """Return a PUBLISH at QoS 0 in MQTT 5."""
    return packet(PUBLISH, text(topic) + b"\0" + payload, int(retain))


class Link:
    """One client's connection: `packets` are (kind, flags, body) in the order of arrival."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.packets: list[tuple[int, int, bytes]] = []

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self._writer.write(data)

    def disconnect(self, code: int, server: str = "") -> None:
        """Send DISCONNECT with a reason code, then close."""
        properties = reference(server)
        self.send(packet(DISCONNECT, bytes([code]) + length(len(properties)) + properties))
        self._writer.close()

    def close(self) -> None:
        """Close without a word."""
        self._writer.close()

    def count(self, kind: int) -> int:
        """Return how many packets of a kind have come."""
        return sum(1 for got, _, _ in self.packets if got == kind)


class Scripted:
    """The broker. What it answers may be changed at any time.

    Attributes:
        connack: reason code and properties of the answer to CONNECT.
        puback: reason code for (topic, payload); None for no answer.
        suback: reason code for a topic.
        links: connections so far.
    """

    def __init__(self) -> None:
        self.url = BrokerUrl("mqtt://127.0.0.1")
        self.connack: tuple[int, bytes] = (0, b"")
        self.puback: Callable[[str, bytes], int | None] = lambda topic, payload: 0
        self.suback: Callable[[str], int] = lambda topic: 0
        self.links: list[Link] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it goes."""
        link = Link(writer)
        self.links.append(link)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readexactly(1))[0]
                size = shift = 0
                while True:
                    byte = (await reader.readexactly(1))[0]
                    size, shift = size | (byte & 127) << shift, shift + 7
                    if byte < 128:
                        break
                body = await reader.readexactly(size)
                link.packets.append((head >> 4, head & 15, body))
                self._answer(link, head >> 4, head & 15, body)
        writer.close()

    def _answer(self, link: Link, kind: int, flags: int, body: bytes) -> None:
        if kind == CONNECT:
            code, properties = self.connack
            link.send(packet(CONNACK, bytes([0, code]) + length(len(properties)) + properties))
        elif kind == PUBLISH and flags >> 1 & 3:
            end = 2 + int.from_bytes(body[:2], "big")
            properties = body[end + 2]  # shorter than 128 bytes
            code = self.puback(body[2:end].decode(), body[end + 3 + properties :])
            if code is not None:
                link.send(packet(PUBACK, body[end : end + 2] + bytes([code])))
        elif kind == SUBSCRIBE:
            at, codes = 3 + body[2], b""
            while at < len(body):
                size = int.from_bytes(body[at : at + 2], "big")
                codes += bytes([self.suback(body[at + 2 : at + 2 + size].decode())])
                at += 3 + size
            link.send(packet(SUBACK, body[:2] + b"\0" + codes))
        elif kind == PINGREQ:
            link.send(packet(PINGRESP))


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """Run such a broker in this loop."""
    broker = Scripted()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    broker.url = BrokerUrl(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield broker
    finally:
        server.close()
        for link in broker.links:
            link.close()
        await asyncio.sleep(0)
