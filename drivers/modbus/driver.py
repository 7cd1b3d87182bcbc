"""The Modbus driver: one line, any number of units and tables on it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Callable
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from drivers.modbus.cost import Cost
from drivers.modbus.errors import OF_THE_UNIT, Refusal
from drivers.modbus.exchange import Counters, Exchange
from drivers.modbus.memory import memory_of
from drivers.modbus.pipeline import Pipeline, pipeline_of
from drivers.modbus.ports import unstable
from drivers.modbus.quirks import Turn
from drivers.modbus.reader import Reader
from drivers.modbus.request import Request
from drivers.modbus.spec import ModbusLink, ModbusUnit
from drivers.modbus.stream import blocks
from drivers.modbus.times import ResponseTimes
from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.driver import DeviceError, LinkError
from gateway.model import Block, PointTable, Reason, Scan


class ModbusDriver:
    """One TCP connection or one bus. Never wrong: an answer is accepted only when it can belong to no other request."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._options: ModbusLink = link.options
        self._exchange: Exchange | None = None
        self._opened = False
        self._of_line: tuple[str, ...] = ()
        self._turn: Turn | None = None
        self._reading = 0
        self._opening = asyncio.Lock()
        self._counters = Counters()
        self._times = ResponseTimes()
        self.on_frame: Callable[[str, bytes, float], None] | None = None  # who watches the line, see `line.Tap`; set before `open`
        self._readers: WeakKeyDictionary[PointTable, Reader] = WeakKeyDictionary()

    @property
    def counters(self) -> Counters:
        """What has happened on the line so far."""
        return self._counters

    @property
    def warnings(self) -> list[str]:
        """What stays wrong: unsafe or unstable settings of the line, points the units refuse, counters that were reset."""
        found = list(self._of_line)
        if word := unstable(self._link.address, self._link.scheme):
            found.append(word)
        for reader in list(self._readers.values()):
            found += reader.warnings
        return list(dict.fromkeys(found))

    @property
    def window(self) -> int:
        """How many units may be read at the same time; 1 on a bus."""
        return self._exchange.window if self._exchange else 1

    async def open(self) -> None:
        """Connect, or open the serial port.

        Raises:
            LinkError: nobody is there, or it refuses; message and hint name host and port, or the serial port.
        """
        async with self._opening:
            if self._exchange is None:
                await self._open()

    async def _open(self) -> None:
        self._turn = self._turn or Turn(self._link)
        await self._turn.take()
        exchange = exchange_of(self._link, self._clock)
        exchange.line.on_frame = self.on_frame
        exchange.counters, exchange.times = self._counters, self._times
        try:
            await exchange.open()
            if self._options.pause_after_connect:
                await asyncio.sleep(self._options.pause_after_connect)
        except BaseException:
            exchange.close()
            self._turn.give()
            raise
        self._exchange, self._opened, self._of_line = exchange, True, exchange.warnings

    async def read(self, table: PointTable) -> Scan:
        """Read all points of a table in as few requests as the unit allows; stamped when the last answer came.

        A point whose address the unit does not know is bad alone, with `NO_SUCH_ADDRESS`.

        Raises:
            DeviceError: the unit did not answer, or cannot.
            LinkError: the line is gone.
        """
        async with self._visit() as exchange:
            return await self.reader(table).read(exchange, self._clock, table)

    async def stream(self, table: PointTable) -> AsyncIterator[Block]:
        """Yield the waveforms of a machine that has `waveform:`.

        Raises:
            DeviceError: the unit did not answer, or the machine has no waveform.
            LinkError: the line is gone.
        """
        if table.options.waveform is None:
            words = f"{table.machine} has neither points nor a waveform, so there is nothing to read"
            raise DeviceError(words, hint="write some under 'points:'", reason=Reason.NO_DATA)
        pipeline = self._pipeline(table.options)
        async for block in blocks(table.options, table.machine, self._visit, self._clock, pipeline):
            yield block

    @contextlib.asynccontextmanager
    async def _visit(self) -> AsyncIterator[Exchange]:
        """Use the line; one that is closed after every scan is opened for this, and closed by the last one who leaves."""
        if self._exchange is None and self._opened and self._options.close_after_read:
            await self.open()
        if self._exchange is None:
            raise LinkError(f"{self._link.url} is not open")
        self._reading += 1
        try:
            yield self._exchange
        finally:
            self._reading -= 1
            if self._options.close_after_read and not self._reading:
                await self._let_go()

    def reader(self, table: PointTable) -> Reader:
        """Return the read plan of a table, made on first use. It does not keep the table, so it goes when the table goes."""
        if (reader := self._readers.get(table)) is None:
            cost, memory, pipeline = Cost.of(self._link), memory_of(table), self._pipeline(table.options)
            reader = Reader(replace(table), cost=cost, place=self._link.address, memory=memory, pipeline=pipeline)
            self._readers[table] = reader
        return reader

    def _pipeline(self, unit: ModbusUnit) -> Pipeline:
        return pipeline_of(self._link.url, unit.unit, unit.pipeline)

    def forget(self, table: PointTable) -> None:
        """Drop the read plan of a table that is not read any more."""
        self._readers.pop(table, None)

    async def probe(self, table: PointTable, timeout_s: float | None) -> None:
        """Ask for one register, or bit, of the table's plan; return when the unit answers, even if it refuses this one.

        Raises:
            DeviceError: no answer within `timeout_s` seconds (None: the timeout of the line), or its gateway cannot reach it.
            LinkError: the line is gone.
        """
        async with self._visit() as exchange:
            reader = self.reader(table)
            first = reader.cheapest.request
            try:
                await exchange.probe(Request(first.unit, first.function, first.address, 1), timeout_s, reader.allowed)
            except Refusal as refusal:
                if refusal.code in OF_THE_UNIT:
                    refusal.name_gateway(self._link.address)
                    raise

    def response_s(self, table: PointTable | None) -> float:
        """Return the p99 of the response times of a table's unit (None: of the line), in seconds; 0 before the first answer."""
        return self._times.line.p99_s if table is None else self._times.of(table.options.unit)

    async def close(self) -> None:
        """Let go of the line; a request under way ends with a LinkError."""
        self._opened = False
        await self._let_go()

    async def _let_go(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.close()
            await asyncio.sleep(0)  # lets the transport close its socket
        if self._turn is not None:
            self._turn.give()


_EXCHANGES = {
    "modbus-tcp": "tcp:TcpExchange",
    "modbus-tls": "tls:TlsExchange",
    "modbus-udp": "udp:UdpExchange",
    "modbus-rtu": "rtu:RtuExchange",
    "modbus-ascii": "ascii:AsciiExchange",
}


def exchange_of(link: Link, clock: Clock) -> Exchange:
    """Return the unopened exchange of a link; only what its scheme needs is loaded."""
    module, name = _EXCHANGES[link.scheme].split(":")
    exchange: Exchange = getattr(importlib.import_module(f"drivers.modbus.{module}"), name)(link, clock)
    return exchange
