"""A WebSocket (RFC 6455) that looks like a socket to an MQTT client: what firewalls let pass on port 443.

paho has one of its own. It masks byte by byte in Python (128 KiB: 40 ms on a PC, here 0.6), which would hold up the loop, and
tells every trouble in the same words.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import ssl
import struct
from typing import Any

from gateway.config.broker import BrokerUrl
from gateway.uplink.errors import SessionLost
from gateway.uplink.head import Head, read_head

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _BINARY, _CLOSE, _PING, _PONG = 0, 2, 8, 9, 10
_PATH = "check the path of the WebSocket in 'broker'; often it is /mqtt, /ws or nothing"


class WebSocket:
    """The connection after the handshake; `recv` and `send` as those of a socket, with MQTT's bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock: Any = sock  # a plain or a TLS socket
        self._head = bytearray()
        self._left = 0  # bytes of the frame's content that have not come yet
        self._control: bytearray | None = None  # the content so far, in a control frame
        self._ping = False
        self._out = bytearray()
        self._promised: int | None = None  # what `send` will return once `_out` is out; None: `_out` is a pong

    # ── as a socket ──

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes, none when the other side has closed; like a socket it raises when there are none now."""
        while True:
            if self._control is not None and not self._left:
                if self._ping:
                    self._pong(bytes(self._control))
                self._control = None
            if not self._left:
                if not self._next_frame():
                    return b""
                continue
            data = bytes(self._sock.recv(min(size, self._left) if self._control is None else self._left))
            self._left -= len(data)
            if self._control is None or not data:
                return data
            self._control += data

    def send(self, data: bytes | bytearray) -> int:
        """Send as one frame; return the number of bytes, or 0 when the frame is not out yet and the call is to be repeated."""
        if self._out and self._promised is None and not self._flush():
            return 0
        if not self._out:
            self._out, self._promised = _frame(_BINARY, data), len(data)
        return (self._promised or 0) if self._flush() else 0

    def _flush(self) -> bool:
        del self._out[: self._sock.send(self._out)]
        return not self._out

    def pending(self) -> int:
        """Return how many bytes TLS has ready that the event loop does not see."""
        return int(self._sock.pending()) if hasattr(self._sock, "pending") else 0

    def fileno(self) -> int:
        """Return the descriptor."""
        return int(self._sock.fileno())

    def setblocking(self, flag: bool) -> None:
        """Set whether calls wait."""
        self._sock.setblocking(flag)

    def close(self) -> None:
        """Close without a farewell; MQTT has said its own."""
        self._sock.close()

    # ── frames ──

    def _next_frame(self) -> bool:
        """Read the head of the next frame; return False when there is none any more."""
        while len(self._head) < 2 or len(self._head) < 2 + _extra(self._head[1]):
            wanted = (2 if len(self._head) < 2 else 2 + _extra(self._head[1])) - len(self._head)
            data = self._sock.recv(wanted)
            if not data:
                return False
            self._head += data
        opcode, length = self._head[0] & 15, self._head[1] & 127
        if self._head[0] & 0x70 or self._head[1] & 0x80:
            raise ConnectionError("the broker breaks the rules of the WebSocket")
        if length > 125:
            length = int.from_bytes(self._head[2:])
        self._head.clear()
        if opcode == _CLOSE:
            return False
        if opcode in {_PING, _PONG}:
            if length > 125:
                raise ConnectionError("the broker breaks the rules of the WebSocket")
            self._control, self._ping = bytearray(), opcode == _PING
        elif opcode not in {_BINARY, _CONTINUATION}:
            raise ConnectionError("the broker sends text in the WebSocket")
        self._left = length
        return True

    def _pong(self, data: bytes) -> None:
        if self._out:  # not into the middle of another frame; a broker that asks while we send sees that we are alive
            return
        self._out, self._promised = _frame(_PONG, data), None
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._flush()


def _extra(second: int) -> int:
    return {126: 2, 127: 8}.get(second & 127, 0)


def _frame(opcode: int, data: bytes | bytearray) -> bytearray:
    """Return a masked frame, as clients must send."""
    length = len(data)
    head = bytearray([0x80 | opcode])
    if length < 126:
        head.append(0x80 | length)
    else:
        head += struct.pack("!BH", 0x80 | 126, length) if length < 65536 else struct.pack("!BQ", 0x80 | 127, length)
    mask = os.urandom(4)
    key = (mask * (length // 4 + 1))[:length]
    return head + mask + (int.from_bytes(data) ^ int.from_bytes(key)).to_bytes(length)


def shake_hands(sock: socket.socket, url: BrokerUrl) -> WebSocket:
    """Make a WebSocket of a connection to a broker; blocks, as long as the socket's timeout lets it.

    Raises:
        SessionLost: it is no WebSocket of MQTT, in words.
        OSError: the connection broke, or the time is up.
    """
    key = base64.b64encode(os.urandom(16)).decode()
    host = f"[{url.host}]" if ":" in url.host else url.host
    lines = [
        f"GET {url.path} HTTP/1.1",
        f"Host: {host}:{url.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: mqtt",
    ]
    sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii", "replace"))
    where = f"{url.host}:{url.port}"
    try:
        head = read_head(sock)
    except ValueError as exc:
        raise SessionLost(f"there is no WebSocket at {where}: {exc}", "check the port, or write mqtts:// or mqtt://") from None
    _check(head, where, url.path, key)
    return WebSocket(sock)


def _check(head: Head, where: str, path: str, key: str) -> None:
    if head.status in {401, 403, 407}:
        raise SessionLost(
            f"the server at {where} does not let us in ({head.status} {head.reason})", "ask the operator of the broker"
        )
    if 300 <= head.status < 400:
        raise SessionLost(f"the server at {where} sends us elsewhere ({head.status})", "write the address it means into 'broker'")
    if head.status == 404:
        raise SessionLost(f"there is nothing at {path} on {where}", _PATH)
    if head.status != 101:
        raise SessionLost(f"the server at {where} is no broker: it answers {head.status} {head.reason}", _PATH)
    digest = hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()
    if head.fields.get("sec-websocket-accept") != base64.b64encode(digest).decode():
        raise SessionLost(f"the server at {where} does not do WebSocket right", "something between may have answered in its place")
    if head.fields.get("sec-websocket-protocol", "") != "mqtt":
        raise SessionLost(f"the WebSocket at {where} is not one of MQTT", _PATH)
