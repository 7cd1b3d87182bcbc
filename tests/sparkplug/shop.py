"""A shop with a real gateway for the checker: brokers behind the recording relay, two Modbus machines, `gateway run`.

Machine `press-1` has a point of every type, `lathe-2` is the one that goes away.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from tests.integration.running import RunningGateway, gateway
from tests.peers.broker import Mosquitto, mosquitto
from tests.peers.modbus import Server as Machine
from tests.peers.modbus import start_tcp
from tests.sparkplug.observer import Observer, Server
from tests.sparkplug.trace import Setting, Trace
from tests.sparkplug.view import Message, Session, View
from tests.waiting import until

GROUP, NODE, HOST = "muster", "hall-1", "scada"
PRESS, LATHE = "press-1", "lathe-2"
WAIT_S = 30.0

PRESS_POINTS = """\
      int16: {at: holding wire 1000, type: int16}
      uint16: {at: holding wire 1001, type: uint16}
      int32: {at: holding wire 1002, type: int32}
      uint32: {at: holding wire 1004, type: uint32}
      int64: {at: holding wire 1006, type: int64}
      uint64: {at: holding wire 1010, type: uint64}
      float32: {at: holding wire 1014, type: float32}
      float64: {at: holding wire 1016, type: float64, unit: °C}
      text: {at: holding wire 1020, type: string, length: 8}
      mode: {at: holding wire 1039, type: uint16, states: {2: läuft, 3: "grün ✓"}}
      broken: {at: holding wire 1040, type: float32}
      lamp: {at: coil wire 0}
      scaled: {at: holding wire 1038, type: int16, scale: 0.1}
      counter: {at: holding wire 100, type: uint16}
"""
LATHE_POINTS = "      speed: {at: holding wire 200, type: uint16}\n      load: {at: holding wire 201, type: uint16}\n"

PRESS_VALUES = {
    "int16": -1234,
    "uint16": 54321,
    "int32": -123456789,
    "uint32": 4000000000,
    "int64": -1234567890123456789,
    "uint64": 18000000000000000001,
    "float64": -273.15,
    "text": "UMG 96-PA",
    "mode": "läuft",
    "broken": None,
    "lamp": True,
}
"""What the press holds from the start, as a host must see it."""

SHARE = "shares:\n  - {to: cooperative, machines: ['*'], points: ['*']}\n"


class Shop:
    """The running shop; `servers` are the brokers as the gateway sees them, in its order."""

    def __init__(self, observer: Observer, servers: Sequence[Server], brokers: Sequence[Mosquitto], setting: Setting) -> None:
        self.observer = observer
        self.servers = servers
        self.brokers = brokers
        self.setting = setting
        self.gateway: RunningGateway
        self.press: Machine
        self.lathe: Machine
        self._view: tuple[int, View] | None = None

    @property
    def trace(self) -> Trace:
        """What was recorded so far."""
        return self.observer.trace(self.setting)

    @property
    def view(self) -> View:
        """The recording, understood."""
        count = len(self.observer.events)
        if self._view is None or self._view[0] != count:
            self._view = count, View(self.trace)
        return self._view[1]

    @property
    def session(self) -> Session | None:
        """The session of the node that stands now."""
        sessions = self.view.edge
        return sessions[-1] if sessions and sessions[-1].ended is None else None

    def value(self, device: str | None, metric: str) -> Any:
        """Return what a host holds of a metric now; None without a session."""
        known = self.session.known.get(device, {}) if self.session else {}
        return known.get(metric, (None, True, None))[0]

    def held(self, device: str | None) -> set[str]:
        """Return the names of the metrics that a host knows of a device now."""
        return set(self.session.known.get(device, {})) if self.session else set()

    def signal(self, number: int) -> None:
        """Send the gateway a signal."""
        assert self.gateway.process is not None
        self.gateway.process.send_signal(number)

    def sent(self, kind: str) -> list[Message]:
        """Return the messages of a kind that the node has sent, over all sessions."""
        return [message for message in self.view.messages if message.kind == kind]

    async def alive(self, *devices: str) -> None:
        """Wait until the node is born and exactly these devices are alive."""
        await until(lambda: self.session and self.session.alive == set(devices), WAIT_S, f"{devices} are alive")

    async def set(self, device: str, metric: str, address: int, value: int) -> None:
        """Put a number into a register, and wait until the host holds it."""
        machine = self.press if device == PRESS else self.lathe
        self.observer.measured(device, metric, value)
        await write(machine.port, address, [value])
        await until(lambda: self.value(device, metric) == value, WAIT_S, f"{metric} is {value} at the host")

    async def lose(self) -> None:
        """Take the lathe away, and wait until the host knows."""
        self.observer.lost(LATHE)
        await self.lathe.stop()
        await self.alive(PRESS)

    async def find(self) -> None:
        """Bring the lathe back, and wait until the host knows."""
        self.lathe = await start_tcp(self.lathe.port)
        await self.alive(PRESS, LATHE)

    async def ended(self) -> None:
        """Wait until no session of the node stands."""
        await until(lambda: self.view.edge and self.session is None, WAIT_S, "the session has ended")

    async def start(self) -> None:
        """Start the gateway, and wait until the host knows both machines."""
        await self.gateway.start()
        await self.alive(PRESS, LATHE)

    async def stop(self) -> None:
        """Stop the gateway as the service manager does."""
        assert await asyncio.to_thread(self.gateway.stop) == 0
        await self.ended()


async def write(port: int, address: int, words: list[int]) -> None:
    """Write holding registers, by a request of our own making (function 16)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = struct.pack(">BBHHB", 1, 16, address, len(words), 2 * len(words)) + struct.pack(f">{len(words)}H", *words)
    writer.write(struct.pack(">HHH", 1, 0, len(body)) + body)
    answer = await reader.readexactly(12)
    assert answer[7] == 16, f"the machine refused: {answer.hex()}"
    writer.close()


