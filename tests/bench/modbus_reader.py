"""One client of a benchmark as a process of its own: reads devices once a second and prints what that took as one line of JSON.

Usage: python -m tests.bench.modbus_reader {pymodbus|naive|driver} {asyncio|uvloop} SETTLE_S SECONDS REGISTERS PORT…

`pymodbus` is its public client with the longest requests, registers as it hands them out; `naive` asks for every register alone;
`driver` is ours, up to the finished Scan with scaled values and qualities.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Round = Callable[[], Awaitable[tuple[int, int]]]
"""Reads one device once; returns requests and points."""


async def pymodbus_rounds(ports: list[int], registers: int, longest: int) -> list[Round]:
    from pymodbus.client import AsyncModbusTcpClient

    rounds: list[Round] = []
    for port in ports:
        client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0)
        assert await client.connect()

        async def once(client: Any = client) -> tuple[int, int]:
            requests = points = 0
            for at in range(0, registers, longest):
                answer = await client.read_holding_registers(at, count=min(longest, registers - at), device_id=1)
                assert not answer.isError()
                requests, points = requests + 1, points + len(answer.registers)
            return requests, points

        rounds.append(once)
    return rounds


async def driver_rounds(ports: list[int], registers: int) -> list[Round]:
    from drivers.modbus.driver import ModbusDriver
    from gateway.clock import Clock
    from gateway.model import Quality
    from tests.drivers.modbus import tables

    points = {f"r{wire}": tables.point(f"holding wire {wire}") for wire in range(registers)}
    rounds: list[Round] = []
    for port in ports:
        driver = ModbusDriver(tables.link("modbus-tcp", f"127.0.0.1:{port}"), Clock())
        await driver.open()
        table = tables.table(points)

        async def once(driver: ModbusDriver = driver, table: Any = table) -> tuple[int, int]:
            before = driver.counters.requests
            scan = await driver.read(table)
            return driver.counters.requests - before, scan.quality.count(int(Quality.GOOD))

        rounds.append(once)
    return rounds


async def measure(rounds: list[Round], settle_s: int, seconds: int) -> dict[str, float]:
    """Run every device's round once a second, the devices spread over the second."""
    for once in rounds:
        await once()  # what is done once, such as planning, is not what is measured
    total = {"requests": 0, "points": 0, "late": 0}
    began = time.monotonic() + 0.1

    async def device(number: int, once: Round) -> None:
        due = began + number / len(rounds)
        for _ in range(settle_s + seconds + 1):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            requests, points = await once()
            total["requests"] += requests
            total["points"] += points
            due += 1.0
            total["late"] += time.monotonic() > due

    tasks = [asyncio.create_task(device(number, once)) for number, once in enumerate(rounds)]
    await asyncio.sleep(began + settle_s - time.monotonic())
    before, cpu, at = dict(total), time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    after, cpu, span = dict(total), time.process_time() - cpu, time.monotonic() - at
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    rss_mib = int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024
    return {key: after[key] - before[key] for key in total} | {"cpu_s": cpu, "rss_mib": rss_mib, "seconds": span}


def main(arguments: list[str]) -> None:
    kind, loop = arguments[:2]
    settle_s, seconds, registers, *ports = map(int, arguments[2:])

    async def run() -> dict[str, float]:
        if kind == "driver":
            rounds = await driver_rounds(ports, registers)
        else:
            rounds = await pymodbus_rounds(ports, registers, 1 if kind == "naive" else 125)
        return await measure(rounds, settle_s, seconds)

    factory = importlib.import_module("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        print(json.dumps(runner.run(run())), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
