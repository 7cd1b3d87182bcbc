"""A live lane in this process, with machines that do as the test says, before a broker whose every packet is written down."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec

from gateway.clock import Clock
from gateway.config.spec import BrokerUrl
from gateway.config.uplink import Sparkplug, Uplink
from gateway.model import Event, Feature, Quality, Reading, Reason, Record, Severity
from gateway.ports import Page
from gateway.uplink.sparkplug.device import Point
from gateway.uplink.sparkplug.lane import Lane
from tests.gateway.uplink.fakes import Eager
from tests.peers.broker import mosquitto
from tests.sparkplug.checker import Report
from tests.sparkplug.observer import Observer, Server
from tests.sparkplug.payload import Payload, decode
from tests.sparkplug.trace import Publish, Setting
from tests.waiting import until

GROUP, NODE, CLIENT = "muster", "hall-1", "muster:hall-1:live"

PRESS = [
    Point("oil_temp", "°C", "number"),
    Point("oil_temp/limit", form="text", of="oil_temp", initial="normal"),
    Point("strokes", "", "whole"),
    Point("mode", "", "text"),
]
SPINDLE = [Point("vibration.rms", "", "number")]
SECRET = Point("program", "", "text")


class Memory:
    """What a lane keeps, as JSON, over its life and the next."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def get(self, name: str, kind: Any, default: Any) -> Any:
        return msgspec.json.decode(self.files[name], type=kind) if name in self.files else default

    def put(self, name: str, value: Any) -> None:
        self.files[name] = msgspec.json.encode(value)

    async def aput(self, name: str, value: Any) -> None:
        self.put(name, value)


class Shop:
    """The machines of a test; what they report goes to the lane and into a history of everything.

    Attributes:
        observer: what passed on the wire, and what was done to the machines.
        state: what the lane has kept; a second lane may begin with it.
        past: every record there ever was, in order.
        released: machine and point of what may leave; all of `points` at first.
    """

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self.clock = Clock()
        self.state = Memory()
        self.past: list[Record] = []
        self.points: dict[str, list[Point]] = {"press-1": [*PRESS, SECRET], "spindle": SPINDLE}
        self.released = {("press-1", point) for point in ("oil_temp", "strokes", "mode")} | {("spindle", "vibration.rms")}
        self.lane: Lane | None = None
        self.beats: list[float] = []

    @asynccontextmanager
    async def running(self, *ports: int, calling: dict[str, Any] | None = None, **sparkplug: Any) -> AsyncIterator[Lane]:
        """Run a lane towards brokers at these ports of this computer; `calling` are further options of the lane."""
        spec = Uplink(broker=[BrokerUrl(f"mqtt://127.0.0.1:{port}") for port in ports], sparkplug=Sparkplug(**sparkplug))
        lane = self.lane = Lane(
            site=GROUP,
            gateway=NODE,
            name="cooperative",
            spec=spec,
            clock=self.clock,
            state=self.state,
            read_secret=lambda name: name,
            base=Path(),
            beat=lambda: self.beats.append(time.monotonic()),
            recall=self.recall,
            random=Eager(),
            **(calling or {}),
        )
        self.define()
        task = asyncio.create_task(lane.run())
        try:
            yield lane
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.lane = None

    def define(self) -> None:
        """Let the lane know what is released now."""
        assert self.lane is not None
        released = set(self.released)
        self.lane.define(self.points, lambda machine, point: (machine, point) in released)

    def good(self, machine: str) -> None:
        """Let a machine answer."""
        if self.lane is not None:
            self.lane.turned(machine, "good")

    def bad(self, machine: str, *points: str) -> None:
        """Let a machine fall silent."""
        self.observer.lost(machine)
        if self.lane is not None:
            self.lane.turned(machine, "bad")
        for point in points:
            self.report(machine, point, None, told=False, quality=Quality.BAD, reason=Reason.TIMEOUT)

    def report(self, machine: str, point: str, value: Any, *, told: bool = True, **more: Any) -> None:
        """Let a point change; `told`: the checker shall see to it that the host gets to know."""
        self._emit(Reading(machine=machine, point=point, value=value, stamp=self.clock.stamp(), **more))
        if told and (machine, point) in self.released:
            self.observer.measured(machine, point, value)

    def compute(self, machine: str, point: str, value: float, unit: str) -> None:
        """Let a feature be computed."""
        self._emit(Feature(machine=machine, point=point, value=value, stamp=self.clock.stamp(), unit=unit))

    def cross(self, machine: str, point: str, side: str) -> None:
        """Let a limit be crossed."""
        words = {"kind": "limit", "severity": Severity.ALARM, "before": "normal", "after": side}
        self._emit(Event(machine=machine, point=point, stamp=self.clock.stamp(), **words))

    def _emit(self, record: Record) -> None:
        self.past.append(record)
        if self.lane is not None:
            self.lane.offer([record])

    async def recall(self, machine: str, since_wall_ns: int, until_wall_ns: int, after: int) -> Page:
        """Be the history, three records a page."""
        found = [
            (number, record)
            for number, record in enumerate(self.past, 1)
            if number > after and record.machine == machine and since_wall_ns <= record.stamp.wall_ns < until_wall_ns
        ]
        return Page(tuple(record for _, record in found[:3]), found[2][0] if len(found) > 3 else None)

    # ── what was sent ──

    def sent(self, *kinds: str, since: int = 0) -> list[tuple[str, Payload]]:
        """Return topic and payload of every message of these kinds that the node has sent, after the first `since` of them."""
        return list(self._sent(kinds))[since:]

    def _sent(self, kinds: Sequence[str]) -> Iterator[tuple[str, Payload]]:
        for event in self.observer.published():
            if event.topic.split("/")[2] in kinds:
                yield event.topic, decode(event.payload)

    def order(self) -> list[str]:
        """Return the kinds of all messages, in order; the device behind a space."""
        return [
            " ".join(event.topic.split("/")[2:5:2])
            for event in self.observer.published()
            if type(event) is Publish and event.topic.split("/")[1] == GROUP and event.topic.split("/")[2][1:] != "CMD"
        ]

    def report_of(self, setting: Setting | None = None) -> Report:
        """Check all of it by the assertions of the standard."""
        return Report().add(self.observer.trace(setting or Setting(GROUP, NODE, CLIENT)))


def values(payload: Payload) -> dict[str, Any]:
    """Return name and value of the metrics of a birth."""
    return {metric.name: None if metric.is_null else metric.value(metric.datatype) for metric in payload.metrics if metric.name}


@asynccontextmanager
async def broker(shop: Shop, name: str = "a", **options: bool) -> AsyncIterator[Server]:
    async with mosquitto() as real, shop.observer.before(name, real.port, **options) as server:
        yield server


async def say(server: Server, topic: str, payload: bytes, *, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", server._target) as client:  # past the observer: it is no host
        await client.publish(topic, payload, qos=1, retain=retain)


async def state(server: Server, *, online: bool) -> None:
    text = json.dumps({"online": online, "timestamp": time.time_ns() // 10**6})
    await say(server, "spBv1.0/STATE/scada", text.encode(), retain=True)


async def order(shop: Shop, expected: Callable[[list[str]], bool]) -> None:
    await until(lambda: expected(shop.order()), 20, f"the messages come; so far {shop.order()}")


def check(shop: Shop, **setting: object) -> None:
    report = shop.report_of(Setting(GROUP, NODE, CLIENT, **setting))
    assert report.failures() == {}
