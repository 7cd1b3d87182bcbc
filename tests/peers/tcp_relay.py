"""A TCP relay before a real server, which cuts connections, or takes one at a time only, as many devices do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

SEGMENT = 1448
"""Bytes of payload in a full segment: 1500 of Ethernet without the headers of IPv4 and TCP, with time stamps."""


class Relay:
    """The relay; `most` is the largest number of connections at a time so far, `refused` those that were one too many.

    `bytes` and `segments` count what it carried both ways: payload of TCP, and the segments of an Ethernet that it takes.

    Attributes:
        only_one: close a second connection at once.
        lingers_s: how long a closed connection still counts, as in a device that notices late.
        cut_after: cut a connection after so many answers; 0: never.
    """

    def __init__(self, target: str) -> None:
        self.host, port = target.rsplit(":", 1)
        self.port = int(port)
        self.only_one = False
        self.lingers_s = 0.0
        self.cut_after = 0
        self.open = self.most = self.refused = self.cuts = self.accepted = 0
        self.bytes = self.segments = 0
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
        ways = [asyncio.ensure_future(self._way(reader, far_writer)), asyncio.ensure_future(self._way(far_reader, writer, True))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers.discard(writer)
            far_writer.transport.abort()
            for way in ways:
                way.cancel()

    async def _way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool = False) -> None:
        seen = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self.bytes += len(data)
                self.segments += -(-len(data) // SEGMENT)
                writer.write(data)
                seen += 1
                if answers and self.cut_after and seen >= self.cut_after:
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
