"""Modbus TCP at 1,000, 10,000 and 100,000 points/s: the driver and the running gateway beside pymodbus and libmodbus, in one run.

Every client reads the same servers (Debian's libmodbus, 5 % of the values change every second) once a second in a process of its
own; what counts is its CPU time, which does not depend on how fast the servers are. The driver's figure includes decoding, scaling
and quality of every point, pymodbus's and libmodbus's only the registers.

Rows with `far` compare the time of a scan with several requests at a time (`pipeline:`) and with one, through a relay that adds
5 ms.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from drivers.modbus.driver import ModbusDriver
from gateway.clock import Clock
from gateway.model import Quality
from tests.bench import Row
from tests.bench.bench_gateway import cpu_s, memory_mib
from tests.drivers.modbus import tables
from tests.integration.running import RunningGateway
from tests.peers.modbus_load import compiled, load
from tests.peers.tcp_relay import relayed
from tests.waiting import until

ROOT = Path(__file__).parents[2]
SETTLE_S = 1
SECONDS = 4
GATEWAY_SETTLE_S = 10.0
GATEWAY_SECONDS = 8.0
LEVELS = ((10, 100), (10, 1000), (50, 2000))
"""Devices and registers of each."""

FAR_S = 0.005
FAR_REGISTERS = 1000
FAR_SCANS = 21
"""How far away a device is that is read with several requests at a time, how much is read, and how often."""

LEVELS_POINTS = tuple(devices * registers for devices, registers in LEVELS)

CPU_BUDGET = {10_000: 0.30, 100_000: 0.30}
RSS_BUDGET_MIB = {1_000: 45, 10_000: 100, 100_000: 100}
"""Promised for 1,000 and 100,000 points/s; in between the larger holds."""


class Client(NamedTuple):
    """One way to read: what it is called and how its process is started (`settle seconds registers ports` follow)."""

    name: str
    command: tuple[str, ...]


def clients() -> list[Client]:
    """Return the ways to read that are measured; those on uvloop only where it is installed."""
    python = (sys.executable, "-m", "tests.bench.modbus_reader")
    loops = ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]
    found = [Client(f"{kind}, {loop}", (*python, kind, loop)) for kind in ("pymodbus", "driver") for loop in loops]
    return [*found, Client("libmodbus C", (str(compiled("modbus_client")),))]


def read(client: Client, ports: list[int], registers: int) -> dict[str, float]:
    """Run one client against the servers; return what it measured, CPU as a part of a core."""
    command = [*client.command, *map(str, (SETTLE_S, SECONDS, registers, *ports))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    result: dict[str, float] = json.loads(done.stdout)
    return {"cpu": result["cpu_s"] / result["seconds"], "rss_mib": result["rss_mib"]} | {
        key: result[key] / result["seconds"] for key in ("requests", "points", "late")
    }


def write_site(folder: Path, ports: list[int], registers: int, more: str = "") -> Path:
    """Write a site whose machines share one profile, as a hall of equal machines does; `more` stands behind it."""
    profile = folder / "profiles" / "bench" / "load.yaml"
    profile.parent.mkdir(parents=True, exist_ok=True)
    points = "".join(f"  p{wire}: {{at: holding wire {wire}}}\n" for wire in range(registers))
    profile.write_text(f"name: Load\nsource: tests/peers/modbus_load.c\npoints:\n{points}")
    machines = "".join(
        f"  - {{name: m{n}, connect: 'modbus-tcp://127.0.0.1:{port}', every: 1s, profile: bench/load}}\n"
        for n, port in enumerate(ports)
    )
    path = folder / "site.yaml"
    path.write_text(f"site: bench\ngateway: g\nmachines:\n{machines}{more}")
    return path


async def gateway(ports: list[int], registers: int, loop: str) -> dict[str, float]:
    """Run the whole gateway (shape, history, status; no uplink) and measure it from outside."""
    with tempfile.TemporaryDirectory() as folder:
        running = RunningGateway(write_site(Path(folder), ports, registers), Path(folder, "var"), arguments=("--loop", loop))
        try:
            await running.start(ready=False)
            await until(lambda: running.events("gateway_started") or running.gone(), 60, "all machines are started")
            await asyncio.sleep(GATEWAY_SETTLE_S)
            before, cpu, began = _totals(running), cpu_s(running.pid), asyncio.get_running_loop().time()
            await asyncio.sleep(GATEWAY_SECONDS)
            cpu, span = cpu_s(running.pid) - cpu, asyncio.get_running_loop().time() - began
            after = _totals(running)
            counted_s = after.pop("uptime_s") - before.pop("uptime_s")
            result = {key: (after[key] - before[key]) / counted_s for key in before}
            return result | {"points": result["scans"] * registers, "cpu": cpu / span, "rss_mib": memory_mib(running.pid)}
        finally:
            running.stop()


def _totals(running: RunningGateway) -> dict[str, float]:
    status = running.status()
    machines = status["machines"].values()
    found = {key: float(sum(machine[key] for machine in machines)) for key in ("scans", "missed")}
    found["uptime_s"] = status["uptime_s"]
    return found | {"requests": float(sum(machine["line"]["requests"] for machine in machines))}


async def far(depth: int) -> float:
    """Return the median seconds of a scan of 1,000 registers, `depth` requests at a time, from a device that is far away."""
    with load(1, FAR_REGISTERS) as running:
        async with relayed(f"127.0.0.1:{running.ports[0]}") as (relay, place):
            relay.delay_s = FAR_S
            driver = ModbusDriver(tables.link("modbus-tcp", place), Clock())
            await driver.open()
            table = tables.registers(*range(FAR_REGISTERS), pipeline=depth)
            times = []
            for _ in range(FAR_SCANS):
                began = time.monotonic()
                scan = await driver.read(table)
                times.append(time.monotonic() - began)
                assert set(scan.quality) == {int(Quality.GOOD)}
            assert not driver.warnings
            await driver.close()
            return statistics.median(times[1:])


def far_rows() -> list[Row]:
    """Measure what several requests at a time gain; the relay adds the latency of a radio link, the server is libmodbus."""
    single_s, found = asyncio.run(far(1)), []
    for depth, budget in ((2, None), (4, 0.4), (8, None)):
        piped_s = asyncio.run(far(depth))
        note = f"{piped_s * 1e3:.1f} / {single_s * 1e3:.1f} ms per scan of {FAR_REGISTERS} registers, {FAR_S * 1e3:g} ms away"
        found.append(Row(f"modbus_far_pipeline_{depth}_vs_1", piped_s / single_s, budget, note))
    return found


def rows() -> list[Row]:
    """Measure everything and return the rows of the table."""
    found = far_rows()
    for devices, registers in LEVELS:
        with load(devices, registers) as running:
            found += level(devices * registers, registers, running.ports)
    return found


def level(points: int, registers: int, ports: list[int]) -> list[Row]:
    """Measure one number of points per second: every way to read, and the whole gateway."""
    found: list[Row] = []
    results: dict[str, dict[str, float]] = {client.name: read(client, ports, registers) for client in clients()}
    plain = results["pymodbus, asyncio"]
    for name, result in results.items():
        if result is not plain:
            found.append(Row(f"modbus_{points}_{_key(name)}_cpu_vs_pymodbus", result["cpu"] / plain["cpu"], None, _note(result)))
    found.insert(0, Row(f"modbus_{points}_pymodbus_cpu_of_a_core", plain["cpu"], None, _note(plain)))
    if points == min(LEVELS_POINTS):
        naive = read(Client("naive", (sys.executable, "-m", "tests.bench.modbus_reader", "naive", "asyncio")), ports, registers)
        found.append(Row(f"modbus_{points}_naive_cpu_vs_pymodbus", naive["cpu"] / plain["cpu"], None, _note(naive)))
    fast = points == max(LEVELS_POINTS) and importlib.util.find_spec("uvloop")
    for loop in ("asyncio", "uvloop") if fast else ("asyncio",):
        found += _rows_of_gateway(f"modbus_{points}_gateway_{loop}", points, asyncio.run(gateway(ports, registers, loop)))
    return found


def _rows_of_gateway(key: str, points: int, result: dict[str, float]) -> list[Row]:
    """Return the rows of the whole gateway against its budgets."""
    told = f"{_note(result)}, {result['missed']:.1f} scans/s missed"
    missing = max(0.0, 1 - result["points"] / points)
    found = [Row(f"{key}_requests_vs_naive", result["requests"] / points, 0.1, told)]
    if points in CPU_BUDGET:
        share = CPU_BUDGET[points]
        found.append(Row(f"{key}_cpu", result["cpu"] / share, 1.0, f"{result['cpu']:.1%} of a core; budget {share:.0%}"))
    found.append(Row(f"{key}_points_missing", missing, 0.05, f"{result['points']:.0f} points/s"))
    most_mib = RSS_BUDGET_MIB[points]
    return [*found, Row(f"{key}_rss", result["rss_mib"] / most_mib, 1.0, f"{result['rss_mib']:.1f} MiB; budget {most_mib} MiB")]


def _key(name: str) -> str:
    return name.lower().replace(", ", "_").replace(" ", "_")


def _note(result: dict[str, float]) -> str:
    late = f", {result['late']:.0f} late" if result.get("late") else ""
    size = f"{result['rss_mib']:.0f} MiB"
    return f"{result['cpu']:.1%} of a core, {size}, {result['requests']:.0f} requests/s, {result['points']:.0f} points/s{late}"


if __name__ == "__main__":
    for row in rows():
        print(row, file=sys.stdout)
