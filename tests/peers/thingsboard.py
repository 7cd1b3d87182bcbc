"""The ThingsBoard IoT Gateway of PyPI as a peer: its configuration, its process, and what it needs of a platform on a plain broker.

It lives in an environment of its own (`make bench-thingsboard`), since it pins an old pymodbus.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gateway.config.spec import BrokerUrl

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-thingsboard"
REQUESTS = "v1/devices/me/rpc/request/+"
TELEMETRY = "v1/gateway/telemetry"
LIMITS = {
    "maxPayloadSize": 65536,
    "maxInflightMessages": 0,
    "rateLimits": {"messages": "", "telemetryMessages": "", "telemetryDataPoints": ""},
    "gatewayRateLimits": {"messages": "", "telemetryMessages": "", "telemetryDataPoints": ""},
}
"""What a platform without limits answers to `getSessionLimits`; without an answer nothing is ever sent."""


class Device(NamedTuple):
    """One Modbus unit: where it is, and how many holding registers from 0 on are read, each as an entry of its own."""

    name: str
    port: int
    unit: int
    registers: int


def is_installed() -> bool:
    """Say whether the environment is there."""
    return (ENVIRONMENT / "bin" / "thingsboard-gateway").exists()


def version() -> str:
    """Return the version that is installed."""
    names = [path.name for path in ENVIRONMENT.glob("lib/python*/site-packages/thingsboard_gateway-*.dist-info")]
    return names[0].split("-")[1].removesuffix(".dist") if names else "unknown"


def write_config(folder: Path, broker: BrokerUrl, devices: Sequence[Device], timeout_s: int) -> None:
    """Write its configuration as its documentation shows it: an entry per tag, read every second, published when received."""
    gateway = {
        "thingsboard": {
            "host": broker.host,
            "port": broker.port,
            "remoteShell": False,
            "remoteConfiguration": False,
            "statistics": {"enable": False},
            "maxPayloadSizeBytes": 8196,
            "minPackSendDelayMS": 50,
            "minPackSizeToSend": 500,
            "deviceFiltering": {"enable": False, "filterFile": "list.json"},
            "checkConnectorsConfigurationInSeconds": 60,
            "handleDeviceRenaming": True,
            "security": {"type": "accessToken", "accessToken": "bench"},
            "qos": 1,
            "reportStrategy": {"type": "ON_RECEIVED"},
            "checkingDeviceActivity": {"checkDeviceInactivity": False},
        },
        "storage": {"type": "memory", "read_records_count": 100, "max_records_count": 100000},
        "grpc": {"enabled": False},
        "connectors": [{"type": "modbus", "name": "modbus", "configuration": "modbus.json"}],
    }
    slaves = [
        {
            "host": "127.0.0.1", "port": one.port, "type": "tcp", "method": "socket", "unitId": one.unit,
            "deviceName": one.name, "deviceType": "default", "timeout": timeout_s, "byteOrder": "BIG", "wordOrder": "BIG",
            "retries": 3, "pollPeriod": 1000, "connectAttemptTimeMs": 5000, "connectAttemptCount": 5,
            "waitAfterFailedAttemptsMs": 300000,
            "attributes": [], "attributeUpdates": [], "rpc": [],
            "timeseries": [
                {"tag": f"p{wire}", "type": "16uint", "functionCode": 3, "objectsCount": 1, "address": wire}
                for wire in range(one.registers)
            ],
        }
        for one in devices
    ]  # fmt: skip
    modbus = {"name": "modbus", "logLevel": "WARNING", "master": {"slaves": slaves}}
    # at WARNING, and without the word on a deprecation that its pymodbus would log for every single value
    quiet = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {},
        "loggers": {"pymodbus.logging": {"level": "ERROR"}},
        "root": {"level": "WARNING"},
    }
    for name, value in (("tb_gateway", gateway), ("modbus", modbus), ("logs", quiet), ("list", {}), ("connected_devices", {})):
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")


class Platform:
    """What the broker's other end has seen: `points` that arrived, `messages` they came in."""

    def __init__(self) -> None:
        self.points = 0
        self.messages = 0

    def take(self, payload: bytes) -> None:
        """Count the values of one telemetry message."""
        self.messages += 1
        for rows in json.loads(payload).values():
            self.points += sum(len(row.get("values", row)) for row in rows)


@asynccontextmanager
async def platform(broker: BrokerUrl) -> AsyncIterator[Platform]:
    """Stand in for the platform: answer `getSessionLimits`, count telemetry."""
    seen = Platform()
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="platform")

    def arrived(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        if message.topic == TELEMETRY:
            seen.take(message.payload)
        elif (call := re.fullmatch(r"v1/devices/me/rpc/request/(\d+)", message.topic)) and b"getSessionLimits" in message.payload:
            client.publish(f"v1/devices/me/rpc/response/{call[1]}", json.dumps(LIMITS), qos=1)

    client.on_message = arrived
    client.on_connect = lambda *_: client.subscribe([(REQUESTS, 1), (TELEMETRY, 1)])
    client.on_subscribe = lambda *_: loop.call_soon_threadsafe(ready.set)
    client.connect_async(broker.host, broker.port)
    client.loop_start()
    try:
        await asyncio.wait_for(ready.wait(), 15)
        yield seen
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run it on the configuration in `folder`; its words go to `thingsboard.log` there."""
    environment: dict[str, Any] = os.environ | {
        "TB_GW_CONFIG_DIR": str(folder),
        "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
    }
    with (folder / "thingsboard.log").open("ab") as log:
        process = subprocess.Popen(
            [ENVIRONMENT / "bin" / "thingsboard-gateway"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait)
