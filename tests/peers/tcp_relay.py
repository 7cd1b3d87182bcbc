"""A TCP relay before a real server, which cuts connections, takes one at a time only, or is far away, as many devices are."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

SEGMENT = 1448
"""Bytes of payload in a full segment: 1500 of Ethernet without the headers of IPv4 and TCP, with time stamps."""


class Relay:
    """The relay; `most` is the largest number of connections at a time so far, `refused` those that were one too many.

    `bytes` and `segments` count what it carried both ways: payload of TCP, and the segments of an Ethernet that it takes.
    `round_trips` counts how often something was asked after something had been answered.

    Attributes:
        only_one: close a second connection at once.
        lingers_s: how long a closed connection still counts, as in a device that notices late.
        cut_after: cut a connection after so many answers; 0: never.
        delay_s: how long an answer is under way, in addition.
    """

    def __init__(self, target: str) -> None:
        self.host, port = target.rsplit(":", 1)
        self.port = int(port)
        self.only_one = False
        self.lingers_s = 0.0
        self.cut_after = 0
        self.open = self.most = self.refused = self.cuts = self.accepted = 0
        self.bytes = self.segments = self.round_trips = 0
        self.delay_s = 0.0
        self._answered = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._occupied = 0

    def cut(self) -> None:
        """Cut every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self.open += 1
        self.accepted += 1
        self.most = max(self.most, self.open)
        taken = False
        try:
            if self.only_one and self._occupied:
                self.refused += 1
                return
            self._occupied += 1
            taken = True
            await self._carry(reader, writer)
        finally:
            self.open -= 1
            writer.transport.abort()
            if taken:
                asyncio.get_running_loop().call_later(self.lingers_s, self._free)

    def _free(self) -> None:
        self._occupied -= 1

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        self._writers.add(writer)
        far = far_writer.get_extra_info("socket")
        ways = [asyncio.ensure_future(self._way(reader, far_writer)), asyncio.ensure_future(self._way(far_reader, writer, far))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers.discard(writer)
            far_writer.transport.abort()
            for way in ways:
                way.cancel()

    def _hand_over(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self._answered = True
        if not writer.is_closing():
            writer.write(data)

    async def _way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: socket.socket | None = None) -> None:
        """Carry one way; `far` is the socket towards the server where it is the way of the answers."""
        seen = 0
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self.bytes += len(data)
                self.segments += -(-len(data) // SEGMENT)
                if far is None:
                    self.round_trips += self._answered
                    self._answered = False
                    writer.write(data)
                else:
                    far.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # the delay is what is asked for, no more
                    if self.delay_s:
                        loop.call_later(self.delay_s, self._hand_over, writer, data)
                    else:
                        self._hand_over(writer, data)
                seen += 1
                if far is not None and self.cut_after and seen >= self.cut_after:
                    await writer.drain()
                    self.cuts += 1
                    return


@contextlib.asynccontextmanager
async def relayed(target: str) -> AsyncIterator[tuple[Relay, str]]:
    """Run a relay before `target` (host:port); yields it and its own host:port."""
    relay = Relay(target)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    try:
        yield relay, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        relay.cut()
        await asyncio.sleep(0.05)
