"""A subscription: the server sends what changed; nothing waits without a limit, and nothing is dropped without being counted."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from drivers.opcua.errors import request_error
from drivers.opcua.session import Session, chunks
from drivers.opcua.spec import OpcuaUnit
from drivers.opcua.values import Columns
from gateway.clock import Clock
from gateway.driver import LinkError
from gateway.model import PointTable, Reason, Scan

_WAITING = 32
_SLICES = 4


class Inbox:
    """Scans between the publish loop and whoever takes them. When it is full the loop waits, and the server's queues fill."""

    def __init__(self) -> None:
        self._scans: deque[Scan] = deque()
        self._error: LinkError | None = None
        self._filled = asyncio.Event()
        self._room = asyncio.Event()

    def put(self, scan: Scan) -> None:
        """Take a Scan."""
        self._scans.append(scan)
        self._filled.set()

    def room(self) -> Coroutine[Any, Any, object] | None:
        """Return what the sender must await before it sends more; None while there is room."""
        if len(self._scans) < _WAITING or self._error:
            return None
        self._room.clear()
        return self._room.wait()

    def fail(self, error: LinkError) -> None:
        """Let the taker have what is there, and then this error."""
        self._error = self._error or error
        self._filled.set()
        self._room.set()

    async def get(self, wait_s: float) -> Scan | None:
        """Return the next Scan, or None when none comes within `wait_s`.

        Raises:
            LinkError: the session is lost.
        """
        if not self._scans:
            if self._error:
                raise self._error
            self._filled.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._filled.wait()
            except TimeoutError:
                return None
            return await self.get(wait_s)
        scan = self._scans.popleft()
        if len(self._scans) < _WAITING // 2:
            self._room.set()
        return scan


