"""One request and its answer on a line: exactly one is under way at a time, and none is ever given up half-way.

A caller that is cancelled goes; its request stays under way until it is answered or overdue, and only then does the next one
begin. So what an answer belongs to never depends on who is still waiting for it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar, Final

from msgspec import Struct

from drivers.modbus.errors import Damaged, NoAnswer, Refusal
from drivers.modbus.line import Line
from drivers.modbus.request import Request
from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.driver import DeviceError, LinkError
from gateway.model import Reason, Stamp

SILENT_LIMIT: Final = 3
"""After so many requests without a single byte a TCP connection counts as half open and is given up, once every unit that has
answered on it was among those asked: one dead unit does not cost the others their connection."""


class Counters(Struct):
    """What has happened on a line since it was opened.

    Attributes:
        requests: requests sent, probes included.
        answers: sound answers that were accepted, exceptions included.
        timeouts: requests that were not answered in time.
        late: answers to an earlier request, discarded.
        doubled: answers that came twice, discarded.
        foreign: sound frames that belong to no request, discarded.
        damaged: answers whose form or checksum was wrong, discarded.
        garbage: bytes that were part of no sound frame.
        probes: requests sent only to find out where the line stands.
    """

    requests: int = 0
    answers: int = 0
    timeouts: int = 0
    late: int = 0
    doubled: int = 0
    foreign: int = 0
    damaged: int = 0
    garbage: int = 0
    probes: int = 0


class Flight:
    """A request under way; `done` belongs to the caller, who may cancel it and go, `timer` ends it when it is overdue."""

    __slots__ = ("done", "request", "tid", "timer")

    def __init__(self, request: Request, done: asyncio.Future[bytes], tid: int, timer: asyncio.TimerHandle) -> None:
        self.request = request
        self.done = done
        self.tid = tid
        self.timer = timer


class Exchange(ABC):
    """Asks and checks; what tells answers apart differs between TCP and a bus, so each has its own subclass."""

    line_can_damage: ClassVar[bool]
    """Whether the wire itself may damage an answer, so that asking once more makes sense."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self.line = Line(link, self._received, self._gone)
        self.counters = Counters()
        self.stamp: Stamp = clock.stamp()
        self._clock = clock
        self._timeout: float = link.options.timeout
        self._pause: float = link.options.pause
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._flight: Flight | None = None
        self._ended: asyncio.Future[None] | None = None
        self._landed_at = 0.0
        self._silent = 0
        self._known: set[int] = set()  # units that have answered on this connection
        self._mute: set[int] = set()  # units that have not answered since
        self._lost: LinkError | None = None

    async def open(self) -> None:
        """Open the line; see `Line.open`."""
        await self.line.open()

    async def ask(self, request: Request) -> bytes:
        """Return the data bytes of the answer to `request`, at least `request.size` of them; `stamp` then tells when it came.

        Raises:
            Refusal: the unit answered with a Modbus exception.
            NoAnswer: it did not answer in time.
            Damaged: it answered, but not to this.
            LinkError: the line is gone.
        """
        async with self._lock:
            while self._flight is not None:  # left behind by a caller that was cancelled
                self._ended = self._loop.create_future()
                await self._ended
            return await self._ask(request)

    def close(self) -> None:
        """Close the line; a request under way ends with a LinkError."""
        self._gone(LinkError(f"{self.line.place} was closed"))

    @abstractmethod
    async def _ask(self, request: Request) -> bytes:
        """Bring the line into a state in which the answer will be unmistakable, then ask."""

    @abstractmethod
    def _received(self, data: bytes) -> None:
        """Take bytes from the line."""

    @abstractmethod
    def _left_open(self, flight: Flight) -> None:
        """A request is no longer waited for, but its answer may still come."""

    async def _rest(self, silence: float) -> None:
        """Wait until `silence` has passed since the last answer or timeout."""
        if (wait := self._landed_at + silence - self._loop.time()) > 0:
            await asyncio.sleep(wait)

    async def _fly(self, request: Request, frame: bytes, timeout: float, tid: int = 0) -> bytes:
        """Send a frame and wait for what `_land` or `_fail` brings."""
        if self._lost is not None:
            raise self._lost
        done: asyncio.Future[bytes] = self._loop.create_future()
        self._flight = Flight(request, done, tid, self._loop.call_later(timeout, self._expired))
        self.counters.requests += 1
        self.line.send(frame)
        return await done  # cancelling this future does not end the flight

    def _land(self, data: bytes) -> None:
        """The request under way is answered."""
        flight = self._heard()
        if not flight.done.done():
            flight.done.set_result(data)

    def _refuse(self, code: int) -> None:
        """The request under way is answered with a Modbus exception."""
        flight = self._heard()
        self._raise(flight, Refusal(flight.request, code))

    def _heard(self) -> Flight:
        self.counters.answers += 1
        self.stamp = self._clock.stamp()
        flight = self._end()
        self._known.add(flight.request.unit)
        self._mute.clear()
        return flight

    def _fail(self, error: DeviceError) -> None:
        """The request under way ends without a sound answer."""
        if isinstance(error, Damaged):
            self.counters.damaged += 1
        flight = self._end()
        self._left_open(flight)
        self._raise(flight, error)

    def _raise(self, flight: Flight, error: DeviceError) -> None:
        if not flight.done.done():
            flight.done.set_exception(error)

    def _end(self) -> Flight:
        assert self._flight is not None
        flight, self._flight = self._flight, None
        flight.timer.cancel()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        self._landed_at = self._loop.time()
        return flight

    def _expired(self) -> None:
        assert self._flight is not None
        request = self._flight.request
        self.counters.timeouts += 1
        self._silent += 1
        self._mute.add(request.unit)
        limit = f"{self._timeout:g} s"
        if not self.line.serial and self._silent >= SILENT_LIMIT and self._known <= self._mute:
            error = LinkError(
                f"{self.line.place} has not sent a byte in answer to {self._silent} requests",
                hint=f"the connection is opened anew; check unit {request.unit}, the network and whether the device is on",
                reason=Reason.TIMEOUT,
            )
            self._gone(error)
            return
        if self.line.serial:
            hint = "check the unit number, wiring (A and B swapped?), power, baud and parity"
        else:
            hint = "check the unit number and whether the device is on"
        self._fail(NoAnswer(f"unit {request.unit} on {self.line.place} did not answer within {limit}", hint=hint))

    def _gone(self, error: LinkError) -> None:
        """The line is gone: every request from now on fails."""
        if self._lost is None:
            self._lost = error
        self.line.close()
        if self._flight is not None:
            self._fail(error)
