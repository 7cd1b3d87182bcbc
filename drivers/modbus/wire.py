"""Bare bytes in and out for looking at an unknown line: a serial port whose settings can be changed while it is open, or TCP.

The exchange of the driver keeps a ledger for one known setting and allows reads only; a scan changes the setting hundreds of
times and asks for identification, so it stands directly on pyserial and asyncio.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
from typing import Final

from msgspec import Struct

from drivers.modbus.line import _serial_trouble, _tcp_trouble
from gateway.driver import LinkError
from gateway.model import Reason

_CHUNK: Final = 4096


class Settings(Struct, frozen=True):
    """Settings of a serial port; 8 data bits, as RTU demands."""

    baud: int
    parity: str
    stop: int = 1

    @property
    def byte_s(self) -> float:
        """Seconds one byte takes on the line."""
        return (9 + (self.parity != "N") + self.stop) / self.baud

    def __str__(self) -> str:
        """Return e.g. `19200 8E1`."""
        return f"{self.baud} 8{self.parity}{self.stop}"


class Wire:
    """Bytes that came, and waiting for more."""

    serial = False
    byte_s = 0.0

    def __init__(self, place: str) -> None:
        self.place = place
        self.buffer = bytearray()
        self.lost: LinkError | None = None
        self.heard_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            LinkError: the line is gone.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the line; may be called twice."""
        raise NotImplementedError

    async def wait(self, until: float) -> bool:
        """Wait for bytes until a moment of the loop's clock; say whether any came.

        Raises:
            LinkError: the line is gone.
        """
        if not self._news.is_set() and (left := until - self._loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
        came = self._news.is_set()
        if not came and self.lost:
            raise self.lost
        self._news.clear()
        if self.lost:
            self._news.set()
            raise self.lost
        return came

    def take(self) -> bytes:
        """Return and forget what has come."""
        data = bytes(self.buffer)
        self.buffer.clear()
        self._news.clear()
        return data

    def _came(self, data: bytes) -> None:
        self.buffer += data
        self.heard_at = self._loop.time()
        self._news.set()

    def _gone(self, error: LinkError) -> None:
        self.lost = self.lost or error
        self._news.set()


class SerialWire(Wire):
    """A serial port, opened for this program alone."""

    serial = True

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            LinkError: it is not there, is used, or may not be opened.
        """
        import serial

        super().__init__(path)
        try:
            self._port = serial.Serial(path, 9600, parity="N", timeout=0, exclusive=True)
        except (OSError, ValueError, termios.error) as error:
            raise _serial_trouble(path, error if isinstance(error, OSError) else OSError(*error.args)) from None
        self._fd: int = self._port.fileno()
        self._loop.add_reader(self._fd, self._readable)
        self.settings = Settings(9600, "N")
        self.byte_s = self.settings.byte_s

    def set(self, settings: Settings) -> bool:
        """Change the settings and forget what has come; False when the port cannot do them."""
        try:
            self._port.apply_settings({"baudrate": settings.baud, "stopbits": settings.stop, "parity": settings.parity})
        except (OSError, ValueError, termios.error):
            with contextlib.suppress(OSError, ValueError, termios.error):
                self._port.parity = "N"
            return False
        self.settings = settings
        self.byte_s = settings.byte_s
        self.take()
        return True

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self.lost:
            raise self.lost
        try:
            self._port.write(data)
        except OSError as error:
            self._pulled_out(error)
            assert self.lost
            raise self.lost from None

    def close(self) -> None:
        """Give the port back."""
        if self._port.is_open:
            self._loop.remove_reader(self._fd)
            with contextlib.suppress(OSError):
                self._port.close()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._pulled_out(error)
            return
        if data:
            self._came(data)
        else:
            self._pulled_out(OSError("end of file"))

    def _pulled_out(self, error: OSError) -> None:
        self._loop.remove_reader(self._fd)
        self._gone(LinkError(f"serial port {self.place} went away ({error})", hint="is the adapter still plugged in?"))


class SocketWire(Wire, asyncio.Protocol):
    """A TCP connection, of Modbus TCP or of a serial server that hands bytes on."""

    _transport: asyncio.WriteTransport | None = None

    async def open(self, host: str, port: int, limit: float) -> None:
        """Connect.

        Raises:
            LinkError: nobody is there, or it refuses.
        """
        try:
            async with asyncio.timeout(limit):
                transport, _ = await self._loop.create_connection(lambda: self, host, port)
        except TimeoutError:
            hint = "check the address, the network cable and whether the device is on"
            raise LinkError(f"{self.place} does not answer within {limit:g} s", hint=hint, reason=Reason.TIMEOUT) from None
        except OSError as error:
            raise _tcp_trouble(f"{host}:{port}", error) from None
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
        why = f" ({exc})" if exc else ""
        hint = "many devices allow only one connection: is another program connected?"
        self._gone(LinkError(f"{self.place} closed the connection{why}", hint=hint))
