"""The ThingsBoard IoT Gateway of PyPI and ours, in turn on the same Modbus servers and broker, in one run.

Both read every point once a second and publish to a mosquitto on loopback, each as its documentation shows it: ThingsBoard with an
entry per tag, published whenever it is read; ours what has changed. Requests are counted by the servers (Debian's libmodbus). A
program in place of its platform answers the one question without which ThingsBoard sends nothing.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.config.spec import BrokerUrl
from tests.bench import Row
from tests.bench.bench_gateway import cpu_s, memory_mib
from tests.bench.bench_modbus import LEVELS, write_site
from tests.integration.running import RunningGateway
from tests.peers import modbus_units, thingsboard
from tests.peers.broker import mosquitto
from tests.peers.modbus_load import load
from tests.waiting import until

START_S = 60.0
SETTLE_S = 10.0
MEASURE_S = 15.0
TIMEOUT_S = 1
UNITS = range(1, 11)
DEAD = 10
"""The unit that falls silent; the points of each are as many as there are units."""

SHARE = "shares:\n  - {to: cooperative, machines: ['*'], points: ['*']}\n"

Use = dict[str, float]
"""What a process took: `cpu` of a core, `rss_mib` at the end, `requests` and `points` a second that the servers answered."""


@asynccontextmanager
async def theirs(broker: BrokerUrl, devices: list[thingsboard.Device]) -> AsyncIterator[int]:
    """Run ThingsBoard on these devices; yields its process once values arrive at the broker, or after a minute without."""
    with tempfile.TemporaryDirectory() as folder:
        thingsboard.write_config(Path(folder), broker, devices, TIMEOUT_S)
        async with thingsboard.platform(broker) as seen, thingsboard.running(Path(folder)) as process:
            end = time.monotonic() + START_S
            await until(
                lambda: seen.points or process.poll() is not None or time.monotonic() > end, 2 * START_S, "ThingsBoard publishes"
            )
            if process.poll() is not None:
                raise RuntimeError((Path(folder) / "thingsboard.log").read_text()[-2000:])
            yield process.pid


@asynccontextmanager
async def ours(write: Callable[[Path], Path]) -> AsyncIterator[int]:
    """Run our gateway on the site that `write` puts into a folder; yields its process once all machines are started."""
    with tempfile.TemporaryDirectory() as folder:
        site = write(Path(folder))
        (Path(folder) / "share.yaml").write_text(SHARE)
        running = RunningGateway(site, Path(folder, "var"), arguments=("--loop", "asyncio"))
        try:
            await running.start(ready=False)
            await until(lambda: running.events("gateway_started") or running.gone(), START_S, "all machines are started")
            yield running.pid
        finally:
            running.stop()


async def use(pid: int, served: Callable[[], int]) -> Use:
    """Measure a process from outside, after it has settled."""
    await asyncio.sleep(SETTLE_S)
    loop = asyncio.get_running_loop()
    requests, cpu, began = served(), cpu_s(pid), loop.time()
    await asyncio.sleep(MEASURE_S)
    requests, cpu, span = served() - requests, cpu_s(pid) - cpu, loop.time() - began
    return {"cpu": cpu / span, "rss_mib": memory_mib(pid), "requests": requests / span}


async def level(devices: int, registers: int) -> list[Row]:
    """Measure both at one number of points a second."""
    points = devices * registers
    async with mosquitto() as broker:
        with load(devices, registers) as peers:
            async with ours(lambda folder: write_site(folder, peers.ports, registers, _uplink(broker.url))) as pid:
                we = await use(pid, peers.served)
            async with theirs(broker.url, [thingsboard.Device(f"m{p}", p, 1, registers) for p in peers.ports]) as pid:
                they = await use(pid, peers.served)
    longest = -(-registers // 125)
    we["points"], they["points"] = we["requests"] * registers / longest, they["requests"]
    told = f"ours {_told(we)}; ThingsBoard {_told(they)}"
    return [
        Row(f"thingsboard_{points}_requests_per_point", _per_point(we, "requests") / _per_point(they, "requests"), 0.1, told),
        Row(f"thingsboard_{points}_cpu_per_point", _per_point(we, "cpu") / _per_point(they, "cpu"), 1.0, _late(points, we, they)),
        Row(f"thingsboard_{points}_rss", we["rss_mib"] / they["rss_mib"], 1.0, f"{we['rss_mib']:.1f} / {they['rss_mib']:.1f} MiB"),
    ]


def _per_point(one: Use, what: str) -> float:
    return one[what] / one["points"]


def _late(points: int, we: Use, they: Use) -> str:
    return f"of {points} points/s ours reads {we['points'] / points:.0%}, ThingsBoard {they['points'] / points:.0%}"


def _told(one: Use) -> str:
    return f"{one['requests']:.0f} requests/s, {one['cpu']:.1%} of a core, {one['rss_mib']:.0f} MiB"


async def one_dead() -> list[Row]:
    """Let one unit of ten on a TCP host fall silent; what counts is the rate of the other nine, seen by the server."""
    async with mosquitto() as broker, modbus_units.tcp(mortal=(DEAD,)) as units:
        port = int(units.place.rpartition(":")[2])
        async with ours(lambda folder: _write_units(folder, units.place, broker.url)):
            we = await _kept(units)
        devices = [thingsboard.Device(f"u{unit}", port, unit, len(UNITS)) for unit in UNITS]
        async with theirs(broker.url, devices):
            they = await _kept(units)
    told = f"ours keeps {we:.1%} of their rate, ThingsBoard {they:.1%}; a timeout of {TIMEOUT_S} s"
    return [Row("thingsboard_one_dead_of_ten_reads_missing", round(max(0.0, 1 - we), 4), 0.05, told)]


def _uplink(broker: BrokerUrl) -> str:
    return f"uplink: {{broker: ['{broker}'], batch: 1s}}\n"


def _write_units(folder: Path, place: str, broker: BrokerUrl) -> Path:
    points = "".join(f"      p{wire}: {{at: holding wire {wire}}}\n" for wire in range(len(UNITS)))
    machines = "".join(
        f"  - name: u{unit}\n    connect: modbus-tcp://{place}?unit={unit}&timeout={TIMEOUT_S}s\n    every: 1s\n"
        f"    points:\n{points}"
        for unit in UNITS
    )
    path = folder / "site.yaml"
    path.write_text(f"site: bench\ngateway: g\nmachines:\n{machines}{_uplink(broker)}")
    return path


async def _kept(units: modbus_units.Units) -> float:
    """Return which part of their requests the healthy units still see after one has died."""
    units.live()
    before = await _rate(units)
    units.die()
    after = await _rate(units)
    units.live()
    return after / before


async def _rate(units: modbus_units.Units) -> float:
    await asyncio.sleep(SETTLE_S)
    loop = asyncio.get_running_loop()
    seen, began = _healthy(units), loop.time()
    await asyncio.sleep(MEASURE_S)
    return (_healthy(units) - seen) / (loop.time() - began)


def _healthy(units: modbus_units.Units) -> int:
    counts = units.requests()
    return sum(counts[unit] for unit in UNITS if unit != DEAD)


def rows() -> list[Row]:
    """Measure everything and return the rows of the table."""
    if not thingsboard.is_installed():
        raise RuntimeError("the ThingsBoard gateway is not installed: make bench-thingsboard")
    found = asyncio.run(one_dead())
    for devices, registers in LEVELS:
        found += asyncio.run(level(devices, registers))
    return found


if __name__ == "__main__":
    for row in rows():
        print(row, file=sys.stdout)