def machine(name: str, port: int, points: str) -> str:
    """Return one machine of site.yaml."""
    head = f"  - name: {name}\n    connect: modbus-tcp://127.0.0.1:{port}?unit=1&timeout=500ms\n    every: 100ms\n"
    return f"{head}    points:\n{points}"


@contextlib.asynccontextmanager
async def shop(folder: Path, *, brokers: int = 1, old: bool = False, keys: str = "", **live: str) -> AsyncIterator[Shop]:
    """Run everything but the gateway, which is written and not yet started.

    Args:
        folder: where the configuration is written.
        brokers: how many.
        old: the brokers know MQTT 3.1.1 only.
        keys: further keys of `uplink:`.
        live: keys of `sparkplug:`.
    """
    observer = Observer()
    async with contextlib.AsyncExitStack() as stack:
        running = [await stack.enter_async_context(mosquitto()) for _ in range(brokers)]
        names = "abc"[:brokers]
        pairs = zip(names, running, strict=True)
        servers = [await stack.enter_async_context(observer.before(name, broker.port, old=old)) for name, broker in pairs]
        bare = live.get("datatype_in_data") == "never"
        setting = Setting(GROUP, NODE, f"{GROUP}:{NODE}:live", live.get("primary_host"), tuple(names), datatype_in_data=not bare)
        place = Shop(observer, servers, running, setting)
        place.press, place.lathe = await start_tcp(), await start_tcp()
        urls = ", ".join(f"'mqtt://127.0.0.1:{server.port}'" for server in servers)
        said = ", ".join(f"{key}: {value}" for key, value in live.items())
        uplink = f"uplink: {{broker: [{urls}], sparkplug: {{{said}}}{keys}}}\n"
        machines = machine(PRESS, place.press.port, PRESS_POINTS) + machine(LATHE, place.lathe.port, LATHE_POINTS)
        site = f"site: {GROUP}\ngateway: {NODE}\nmachines:\n{machines}{uplink}"
        try:
            with gateway(folder, site, SHARE) as place.gateway:
                yield place
        finally:
            await place.press.stop()
            await place.lathe.stop()
