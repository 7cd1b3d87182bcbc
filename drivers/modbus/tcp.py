"""Modbus TCP: a transaction id ties every answer to its request, so a late one is recognised and dropped."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU

from drivers.modbus.allowed import Allowed
from drivers.modbus.errors import Damaged
from drivers.modbus.exchange import Exchange
from drivers.modbus.flight import Flight
from drivers.modbus.ledger import FORGET_S
from drivers.modbus.request import Request
from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.driver import LinkError
from gateway.model import Reason

_HEADER: Final = 8
_LONGEST: Final = 254
_EXCEPTION: Final = 0x80
_REMEMBERED: Final = 64
_STRIDE: Final = 0x9E37  # odd, so every id comes round; far apart, since some devices answer with ids that are off by one

_LAST_TIDS: dict[str, int] = {}
"""The last transaction id of each line: a new connection goes on from it, for devices that keep ids over connections."""


class TcpExchange(Exchange):
    """Exchange over MBAP frames. An answer with another transaction id, also with 0, is dropped and counted."""

    line_can_damage = False
    _framer = FramerSocket(DecodePDU(is_server=False))
    _rest_of_frame = b""
    _heard_at = 0.0

    def __init__(self, link: Link, clock: Clock) -> None:
        super().__init__(link, clock)
        self.window = 1 if self._pause else link.options.window
        self.pipelines = self.window > 1
        self._url = link.url
        self._tid = _LAST_TIDS.get(link.url) or random.randrange(1 << 16)  # noqa: S311  (no secret)
        self._open: dict[int, tuple[int, float]] = {}

    def owes(self, unit: int) -> bool:
        """Say whether a request to a unit went unanswered within the last 30 s and may still be answered."""
        now = self._loop.time()
        return any(owner == unit and now - at < FORGET_S for owner, at in self._open.values())

    def _left_open(self, flight: Flight) -> None:
        self._open[flight.tid] = flight.request.unit, self._loop.time()
        while len(self._open) > _REMEMBERED:
            del self._open[next(iter(self._open))]

    def _gone(self, error: LinkError) -> None:
        _LAST_TIDS[self._url] = self._tid
        super()._gone(error)

    async def _ask(self, request: Request, allowed: Allowed) -> bytes:
        if self._pause:
            await self._rest(self._pause)
        return await self._fly(request, self._frame_of(request), self._timeout, self._tid)

    async def _probe(self, request: Request, timeout: float, allowed: Allowed) -> None:
        if self._pause:
            await self._rest(self._pause)
        await self._fly(request, self._frame_of(request), timeout, self._tid, is_probe=True)

    def _send_off(self, request: Request) -> Flight:
        return self._launch(request, self._frame_of(request), self._timeout, self._tid)

    def _frame_of(self, request: Request) -> bytes:
        """Return the frame of a request under a new transaction id, which is `_tid` from now on."""
        self._tid = (self._tid + _STRIDE) & 0xFFFF or _STRIDE
        return self._framer.encode(request.pdu, request.unit, self._tid)

    def _expired(self, flight: Flight) -> None:
        """End a request; what was asked behind it gets its time anew when nothing came since: the other end works one by one."""
        heard = self._heard_at
        super()._expired(flight)
        for behind in self._under_way():
            if behind.sent_at > flight.sent_at > heard:
                self._set_timer(behind)

    def _received(self, data: bytes) -> None:
        self._heard()
        self._heard_at = self._loop.time()
        data = self._rest_of_frame + data if self._rest_of_frame else data
        while len(data) >= _HEADER:
            length = data[4] << 8 | data[5]
            if data[2] or data[3] or not 2 <= length <= _LONGEST:
                self.counters.garbage += len(data)
                hint = "something else than Modbus TCP answers on this port; for RTU over TCP write modbus-rtu://"
                self._gone(LinkError(f"{self.line.place} sent bytes that are no Modbus TCP", hint=hint, reason=Reason.BAD_ANSWER))
                return
            used, unit, tid, pdu = self._framer.decode(data)
            if not used:
                break
            data = data[used:]
            self._frame(unit, tid, pdu)
        self._rest_of_frame = data
        if self._more_to_come:
            self._more_to_come = False
            self.line.acknowledge()

    def _frame(self, unit: int, tid: int, pdu: bytes) -> None:
        flight = self._flying(unit, tid)
        if flight is None:
            if self._open.pop(tid, None) is not None:
                self.counters.late += 1
            else:
                self.counters.foreign += 1
            return
        request = flight.request
        if unit != request.unit:
            self._fail(
                flight, Damaged(f"{request}: unit {unit} answered instead", hint=f"if that is the right one, set unit: {unit}")
            )
        elif pdu[0] == request.function | _EXCEPTION and len(pdu) == 2:
            self._refuse(flight, pdu[1])
        elif pdu[0] != request.function or len(pdu) != request.size + 2 or pdu[1] != request.size:
            self._fail(
                flight, Damaged(f"{request}: the answer has another form ({len(pdu)} bytes, function {pdu[0]}) than was asked for")
            )
        else:
            self._land(flight, pdu[2:])

    def _flying(self, unit: int, tid: int) -> Flight | None:
        """Return the request under way with this transaction id, of whatever unit."""
        lane = self._lanes.get(unit if self.window > 1 else -1)
        own = next((flight for flight in lane.flights if flight.tid == tid), None) if lane is not None else None
        return own or next((flight for flight in self._under_way() if flight.tid == tid), None)

    def _under_way(self) -> Iterator[Flight]:
        return (flight for lane in self._lanes.values() for flight in lane.flights)
