"""One task per connection: opens the driver, reads each machine on a fixed grid, quarantines what fails, reconnects.

The machines of a connection are read one after another. Where the line can tell answers apart, one that takes longer than usual is
overtaken by the others; on a bus it costs them a bounded share. A call in flight is never cancelled: whoever stops a poller waits
for the answer, and after a while closes the line.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable

from msgspec import Struct

from gateway import log as logs
from gateway.clock import Clock
from gateway.config.spec import Link, Machine
from gateway.driver import DeviceError, Driver, Forgets, LinkError, Probes
from gateway.model import PointTable

from .account import Account
from .flows import Flows
from .late import rest_after
from .watched import Group, Sink, Watched, groups_of

log = logs.get("poll")

FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 5.0
"""A device that comes back is seen within this and the time that connecting may take."""

STEADY_S = 30.0
"""A connection that held this long starts again with a short back-off."""

LONGEST_SILENCE_S = 2.0
"""A poller gives a sign of progress at least this often, also with nothing to do."""

READ_S = 120.0
"""What one call of a driver may take before the poller counts as stuck; a long timeout of the line comes on top."""

GRACE_S = 1.0
"""A poller that is stopped waits this long for the call in flight; then it closes the line, which ends it."""

STOP_S = 3.0
"""How long closing may take."""


_TIMEOUTS_PER_CALL = 3


class UnderWay(Struct, eq=False):
    """A machine that is being read while others may overtake: from `patient_until_s` on. `dubious`: perhaps it is dead."""

    task: asyncio.Task[None]
    patient_until_s: float
    dubious: bool


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
        self._account = Account(link, clock, self.watched)
        self._flows = Flows(clock, self.watched, self._account, self._changed)
        self._probes: Probes | None = None
        self._under_way: dict[str, UnderWay] = {}
        self._opening: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._call_s = READ_S + _TIMEOUTS_PER_CALL * float(getattr(link.options, "timeout", 0.0))

    # ── what supervise calls ──

    def start(self) -> None:
        """Start the task."""
        self._task = asyncio.create_task(self._run(), name=f"poll {self.link.url}")
        self._task.add_done_callback(_told)

    async def stop(self) -> None:
        """End the task after the call in flight, or soon where it hangs, and close the driver."""
        self._stopping = True
        self._changed.set()
        if self._opening is not None:
            self._opening.cancel()
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=GRACE_S)
        if not self._task.done() and self.driver is not None:
            await self._let_go(self.driver)
            await asyncio.wait({self._task}, timeout=STOP_S)
        self._task.cancel()  # a driver that does not even end when it is closed
        await asyncio.wait({self._task})

    def add(self, machine: Machine, sink: Sink) -> None:
        """Begin to read a machine, at once."""
        watched = self.watched[machine.name] = Watched(machine, groups_of(machine), sink)
        watched.begin(self._clock.monotonic())
        self._changed.set()

    def remove(self, name: str) -> None:
        """Read a machine no more; a scan of it that is on the line is thrown away."""
        if (watched := self.watched.pop(name, None)) is not None:
            self._flows.drop(watched)
            for group in watched.groups:
                _forget(self.driver, group.table)
        self._changed.set()

    def p99_s(self) -> float:
        """Return the p99 of the response times on the line in seconds, 0 when unknown."""
        return self._probes.response_s(None) if self._probes else 0.0

    # ── the connection ──

    async def _run(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping:
            opened_s = self._clock.monotonic()
            try:
                self.driver = self._create(self.link, self._clock)
                if await self._open(self.driver):
                    await self._serve(self.driver)
            except DeviceError as error:
                if not self._stopping:
                    self._account.all_bad(error)
            except Exception as error:
                self._account.all_bad(self._account.fault(error))
            finally:
                await self._close()
            if self._clock.monotonic() - opened_s > STEADY_S:
                backoff_s = FIRST_BACKOFF_S
            await self._pause(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, not a secret)
            backoff_s = min(LONGEST_BACKOFF_S, backoff_s * 2)

    async def _open(self, driver: Driver) -> bool:
        """Connect; return False when that was given up because the poller is being stopped."""
        self._opening = asyncio.ensure_future(driver.open())
        try:
            self._beat(self._call_s)
            await asyncio.wait({self._opening})
            if self._opening.cancelled():
                return False
            self._opening.result()
        finally:
            self._opening.cancel()
            self._opening = None
        return True

    async def _close(self) -> None:
        await self._flows.cancel()
        driver, self.driver, self._probes = self.driver, None, None
        if driver is not None:
            await self._let_go(driver)
        reads = [reading.task for reading in self._under_way.values()]
        self._under_way.clear()
        await asyncio.gather(*reads, return_exceptions=True)  # closing has ended them

    async def _let_go(self, driver: Driver) -> None:
        try:
            await driver.close()
        except Exception as error:
            self._account.fault(error)

    async def _pause(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while not self._stopping and self._clock.monotonic() < until:
            self._beat()
            self._changed.clear()
            await self._clock.wait(self._changed, min(until, self._clock.monotonic() + LONGEST_SILENCE_S))

    # ── whose turn it is ──

    async def _serve(self, driver: Driver) -> None:
        now_s = self._clock.monotonic()
        for watched in self.watched.values():
            watched.begin(now_s)
            watched.quarantine.probe_at_s = min(watched.quarantine.probe_at_s, now_s)
        self._flows.begin(driver)
        self._probes = driver if isinstance(driver, Probes) else None
        window = self._probes.window if self._probes else 1
        while not self._stopping:
            self._beat()
            self._changed.clear()
            self._flows.tend()
            self._collect()
            now_s = self._clock.monotonic()
            due_s, chosen, group = self._next(now_s, window)
            if chosen is None or group is None or due_s > now_s:
                await self._clock.wait(self._changed, min(due_s, self._flows.next_s(), now_s + LONGEST_SILENCE_S))
            elif window == 1 or len(self.watched) == 1:
                await self._turn(driver, chosen, group)
            else:
                self._set_out(driver, chosen, group, now_s)
        if self._under_way:
            await asyncio.wait({reading.task for reading in self._under_way.values()})

    def _next(self, now_s: float, window: int) -> tuple[float, Watched | None, Group | None]:
        """Return the machine whose turn is next and when; without one, the moment at which to look again."""
        free = window - len(self._under_way)
        patient_until_s = max((reading.patient_until_s for reading in self._under_way.values()), default=0.0)
        if free <= 0:
            return math.inf, None, None
        if patient_until_s > now_s:
            return patient_until_s, None, None
        # one place is kept for those that answer as usual, as long as there are any
        kept = window > 1 and not all(watched.dubious for watched in self.watched.values())
        dubious_may = not kept or sum(reading.dubious for reading in self._under_way.values()) < window - 1
        best: tuple[float, Watched | None, Group | None] = (math.inf, None, None)
        for name, watched in self.watched.items():
            if name in self._under_way or (watched.dubious and not dubious_may):
                continue
            due_s, group = watched.next()
            if due_s < best[0] and not self._flows.carry(group.table):
                best = due_s, watched, group
        return best

    def _set_out(self, driver: Driver, watched: Watched, group: Group, now_s: float) -> None:
        dubious = watched.dubious
        task = asyncio.create_task(self._turn(driver, watched, group), name=f"read {watched.machine.name}")
        task.add_done_callback(lambda _: self._changed.set())
        self._under_way[watched.machine.name] = UnderWay(task, now_s if dubious else now_s + group.patience_s, dubious)

    def _collect(self) -> None:
        """Forget the reads that have ended; one that ended with the connection raises."""
        for name in [name for name, reading in self._under_way.items() if reading.task.done()]:
            self._under_way.pop(name).task.result()

    # ── one turn ──

    async def _turn(self, driver: Driver, watched: Watched, group: Group) -> None:
        """Read a group of a machine; one in quarantine is probed first, where the driver can do that."""
        began_s = self._clock.monotonic()
        probing = False
        self._beat(self._call_s)
        try:
            if watched.quarantine.active and self._probes:
                probing = True
                await self._probes.probe(group.table, self._patience_s(self._probes, watched, began_s))
                probing = False
            read_s = self._clock.monotonic()
            scan = await driver.read(group.table)
        except LinkError:
            raise
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise LinkError("the driver gave up its own call", hint="this is a fault of the driver, please report it") from None
        except DeviceError as error:
            self._account.bad(watched, error, probe=probing)
            now_s = self._clock.monotonic()
            watched.quarantine.failed(now_s, now_s - began_s, probe=probing)
            return
        except Exception as error:
            self._account.bad(watched, self._account.fault(error))
            watched.quarantine.failed(self._clock.monotonic(), 0.0, probe=False)
            watched.quarantine.probe_at_s += LONGEST_BACKOFF_S
            return
        now_s = self._clock.monotonic()
        took_s = now_s - read_s
        if watched.quarantine.active:
            watched.quarantine.over()
            watched.begin(now_s)
        watched.slow = took_s > group.patience_s
        group.took(took_s)
        watched.health.took_s = took_s
        self._account.good(watched, scan.stamp)
        watched.health.scans += 1
        self._account.hand(watched, scan)
        watched.health.missed += group.advance(self._clock.monotonic())
        if self._probes and len(self.watched) > 1 and not self._under_way:
            rest_after(self._probes, watched, scan, took_s, now_s, self.watched.values())

    def _patience_s(self, driver: Probes, watched: Watched, now_s: float) -> float | None:
        alone = all(other is watched or other.quarantine.active for other in self.watched.values())
        line_s, machine_s = driver.response_s(None), driver.response_s(watched.table)
        return watched.quarantine.patience_s(now_s, line_s, machine_s, free=driver.window > 1 or alone)


def _forget(driver: object, table: PointTable) -> None:
    if isinstance(driver, Forgets):
        driver.forget(table)


def _told(task: asyncio.Task[None]) -> None:
    """Log what ended a poller that should not have ended; its missing beat then holds back the watchdog."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task_failed", task=task.get_name(), exc_info=error)
