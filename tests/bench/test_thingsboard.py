"""What stands around the ThingsBoard gateway in its benchmark: its configuration, and what answers in place of its platform."""

import asyncio
import json

import aiomqtt
from pymodbus.client import ModbusTcpClient

from tests.peers import thingsboard
from tests.peers.broker import mosquitto
from tests.peers.modbus_load import load
from tests.waiting import until


async def test_every_register_is_an_entry_of_its_own(tmp_path):
    async with mosquitto() as broker:
        devices = [thingsboard.Device("a", 502, 1, 3), thingsboard.Device("b", 503, 9, 100)]
        thingsboard.write_config(tmp_path, broker.url, devices, timeout_s=1)
        slaves = json.loads((tmp_path / "modbus.json").read_text())["master"]["slaves"]
        gateway = json.loads((tmp_path / "tb_gateway.json").read_text())
    assert [(one["port"], one["unitId"], one["pollPeriod"]) for one in slaves] == [(502, 1, 1000), (503, 9, 1000)]
    assert [entry["address"] for entry in slaves[0]["timeseries"]] == [0, 1, 2]
    assert all(entry["objectsCount"] == 1 for one in slaves for entry in one["timeseries"])
    assert gateway["thingsboard"]["port"] == broker.port
    assert gateway["connectors"][0]["configuration"] == "modbus.json"


async def test_the_platform_answers_the_question_for_limits_and_counts_values():
    async with (
        mosquitto() as broker,
        thingsboard.platform(broker.url) as seen,
        aiomqtt.Client(broker.url.host, broker.url.port) as client,
    ):
        await client.subscribe("v1/devices/me/rpc/response/+")
        await client.publish("v1/devices/me/rpc/request/1", json.dumps({"method": "other"}), qos=1)
        await client.publish("v1/devices/me/rpc/request/7", json.dumps({"method": "getSessionLimits"}), qos=1)
        answer = await asyncio.wait_for(anext(client.messages), 15)
        assert str(answer.topic) == "v1/devices/me/rpc/response/7"
        assert json.loads(answer.payload)["maxPayloadSize"] > 0
        rows = [{"ts": 1, "values": {"p0": 1, "p1": 2}}, {"ts": 2, "values": {"p0": 3}}]
        await client.publish("v1/gateway/telemetry", json.dumps({"a": rows, "b": rows[:1]}), qos=1)
        await until(lambda: seen.messages, 15, "the telemetry arrives")
    assert (seen.points, seen.messages) == (5, 1)


def test_the_servers_count_what_they_have_answered():
    with load(2, 10) as devices:
        assert devices.served() == 0
        for port in devices.ports:
            client = ModbusTcpClient("127.0.0.1", port=port)
            assert client.connect()
            assert client.read_holding_registers(0, count=10, device_id=1).registers[1] in {1, 2}
            client.close()
        assert devices.served() == 2
