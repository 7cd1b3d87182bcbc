"""The line itself: pymodbus as transport for TCP and serial ports, and what failed about it in words."""

from __future__ import annotations

import asyncio
import errno
import socket
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from pymodbus.transport import CommParams, CommType, ModbusProtocol

from drivers.modbus import ports
from drivers.modbus.spec import ModbusLink
from gateway.config.spec import Link
from gateway.driver import LinkError
from gateway.model import Reason

_LARGEST_CHUNK = 1 << 20  # pymodbus drops whole what is longer, and several late answers may come in one piece
_KEEPALIVE_IDLE_S = 15
_KEEPALIVE_EVERY_S = 5
_KEEPALIVE_COUNT = 3
_NETWORK = {"modbus-tls": CommType.TLS, "modbus-udp": CommType.UDP}
_GROUP_CURE = "sudo usermod -aG dialout $USER, then log in again"


Tap = Callable[[str, bytes, float], None]
"""Watches a line: "tx" or "rx", the bytes of one piece, monotonic seconds."""


class Line(ModbusProtocol):
    """Bytes out, bytes in; opened once, never reconnected by itself.

    `received` gets every chunk as it comes, `lost` is called once when the line goes away by itself. pymodbus's own reconnect
    is off and its `connect` is not used: it hides what failed.
    """

    def __init__(self, link: Link, received: Callable[[bytes], None], lost: Callable[[LinkError], None]) -> None:
        options: ModbusLink = link.options
        self.url = link.url
        self.serial = link.address.startswith("/")
        self.place = link.address
        self._options = options
        self._received = received
        self._lost = lost
        self._connected = asyncio.Event()
        self.on_frame: Tap | None = None
        super().__init__(_params(link), is_server=False)
        self.max_buffer_size = _LARGEST_CHUNK
        self._stream = self.comm_params.comm_type in {CommType.TCP, CommType.TLS}

    @property
    def byte_s(self) -> float:
        """Seconds one byte takes on a serial line, start, parity and stop bits included; 0 on TCP."""
        if not self.serial:
            return 0.0
        params = self.comm_params
        return (1 + params.bytesize + (params.parity != "N") + params.stopbits) / params.baudrate

    async def open(self) -> None:
        """Connect.

        Raises:
            LinkError: nobody is there, or it refuses; message and hint name the host and port, or the serial port.
        """
        limit = self._options.connect_timeout
        try:
            await asyncio.wait_for(self.call_create(), limit)
        except TimeoutError:
            hint = "check the address, the network cable and whether the device is on"
            raise LinkError(f"{self.place} does not answer within {limit:g} s", hint=hint, reason=Reason.TIMEOUT) from None
        except (OSError, UnicodeError) as error:  # a name that cannot be looked up is a UnicodeError
            raise (
                _serial_trouble(self.place, error, self.url.partition(":")[0]) if self.serial else _tcp_trouble(self.place, error)
            ) from None
        except (termios.error, ValueError) as error:
            if not self.serial:
                raise _tcp_trouble(self.place, error) from None
            params = self.comm_params
            settings = f"{params.baudrate} {params.bytesize}{params.parity}{params.stopbits}"
            hint = "choose another baud or parity; pseudo terminals take parity=N only"
            why = error.args[-1] if error.args else error  # termios gives number and words
            raise LinkError(f"serial port {self.place} cannot do {settings} ({why})", hint=hint) from None
        await self._connected.wait()  # a serial transport reports itself one turn of the loop later

    def send(self, data: bytes, addr: tuple[str, int] | None = None) -> None:
        """Send bytes; who watches the line sees them first."""
        if self.on_frame is not None:
            self.on_frame("tx", data, time.monotonic())
        if self._stream and self.transport is not None:
            cast("asyncio.WriteTransport", self.transport).write(data)
        else:
            super().send(data, addr)

    def acknowledge(self) -> None:
        """Acknowledge over TCP what has come: until then, up to 40 ms, many servers hold back the next small answer (Nagle)."""
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a TCP stream straight to the exchange; pymodbus's way copies them and walks through its log first."""
        if self._stream:
            self.callback_data(data)
        else:
            super().data_received(data)

    def callback_connected(self) -> None:
        """Take note that the transport is there; `open` has been waiting for it."""
        if self.comm_params.comm_type in {CommType.TCP, CommType.TLS}:
            _set_options(self.transport.get_extra_info("socket"), self._options)
        self._connected.set()

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Tell that the line went away by itself."""
        if self.serial:
            hint = f"is the adapter still plugged in? {ports.present()}"
            self._lost(LinkError(f"serial port {self.place} went away", hint=hint))
        else:
            why = f" ({exc})" if exc else ""
            self._lost(
                LinkError(
                    f"{self.place} closed the connection{why}",
                    hint="many devices allow only one connection: is another program connected?",
                )
            )

    def callback_new_connection(self) -> ModbusProtocol:
        """Unused: a client never listens."""
        raise NotImplementedError

    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        """Hand every byte on; the exchange keeps what is not complete yet."""
        if self.on_frame is not None:
            self.on_frame("rx", data, time.monotonic())
        self._received(data)
        return len(data)


def _params(link: Link) -> CommParams:
    options: ModbusLink = link.options
    params = CommParams(comm_name=link.url, reconnect_delay=0.0, timeout_connect=float(options.connect_timeout))
    if link.address.startswith("/"):
        params.comm_type = CommType.SERIAL
        params.host = link.address
        params.baudrate = options.baud or 19200
        params.bytesize = options.data or (7 if link.scheme == "modbus-ascii" else 8)
        params.parity = options.parity or "E"
        params.stopbits = options.stop or 1
        params.handle_local_echo = options.echo
    else:
        host, port = link.address.rsplit(":", 1)
        params.comm_type = _NETWORK.get(link.scheme, CommType.TCP)
        params.host, params.port = host.strip("[]"), int(port)
    return params


def _set_options(sock: socket.socket, options: ModbusLink) -> None:
    """Send at once, and notice within a minute that the other end is gone, also when nothing is under way."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_EVERY_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_COUNT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(max(5.0, 3 * options.timeout) * 1000))


