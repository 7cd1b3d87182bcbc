"""One task per connection: opens the driver, reads each machine on a fixed grid, quarantines what fails, reconnects.

A bus, or a TCP endpoint, is one connection; its machines are read one after another and never hold up another connection. A call
in flight is never cancelled: whoever stops a poller waits for the answer or for the driver's own timeout.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, field

from gateway import log as logs
from gateway.clock import Clock
from gateway.config.spec import Link, Machine
from gateway.driver import DeviceError, Driver, Forgets, LinkError, Streams, Subscribes
from gateway.model import Block, PointTable, Scan, Stamp

log = logs.get("poll")

LONGEST_BACKOFF_S = 5.0
"""A device that comes back is seen within this and one timeout."""

STEADY_S = 30.0
"""A connection that held this long starts again with a short back-off."""

READ_S = 120.0
"""What one call of a driver may take, with all its timeouts, before the poller counts as stuck."""

STOP_S = 3.0
"""How long a stop waits for the call in flight before it closes the driver under it."""

LONGEST_SILENCE_S = 2.0
"""A poller gives a sign of progress at least this often, also with nothing to do."""


class Sink(Protocol):
    """Where a machine's Scans and Blocks go; called from the poller's task, must not block."""

    def scan(self, scan: Scan) -> None:
        """Take one Scan."""

    def block(self, block: Block) -> None:
        """Take one Block."""


class Health(Struct, kw_only=True):
    """How a machine is doing: `state` is `starting`, `good`, `bad` or `ended`; `error` and `hint` in words when bad."""

    state: str = "starting"
    error: str = ""
    hint: str = ""
    since: Stamp | None = None
    last: Stamp | None = None
    scans: int = 0
    blocks: int = 0
    missed: int = 0
    errors: int = 0
    took_s: float = 0.0


class Watched(Struct, eq=False):
    """One machine on a connection."""

    machine: Machine
    table: PointTable
    sink: Sink
    health: Health = field(default_factory=Health)
    due_s: float = 0.0
    failures: int = 0


class Poller:
    """The task of one connection. Machines come and go while it runs; the others on it do not notice."""

    def __init__(self, link: Link, create: Callable[[Link, Clock], Driver], clock: Clock, beat: Callable[..., None]) -> None:
        self.link = link
        self.driver: Driver | None = None
        self.watched: dict[str, Watched] = {}
        self._create = create
        self._clock = clock
        self._beat = beat
        self._changed = asyncio.Event()
        self._stopping = False
        self._flows: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._last_fault = ""

    # ── what supervise calls ──

    def start(self) -> None:
        """Start the task."""
        self._task = asyncio.create_task(self._run(), name=f"poll {self.link.url}")
        self._task.add_done_callback(_told)

    async def stop(self) -> None:
        """End the task after the call in flight and close the driver; a device that hangs does not hold it up for long."""
        self._stopping = True
        self._changed.set()
        task = self._task
        if task is None:
            return
        await asyncio.wait({task}, timeout=STOP_S)
        if not task.done() and self.driver is not None:
            await self._let_go(self.driver)  # ends the call in flight with a LinkError
            await asyncio.wait({task}, timeout=STOP_S)
        task.cancel()
        await asyncio.wait({task})

    def add(self, machine: Machine, sink: Sink) -> None:
        """Begin to read a machine, at once."""
        names = tuple(machine.points)
        specs = tuple(machine.points.values())
        table = PointTable(machine.name, names, tuple(s.unit for s in specs), specs, machine.options, machine.every_s)
        self.watched[machine.name] = Watched(machine, table, sink, due_s=self._clock.monotonic())
        self._changed.set()

    def remove(self, name: str) -> None:
        """Read a machine no more; a scan of it that is on the line is thrown away."""
        watched = self.watched.pop(name, None)
        if watched is not None:
            _forget(self.driver, watched.table)
        if flow := self._flows.pop(name, None):
            flow.cancel()
        self._changed.set()

    # ── the connection ──

    async def _run(self) -> None:
        backoff_s = 0.25
        while not self._stopping:
            opened_s = self._clock.monotonic()
            try:
                self.driver = self._create(self.link, self._clock)
                self._beat(READ_S)
                await self.driver.open()
                await self._serve(self.driver)
            except DeviceError as error:
                self._all_bad(error)
            except Exception as error:
                self._all_bad(self._fault(error))
            finally:
                await self._close()
            if self._clock.monotonic() - opened_s > STEADY_S:
                backoff_s = 0.25
            await self._pause(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, not a secret)
            backoff_s = min(LONGEST_BACKOFF_S, backoff_s * 2)

    async def _close(self) -> None:
        flows = list(self._flows.values())
        self._flows.clear()
        for flow in flows:
            flow.cancel()
        await asyncio.gather(*flows, return_exceptions=True)
        driver, self.driver = self.driver, None
        if driver is not None:
            await self._let_go(driver)

    async def _let_go(self, driver: Driver) -> None:
        try:
            await driver.close()
        except Exception as error:
            self._fault(error)

    async def _pause(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while not self._stopping and self._clock.monotonic() < until:
            self._beat()
            self._changed.clear()
            await self._clock.wait(self._changed, min(until, self._clock.monotonic() + LONGEST_SILENCE_S))

    # ── reading on the grid ──

    async def _serve(self, driver: Driver) -> None:
        opened_s = self._clock.monotonic()
        for watched in self.watched.values():
            watched.due_s = max(watched.due_s, opened_s)  # the grid begins with the connection: nothing was missed before it
        while not self._stopping:
            self._beat()
            self._changed.clear()
            self._tend_flows(driver)
            now_s = self._clock.monotonic()
            due = min((w for name, w in self.watched.items() if name not in self._flows), key=lambda w: w.due_s, default=None)
            if due is None or due.due_s > now_s:
                latest_s = now_s + LONGEST_SILENCE_S
                await self._clock.wait(self._changed, min(due.due_s, latest_s) if due else latest_s)
            elif _flows(driver, due.table):
                continue
            else:
                await self._poll(driver, due)

    async def _poll(self, driver: Driver, watched: Watched) -> None:
        began_s = self._clock.monotonic()
        self._beat(READ_S)
        try:
            scan = await driver.read(watched.table)
        except LinkError:
            raise
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise LinkError("the driver gave up its own call", hint="this is a fault of the driver, please report it") from None
        except DeviceError as error:
            self._bad(watched, error)
            self._advance(watched, self._quarantine_s(watched))
            return
        except Exception as error:
            self._bad(watched, self._fault(error))
            self._advance(watched, max(LONGEST_BACKOFF_S, watched.machine.every_s))
            return
        watched.failures = 0
        watched.health.took_s = self._clock.monotonic() - began_s
        self._good(watched, scan.stamp)
        watched.health.scans += 1
        self._hand(watched, scan)
        self._advance(watched, watched.machine.every_s)

    def _quarantine_s(self, watched: Watched) -> float:
        """Return how long a machine that failed is left alone: its own period, doubled with every failure, up to the longest."""
        watched.failures += 1
        every_s = watched.machine.every_s
        return max(every_s, min(LONGEST_BACKOFF_S, every_s * 2.0 ** min(watched.failures - 1, 10)))

    def _advance(self, watched: Watched, rest_s: float) -> None:
        """Set the next moment on the machine's grid, at the earliest now; grid points that have passed are missed, not made up."""
        every_s = watched.machine.every_s
        now_s = self._clock.monotonic()
        steps = max(1, round(rest_s / every_s))
        late = int((now_s - watched.due_s) // every_s)
        if steps == 1 and late > 0:
            watched.health.missed += late
        watched.due_s += every_s * max(steps, late + 1)

    # ── flows: subscriptions and waveforms ──

    def _tend_flows(self, driver: Driver) -> None:
        """Start the flows of new machines; a flow that failed alone is started again, one that ended with its link raises."""
        now_s = self._clock.monotonic()
        for name, flow in list(self._flows.items()):
            if not flow.done():
                continue
            del self._flows[name]
            try:
                flow.result()
            except LinkError:
                raise
            except DeviceError as error:
                watched = self.watched[name]
                self._bad(watched, error)
                watched.due_s = now_s + self._quarantine_s(watched)
            else:
                self._ended(self.watched[name])
        for name, watched in self.watched.items():
            if name in self._flows or watched.due_s > now_s:
                continue
            if not _flows(driver, watched.table):
                continue
            follow = self._follow_subscription if watched.table.names else self._follow_stream
            flow = asyncio.create_task(follow(driver, watched), name=f"follow {name}")
            flow.add_done_callback(lambda _: self._changed.set())
            self._flows[name] = flow

    async def _follow_subscription(self, driver: Driver, watched: Watched) -> None:
        assert isinstance(driver, Subscribes)
        async for scan in driver.subscribe(watched.table):
            self._good(watched, scan.stamp)
            watched.health.scans += 1
            self._hand(watched, scan)

    async def _follow_stream(self, driver: Driver, watched: Watched) -> None:
        assert isinstance(driver, Streams)
        async for block in driver.stream(watched.table):
            self._good(watched, block.start)
            watched.health.blocks += 1
            try:
                watched.sink.block(block)
            except Exception:
                log.exception("record_fault", machine=watched.machine.name)

    # ── good and bad ──

    def _hand(self, watched: Watched, scan: Scan) -> None:
        if self.watched.get(watched.machine.name) is not watched:
            return
        try:
            watched.sink.scan(scan)
        except Exception:
            log.exception("record_fault", machine=watched.machine.name)

    def _fault(self, error: Exception) -> DeviceError:
        """Turn what a driver should not have raised into an error in words; its traceback is logged once."""
        words = f"the driver failed: {error!r}"
        if words != self._last_fault:
            self._last_fault = words
            log.error("driver_fault", connection=self.link.url, exc_info=error)
        return DeviceError(words, hint="this is a fault of the driver, please report it")

    def _good(self, watched: Watched, stamp: Stamp) -> None:
        health = watched.health
        if health.state == "bad":
            log.info("machine_recovered", machine=watched.machine.name)
        if health.state != "good":
            health.state, health.error, health.hint, health.since = "good", "", "", stamp
        health.last = stamp

    def _ended(self, watched: Watched) -> None:
        """Leave a source alone that came to its end for good: a recording that is played once."""
        watched.due_s = math.inf
        watched.health.state, watched.health.since = "ended", self._clock.stamp()
        log.info("stream_ended", machine=watched.machine.name)

    def _bad(self, watched: Watched, error: DeviceError) -> None:
        """Tell once, and let the readings say it every time: they turn bad with the reason."""
        health = watched.health
        stamp = self._clock.stamp()
        health.errors += 1
        if health.state != "bad":
            health.since = stamp
        if (health.state, health.error) != ("bad", error.message):
            log.warning("machine_unavailable", machine=watched.machine.name, error=error.message, hint=error.hint)
        health.state, health.error, health.hint = "bad", error.message, error.hint
        self._hand(watched, Scan.bad(watched.table, stamp, error.reason))

    def _all_bad(self, error: DeviceError) -> None:
        now_s = self._clock.monotonic()
        for watched in list(self.watched.values()):
            if watched.health.state != "ended":
                self._bad(watched, error)
                watched.due_s = now_s


def _flows(driver: Driver, table: PointTable) -> bool:
    """Say whether a table's data comes by itself: a machine without points is a waveform, one with points may be subscribed."""
    if not table.names:
        return isinstance(driver, Streams)
    return isinstance(driver, Subscribes) and driver.subscribes(table)


def _told(task: asyncio.Task[None]) -> None:
    """Log what ended a poller that should not have ended; its missing beat then holds back the watchdog."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task_failed", task=task.get_name(), exc_info=error)


def _forget(driver: object, table: PointTable) -> None:
    if isinstance(driver, Forgets):
        driver.forget(table)
