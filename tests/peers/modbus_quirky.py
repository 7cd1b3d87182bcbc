"""A Modbus/TCP device with the quirks that real ones have, each one switched on alone; every register holds its own wire address.

Ours, since no public server can be made to misbehave in these ways.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.peers.modbus_evil import registers


class Device:
    """The device.

    Attributes:
        deaf_s: so long after a connection it does not hear what is sent.
        rest_s: so long after an answer it does not hear what is sent.
        longest: it refuses (exception 3) to hand out more registers in one request.
        values: when given, it refuses (exception 2) every read that is not exactly one of these (address, count).
        connections: it accepts so many at a time and closes further ones at once.
        idle_s: on a connection that was idle for so long it answers no more, without closing it.
        exceptions: codes it answers with first, one per request; None: the right answer.
        deadly: registers (of whatever table) whose reading makes it fall silent for good.
        words: contents of registers that do not hold their own address.
    """

    def __init__(self) -> None:
        self.deaf_s = 0.0
        self.rest_s = 0.0
        self.longest = 125
        self.values: set[tuple[int, int]] = set()
        self.connections = 100
        self.idle_s = 0.0
        self.exceptions: list[int | None] = []
        self.deadly: set[int] = set()
        self.fallen = False
        self.words: dict[int, int] = {}
        self.requests: list[tuple[int, int, int, int]] = []
        self.opened = 0
        self.open = 0

    def answer(self, unit: int, pdu: bytes) -> bytes:
        """Return the answer to a request."""
        if pdu[0] > 4:
            return bytes([pdu[0] | 0x80, 1])
        function, address, count = struct.unpack(">BHH", pdu)
        self.requests.append((unit, function, address, count))
        self.fallen = self.fallen or not self.deadly.isdisjoint(range(address, address + count))
        code = self.exceptions.pop(0) if self.exceptions else None
        if code is None and self.values and (address, count) not in self.values:
            code = 2
        if code is None and count > self.longest:
            code = 3
        if code is not None:
            return bytes([function | 0x80, code])
        if function not in {3, 4}:
            return registers(pdu)
        values = (self.words.get(address + i, address + i) & 0xFFFF for i in range(count))
        return struct.pack(f">BB{count}H", function, 2 * count, *values)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if self.open >= self.connections:
            writer.close()
            return
        self.opened += 1
        self.open += 1
        loop = asyncio.get_running_loop()
        deaf_until, idle_since = loop.time() + self.deaf_s, loop.time()
        try:
            while head := await reader.readexactly(7):
                tid, _, length, unit = struct.unpack(">HHHB", head)
                pdu = await reader.readexactly(length - 1)
                now = loop.time()
                if now < deaf_until or (self.idle_s and now - idle_since > self.idle_s):
                    idle_since = 0.0 if self.idle_s else idle_since
                    continue
                answer = self.answer(unit, pdu)
                if self.fallen:
                    continue
                writer.write(struct.pack(">HHHB", tid, 0, len(answer) + 1, unit) + answer)
                idle_since = loop.time()
                deaf_until = idle_since + self.rest_s
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


@contextlib.asynccontextmanager
async def on_tcp(device: Device, **options: Any) -> AsyncIterator[str]:
    """Put the device on a free port of 127.0.0.1; yields host:port. `ssl=` puts it inside TLS."""
    server = await asyncio.start_server(device.serve, "127.0.0.1", 0, **options)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, device: Device, before: Callable[[bytes], list[bytes]]) -> None:
        self._device = device
        self._before = before
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        tid, _, _, unit = struct.unpack(">HHHB", data[:7])
        answer = self._device.answer(unit, data[7:])
        right = struct.pack(">HHHB", tid, 0, len(answer) + 1, unit) + answer
        assert self._transport
        for datagram in self._before(right):
            self._transport.sendto(datagram, addr)


@contextlib.asynccontextmanager
async def on_udp(device: Device, sent: Callable[[bytes], list[bytes]] = lambda right: [right]) -> AsyncIterator[str]:
    """Put the device on UDP; `sent` says which datagrams go out in place of each right one. Yields host:port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(device, sent), local_addr=("127.0.0.1", 0))
    try:
        yield "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()