def _tcp_trouble(place: str, error: Exception) -> LinkError:
    host, port = place.rsplit(":", 1)
    if isinstance(error, UnicodeError):
        return LinkError(f"'{host}' is not a host name", hint="check the spelling, or write the IP address")
    if isinstance(error, ConnectionRefusedError):
        return LinkError(
            f"{place} refuses the connection",
            hint=f"the host is there, but nothing listens on port {port}: is Modbus switched on in the device?",
            reason=Reason.REFUSED,
        )
    if isinstance(error, socket.gaierror):
        return LinkError(f"the name {host} is not known", hint="check the spelling, or write the IP address")
    if isinstance(error, OSError) and error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}:
        return LinkError(
            f"{place} cannot be reached ({error.strerror})",
            hint="check the IP address, the network cable, and that both are in the same network (ip route)",
            reason=Reason.NO_PATH,
        )
    return LinkError(
        f"{place} cannot be connected ({getattr(error, 'strerror', None) or error})",
        hint="check the address, the cable and the device",
    )


def _serial_trouble(port: str, error: Exception, scheme: str = "modbus-rtu") -> LinkError:
    """Say what is wrong with a serial port; pyserial's exceptions are OSErrors that keep the cause only in `errno`."""
    code = getattr(error, "errno", None)
    if code in {errno.EACCES, errno.EPERM}:
        return LinkError(
            f"serial port {port}: no permission",
            hint=f"the user must be in the group dialout: {_GROUP_CURE}",
            reason=Reason.REFUSED,
        )
    if code in {errno.ENOENT, errno.ENXIO, errno.ENODEV} or not Path(port).exists():
        return LinkError(
            f"serial port {port} does not exist",
            hint=f"{ports.instead_of(scheme)}; the user must be in the group dialout: {_GROUP_CURE}",
        )
    if code in {errno.EBUSY, errno.EAGAIN} or "lock" in str(error):
        return LinkError(
            f"serial port {port} is used by another program", hint=f"find it with: fuser -v {port}", reason=Reason.REFUSED
        )
    if code == errno.ENOTTY or "configure port" in str(error):
        return LinkError(f"{port} is no serial port, or cannot do these settings ({error})", hint=ports.present())
    return LinkError(f"serial port {port} cannot be opened ({error})", hint=ports.present())
