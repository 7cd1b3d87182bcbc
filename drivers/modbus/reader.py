"""Reading one table of one unit: all blocks into one Scan, and what a refused or missing answer means for the points in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from drivers.modbus.decode import BlockDecoder
from drivers.modbus.errors import ABOUT_ADDRESSES, ILLEGAL_FUNCTION, OF_THE_UNIT, Damaged, NoAnswer, Refusal
from drivers.modbus.exchange import Exchange
from drivers.modbus.plan import Block, Limits, block, halves, plan, spans
from drivers.modbus.spec import ModbusUnit
from gateway.clock import Clock
from gateway.driver import DeviceError
from gateway.model import PointTable, Quality, Reason, Scan

RETRY_S: Final = 60.0
"""A point the unit does not know is asked for again after this time."""

RETRIES_PER_SCAN: Final = 4
"""So many of them at most in one scan, so that they never weigh more than what is good."""

SEARCH_LIMIT: Final = 32
"""Most requests one scan may spend on finding the bad points of refused blocks; the next scan goes on where this one stopped."""


class _Round(Struct):
    """One scan being made: what has come so far."""

    scan: Scan
    answered: bool = False
    searched: int = 0
    errors: list[DeviceError] = field(default_factory=list)

    def mark(self, rows: Iterable[int], reason: Reason) -> None:
        """Give the points that have nothing yet a reason."""
        for row in rows:
            if self.scan.quality[row] == Quality.BAD and self.scan.reason[row] == Reason.NO_DATA:
                self.scan.reason[row] = reason


class Reader:
    """The read plan of one table, with what was learned about the unit: addresses it does not know, gaps it does not allow."""

    def __init__(self, table: PointTable, *, serial: bool) -> None:
        unit = table.options
        assert isinstance(unit, ModbusUnit)
        self.table = table
        self._unit = unit
        self._limits = Limits.of(unit, serial=serial)
        self._spans = spans(table.specs)
        self._unknown: dict[int, float] = {}
        self._cuts: set[tuple[int, int]] = set()
        self._learned = False
        self._parts: list[tuple[Block, BlockDecoder]] = []
        self._replan()

    @property
    def blocks(self) -> list[Block]:
        """The requests of a scan, in order."""
        return [part for part, _ in self._parts]

    @property
    def unknown(self) -> list[str]:
        """Names of the points whose address the unit does not know."""
        return [self.table.names[row] for row in self._unknown]

    async def read(self, exchange: Exchange, clock: Clock) -> Scan:
        """Read every point once.

        Raises:
            DeviceError: the unit gave no sound answer at all, or said that it cannot answer now.
            LinkError: the line is gone.
        """
        now = _Round(Scan.blank(self.table, exchange.stamp))
        for row in self._unknown:
            now.scan.reason[row] = Reason.NO_SUCH_ADDRESS
        for i, (part, decoder) in enumerate(self._parts):
            try:
                await self._read(exchange, clock, now, part, decoder)
            except DeviceError as error:
                if not isinstance(error, NoAnswer | Damaged | Refusal):
                    raise
                if self._is_hopeless(error, now):
                    for later, _ in self._parts[i:]:
                        now.mark(later.rows, error.reason)
                    break
                now.mark(part.rows, error.reason)
        else:
            await self._retry(exchange, clock, now)
        if not now.answered and now.errors:
            raise now.errors[0]
        now.scan.stamp = exchange.stamp
        if self._learned:
            self._replan()
        return now.scan

    def _is_hopeless(self, error: DeviceError, now: _Round) -> bool:
        """Take note of a failed block; say whether to leave the rest of this scan, or raise when there is nothing to show."""
        about_unit = isinstance(error, Refusal) and error.code in OF_THE_UNIT
        silent_again = isinstance(error, NoAnswer) and any(isinstance(before, NoAnswer) for before in now.errors)
        if not now.answered and (about_unit or isinstance(error, NoAnswer)):
            raise error
        now.errors.append(error)
        return about_unit or silent_again

    async def _read(self, exchange: Exchange, clock: Clock, now: _Round, part: Block, decoder: BlockDecoder) -> None:
        try:
            data = await _ask(exchange, part)
        except Refusal as refusal:
            if refusal.code in ABOUT_ADDRESSES:
                now.answered = True
                await self._search(exchange, clock, now, part, refusal.reason)
            elif refusal.code == ILLEGAL_FUNCTION:
                now.answered = True
                now.mark(part.rows, refusal.reason)
            else:
                raise
        else:
            now.answered = True
            decoder.decode(data, now.scan)

    async def _search(self, exchange: Exchange, clock: Clock, now: _Round, refused: Block, reason: Reason) -> None:
        """Halve a refused block until only the points that the unit really refuses are bad; remember what was found."""
        self._learned = True
        pieces = halves(refused)
        if pieces is None:
            for row in refused.rows:
                now.scan.reason[row] = reason
                self._unknown[row] = clock.monotonic() + RETRY_S
            return
        boundary = (refused.request.function, pieces[1].request.address)
        if now.searched + len(pieces) > SEARCH_LIMIT:
            self._cuts.add(boundary)
            now.mark(refused.rows, reason)
            return
        now.searched += len(pieces)
        refusals = 0
        for piece in pieces:
            try:
                data = await _ask(exchange, piece)
            except Refusal as refusal:
                if refusal.code not in ABOUT_ADDRESSES:
                    raise
                refusals += 1
                await self._search(exchange, clock, now, piece, refusal.reason)
            else:
                self._decoder(piece).decode(data, now.scan)
        if not refusals:  # each is fine alone: the unit refuses what lies between them, or so long a request
            self._cuts.add(boundary)

    async def _retry(self, exchange: Exchange, clock: Clock, now: _Round) -> None:
        """Ask again for points that were unknown; when one is back (the device was starting up), soon for the others too."""
        moment = clock.monotonic()
        due = [row for row, at in self._unknown.items() if at <= moment][:RETRIES_PER_SCAN]
        if not due and not self._parts:
            due = list(self._unknown)[:1]  # otherwise nobody would notice that the unit is dead
        for row in due:
            part = block(self._unit.unit, [self._spans[row]])
            try:
                data = await _ask(exchange, part)
            except Refusal:
                now.answered = True
                self._unknown[row] = moment + RETRY_S
            except (NoAnswer, Damaged) as error:
                now.errors.append(error)
                return
            else:
                now.answered = self._learned = True
                self._decoder(part).decode(data, now.scan)
                del self._unknown[row]
                self._unknown = dict.fromkeys(self._unknown, moment)

    def _decoder(self, part: Block) -> BlockDecoder:
        return BlockDecoder(part, self.table.specs, self._unit.order)

    def _replan(self) -> None:
        cuts = self._cuts | {(self._spans[row].function, self._spans[row].start) for row in self._unknown}
        wanted = [span for span in self._spans if span.row not in self._unknown]
        self._parts = [(part, self._decoder(part)) for part in plan(self._unit.unit, wanted, self._limits, cuts)]
        self._learned = False


async def _ask(exchange: Exchange, part: Block) -> bytes:
    """Ask once more where a damaged answer is a matter of the wire."""
    try:
        return await exchange.ask(part.request)
    except Damaged:
        if not exchange.line_can_damage:
            raise
    return await exchange.ask(part.request)
