"""`gateway doctor` and the live lane: may it listen, and is its primary host there."""

from __future__ import annotations

import json
import time

import aiomqtt
import pytest

from gateway.cli import _doctor_broker as broker
from gateway.cli import _doctor_live
from tests.gateway.cli.doctor_site import config
from tests.peers.broker import mosquitto
from tests.peers.mqtt_scripted import scripted

UPLINK = "uplink: {{broker: ['{url}'], sparkplug: {{{keys}}}}}"


async def found(folder, real, keys=""):
    login, lane = await broker.brokers(config(folder, UPLINK.format(url=real.url, keys=keys)))
    assert login.verdict == "ok"
    assert lane.check == "sparkplug"
    return lane


async def test_without_a_primary_host_it_only_has_to_be_let_in(tmp_path):
    async with mosquitto() as real:
        lane = await found(tmp_path, real)
        assert (lane.verdict, lane.sentence) == ("ok", f"live lane (cooperative) at {real.url} may listen to hosts")


@pytest.mark.parametrize(
    ("online", "verdict", "words"), [(True, "ok", "is online"), (False, "warn", "is offline, so nothing live is sent")]
)
async def test_the_state_of_the_primary_host_is_told(tmp_path, online, verdict, words):
    async with mosquitto() as real:
        async with aiomqtt.Client("127.0.0.1", real.port) as client:
            state = json.dumps({"online": online, "timestamp": time.time_ns() // 10**6})
            await client.publish("spBv1.0/STATE/scada", state, qos=1, retain=True)
        lane = await found(tmp_path, real, "primary_host: scada")
        assert lane.verdict == verdict
        assert lane.sentence.endswith(f"the primary host 'scada' {words}")


async def test_a_primary_host_that_nobody_knows_is_a_warning_with_a_cure(tmp_path, monkeypatch):
    monkeypatch.setattr(_doctor_live, "_RETAINED_S", 0.2)
    async with mosquitto() as real:
        lane = await found(tmp_path, real, "primary_host: skada")
        assert lane.verdict == "warn"
        assert "nothing is known there of the primary host 'skada'" in lane.sentence
        assert lane.cure == "start the host, or check 'primary_host'"


async def test_a_broker_that_refuses_the_subscription_is_told(tmp_path):
    async with scripted() as real:
        real.suback = lambda topic: 0x87
        lane = await found(tmp_path, real)
        assert lane.verdict == "warn"
        assert "it does not hear what hosts say" in lane.sentence
