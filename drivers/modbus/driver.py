"""The Modbus driver: one line, any number of units and tables on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

from drivers.modbus.exchange import Counters, Exchange
from drivers.modbus.reader import Reader
from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.driver import LinkError
from gateway.model import PointTable, Scan


class ModbusDriver:
    """One TCP connection or one bus. Never wrong: an answer is accepted only when it can belong to no other request."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._exchange: Exchange | None = None
        self.on_frame: Callable[[str, bytes, float], None] | None = None  # who watches the line, see `line.Tap`; set before `open`
        self._readers: WeakKeyDictionary[PointTable, Reader] = WeakKeyDictionary()

    @property
    def counters(self) -> Counters:
        """What has happened on the line so far."""
        return self._exchange.counters if self._exchange else Counters()

    async def open(self) -> None:
        """Connect, or open the serial port.

        Raises:
            LinkError: nobody is there, or it refuses; message and hint name host and port, or the serial port.
        """
        exchange = _exchange(self._link, self._clock)
        exchange.line.on_frame = self.on_frame
        try:
            await exchange.open()
        except BaseException:
            exchange.close()
            raise
        self._exchange = exchange

    async def read(self, table: PointTable) -> Scan:
        """Read all points of a table in as few requests as the unit allows; stamped when the last answer came.

        A point whose address the unit does not know is bad alone, with `NO_SUCH_ADDRESS`.

        Raises:
            DeviceError: the unit did not answer, or cannot.
            LinkError: the line is gone.
        """
        if self._exchange is None:
            raise LinkError(f"{self._link.url} is not open")
        return await self.reader(table).read(self._exchange, self._clock)

    def reader(self, table: PointTable) -> Reader:
        """Return the read plan of a table, made on first use."""
        if (reader := self._readers.get(table)) is None:
            reader = self._readers[table] = Reader(table, serial=self._link.scheme == "modbus-rtu")
        return reader

    async def close(self) -> None:
        """Let go of the line; a request under way ends with a LinkError."""
        if self._exchange is not None:
            self._exchange.close()
            await asyncio.sleep(0)  # lets the transport close its socket


def _exchange(link: Link, clock: Clock) -> Exchange:
    if link.scheme == "modbus-tcp":
        from drivers.modbus.tcp import TcpExchange

        return TcpExchange(link, clock)
    from drivers.modbus.rtu import RtuExchange

    return RtuExchange(link, clock)
