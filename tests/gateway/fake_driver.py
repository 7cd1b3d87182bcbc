"""A driver whose device the test plays."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import AsyncIterator

from gateway.clock import Clock
from gateway.config.spec import Link, Machine, PointSpec
from gateway.driver import DeviceError, LinkError
from gateway.model import Block, PointTable, Scan


class World:
    """What the fake devices do, for all drivers made from it."""

    def __init__(self) -> None:
        self.reachable = True
        self.errors: dict[str, DeviceError | Exception] = {}
        self.reads: Counter[str] = Counter()
        self.opened = 0
        self.closed = 0
        self.values: dict[str, float] = {}
        self.read_takes_s = 0.0
        self.in_flight = 0
        self.cancelled = 0
        self.close_ends_reads = False
        self.close_fails = False
        self.forgotten: list[str] = []
        self.streams: dict[str, asyncio.Queue[Block | Exception | None]] = {}
        self.publishes: dict[str, asyncio.Queue[Scan | Exception]] = {}

    def create(self, link: Link, clock: Clock) -> FakeDriver:
        return FakeDriver(self, link, clock)


class FakeDriver:
    def __init__(self, world: World, link: Link, clock: Clock) -> None:
        self.world = world
        self.link = link
        self.clock = clock
        self.ended = asyncio.Event()

    async def open(self) -> None:
        await asyncio.sleep(0)
        if not self.world.reachable:
            raise LinkError("nobody answers", hint="is it on?")
        self.world.opened += 1

    async def read(self, table: PointTable) -> Scan:
        self.world.in_flight += 1
        try:
            if self.world.read_takes_s:
                await asyncio.wait_for(self.ended.wait(), self.world.read_takes_s)
                raise LinkError("closed under the call")
            await asyncio.sleep(0)
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            self.world.cancelled += 1
            raise
        finally:
            self.world.in_flight -= 1
        self.world.reads[table.machine] += 1
        if not self.world.reachable:
            raise LinkError("the connection broke")
        if error := self.world.errors.get(table.machine):
            raise error
        n = len(table)
        value = self.world.values.get(table.machine, 1.0)
        return Scan(table, array("d", [value]) * n, bytearray([192]) * n, bytearray(n), self.clock.stamp())

    async def close(self) -> None:
        self.world.closed += 1
        if self.world.close_ends_reads:
            self.ended.set()
        if self.world.close_fails:
            raise RuntimeError("cannot let go")

    def forget(self, table: PointTable) -> None:
        self.world.forgotten.append(table.machine)

    def subscribes(self, table: PointTable) -> bool:
        return table.machine in self.world.publishes

    async def subscribe(self, table: PointTable) -> AsyncIterator[Scan]:
        while True:
            item = await self.world.publishes[table.machine].get()
            if isinstance(item, Exception):
                raise item
            yield item

    async def stream(self, table: PointTable) -> AsyncIterator[Block]:
        while (item := await self.world.streams[table.machine].get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item


def machine(name: str, *, link: Link | None = None, every_s: float = 0.01, points: int = 2, **more: object) -> Machine:
    link = link or Link("fake", name, None)
    return Machine(name, link, None, every_s, {f"p{i}": PointSpec(unit="bar") for i in range(points)}, **more)  # type: ignore[arg-type]


class Collector:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.scans: list[Scan] = []
        self.blocks: list[Block] = []
        self.turns: list[str] = []

    def scan(self, scan: Scan) -> None:
        self.scans.append(scan)

    def block(self, block: Block) -> None:
        self.blocks.append(block)

    def turned(self, state: str) -> None:
        self.turns.append(state)

    @property
    def last(self) -> Scan | None:
        return self.scans[-1] if self.scans else None
