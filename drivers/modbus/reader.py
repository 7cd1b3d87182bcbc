"""Reading one table of one unit: all blocks into one Scan, and what a refused or missing answer means for the points in it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from drivers.modbus.allowed import Allowed
from drivers.modbus.cost import SERIAL, TCP, Cost
from drivers.modbus.decode import BlockDecoder
from drivers.modbus.derive import Derivation
from drivers.modbus.errors import ABOUT_ADDRESSES, BUSY, ILLEGAL_FUNCTION, ILLEGAL_VALUE, OF_THE_UNIT, Damaged, NoAnswer, Refusal
from drivers.modbus.exchange import Exchange
from drivers.modbus.memory import Memory, memory_of
from drivers.modbus.pipeline import Came, Pipeline
from drivers.modbus.plan import Block, halves
from drivers.modbus.tableplan import RETRY_S, TablePlan
from gateway.clock import Clock
from gateway.driver import DeviceError
from gateway.model import PointTable, Quality, Reason, Scan

RETRIES_PER_SCAN: Final = 4
"""So many of them at most in one scan, so that they never weigh more than what is good."""

SEARCH_LIMIT: Final = 32
"""Most requests one scan may spend on finding the bad points of refused blocks; the next scan goes on where this one stopped."""


BUSY_WAITS_S: Final = (0.05, 0.1, 0.15)
"""How long a busy unit is left alone before it is asked again; in sum what one scan may lose to it."""


class _Round(Struct):
    """One scan being made: what has come so far."""

    scan: Scan
    answered: bool = False
    searched: int = 0
    waits: list[float] = field(default_factory=lambda: list(BUSY_WAITS_S))
    errors: list[DeviceError] = field(default_factory=list)

    def mark(self, rows: Iterable[int], reason: Reason) -> None:
        """Give the points that have nothing yet a reason."""
        for row in rows:
            if self.scan.quality[row] == Quality.BAD and self.scan.reason[row] == Reason.NO_DATA:
                self.scan.reason[row] = reason


class Reader:
    """The read plan of one table, with what was learned about the unit: addresses it does not know, gaps it does not allow."""

    def __init__(
        self,
        table: PointTable,
        *,
        serial: bool = False,
        cost: Cost | None = None,
        place: str = "",
        memory: Memory | None = None,
        pipeline: Pipeline | None = None,
    ) -> None:
        """Make the plan.

        Behind the columns of the table stand, during a scan, those of the scale factors that points read from registers.

        Args:
            table: the points.
            serial: what kind of line, where no `cost` says it.
            cost: what requests cost on the line.
            place: how the line is called in messages.
            memory: what is already known about the unit.
            pipeline: how many requests the unit may be asked at a time.

        Raises:
            DeviceError: a point is not allowed to be asked for.
        """
        self.table = table
        self._place = place
        self._memory = memory or memory_of(table)
        self._pipeline = pipeline or Pipeline()
        self._plan = TablePlan(table, self._memory, cost or (SERIAL if serial else TCP), self._pipeline)
        self._unknown = self._memory.unknown
        self._derivation = Derivation(table.specs, self._plan.factors, self._memory)
        self._learned = False

    @property
    def allowed(self) -> Allowed:
        """What may be asked for."""
        return self._plan.allowed

    @property
    def blocks(self) -> list[Block]:
        """The requests of a scan, in order."""
        return [part for part, _ in self._plan.parts]

    @property
    def unknown(self) -> list[str]:
        """Names of the points whose address the unit does not know."""
        return [self._plan.name(row) for row in self._unknown]

    @property
    def cheapest(self) -> Block:
        """What to ask for in order to see whether the unit answers: the first request, or a point that it refuses."""
        return self._plan.parts[0][0] if self._plan.parts else self._plan.single(0)

    @property
    def warnings(self) -> list[str]:
        """What stays wrong, in words."""
        return self._plan.warnings

    async def read(self, exchange: Exchange, clock: Clock, table: PointTable | None = None) -> Scan:
        """Read every point once; the Scan is one of `table` where that is given, which must be equal to that of the plan.

        Raises:
            DeviceError: the unit gave no sound answer at all, or said that it cannot answer now.
            LinkError: the line is gone.
        """
        if self._plan.is_for_another_pace:
            self._plan.renew()
        now = _Round(self._blank(exchange, table or self.table))
        for row in self._unknown:
            now.scan.reason[row] = Reason.NO_SUCH_ADDRESS
        if await self._read_parts(exchange, clock, now):
            await self._retry(exchange, clock, now)
        if not now.answered and now.errors:
            raise now.errors[0]
        now.scan.stamp = exchange.stamp
        if self._learned:
            self._learned = False
            self._plan.renew()
        self._derivation.apply(now.scan)
        self._strip(now.scan)
        return now.scan

    async def _read_parts(self, exchange: Exchange, clock: Clock, now: _Round) -> bool:
        """Read part after part, several at a time where the unit stands that; return False when the rest was left unread."""
        parts = self._plan.parts
        read = 0
        for group in self._pipeline.groups(parts, self._plan.unit.unit, exchange, clock):
            came: list[Came] = [None]
            if len(group) > 1:
                came = await self._pipeline.ask(exchange, [part.request for part, _ in group], clock, self.allowed)
            for (part, decoder), answer in zip(group, came, strict=True):
                try:
                    await self._read(exchange, clock, now, part, decoder, answer)
                except DeviceError as error:
                    if not isinstance(error, NoAnswer | Damaged | Refusal):
                        raise
                    if self._is_hopeless(error, now):
                        for later, _ in parts[read:]:
                            now.mark(later.rows, error.reason)
                        return False
                    now.mark(part.rows, error.reason)
                read += 1
        return True

    def _blank(self, exchange: Exchange, table: PointTable) -> Scan:
        scan = Scan.blank(table, exchange.stamp)
        if more := len(self._plan.points) - len(table):
            scan.values.extend([math.nan] * more)
            scan.quality.extend(bytes(more))
            scan.reason.extend([Reason.NO_DATA] * more)
        return scan

    def _strip(self, scan: Scan) -> None:
        """Take the scale factors away."""
        if len(self._plan.points) > len(self.table):
            for column in (scan.values, scan.quality, scan.reason):
                del column[len(self.table) :]

    def _is_hopeless(self, error: DeviceError, now: _Round) -> bool:
        """Take note of a failed block; say whether to leave the rest of this scan, or raise when there is nothing to show."""
        about_unit = isinstance(error, Refusal) and error.code in OF_THE_UNIT
        silent_again = isinstance(error, NoAnswer) and any(isinstance(before, NoAnswer) for before in now.errors)
        if not now.answered and (about_unit or isinstance(error, NoAnswer)):
            raise error
        now.errors.append(error)
        return about_unit or silent_again

    async def _read(
        self,
        exchange: Exchange,
        clock: Clock,
        now: _Round,
        part: Block,
        decoder: BlockDecoder,
        came: Came,
    ) -> None:
        """Take the answer to a part that `came` of a volley, or ask for it."""
        try:
            data = await self._ask(exchange, now, part, came)
        except Refusal as refusal:
            if refusal.code in ABOUT_ADDRESSES:
                now.answered = True
                await self._search(exchange, clock, now, part, refusal)
            elif refusal.code == ILLEGAL_FUNCTION:
                now.answered = True
                self._memory.absent.add(part.request.function)
                now.mark(part.rows, refusal.reason)
            else:
                raise
        else:
            now.answered = True
            self._memory.absent.discard(part.request.function)
            decoder.decode(data, now.scan)

    async def _search(self, exchange: Exchange, clock: Clock, now: _Round, refused: Block, why: Refusal) -> None:
        """Halve a refused block until only the points that the unit really refuses are bad; remember what was found."""
        self._learned = True
        pieces = halves(refused)
        if pieces is None:
            for row in refused.rows:
                now.scan.reason[row] = why.reason
                self._unknown[row] = clock.monotonic() + RETRY_S
            return
        boundary = (refused.request.function, pieces[1].request.address)
        if now.searched + len(pieces) > SEARCH_LIMIT:
            self._memory.cuts.add(boundary)
            now.mark(refused.rows, why.reason)
            return
        now.searched += len(pieces)
        refusals = 0
        for piece in pieces:
            try:
                data = await self._ask(exchange, now, piece)
            except Refusal as refusal:
                if refusal.code not in ABOUT_ADDRESSES:
                    raise
                refusals += 1
                await self._search(exchange, clock, now, piece, refusal)
            else:
                self._plan.decoder(piece).decode(data, now.scan)
        if not refusals:  # each is fine alone: the unit refuses what lies between them, or so long a request
            self._memory.cuts.add(boundary)
            whole, handed_out = refused.request.count, max(piece.request.count for piece in pieces)
            if why.code == ILLEGAL_VALUE and whole == sum(piece.request.count for piece in pieces):
                self._memory.too_long = (whole, handed_out)

    async def _retry(self, exchange: Exchange, clock: Clock, now: _Round) -> None:
        """Ask again for points that were unknown; when one is back (the device was starting up), soon for the others too."""
        moment = clock.monotonic()
        due = [row for row, at in self._unknown.items() if at <= moment][:RETRIES_PER_SCAN]
        if not due and not self._plan.parts:
            due = list(self._unknown)[:1]  # otherwise nobody would notice that the unit is dead
        for row in due:
            part = self._plan.single(row)
            try:
                data = await self._ask(exchange, now, part)
            except Refusal:
                now.answered = True
                self._unknown[row] = moment + RETRY_S
            except (NoAnswer, Damaged) as error:
                now.errors.append(error)
                return
            else:
                now.answered = self._learned = True
                self._plan.decoder(part).decode(data, now.scan)
                del self._unknown[row]
                self._unknown.update(dict.fromkeys(self._unknown, moment))

    async def _ask(self, exchange: Exchange, now: _Round, part: Block, came: Came = None) -> bytes:
        """Ask, unless something `came` already; a unit that is busy gets a little time, as long as this scan has some to give."""
        while True:
            try:
                if isinstance(came, DeviceError):
                    raise came
                return came if came is not None else await _ask(exchange, part, self.allowed)
            except Refusal as refusal:
                if refusal.code not in BUSY or not now.waits:
                    refusal.name_gateway(self._place)
                    raise
                came = None
                await asyncio.sleep(now.waits.pop(0))


async def _ask(exchange: Exchange, part: Block, allowed: Allowed) -> bytes:
    """Ask once more where a damaged answer is a matter of the wire."""
    try:
        return await exchange.ask(part.request, allowed)
    except Damaged:
        if not exchange.line_can_damage:
            raise
    return await exchange.ask(part.request, allowed)
