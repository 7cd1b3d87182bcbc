"""Bare bytes in and out for looking at an unknown line: a serial port whose settings can be changed while it is open.

The exchange of the driver keeps a ledger for one known setting and allows reads only; a scan changes the setting hundreds of
times and asks for identification, so it stands directly on pyserial and asyncio.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
from typing import Final, Literal

from msgspec import Struct

from drivers.modbus.line import _serial_trouble
from gateway.driver import LinkError

_CHUNK: Final = 4096


class Settings(Struct, frozen=True):
    """Settings of a serial port and the frames that go with them; RTU demands 8 data bits."""

    baud: int
    parity: str
    stop: int = 1
    data: int = 8
    framing: Literal["rtu", "ascii"] = "rtu"

    @property
    def byte_s(self) -> float:
        """Seconds one byte takes on the line."""
        return (1 + self.data + (self.parity != "N") + self.stop) / self.baud

    def __str__(self) -> str:
        """Return e.g. `19200 8E1` or `9600 7E1 ASCII`."""
        return f"{self.baud} {self.data}{self.parity}{self.stop}{' ASCII' * (self.framing == 'ascii')}"


class Wire:
    """Bytes that came, and waiting for more. By itself it leads nowhere."""

    serial = False
    connected = True
    """Whether the other end is known to be there: False for datagrams."""

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
            self._port.apply_settings(
                {"baudrate": settings.baud, "bytesize": settings.data, "stopbits": settings.stop, "parity": settings.parity}
            )
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
