"""Modbus RTU, on a serial port or over TCP: no answer is accepted that could belong to another request.

After a request went unanswered, the next one with an answer of the same form would be at risk. It is then asked in a longer form
(one or two more registers), whose answer no older one can be mistaken for; where the unit refuses that, a probe of another length
goes first, and its answer proves that nothing older is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from drivers.modbus.allowed import Allowed
from drivers.modbus.doubt import Doubt
from drivers.modbus.errors import ABOUT_ADDRESSES, Damaged, NoAnswer, Refusal
from drivers.modbus.exchange import Exchange
from drivers.modbus.flight import Flight
from drivers.modbus.frames import SHORTEST, Frame, Splitter
from drivers.modbus.ledger import ledger_of
from drivers.modbus.request import REGISTER_FUNCTIONS, Request
from gateway.clock import Clock
from gateway.config.spec import Link

SILENT_CHARACTERS: Final = 3.5
"""Silence between two frames, in characters (Modbus over Serial Line V1.02, 2.5.1.1)."""

LEAST_SILENCE_S: Final = 0.00175
"""The same above 19200 baud."""

DRAIN_S: Final = 0.03
"""Silence that is waited for while something older may still come; USB adapters hand bytes on every 16 ms."""

GAP_S: Final = 0.1
"""When an answer stops in the middle for this long, its rest is no longer waited for."""

SHORT_PROBES: Final = 8

MOST_OUTLASTED: Final = 8
"""Older answers that asking the same again and again may have to outlast, at most."""

CONFIRMATIONS: Final = 2
"""So often an answer is asked for again on a line in doubt, until two are alike; one may differ because the value has changed."""


class RtuExchange(Exchange):
    """Exchange over RTU frames."""

    line_can_damage = True
    _framer = FramerRTU(DecodePDU(is_server=False))

    def __init__(self, link: Link, clock: Clock) -> None:
        super().__init__(link, clock)
        self._ledger = ledger_of(link.url)
        self._splitter = Splitter(self._ledger.shapes)
        byte_s = self.line.byte_s
        self._silence = max(SILENT_CHARACTERS * byte_s, LEAST_SILENCE_S) if byte_s else 0.0
        self._gap = min(GAP_S, self._timeout / 2)
        self._heard_at = 0.0
        self._noise_before = 0
        self._stall: asyncio.TimerHandle | None = None
        self._refused_longer: set[Request] = set()
        self._doubt = Doubt()

    def close(self) -> None:
        """Close the line; a request under way ends with a LinkError."""
        if self._stall is not None:
            self._stall.cancel()
        super().close()

    async def _ask(self, request: Request, allowed: Allowed) -> bytes:
        data = await self._answer(request, allowed)
        if not self._doubt.confirm:
            return data
        earlier = [data[: request.size]]
        for _ in range(CONFIRMATIONS):
            again = (await self._answer(request, allowed))[: request.size]
            if again in earlier:
                return again
            earlier.append(again)
        self.counters.damaged += 1
        self._doubt.damaged()
        raise Damaged(
            f"{request}: the line damages many answers, and no two of this one agree",
            hint="the wire needs mending: terminator, shield, a motor's cable beside it",
        )

    async def _answer(self, request: Request, allowed: Allowed) -> bytes:
        """Bring the line into a state in which the answer will be unmistakable, then ask."""
        if not self._clashes(request) and not request.answered_like_asked:
            return await self._send(request)
        forms = (form for form in longer_forms(request, allowed) if not form.answered_like_asked)
        longer = next((form for form in forms if form not in self._refused_longer and not self._clashes(form)), None)
        if longer is not None:
            try:
                return (await self._send(longer))[longer.offset(request.address) :]
            except Refusal as refusal:
                if refusal.code not in ABOUT_ADDRESSES:
                    raise
                self._refused_longer.add(longer)
        if self._clashes(request):
            probes = list(probes_for(request, allowed))
            if not probes:
                return await self._outlast(request)
            await self._settle(request, probes)
        if self._clashes(request):  # the probe may have been taken for answered by an older answer of its form
            raise self._still_behind(request, "it is slower than the timeout: write a longer 'timeout', or ask less often")
        return await self._send(request)

    async def _settle(self, request: Request, probes: list[Request]) -> None:
        """Send a probe; when it is answered, in whatever way, everything older is done with."""
        free = [probe for probe in probes if not self._clashes(probe)]
        inside = [probe for probe in free if probe.function == request.function]
        outside = [probe for probe in free if not self._ledger.owes(probe.unit, probe.function)]
        self.counters.probes += 1
        try:
            await self._send((inside or outside or probes)[0])
        except Refusal:
            return

    async def _outlast(self, request: Request) -> bytes:
        """Ask the same so often that the last answer is one to this request, however many older ones come before it.

        For a unit of which nothing may be asked that would look different. It answers in the order of asking.
        """
        rivals = self._ledger.rivals(request, self._loop.time())
        if rivals > MOST_OUTLASTED:
            hint = "wait, or let 'allow' have a register beside it, which would tell the answers apart"
            raise self._still_behind(request, hint)
        for _ in range(rivals):
            await self._send(request)
        return await self._send(request)

    def _still_behind(self, request: Request, hint: str) -> NoAnswer:
        return NoAnswer(f"unit {request.unit} on {self.line.place} still answers older requests", hint=hint)

    async def _probe(self, request: Request, timeout: float, allowed: Allowed) -> None:
        step = 1 if request.function in REGISTER_FUNCTIONS else 8
        longer = (Request(request.unit, request.function, request.address, request.count + i * step) for i in range(SHORT_PROBES))
        forms = (*filter(allowed.permits, longer), *probes_for(request, allowed))
        free = (form for form in forms if not self._clashes(form) and not form.answered_like_asked)
        await self._send(next(free, request), timeout, is_probe=True)

    async def _send(self, request: Request, timeout: float | None = None, *, is_probe: bool = False) -> bytes:
        await self._quiet(request.unit)
        frame = self._framer.encode(request.pdu, request.unit, 0)
        self._ledger.asked(request)
        for late in self._splitter.give_up():
            self._unexpected(late)
        self._noise_before = self._splitter.garbage
        on_the_line = self.line.byte_s * (len(frame) + self._answer_length(request))
        limit = self._timeout if timeout is None else timeout
        return await self._fly(request, frame, limit, on_the_line=on_the_line, is_probe=is_probe)

    def _answer_length(self, request: Request) -> int:
        """Return the number of characters of the answer."""
        return SHORTEST + request.size

    async def _quiet(self, unit: int) -> None:
        """Wait until the line has been silent for long enough; on one that never is, for as long as an answer may take."""
        silence = max(self._silence, DRAIN_S) if self._ledger.in_doubt(unit) else self._silence
        latest = self._loop.time() + self._pause + self._timeout
        while True:
            now = self._loop.time()
            wait = max(self._heard_at + silence, self._landed_at + self._pause) - now
            if wait <= 0 or now >= latest:
                return
            await asyncio.sleep(wait)

    @property
    def _flying(self) -> Flight | None:
        lane = self._lanes.get(-1)
        return lane.flight if lane is not None else None

    def _clashes(self, request: Request) -> bool:
        return self._ledger.clashes(request, self._loop.time())

    def _left_open(self, flight: Flight) -> None:
        self._ledger.overdue(flight.request, self._loop.time())

    def _received(self, data: bytes) -> None:
        self._heard()
        self._heard_at = self._loop.time()
        for frame in self._splitter.feed(data):
            self._frame(frame)
        self.counters.garbage = self._splitter.garbage
        if self._stall is None and (self._splitter.waiting or self._flying is not None):
            self._stall = self._loop.call_later(self._gap, self._stalled)

    def _stalled(self) -> None:
        """Nothing came for a while: whatever has begun will not be completed."""
        self._stall = None
        missing = self._heard_at + self._gap - self._loop.time()
        if missing > 0:
            self._stall = self._loop.call_later(missing, self._stalled)
            return
        for frame in self._splitter.give_up():
            self._frame(frame)
        self.counters.garbage = self._splitter.garbage
        if self._flying is not None and self._splitter.garbage - self._noise_before >= SHORTEST:
            request = self._flying.request
            self._doubt.damaged()
            hint = "noise, or wrong baud or parity, or A and B swapped, or a second master; an adapter that echoes needs echo: true"
            self._fail(self._flying, Damaged(f"{request}: bytes came, but no sound answer among them", hint=hint))

    def _frame(self, frame: Frame) -> None:
        flight = self._flying
        if flight is not None and frame.unit == flight.request.unit and frame.function == flight.request.function:
            request = flight.request
            if frame.code is None and len(frame.data) == request.size and not request.is_echo(frame.data):
                self._ledger.answered(request, self._loop.time())
                self._doubt.sound()
                self._land(flight, frame.data)
                return
            if frame.code is not None and not self._ledger.owes(frame.unit, frame.function):
                self._ledger.answered(request, self._loop.time())
                self._doubt.sound()
                self._refuse(flight, frame.code)
                return
        self._unexpected(frame)
        if flight is not None and flight.is_probe and frame.unit == flight.request.unit:
            self._left_open(flight)  # the unit lives, that was all; the probe itself may still be answered
            self._land(flight, frame.data)

    def _unexpected(self, frame: Frame) -> None:
        size = None if frame.code is not None else len(frame.data)
        verdict = self._ledger.account_for(frame.unit, frame.function, size, self._loop.time())
        setattr(self.counters, verdict, getattr(self.counters, verdict) + 1)


def longer_forms(request: Request, allowed: Allowed) -> Iterator[Request]:
    """Yield reads that bring the same with a longer answer: with items behind it; where those are not allowed, in other ways."""
    wider = request.wider()
    if wider is not None and allowed.permits(wider):
        yield wider
    elif allowed.restricted:
        least = 1 if request.function in REGISTER_FUNCTIONS else 8
        ways = ((request.step, 0), (0, least), (least, 0))
        forms = dict.fromkeys(form for before, behind in ways if (form := request.stretched(before, behind)) is not None)
        yield from filter(allowed.permits, forms)


def probes_for(request: Request, allowed: Allowed) -> Iterator[Request]:
    """Yield allowed reads whose answers cannot be taken for that of `request`: parts of it first, then other function codes."""
    unit, function, address = request.unit, request.function, request.address
    step = 1 if function in REGISTER_FUNCTIONS else 8
    for count in range(1, min(request.count, SHORT_PROBES * step + 1), step):
        probe = Request(unit, function, address, count)
        if probe.shape != request.shape and not probe.answered_like_asked:
            yield probe
    for other in (3, 4, 1, 2):
        if other != function and (at := allowed.first(other, address)) is not None:
            yield Request(unit, other, at, 1)
