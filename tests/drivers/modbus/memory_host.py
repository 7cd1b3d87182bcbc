"""A Modbus TCP host within the process, in virtual time: how it treats several requests at a time is up to the test."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from drivers.modbus.pipeline import Pipeline
from drivers.modbus.reader import Reader
from drivers.modbus.tcp import TcpExchange
from gateway.clock import ManualClock
from gateway.driver import LinkError
from gateway.model import Scan
from tests.campaign.modbus.virtual import VirtualLoop
from tests.drivers.modbus.fake_line import FakeLine
from tests.drivers.modbus.tables import good, link, registers
from tests.peers import modbus_evil

T = TypeVar("T")
TIMEOUT = 1.0
ROUND_TRIP = 0.010


class Host(FakeLine):
    """The host and the line to it; every register holds its own address.

    Attributes:
        takes: requests that it can keep at a time; what becomes of further ones says `excess`: drop, busy or hang up.
        work_s: how long it takes for each, one after the other.
        shuffles: answers what it has in any order.
        dead: units that do not answer.
        silent_to: addresses at which a read is not answered.
        illegal: addresses that are refused; longest: registers handed out per request.
        tag: what becomes of a transaction id; None: the answer is lost.
        doubles: sends every answer twice.
    """

    def __init__(self) -> None:
        super().__init__("10.0.0.21:502")
        self.takes = 99
        self.excess = "drop"
        self.work_s = 0.0
        self.shuffles = False
        self.dead: set[int] = set()
        self.silent_to: set[int] = set()
        self.illegal: set[int] = set()
        self.longest = 125
        self.tag: Callable[[Host, int], int | None] = lambda host, tid: tid
        self.doubles = False
        self.last_tid = 0
        self.most = 0
        self.requests: list[tuple[int, int, int, int]] = []
        self.volleys: list[int] = []
        self._waiting: list[bytes] = []
        self._free_at = 0.0
        self._sent_at = -1.0
        self._random = random.Random(1)
        self._loop = asyncio.get_running_loop()
        self._exchange: Any = None

    def connect(self, **options: Any) -> Any:
        """Return an exchange with this host on a new connection."""
        self._exchange = exchange = TcpExchange(link("modbus-tcp", self.place, TIMEOUT, **options), ManualClock())
        exchange.line = self  # type: ignore[assignment]
        self.closed = False
        self._waiting.clear()
        return exchange

    @property
    def under_way(self) -> set[int]:
        """Transaction ids that are waited for."""
        return {flight.tid for lane in self._exchange._lanes.values() for flight in lane.flights}

    def send(self, frame: bytes) -> None:
        """Take a request."""
        super().send(frame)
        self.requests.append((frame[6], *struct.unpack(">BHH", frame[7:])))
        if self._loop.time() == self._sent_at and self.volleys:
            self.volleys[-1] += 1
        else:
            self.volleys.append(1)
        self._sent_at = self._loop.time()
        self._loop.call_later(ROUND_TRIP / 2, self._arrive, frame, self._exchange)

    def _arrive(self, frame: bytes, exchange: Any) -> None:
        unit, function, address, _ = struct.unpack(">BBHH", frame[6:])
        if unit in self.dead or address in self.silent_to or self.closed:
            return
        if len(self._waiting) >= self.takes:
            if self.excess == "busy":
                self._say(frame, bytes([function | 0x80, 6]), exchange)
            elif self.excess == "hang up":
                exchange._hung_up(LinkError(f"{self.place} closed the connection"))
            return
        self._waiting.append(frame)
        self.most = max(self.most, len(self._waiting))
        self._free_at = max(self._free_at, self._loop.time()) + self.work_s
        self._loop.call_at(self._free_at, self._answer, exchange)

    def _answer(self, exchange: Any) -> None:
        if not self._waiting:
            return
        frame = self._waiting.pop(self._random.randrange(len(self._waiting)) if self.shuffles else 0)
        function, address, count = struct.unpack(">BHH", frame[7:])
        if count > self.longest:
            pdu = bytes([function | 0x80, 3])
        elif self.illegal & set(range(address, address + count)):
            pdu = bytes([function | 0x80, 2])
        else:
            pdu = modbus_evil.registers(frame[7:])
        self._say(frame, pdu, exchange)
        if self.doubles:
            self._say(frame, pdu, exchange)

    def _say(self, frame: bytes, pdu: bytes, exchange: Any) -> None:
        own = int.from_bytes(frame[:2], "big")
        tid = self.tag(self, own)
        self.last_tid = own
        if tid is None:
            return
        answer = struct.pack(">HHHB", tid, 0, len(pdu) + 1, frame[6]) + pdu
        self._loop.call_later(ROUND_TRIP / 2, self._reach, answer, exchange)

    def _reach(self, answer: bytes, exchange: Any) -> None:
        if not self.closed and exchange is self._exchange:
            exchange._received(answer)


FAR = range(0, 8000, 1000)
"""Eight registers that no two requests can have together."""


class Reading:
    """A host with one unit behind it, read with a pipeline; `took` is the time of the last scan."""

    def __init__(self, *wires: int, depth: int = 4, **options: Any) -> None:
        self.host = Host()
        self.clock = ManualClock()
        self.pipeline = Pipeline(depth)
        self.reader = Reader(registers(*(wires or FAR), **options), pipeline=self.pipeline)
        self.exchange = self.host.connect()
        self.took = 0.0

    async def read(self) -> Scan:
        self.host.requests.clear()
        self.host.volleys.clear()
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            scan = await self.reader.read(self.exchange, self.clock)
            for name, value in good(scan).items():
                assert value == int(name[1:]), "never wrong"
            return scan
        finally:
            self.took = loop.time() - began

    @property
    def warning(self) -> str:
        return self.pipeline.warning("m: unit 1")


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
