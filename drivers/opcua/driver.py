"""The OPC UA driver: one session with one server, read in batches or subscribed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from msgspec import Struct

from drivers.opcua.resolve import resolve
from drivers.opcua.session import Session, chunks
from drivers.opcua.spec import OpcuaPoint, OpcuaUnit, index_warning
from drivers.opcua.subscription import Subscription
from drivers.opcua.values import Columns
from drivers.opcua.waveform import NAME, Arrays, blocks, table_of
from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.driver import DeviceError, LinkError
from gateway.model import Block, PointTable, Reason, Scan
from gateway.waveform import Counters

_RETRY_S = 60.0
_ABSENT = {
    StatusCodes.BadNodeIdUnknown: "the server does not know this node",
    StatusCodes.BadNodeIdInvalid: "the server finds this node id invalid",
    StatusCodes.BadAttributeIdInvalid: "this node has no value; it is an object or a method",
    StatusCodes.BadUserAccessDenied: "the server does not let this gateway read this",
    StatusCodes.BadNotReadable: "the server does not let anybody read this",
}


class Plan(Struct):
    """How one table is read in this session: a node per row, why a row cannot be read, and when to look at those again."""

    columns: Columns
    nodes: dict[int, ua.NodeId]
    problems: dict[int, str]
    retry_s: float


class OpcuaDriver:
    """One session; every address is resolved anew in it, so a server that renumbered its namespaces is read right.

    `warnings` says what stays wrong while the session lasts: no security, points that cannot be found, values the server
    had to drop.
    """

    def __init__(self, link: Link, clock: Clock) -> None:
        self._clock = clock
        self._session = Session(link)
        self._plans: dict[PointTable, Plan] = {}
        self._arrays: dict[PointTable, Arrays] = {}
        self._counters = Counters()

    @property
    def counters(self) -> object:
        """What came of waveforms, where there are any."""
        return self._counters if self._arrays else {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Standing warnings, as sentences for the status page."""
        found = list(self._session.warnings)
        for table, plan in list(self._plans.items()):
            for row, problem in sorted(plan.problems.items()):
                found.append(f"{table.machine}.{table.names[row]}: {problem}")
            for row in plan.nodes:
                point: OpcuaPoint = table.specs[row]
                if point.node and point.node.parts.index:
                    found.append(f"{table.machine}.{table.names[row]}: {index_warning(point.node.parts.index)}")
            if plan.columns.dropped:
                found.append(
                    f"{table.machine}: {plan.columns.dropped} values were lost in full queues of the server; raise 'queue'"
                )
        found += [f"{table.machine}.{NAME}: {arrays.problem}" for table, arrays in list(self._arrays.items()) if arrays.problem]
        return tuple(found)

    async def open(self) -> None:
        """Connect and make a session.

        Raises:
            LinkError: the server is not there or refuses; the hint says what to do.
        """
        await self._session.open()

    def forget(self, table: PointTable) -> None:
        """Drop the nodes and the warnings of a table that is not read any more."""
        self._plans.pop(table, None)

    async def close(self) -> None:
        """Let go of everything within 2 s; never raises, may be called twice."""
        await self._session.close()

    async def read(self, table: PointTable) -> Scan:
        """Read all points of a table in one request, or as few as the server's limit allows.

        Raises:
            DeviceError: the server refused the request.
            LinkError: the session is gone.
        """
        plan = await self._plan(table)
        await self._look_again(table, plan)
        rows = list(plan.nodes)
        values = await self._values(plan, rows)
        return plan.columns.scan(values, rows, self._clock.stamp(), whole=True)

    def subscribes(self, table: PointTable) -> bool:
        """Say whether a table is subscribed: the default where it has points."""
        return bool(table.names) and table.options.mode == "subscribe"

    async def subscribe(self, table: PointTable) -> AsyncGenerator[Scan, None]:
        """Yield a full Scan at once, then a partial one whenever something changed.

        Raises:
            DeviceError: the server refused the subscription.
            LinkError: the session or the subscription is gone, or was silent longer than agreed.
        """
        plan = await self._plan(table)
        subscription = Subscription(self._session, table, plan.columns, self._clock)
        try:
            await subscription.start()
            yield await self._begin(plan, subscription, list(plan.nodes), whole=True)
            while True:
                if (scan := await subscription.next()) is not None:
                    yield scan
                if rows := await self._look_again(table, plan):
                    yield await self._begin(plan, subscription, rows, whole=False)
        finally:
            await subscription.close()

    async def stream(self, table: PointTable) -> AsyncGenerator[Block, None]:
        """Yield a Block for every new array of a machine that has `waveform:`.

        Raises:
            DeviceError: the server refused the subscription, or the machine has no waveform.
            LinkError: the session or the subscription is gone, or was silent longer than agreed.
        """
        if table.options.waveform is None:
            words = f"{table.machine} has neither points nor a waveform, so there is nothing to read"
            raise DeviceError(words, hint="write some under 'points:', or 'waveform:'")
        inner = table_of(table.machine, table.options.waveform, OpcuaPoint, OpcuaUnit)
        arrays = self._arrays[inner] = Arrays(table.machine, table.options.waveform, self._counters)
        plan = await self._plan(inner)
        try:
            async with (
                contextlib.aclosing(self.subscribe(inner)) as scans,
                contextlib.aclosing(blocks(arrays, scans, lambda: plan.columns.dropped)) as found,
            ):
                async for block in found:
                    yield block
        finally:
            self._arrays.pop(inner, None)
            self._plans.pop(inner, None)

    async def _plan(self, table: PointTable) -> Plan:
        """Return how to read a table, resolved once in this session."""
        if self._session.lost:
            raise self._session.lost
        if (plan := self._plans.get(table)) is None:
            found = await resolve(self._session, enumerate(table.specs))
            plan = Plan(Columns(table), found.nodes, found.problems, self._clock.monotonic() + _RETRY_S)
            self._plans[table] = plan
        return plan

    async def _look_again(self, table: PointTable, plan: Plan) -> list[int]:
        """Every minute look again for what could not be read, as a new program may have brought it; return its rows."""
        if not plan.problems or self._clock.monotonic() < plan.retry_s:
            return []
        found = await resolve(self._session, [(row, table.specs[row]) for row in plan.problems])
        plan.nodes.update(found.nodes)
        plan.problems = found.problems
        plan.retry_s = self._clock.monotonic() + _RETRY_S
        return list(found.nodes)

    async def _begin(self, plan: Plan, subscription: Subscription, rows: list[int], *, whole: bool) -> Scan:
        """Read points and then watch them, so that their state is known at once, however long the publishing interval is."""
        values = await self._values(plan, rows)
        subscription.expect(rows, values)
        for row, code in (await subscription.watch(rows, [plan.nodes[row] for row in rows])).items():
            status = ua.StatusCode(ua.UInt32(code))
            plan.problems.setdefault(
                row, _ABSENT.get(code, f"the server refuses to send this ({status.name}); mode: read may help")
            )
            values[rows.index(row)] = ua.DataValue(StatusCode=status)
        return plan.columns.scan(values, rows, self._clock.stamp(), whole=whole)

    async def _values(self, plan: Plan, rows: Sequence[int]) -> list[ua.DataValue]:
        """Read some rows, and note which of them cannot be read at all."""
        values: list[ua.DataValue] = []
        for part in chunks(rows, self._session.read_limit):
            wanted = ua.ReadParameters(
                TimestampsToReturn=ua.TimestampsToReturn.Source,
                NodesToRead=[ua.ReadValueId(NodeId=plan.nodes[row], AttributeId=AttributeIds.Value) for row in part],
            )
            answer = await self._session.ask(self._session.services.read(wanted))
            if len(answer) != len(part):
                raise LinkError(
                    f"{self._session.place} answers {len(answer)} values to {len(part)} questions", reason=Reason.BAD_ANSWER
                )
            values.extend(answer)
        for row, value in zip(rows, values, strict=True):
            if value.StatusCode is not None and (problem := _ABSENT.get(value.StatusCode.value)):
                plan.problems[row] = problem
            elif plan.problems:
                plan.problems.pop(row, None)
        return values
