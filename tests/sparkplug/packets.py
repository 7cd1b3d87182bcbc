"""MQTT packets, 3.1.1 and 5, cut out of a stream and read as far as the checker looks at them.

Sources: OASIS MQTT 3.1.1 and 5.0, chapters 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.sparkplug.trace import Will

CONNECT, CONNACK, PUBLISH, SUBSCRIBE, DISCONNECT = 1, 2, 3, 8, 14
VERSIONS = {4: "3.1.1", 5: "5"}
SESSION_EXPIRY = 0x11

_BYTE = (0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A)
_SHORT = (0x13, 0x21, 0x22, 0x23)
_INT = (0x02, 0x11, 0x18, 0x27)
_TEXT = (0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F)
_WIDTH = {**dict.fromkeys(_BYTE, 1), **dict.fromkeys(_SHORT, 2), **dict.fromkeys(_INT, 4)}


class PacketError(ValueError):
    """These bytes are not MQTT."""


@dataclass(frozen=True)
class Connecting:
    """What a CONNECT packet says."""

    version: str
    client: str
    clean: bool
    keepalive_s: int
    expiry_s: int
    will: Will | None


class Stream:
    """Cuts one direction of a connection into packets: kind, flags, body."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield the packets that are complete with these bytes."""
        self._rest += data
        while (end := _end(self._rest)) is not None:
            start, stop = end
            packet, self._rest = self._rest[:stop], self._rest[stop:]
            yield packet[0] >> 4, packet[0] & 0x0F, packet[start:]


def _end(data: bytes) -> tuple[int, int] | None:
    """Return where the body of the first packet begins and ends; None when it is not complete."""
    size = 0
    for n in range(4):
        if len(data) < n + 2:
            return None
        size |= (data[n + 1] & 0x7F) << 7 * n
        if data[n + 1] < 0x80:
            stop = n + 2 + size
            return (n + 2, stop) if len(data) >= stop else None
    raise PacketError("a length of more than four bytes")


class _Reader:
    """Reads the fields of a body, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise PacketError("a packet ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        return self.binary().decode(errors="surrogateescape")

    def properties(self) -> dict[int, int | bytes]:
        """Read MQTT 5 properties: numbers as int, the rest as bytes; of one that may come twice the last."""
        size, shift = 0, 0
        while True:
            byte = self.number(1)
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        stop = self.at + size
        found: dict[int, int | bytes] = {}
        while self.at < stop:
            key = self.number(1)
            if key in _WIDTH:
                found[key] = self.number(_WIDTH[key])
            elif key in _TEXT:
                found[key] = self.binary()
            elif key == 0x26:
                found[key] = self.binary() + b"=" + self.binary()
            elif key == 0x0B:
                while self.number(1) >= 0x80:
                    pass
            else:
                raise PacketError(f"property 0x{key:02X}")
        return found

    @property
    def done(self) -> bool:
        return self.at >= len(self.data)


def connecting(body: bytes) -> Connecting:
    """Read the body of CONNECT."""
    read = _Reader(body)
    if read.text() != "MQTT":
        raise PacketError("no CONNECT")
    level = read.number(1)
    flags, keepalive_s = read.number(1), read.number(2)
    five = level == 5
    expiry = read.properties().get(SESSION_EXPIRY, 0) if five else 0
    client = read.text()
    will = None
    if flags & 0x04:
        if five:
            read.properties()
        will = Will(read.text(), read.binary(), flags >> 3 & 3, bool(flags & 0x20))
    return Connecting(VERSIONS.get(level, str(level)), client, bool(flags & 0x02), keepalive_s, int(expiry), will)


def accepting(body: bytes) -> int:
    """Read the code of CONNACK; 0 is yes."""
    return _Reader(body[1:]).number(1)


def publishing(flags: int, body: bytes, version: str) -> tuple[str, bytes, int, bool]:
    """Read PUBLISH: topic, payload, QoS, retain."""
    read = _Reader(body)
    topic, qos = read.text(), flags >> 1 & 3
    if qos:
        read.number(2)
    if version == "5":
        read.properties()
    if not topic:
        raise PacketError("a topic alias, which nothing here makes use of")
    return topic, body[read.at :], qos, bool(flags & 1)


def subscribing(body: bytes, version: str) -> tuple[tuple[str, int], ...]:
    """Read SUBSCRIBE: (filter, QoS) pairs."""
    read = _Reader(body)
    read.number(2)
    if version == "5":
        read.properties()
    found = []
    while not read.done:
        found.append((read.text(), read.number(1) & 3))
    return tuple(found)


def disconnecting(body: bytes) -> int:
    """Read the reason of DISCONNECT; 0 where there is none."""
    return body[0] if body else 0
