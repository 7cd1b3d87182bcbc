"""The running gateway at 1,000 points/s over Modbus TCP: memory, CPU, requests, and the time to the first published reading."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import Row
from tests.integration.running import RunningGateway, gateway
from tests.peers.broker import mosquitto, subscriber
from tests.peers.modbus import tcp as modbus_tcp
from tests.peers.shop import machine as shop_machine

MACHINES = 10
POINTS = 100
SETTLE_S = 5.0
MEASURE_S = 15.0


def site(ports: list[int], broker: str, opcua: int | None) -> str:
    points = "".join(f"      p{n}: {{at: holding {n}, type: uint16}}\n" for n in range(POINTS))
    machines = "".join(
        f"  - name: m{n}\n    connect: modbus-tcp://127.0.0.1:{port}?unit=1\n    every: 1s\n    points:\n{points}"
        for n, port in enumerate(ports)
    )
    if opcua is not None:
        machines += (
            f"  - name: lathe\n    connect: opc.tcp://127.0.0.1:{opcua}\n    insecure: true\n    every: 1s\n"
            "    points:\n      temperature: {path: Objects/Lathe/Temperature}\n"
        )
    return f"site: bench\ngateway: g\nmachines:\n{machines}uplink: {{broker: ['{broker}'], batch: 1s}}\n"


def memory_mib(pid: int) -> float:
    """Resident memory in MiB (VmRSS of proc_pid_status(5)); the budget and the peers' figures are in the same measure."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """User and system time in seconds (fields 14 and 15 of proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(*, with_opcua: bool) -> dict[str, float]:
    """Run the gateway against real peers and measure it from outside."""
    async with mosquitto() as broker, shop_machine("lathe") as (lathe_port, _):
        servers = [modbus_tcp() for _ in range(MACHINES)]
        running_servers = [await server.__aenter__() for server in servers]
        try:
            with tempfile.TemporaryDirectory() as folder:
                text = site([s.port for s in running_servers], broker.url, lathe_port if with_opcua else None)
                share = "shares:\n  - {to: cooperative, machines: ['*'], points: ['*']}\n"
                async with subscriber(broker.url) as inbox:
                    with gateway(Path(folder), text, share) as running:
                        running.options = ("--loop", "asyncio")  # as installed; uvloop is an extra that costs 2 MB
                        began = time.monotonic()
                        await running.start(ready=False)
                        await inbox.until(lambda payloads: payloads, 20, "the first message")
                        first_s = time.monotonic() - began
                        return {"first_s": first_s} | await _steady(running)
        finally:
            for server in servers:
                await server.__aexit__(None, None, None)


async def _steady(running: RunningGateway) -> dict[str, float]:
    await asyncio.sleep(SETTLE_S)
    pid = running.pid
    before, cpu_before, began = running.status(), cpu_s(pid), time.monotonic()
    await asyncio.sleep(MEASURE_S)
    after, cpu_after, span_s = running.status(), cpu_s(pid), time.monotonic() - began

    def total(status: dict[str, Any], name: str) -> float:
        return sum(
            m["line"][name] if name == "requests" else m[name] for key, m in status["machines"].items() if key.startswith("m")
        )

    scans = total(after, "scans") - total(before, "scans")
    requests = total(after, "requests") - total(before, "requests")
    return {
        "rss_mib": memory_mib(pid),
        "cpu_percent": 100 * (cpu_after - cpu_before) / span_s,
        "points_per_s": scans * POINTS / span_s,
        "requests_per_s": requests / span_s,
        "missed": total(after, "missed") - total(before, "missed"),
    }


def rows() -> list[Row]:
    """Measure both ways and return the rows of the table."""
    plain = asyncio.run(measure(with_opcua=False))
    opcua = asyncio.run(measure(with_opcua=True))
    per_point = plain["points_per_s"]
    return [
        Row(
            "gateway_rss_1000_points",
            plain["rss_mib"] / 45,
            1.0,
            f"{plain['rss_mib']:.1f} MiB; budget 45 MiB, with uplink, without OPC UA",
        ),
        Row(
            "gateway_requests_vs_one_per_point",
            plain["requests_per_s"] / per_point,
            0.1,
            f"{plain['requests_per_s']:.0f} requests/s",
        ),
        Row(
            "gateway_points_per_s_vs_1000", per_point / 1000, None, f"{per_point:.0f} points/s, {plain['missed']:.0f} scans missed"
        ),
        Row(
            "gateway_cpu_1000_points_of_a_core",
            plain["cpu_percent"] / 100,
            None,
            f"{plain['cpu_percent']:.1f} % of one core, with uplink",
        ),
        Row("gateway_start_to_first_published_s", plain["first_s"], None, f"{plain['first_s']:.2f} s from exec to the broker"),
        Row("gateway_rss_with_opcua", opcua["rss_mib"] / 45, None, f"{opcua['rss_mib']:.1f} MiB with asyncua loaded"),
        Row("gateway_cpu_with_opcua_of_a_core", opcua["cpu_percent"] / 100, None, f"{opcua['cpu_percent']:.1f} % of one core"),
    ]


if __name__ == "__main__":
    for row in rows():
        print(row, file=sys.stdout)
