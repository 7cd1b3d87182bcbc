"""Requests and their answers on a line: one is under way at a time, on TCP one per unit or, where a unit is configured for it,
one volley; and none is ever given up half-way.

A caller that is cancelled goes; its request stays under way until it is answered or overdue, and only then does the next one
begin. So what an answer belongs to never depends on who is still waiting for it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final

from msgspec import Struct

from drivers.modbus.allowed import ALL, Allowed
from drivers.modbus.errors import Damaged, NoAnswer, Refusal
from drivers.modbus.flight import Flight, Lane, Volley
from drivers.modbus.line import Line
from drivers.modbus.request import Request
from drivers.modbus.times import ResponseTimes
from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.driver import DeviceError, LinkError
from gateway.model import Reason, Stamp

SILENT_LIMIT: Final = 3
"""After so many requests without a single byte a TCP connection counts as half open and is given up, provided that every unit that
has answered on it before is among the silent ones; a single dead unit costs the others nothing."""


BRIEFEST_S: Final = 0.0001
"""Least response time that is kept: a pseudo terminal is faster than its baud says."""


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
        probes: requests sent only to find out where the line stands, or whether a unit is back.
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


class Exchange(ABC):
    """Asks and checks; what tells answers apart differs between TCP and a bus, so each has its own subclass."""

    line_can_damage: ClassVar[bool]
    """Whether the wire itself may damage an answer, so that asking once more makes sense."""

    window = 1
    """How many units may be asked at the same time."""

    pipelines = False
    """Whether a unit may be sent several requests together, see `ask_together`."""

    hung_up = False
    """Whether the other end has closed the line."""

    warnings: tuple[str, ...] = ()
    """What stays wrong about the line while it is open, as sentences."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self.line = Line(link, self._received, self._hung_up)
        self.counters = Counters()
        self.times = ResponseTimes()
        self.stamp: Stamp = clock.stamp()
        self._clock = clock
        self._timeout: float = link.options.timeout
        self._pause: float = link.options.pause
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[int, Lane] = {}
        self._landed_at = 0.0
        self._more_to_come = False
        self._silent = 0
        self._silent_units: set[int] = set()
        self._answered_units: set[int] = set()
        self._lost: LinkError | None = None

    async def open(self) -> None:
        """Open the line; see `Line.open`."""
        await self.line.open()

    async def ask(self, request: Request, allowed: Allowed = ALL) -> bytes:
        """Return the data bytes of the answer to `request`, at least `request.size` of them; `stamp` then tells when it came.

        Whatever else it takes to get an unmistakable answer touches `allowed` registers only.

        Raises:
            Refusal: the unit answered with a Modbus exception.
            NoAnswer: it did not answer in time.
            Damaged: it answered, but not to this.
            DeviceError: the request itself is not allowed.
            LinkError: the line is gone.
        """
        allowed.insist(request)
        lane = self._lane(request.unit)
        async with lane.lock:
            await self._free(lane)
            return await self._ask(request, allowed)

    async def probe(self, request: Request, timeout: float | None = None, allowed: Allowed = ALL) -> None:
        """Find out with one request whether a unit answers, waiting at most `timeout` seconds; what it answers does not matter.

        Raises:
            Refusal: it answered with a Modbus exception.
            NoAnswer: it did not answer in time.
            DeviceError: the request is not allowed.
            LinkError: the line is gone.
        """
        allowed.insist(request)
        lane = self._lane(request.unit)
        async with lane.lock:
            await self._free(lane)
            self.counters.probes += 1
            await self._probe(request, self._timeout if timeout is None else min(timeout, self._timeout), allowed)

    async def ask_together(self, requests: Sequence[Request], allowed: Allowed = ALL) -> Volley:
        """Send several requests to one unit at once and return what came of each, when all are answered or overdue.

        Only where `pipelines`. As long as the unit goes on answering, those that are left have their whole time again.

        Raises:
            DeviceError: one of them is not allowed; none was sent.
            LinkError: the line is gone.
        """
        for request in requests:
            allowed.insist(request)
        lane = self._lane(requests[0].unit)
        async with lane.lock:
            await self._free(lane)
            before = self.counters.foreign
            flights = [self._send_off(request) for request in requests]
            came = await asyncio.gather(*(flight.done for flight in flights), return_exceptions=True)
        answers: list[bytes | DeviceError] = []
        for one in came:
            if not isinstance(one, bytes | DeviceError) or isinstance(one, LinkError):
                raise one
            answers.append(one)
        return Volley(answers, unexpected=self.counters.foreign != before)

    def close(self) -> None:
        """Close the line; a request under way ends with a LinkError."""
        self._gone(LinkError(f"{self.line.place} was closed"))

    @abstractmethod
    async def _ask(self, request: Request, allowed: Allowed) -> bytes:
        """Bring the line into a state in which the answer will be unmistakable, then ask."""

    @abstractmethod
    async def _probe(self, request: Request, timeout: float, allowed: Allowed) -> None:
        """Send exactly one request to the unit."""

    def owes(self, unit: int) -> bool:
        """Say whether a unit may still answer something that is no longer waited for; only where `pipelines`."""
        raise NotImplementedError

    def _send_off(self, request: Request) -> Flight:
        """Send one request of a volley."""
        raise NotImplementedError

    @abstractmethod
    def _received(self, data: bytes) -> None:
        """Take bytes from the line."""

    @abstractmethod
    def _left_open(self, flight: Flight) -> None:
        """A request is no longer waited for, but its answer may still come."""

    def is_shared_with_others_than(self, unit: int) -> bool:
        """Say whether other units have been asked on this line."""
        return len(self._lanes) > (unit in self._lanes)

    def _lane(self, unit: int) -> Lane:
        key = unit if self.window > 1 else -1
        if (lane := self._lanes.get(key)) is None:
            lane = self._lanes[key] = Lane()
        return lane

    async def _free(self, lane: Lane) -> None:
        """Wait for what a caller that was cancelled has left behind."""
        while lane.flights:
            lane.ended = self._loop.create_future()
            await lane.ended

    async def _rest(self, silence: float) -> None:
        """Wait until `silence` has passed since the last answer or timeout."""
        if (wait := self._landed_at + silence - self._loop.time()) > 0:
            await asyncio.sleep(wait)

    async def _fly(
        self, request: Request, frame: bytes, timeout: float, tid: int = 0, *, on_the_line: float = 0.0, is_probe: bool = False
    ) -> bytes:
        """Send a frame and wait for what `_land` or `_fail` brings; `on_the_line` seconds of the time are those of the bytes."""
        return await self._launch(request, frame, timeout, tid, on_the_line, is_probe=is_probe).done  # cancelling does not end it

    def _launch(
        self, request: Request, frame: bytes, timeout: float, tid: int = 0, on_the_line: float = 0.0, *, is_probe: bool = False
    ) -> Flight:
        """Send a frame; what comes of it becomes the result of `done`."""
        if self._lost is not None:
            raise self._lost
        done: asyncio.Future[bytes] = self._loop.create_future()
        flight = Flight(request, done, tid, self._loop.time(), timeout)
        flight.expected_s, flight.is_probe = on_the_line, is_probe
        self._lane(request.unit).flights.append(flight)
        self._set_timer(flight)
        self.counters.requests += 1
        self.line.send(frame)
        return flight

    def _set_timer(self, flight: Flight) -> None:
        """Give a request its time, or give it anew."""
        if flight.timer is not None:
            flight.timer.cancel()
        flight.timer = self._loop.call_later(flight.timeout + flight.expected_s, self._expired, flight)

    def _land(self, flight: Flight, data: bytes) -> None:
        """A request under way is answered."""
        self._answered(flight)
        if not flight.done.done():
            flight.done.set_result(data)

    def _refuse(self, flight: Flight, code: int) -> None:
        """A request under way is answered with a Modbus exception."""
        self._answered(flight)
        self._raise(flight, Refusal(flight.request, code))

    def _answered(self, flight: Flight) -> None:
        self.counters.answers += 1
        self.stamp = self._clock.stamp()
        begun_at = max(flight.sent_at, self._lane(flight.request.unit).landed_at)
        self._end(flight)
        self._answered_units.add(flight.request.unit)
        self.times.add(flight.request.unit, max(BRIEFEST_S, self._landed_at - begun_at - flight.expected_s))

    def _fail(self, flight: Flight, error: DeviceError) -> None:
        """A request under way ends without a sound answer."""
        if isinstance(error, Damaged):
            self.counters.damaged += 1
        self._end(flight)
        self._left_open(flight)
        self._raise(flight, error)

    def _raise(self, flight: Flight, error: DeviceError) -> None:
        if not flight.done.done():
            flight.done.set_exception(error)

    def _end(self, flight: Flight) -> None:
        """A request is no longer under way; those sent with it get their time anew, since units answer one after the other."""
        lane = self._lane(flight.request.unit)
        if flight in lane.flights:
            lane.flights.remove(flight)
        if flight.timer is not None:
            flight.timer.cancel()
        for behind in lane.flights:
            self._set_timer(behind)
            self._more_to_come = True
        if not lane.flights and lane.ended is not None and not lane.ended.done():
            lane.ended.set_result(None)
        self._landed_at = lane.landed_at = self._loop.time()

    def _fail_all(self, lane: Lane, error: DeviceError) -> None:
        """Everything under way in a lane ends without an answer."""
        flights, lane.flights = lane.flights, []
        for flight in flights:
            self._fail(flight, error)

    def _heard(self) -> None:
        """A byte came, so the line lives."""
        self._silent = 0
        self._silent_units.clear()

    def _expired(self, flight: Flight) -> None:
        """A request is overdue, and with it those sent together with it: none was answered for so long. They are one silence."""
        unit = flight.request.unit
        lane = self._lane(unit)
        self.counters.timeouts += len(lane.flights)
        self._silent += 1
        self._silent_units.add(unit)
        if not self.line.serial and self._silent >= SILENT_LIMIT and self._answered_units <= self._silent_units:
            error = LinkError(
                f"{self.line.place} has not sent a byte in answer to {self._silent} requests",
                hint=f"the connection is opened anew; check unit {unit}, the network and whether the device is on",
                reason=Reason.TIMEOUT,
            )
            self._gone(error)
            return
        if self.line.serial:
            hint = "check the unit number, wiring (A and B swapped?), power, baud and parity"
        else:
            hint = "check the unit number and whether the device is on"
        self._fail_all(lane, NoAnswer(f"unit {unit} on {self.line.place} did not answer within {flight.timeout:.3g} s", hint=hint))

    def _hung_up(self, error: LinkError) -> None:
        self.hung_up = True
        self._gone(error)

    def _gone(self, error: LinkError) -> None:
        """The line is gone: every request from now on fails."""
        if self._lost is None:
            self._lost = error
        self.line.close()
        for lane in self._lanes.values():
            self._fail_all(lane, error)
