"""State, hours and figures with the real gateway, a real Modbus server and a real broker: told as words, kept over a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from gateway.cli import main
from gateway.uplink.flat import flat
from tests.integration.running import gateway
from tests.peers.broker import Inbox, mosquitto, subscriber
from tests.peers.modbus import tcp as modbus_tcp
from tests.sparkplug.payload import decode
from tests.waiting import until

SHARE = "shares:\n  - {to: cooperative, machines: ['*'], points: [state, starts, hours]}\n"


def site(port: int, broker: str) -> str:
    return f"""site: muster
gateway: hall-1
machines:
  - name: press-1
    connect: modbus-tcp://127.0.0.1:{port}?unit=1&timeout=500ms
    every: 50ms
    points:
      current: {{at: holding 16, type: int16, scale: 0.1, unit: A}}
    state: {{by: current, idle: 0.5, run: 2, dwell: 300ms}}
    trend: {{features: [current]}}
    kpis: {{}}
uplink: {{broker: ['{broker}'], batch: 1s, sparkplug: {{}}}}
"""


def rows(inbox: Inbox) -> list[dict[str, Any]]:
    return [row for topic, payload in inbox.messages if not topic.startswith("spBv1.0/") for row in flat(payload)]


def live(inbox: Inbox) -> list[Any]:
    """Return the values of the metric `state` in the messages of the live lane; those of data have only their alias."""
    found: list[Any] = []
    aliases: dict[int, str] = {}
    for topic, payload in inbox.messages:
        if topic.startswith("spBv1.0/") and "/STATE/" not in topic:
            for metric in decode(payload).metrics:
                if metric.name:
                    aliases[metric.alias] = metric.name
                if aliases.get(metric.alias) == "state" and metric.raw is not None:
                    found.append(metric.raw)
    return found


@pytest.mark.timeout(120)
async def test_the_state_is_told_as_a_word_and_starts_outlast_a_kill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with mosquitto() as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
        client = AsyncModbusTcpClient("127.0.0.1", port=server.port)
        await client.connect()

        async def draws(current: float) -> None:
            assert not (await client.write_registers(16, [round(current * 10)])).isError()

        def last(point: str) -> Any:
            told = [row["value"] for row in rows(inbox) if row.get("point") == point]
            return told[-1] if told else None

        with gateway(tmp_path, site(server.port, broker.url), SHARE) as running:

            def value(point: str) -> Any:
                return running.machine("press-1")["latest"].get(point, {}).get("value")

            await draws(0.0)
            await running.start()
            for current, state in ((0.0, "off"), (1.0, "idle"), (5.0, "run")):
                await draws(current)
                await until(lambda state=state: last("state") == state, what=f"{state} is at the broker")
                await until(lambda state=state: state in live(inbox), what=f"{state} is in the live lane")
            kept = running.data / "state" / "condition.press-1.json"
            assert running.machine("press-1")["condition"][0].startswith("run for 0 min; 0.0 h in run, 1 starts")
            running.stop()
            assert json.loads(kept.read_text())["state"]["starts"] == 1, "kept at the stop"
            await running.start()
            await until(lambda: value("starts") == 1.0, what="starts are told again")
            running.kill()
            await running.start()
            await until(lambda: value("state") == "run" and value("starts") is not None, what="it still runs")
            assert value("starts") == 1.0, "and that is no start"

            assert main(["baseline", "--data", str(running.data)]) == 0
            assert "current: no trend yet: 0 of 7 days" in capsys.readouterr().out
            assert main(["baseline", "press-1", "--forget", "--data", str(running.data)]) == 0
            assert capsys.readouterr().out == "press-1: trend forgotten; it is learned anew from now on\n"
            assert running.events("learned_forgotten")[0]["machine"] == "press-1"
            assert main(["baseline", "pres-1", "--forget", "--data", str(running.data)]) == 2
            assert "did you mean 'press-1'?" in capsys.readouterr().err
            assert main(["baseline", "--forget", "--data", str(running.data)]) == 2
        client.close()
