"""Reading one table of one unit: all blocks into one Scan, and what a refused or missing answer means for the points in it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from drivers.modbus.address import Address
from drivers.modbus.cost import SERIAL, TCP, Cost
from drivers.modbus.decode import BlockDecoder
from drivers.modbus.derive import Derivation
from drivers.modbus.errors import ABOUT_ADDRESSES, BUSY, ILLEGAL_FUNCTION, ILLEGAL_VALUE, OF_THE_UNIT, Damaged, NoAnswer, Refusal
from drivers.modbus.exchange import Exchange
from drivers.modbus.memory import Memory, memory_of
from drivers.modbus.plan import Block, Limits, block, halves, one_each, plan, spans
from drivers.modbus.request import FUNCTIONS
from drivers.modbus.spec import ModbusPoint, ModbusUnit
from gateway.clock import Clock
from gateway.driver import DeviceError
from gateway.model import PointTable, Quality, Reason, Scan

RETRY_S: Final = 60.0
"""A point the unit does not know is asked for again after this time."""

RETRIES_PER_SCAN: Final = 4
"""So many of them at most in one scan, so that they never weigh more than what is good."""

SEARCH_LIMIT: Final = 32
"""Most requests one scan may spend on finding the bad points of refused blocks; the next scan goes on where this one stopped."""


BUSY_WAITS_S: Final = (0.05, 0.1, 0.15)
"""How long a busy unit is left alone before it is asked again; in sum what one scan may lose to it."""

NAMED: Final = 5
"""Most points that one warning names."""


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
    ) -> None:
        """Make the plan; `place` is how the line is called in messages, `memory` what is already known about the unit.

        Behind the columns of the table stand, during a scan, those of the scale factors that points read from registers.
        """
        unit = table.options
        assert isinstance(unit, ModbusUnit)
        self.table = table
        self._unit = unit
        self._place = place
        self._limits = Limits.of(unit, cost or (SERIAL if serial else TCP))
        self._points, factors = _with_factors(table.specs, unit)
        self._spans = spans(self._points)
        self._memory = memory or memory_of(table)
        self._unknown = self._memory.unknown
        self._cuts = self._memory.cuts
        self._derivation = Derivation(table.specs, factors, self._memory)
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
        return [self._name(row) for row in self._unknown]

    @property
    def warnings(self) -> list[str]:
        """What stays wrong: points and tables the unit refuses, requests it finds too long, counters that began anew."""
        found = []
        who = f"{self.table.machine}: unit {self._unit.unit}"
        for function in sorted(self._memory.absent):
            table, rows = FUNCTIONS[function], [span.row for span in self._spans if span.function == function]
            found.append(f"{who} does not have the table '{table}' (function {function}): {self._named(rows)}; is it another one?")
        if self._memory.too_long is not None:
            refused, most = self._memory.too_long
            found.append(
                f"{who} refuses to hand out {refused} registers at once, and hands out {most}; write max_registers: {most}"
            )
        if self._unknown:
            found.append(
                f"{who} refuses {self._named(sorted(self._unknown))}; compare with the manual (off by one, or another table?). "
                f"Asked again every {RETRY_S:g} s"
            )
        for row, total in self._memory.totals.items():
            if total.last_reset is not None:
                before, after = total.last_reset
                found.append(
                    f"{self.table.machine}: the counter {self._name(row)} fell from {before} to {after}, which is no wrap: it was "
                    f"reset ({total.resets} times so far), and what it counted in between is unknown"
                )
        return found

    async def read(self, exchange: Exchange, clock: Clock, table: PointTable | None = None) -> Scan:
        """Read every point once; the Scan is one of `table` where that is given, which must be equal to that of the plan.

        Raises:
            DeviceError: the unit gave no sound answer at all, or said that it cannot answer now.
            LinkError: the line is gone.
        """
        now = _Round(self._blank(exchange, table or self.table))
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
        self._derivation.apply(now.scan)
        self._strip(now.scan)
        return now.scan

    def _blank(self, exchange: Exchange, table: PointTable) -> Scan:
        scan = Scan.blank(table, exchange.stamp)
        if more := len(self._points) - len(table):
            scan.values.extend([math.nan] * more)
            scan.quality.extend(bytes(more))
            scan.reason.extend([Reason.NO_DATA] * more)
        return scan

    def _strip(self, scan: Scan) -> None:
        """Take the scale factors away."""
        if len(self._points) > len(self.table):
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

    async def _read(self, exchange: Exchange, clock: Clock, now: _Round, part: Block, decoder: BlockDecoder) -> None:
        try:
            data = await self._ask(exchange, now, part)
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
            self._cuts.add(boundary)
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
                self._decoder(piece).decode(data, now.scan)
        if not refusals:  # each is fine alone: the unit refuses what lies between them, or so long a request
            self._cuts.add(boundary)
            whole, handed_out = refused.request.count, max(piece.request.count for piece in pieces)
            if why.code == ILLEGAL_VALUE and whole == sum(piece.request.count for piece in pieces):
                self._memory.too_long = (whole, handed_out)

    async def _retry(self, exchange: Exchange, clock: Clock, now: _Round) -> None:
        """Ask again for points that were unknown; when one is back (the device was starting up), soon for the others too."""
        moment = clock.monotonic()
        due = [row for row, at in self._unknown.items() if at <= moment][:RETRIES_PER_SCAN]
        if not due and not self._parts:
            due = list(self._unknown)[:1]  # otherwise nobody would notice that the unit is dead
        for row in due:
            part = block(self._unit.unit, [self._spans[row]])
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
                self._decoder(part).decode(data, now.scan)
                del self._unknown[row]
                self._unknown.update(dict.fromkeys(self._unknown, moment))

    async def _ask(self, exchange: Exchange, now: _Round, part: Block) -> bytes:
        """Ask; a unit that is busy gets a little time, as long as this scan has some to give."""
        while True:
            try:
                return await _ask(exchange, part)
            except Refusal as refusal:
                if refusal.code not in BUSY or not now.waits:
                    refusal.name_gateway(self._place)
                    raise
                await asyncio.sleep(now.waits.pop(0))

    def _name(self, row: int) -> str:
        return self.table.names[row] if row < len(self.table) else "scale factor"

    def _named(self, rows: Sequence[int]) -> str:
        """Return the names and places of a few points."""
        few = [f"{self._name(row)} ({self._points[row].at})" for row in rows[:NAMED]]
        return ", ".join(few) + (f" and {len(rows) - NAMED} more" if len(rows) > NAMED else "")

    def _decoder(self, part: Block) -> BlockDecoder:
        return BlockDecoder(part, self._points, self._unit)

    def _replan(self) -> None:
        self._learned = False
        wanted = [span for span in self._spans if span.row not in self._unknown]
        if self._unit.one_per_request:
            parts = one_each(self._unit.unit, wanted)
        else:
            cuts = self._cuts | {(self._spans[row].function, self._spans[row].start) for row in self._unknown}
            parts = plan(self._unit.unit, wanted, self._limits, cuts)
        self._parts = [(part, self._decoder(part)) for part in parts]


def _with_factors(specs: Sequence[ModbusPoint], unit: ModbusUnit) -> tuple[list[ModbusPoint], dict[int, int]]:
    """Return the points where the unit has them, the scale factors behind them, and the row of its factor by row of a point."""
    points = [spec if unit.place(spec.at) == spec.at else replace(spec, at=unit.place(spec.at)) for spec in specs]
    rows: dict[Address, int] = {}
    factors: dict[int, int] = {}
    for row, spec in enumerate(specs):
        if (at := spec.scale_from) is None:
            continue
        if at not in rows:
            rows[at] = len(points)
            points.append(ModbusPoint(at=at, type="int16"))
        factors[row] = rows[at]
    return points, factors


async def _ask(exchange: Exchange, part: Block) -> bytes:
    """Ask once more where a damaged answer is a matter of the wire."""
    try:
        return await exchange.ask(part.request)
    except Damaged:
        if not exchange.line_can_damage:
            raise
    return await exchange.ask(part.request)
