"""Bare bytes over the network for looking at an unknown host: TCP, TLS, datagrams."""

from __future__ import annotations

import asyncio
import ssl

from drivers.modbus.line import _tcp_trouble
from drivers.modbus.tls import context_of, described, hung_up
from drivers.modbus.udp import is_whole
from drivers.modbus.wire import Wire
from gateway.config.spec import Link
from gateway.driver import LinkError
from gateway.model import Reason

_AWAY = "check the address, the network cable and whether the device is on"


async def connect(link: Link) -> Wire:
    """Return an open wire to the host and port of a link, in the way its scheme says.

    Raises:
        LinkError: nobody is there, it refuses, or it cannot be verified.
    """
    host, port = link.address.rsplit(":", 1)
    if link.scheme == "modbus-udp":
        return await DatagramWire.open(host.strip("[]"), int(port), link.address)
    context = context_of(link)[0] if link.scheme == "modbus-tls" else None
    wire = SocketWire(link.address)
    await wire.open(host.strip("[]"), int(port), link.options.connect_timeout, context)
    return wire


class SocketWire(Wire, asyncio.Protocol):
    """A TCP connection, plain or in TLS, to a device or to a serial server that hands bytes on."""

    _transport: asyncio.WriteTransport | None = None

    async def open(self, host: str, port: int, limit: float, context: ssl.SSLContext | None = None) -> None:
        """Connect.

        Raises:
            LinkError: nobody is there, it refuses, or it cannot be verified.
        """
        try:
            async with asyncio.timeout(limit):
                transport, _ = await self._loop.create_connection(lambda: self, host, port, ssl=context)
        except TimeoutError:
            raise LinkError(f"{self.place} does not answer within {limit:g} s", hint=_AWAY, reason=Reason.TIMEOUT) from None
        except ssl.SSLError as error:
            raise described(self.place, error) from None
        except OSError as error:
            if context and isinstance(error, ConnectionResetError | ConnectionAbortedError):
                raise hung_up(self.place) from None
            raise _tcp_trouble(self.place, error) from None
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self.lost:
            raise self.lost
        assert self._transport
        self._transport.write(data)

    def close(self) -> None:
        """End the connection."""
        if self._transport:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the transport."""
        self._came(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the other end is gone."""
        if isinstance(exc, ssl.SSLError):
            self._gone(described(self.place, exc))
            return
        why = f" ({exc})" if exc else ""
        hint = "many devices allow only one connection: is another program connected?"
        self._gone(LinkError(f"{self.place} closed the connection{why}", hint=hint))


class DatagramWire(Wire, asyncio.DatagramProtocol):
    """Datagrams to one host and port; what is no whole frame of Modbus is dropped."""

    connected = False
    _transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, host: str, port: int, place: str) -> DatagramWire:
        """Return a wire to a host; whether anybody is there, only an answer tells.

        Raises:
            LinkError: the name is not known, or there is no way to it.
        """
        wire = cls(place)
        try:
            wire._transport, _ = await wire._loop.create_datagram_endpoint(lambda: wire, remote_addr=(host, port))
        except OSError as error:
            raise _tcp_trouble(place, error) from None
        return wire

    def write(self, data: bytes) -> None:
        """Send one datagram."""
        if self.lost:
            raise self.lost
        assert self._transport
        self._transport.sendto(data)

    def close(self) -> None:
        """Let go of the port."""
        if self._transport:
            self._transport.abort()

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Take one datagram."""
        if is_whole(data):
            self._came(data)

    def error_received(self, exc: Exception) -> None:
        """Take note that the host has no such port, or cannot be reached."""
        self._gone(_tcp_trouble(self.place, exc))
