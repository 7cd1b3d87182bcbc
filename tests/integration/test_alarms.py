"""Alarms with the real gateway, a real Modbus server and a real broker: out at once, seen and handled at the machine, kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from gateway.cli import main
from gateway.uplink.flat import flat
from tests.integration.running import RunningGateway, gateway
from tests.peers.broker import mosquitto, subscriber
from tests.peers.modbus import tcp as modbus_tcp
from tests.waiting import until

SHARE = "shares:\n  - {to: cooperative, machines: ['*'], points: ['*']}\n"


def site(port: int, broker: str) -> str:
    return f"""site: muster
gateway: hall-1
machines:
  - name: press-1
    connect: modbus-tcp://127.0.0.1:{port}?unit=1&timeout=500ms
    every: 50ms
    points:
      oil_temp: {{at: holding 16, type: int16, scale: 0.1, unit: °C}}
      level: {{at: holding 17, type: int16, unit: "%", limits: {{low: 20}}}}
    alarms:
      oil_temp: {{warning: 70, alarm: 80, hysteresis: 2, latch: true}}
      level: {{low_warning: 30}}
uplink: {{broker: ['{broker}'], batch: 1h}}
"""


class Shop:
    """The gateway, its machine, and somebody at its command line."""

    def __init__(self, running: RunningGateway, client: AsyncModbusTcpClient, capsys: pytest.CaptureFixture[str]) -> None:
        self.running, self._client, self._capsys = running, client, capsys

    async def measures(self, oil_temp: float, level: int = 50) -> None:
        assert not (await self._client.write_registers(16, [round(oil_temp * 10), level])).isError()

    def says(self, *command: str, code: int = 0) -> str:
        found = main(["alarms", "--data", str(self.running.data), *command])
        out, err = self._capsys.readouterr()
        assert found == code, out + err
        return out + err

    def state(self, point: str) -> str:
        main(["alarms", "--data", str(self.running.data), "--json"])
        answer: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        standing = {
            f"{a['level']} {a['state']}"
            for a in answer["alarms"]
            if a["state"].rpartition("-")[2] in {"unacknowledged", "acknowledged"}
        }
        status = self.running.status()["alarms"]
        assert standing == {event["after"] for event in status if event["kind"] == "alarm"}, "list and status agree"
        return next(str(alarm["state"]) for alarm in answer["alarms"] if alarm["point"] == point)

    async def until(self, state: str, point: str = "oil_temp") -> None:
        await until(lambda: self.running.answers())
        await until(lambda: next(a["state"] for a in self._alarms() if a["point"] == point) == state, what=f"{point} is {state}")
        assert self.state(point) == state
        if point == "oil_temp":
            kept = self.running.data / "state" / "condition.press-1.json"
            await until(lambda: (f'"{state}"' in kept.read_text()) == (state != "normal"), what=f"{state} is kept")

    def _alarms(self) -> list[dict[str, Any]]:
        main(["alarms", "--data", str(self.running.data), "--json"])
        answer: list[dict[str, Any]] = json.loads(self._capsys.readouterr().out)["alarms"]
        return answer


@pytest.mark.timeout(120)
async def test_from_the_register_to_the_broker_and_back_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with mosquitto() as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
        client = AsyncModbusTcpClient("127.0.0.1", port=server.port)
        await client.connect()
        with gateway(tmp_path, site(server.port, broker.url), SHARE) as running:
            shop = Shop(running, client, capsys)
            await shop.measures(60)
            await running.start()
            assert "no alarm stands: 2 normal" in shop.says()

            await shop.measures(85)
            await shop.until("unacknowledged")

            def events() -> list[dict[str, Any]]:
                return [row for payload in inbox.payloads for row in flat(payload) if row.get("event") == "alarm"]

            await until(events, what="the alarm is at the broker, an hour before its batch")
            assert (events()[0]["after"], events()[0]["severity"]) == ("high alarm unacknowledged", "alarm")
            text = shop.says(code=1)
            assert "✗ press-1 oil_temp  high alarm unacknowledged" in text
            assert "85 °C, limit 80, since" in text
            assert "→ gateway alarms ack press-1 oil_temp" in text
            assert running.events("alarm_raised")

            assert "did you mean 'oil_temp'?" in shop.says("ack", "press-1", "oiltemp", code=2)
            assert "did you mean 'press-1'?" in shop.says("ack", "press1", "oil_temp", code=2)
            assert "did you mean '2min'?" in shop.says("shelve", "press-1", "oil_temp", "2m", code=2)
            assert "write 'gateway alarms ack MACHINE POINT', or --all" in shop.says("ack", code=2)

            assert shop.says("ack", "press-1", "oil_temp").endswith("→ high alarm acknowledged\n")
            assert "is acknowledged; nothing to do" in shop.says("ack", "press-1", "oil_temp")
            assert "(uid" in running.events("alarm_operated")[0]["by"]
            running.kill()
            await running.start()
            await shop.until("acknowledged")
            assert "by " in shop.says(code=1)

            await shop.measures(60)
            await shop.until("normal")
            await shop.measures(85)
            await shop.until("unacknowledged")
            await shop.measures(60)
            await shop.until("returned-unacknowledged")
            running.kill()
            await running.start()
            await shop.until("returned-unacknowledged")
            assert "→ normal" in shop.says("ack", "--all")
            assert "nothing waits" in shop.says("ack", "--all")

            shop.says("shelve", "press-1", "oil_temp", "2h")
            await shop.measures(85)
            running.kill()
            await running.start()
            await shop.until("shelved")
            assert "shelved" in shop.says()
            assert running.status()["alarms"] == []
            assert "→ high alarm unacknowledged" in shop.says("unshelve", "press-1", "oil_temp")
            shop.says("out-of-service", "press-1", "oil_temp")
            assert shop.state("oil_temp") == "out-of-service"
            shop.says("in-service", "press-1", "oil_temp")

            await shop.measures(60, level=10)
            await shop.until("unacknowledged", "level")
            assert "✗ press-1 level     limit: went too low, 10 %; ends by itself" in shop.says(code=1)
            assert "gateway_alarms_active 3\n" in _metrics(running, capsys), "two alarms and a limit"
        client.close()


def _metrics(running: RunningGateway, capsys: pytest.CaptureFixture[str]) -> str:
    main(["status", "--metrics", "--data", str(running.data)])
    return capsys.readouterr().out