class Subscription:
    """One subscription of one table on one session.

    Uses the callback per publish of asyncua's session, not its handlers: those make a task per value, and their queue
    drops the oldest silently.
    """

    def __init__(self, session: Session, table: PointTable, columns: Columns, clock: Clock) -> None:
        options: OpcuaUnit = table.options
        self._session = session
        self._columns = columns
        self._clock = clock
        self._publish_ms = 1000 * float(options.publish or table.every_s)
        self._sample_ms = 1000 * float(options.sample) if options.sample else self._publish_ms
        self._queue = options.queue or max(1, math.ceil(self._publish_ms / self._sample_ms))
        self._inbox = Inbox()
        self._watched: set[int] = set()
        self._read: dict[int, ua.DataValue] = {}
        self._id: int | None = None
        self._silent_s = 0.0
        self._silence = 0

    async def start(self) -> None:
        """Make the subscription on the server, without points yet.

        Raises:
            DeviceError: the server has none left.
            LinkError: the session is gone.
        """
        self._session.on_lost.append(self._inbox.fail)
        keepalive_ms = 1000 * float(self._session.options.keepalive)
        count = max(1, int(keepalive_ms / self._publish_ms))
        lifetime = max(3 * count, math.ceil(1000 * float(self._session.options.session) / self._publish_ms))
        answer = await self._session.ask(
            self._session.services.create_subscription(
                ua.CreateSubscriptionParameters(
                    RequestedPublishingInterval=self._publish_ms,
                    RequestedMaxKeepAliveCount=count,
                    RequestedLifetimeCount=lifetime,
                    MaxNotificationsPerPublish=0,
                    PublishingEnabled=True,
                ),
                self._on_publish,
            )
        )
        self._id = answer.SubscriptionId
        # The server may have chosen longer times than it was asked for.
        cycle_s = answer.RevisedPublishingInterval * max(1, answer.RevisedMaxKeepAliveCount) / 1000
        self._silent_s = 2 * max(cycle_s, keepalive_ms / 1000) + 1

    async def watch(self, rows: Sequence[int], nodes: Sequence[ua.NodeId]) -> dict[int, int]:
        """Watch points that are not watched yet; return the status code of those the server refused, by row.

        Raises:
            DeviceError: the server refused all.
            LinkError: the session is gone.
        """
        refused: dict[int, int] = {}
        fresh = [(row, node) for row, node in zip(rows, nodes, strict=True) if row not in self._watched]
        for part in chunks(fresh, self._session.monitor_limit):
            answers = await self._session.ask(
                self._session.services.create_monitored_items(
                    ua.CreateMonitoredItemsParameters(
                        SubscriptionId=self._id,
                        TimestampsToReturn=ua.TimestampsToReturn.Source,
                        ItemsToCreate=[self._item(row, node) for row, node in part],
                    )
                )
            )
            for (row, _), answer in zip(part, answers, strict=True):
                if answer.StatusCode.is_bad():
                    refused[row] = answer.StatusCode.value
                else:
                    self._watched.add(row)
        return refused

    def expect(self, rows: Sequence[int], values: Sequence[ua.DataValue]) -> None:
        """Name what was read already: the server's first notification of a point repeats it and is left out."""
        self._read.update((row, value) for row, value in zip(rows, values, strict=True) if row not in self._watched)

    async def next(self) -> Scan | None:
        """Return the next Scan; None now and then when nothing changed.

        Raises:
            LinkError: the session is lost, or the subscription is silent though the server promised signs of life.
        """
        # In slices: after this process itself stood still, what has arrived meanwhile must be seen before silence is declared.
        scan = await self._inbox.get(self._silent_s / _SLICES)
        if scan is None:
            self._silence += 1
            if self._silence >= _SLICES:
                raise LinkError(
                    f"{self._session.place}: the subscription has been silent for {self._silent_s:g} s",
                    hint="it is made anew",
                    reason=Reason.TIMEOUT,
                )
        return scan

    async def close(self) -> None:
        """End the subscription on the server, if that still answers; never raises."""
        if self._inbox.fail in self._session.on_lost:
            self._session.on_lost.remove(self._inbox.fail)
        self._inbox.fail(LinkError("the subscription is closed"))
        number, self._id = self._id, None
        if number is None or self._session.lost:
            return
        try:
            async with asyncio.timeout(1):
                await self._session.services.delete_subscriptions([number])
        except Exception as error:
            request_error(error, self._session.place, 1)

    def _item(self, row: int, node: ua.NodeId) -> ua.MonitoredItemCreateRequest:
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=row, SamplingInterval=self._sample_ms, QueueSize=self._queue, DiscardOldest=True
            ),
        )

    def _on_publish(self, result: ua.PublishResult) -> Coroutine[Any, Any, object] | None:
        """Take one answer of the server; called by asyncua's publish loop, which awaits what is returned."""
        self._silence = 0
        for notification in result.NotificationMessage.NotificationData or ():
            if isinstance(notification, ua.DataChangeNotification):
                self._take(notification.MonitoredItems or ())
            elif isinstance(notification, ua.StatusChangeNotification):
                self._session.lose(LinkError(f"{self._session.place}: the subscription ended ({notification.Status.name})"))
        return self._inbox.room()

    def _take(self, items: Sequence[ua.MonitoredItemNotification]) -> None:
        """Sort the values into Scans: the first of every point into the first, what else its queue held into the next."""
        stamp = self._clock.stamp()
        rounds: list[dict[int, ua.DataValue]] = [{}]
        repeated: dict[int, int] = {}
        for item in items:
            row, value = item.ClientHandle, item.Value
            if self._read and row in self._read and _same(self._read.pop(row), value):
                continue
            if row not in rounds[0]:
                rounds[0][row] = value
                continue
            number = repeated[row] = repeated.get(row, 0) + 1
            if number == len(rounds):
                rounds.append({})
            rounds[number][row] = value
        for columns in rounds:
            if columns:
                self._inbox.put(self._columns.scan(list(columns.values()), list(columns), stamp))


def _same(one: ua.DataValue, other: ua.DataValue) -> bool:
    return bool(one.Value == other.Value and one.StatusCode == other.StatusCode and one.SourceTimestamp == other.SourceTimestamp)
