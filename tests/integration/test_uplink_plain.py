"""A plain broker in the shop: mosquitto holds the latest value of what is released, for who comes at any time."""

import asyncio
import json
import signal
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.clock import Clock
from gateway.config.spec import Credentials, Uplink
from gateway.config.uplink import Plain
from gateway.state import State
from gateway.uplink.plain.lane import PlainLane
from gateway.uplink.sparkplug.device import Point
from tests.gateway.uplink.fakes import Eager, feature, reading
from tests.integration.running import gateway
from tests.integration.test_end_to_end import press as machine_of
from tests.integration.test_end_to_end import site
from tests.peers import home_assistant
from tests.peers.broker import cutter, mosquitto, subscriber
from tests.peers.modbus import tcp as modbus_tcp
from tests.waiting import until

HERE = "shop/$gateway/hall-1"
OIL, RMS = "shop/press-1/oil_temp", "shop/spindle/vibration.rms"
MACHINES = {"press-1": [Point("oil_temp", "°C"), Point("oil_temp/limit", of="oil_temp")], "spindle": [Point("vibration.rms")]}


@asynccontextmanager
async def running(url, folder, *, plain=None, releases=lambda machine, point: True, **options):
    spec = Uplink(broker=[url], plain=plain or Plain(topic="shop", every=0.05), **options.pop("spec", {}))
    defaults = {"clock": Clock(), "state": State(folder / "state"), "read_secret": str, "base": Path(), "random": Eager()}
    lane = PlainLane(site="muster", gateway="hall-1", name="ha", spec=spec, beat=lambda: None, **(defaults | options))
    lane.define(MACHINES, releases)
    task = asyncio.create_task(lane.run())
    try:
        yield lane
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Standing:
    """What a subscriber who comes now would get."""

    def __init__(self, inbox):
        self._inbox = inbox

    @property
    def all(self):
        standing = dict(self._inbox.messages)
        return {topic: payload for topic, payload in standing.items() if payload}

    def value(self, topic):
        payload = self.all.get(topic)
        return json.loads(payload)["value"] if payload else None


@asynccontextmanager
async def seen(url, **options):
    async with subscriber(url, **options) as inbox:
        yield Standing(inbox)


async def test_the_latest_value_of_every_point_stands_there_and_whether_the_gateway_does(tmp_path):
    async with mosquitto() as broker:
        async with running(broker.url, tmp_path) as lane, seen(broker.url) as standing:
            lane.offer([reading(1), feature(7)])
            await until(lambda: standing.value(OIL) == 1)
            for i in range(2, 300):
                lane.offer([reading(i)])
            await until(lambda: standing.value(OIL) == 299)
            assert standing.all[HERE] == b"online"
            assert lane.status()["points"] == 2
            assert lane.status()["published_messages"] < 30, "only the latest is sent, no more often than said"
        async with seen(broker.url) as late:
            await until(lambda: late.value(RMS) == 1.0)
            await until(lambda: late.value(OIL) == 299)
            await until(lambda: late.all.get(HERE) == b"offline", what="it said good-bye")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_broker_that_lost_everything_gets_everything_again(tmp_path, number):
    async with mosquitto() as broker, running(broker.url, tmp_path, first_within_s=0) as lane:
        lane.offer([reading(1), feature(7)])
        await until(lambda: lane.status()["published_messages"] >= 3)
        await broker.stop(number)
        await until(lambda: not lane.status()["connected"])
        lane.offer([reading(2)])
        await broker.start()
        async with seen(broker.url) as standing:
            await until(lambda: standing.value(OIL) == 2)
            await until(lambda: standing.value(RMS) == 1.0)
            await until(lambda: standing.all.get(HERE) == b"online")


async def test_a_gateway_that_vanishes_is_said_to_be_away(tmp_path):
    async with mosquitto() as broker, cutter(broker.port) as relay, seen(broker.url) as standing:
        async with running(relay.url, tmp_path, first_within_s=0) as lane:
            await until(lambda: standing.all.get(HERE) == b"online")
            relay.cut()
            await until(lambda: relay.connections == 2 and lane.status()["connected"])
            await until(lambda: standing.all.get(HERE) == b"online")
        messages = [payload for topic, payload in standing._inbox.messages if topic == HERE]
        await until(lambda: standing.all.get(HERE) == b"offline")
        assert messages[:3] == [b"online", b"offline", b"online"]


async def test_what_is_withdrawn_leaves_the_broker_also_when_the_gateway_was_away_meanwhile(tmp_path):
    async with mosquitto() as broker, seen(broker.url) as standing:
        async with running(broker.url, tmp_path) as lane:
            lane.offer([reading(1), feature(7)])
            await until(lambda: {OIL, RMS} <= standing.all.keys())
            lane.define(MACHINES, lambda machine, point: machine == "press-1")
            await until(lambda: RMS not in standing.all)
            lane.offer([feature(8), reading(2)])
            await until(lambda: standing.value(OIL) == 2)
            assert RMS not in standing.all
        async with running(broker.url, tmp_path, releases=lambda machine, point: False):
            await until(lambda: OIL not in standing.all)
            await until(lambda: standing.all == {HERE: b"online"})


async def test_home_assistant_finds_every_point_and_loses_those_that_are_withdrawn(tmp_path):
    plain = Plain(topic="shop", every=0.05, discovery="homeassistant")

    def shown():
        found = [home_assistant.discovered(topic, payload) for topic, payload in standing.all.items() if topic.endswith("/config")]
        return {entity["unique_id"]: home_assistant.state(entity, standing.all) for entity in found}

    async with mosquitto() as broker, seen(broker.url) as standing:
        async with running(broker.url, tmp_path, plain=plain) as lane:
            lane.offer([reading(1), feature(7)])
            await until(lambda: shown() == {"muster.hall-1.press-1.oil_temp": "1.0", "muster.hall-1.spindle.vibration.rms": "1.0"})
            lane.define(MACHINES, lambda machine, point: machine == "press-1")
            await until(lambda: shown() == {"muster.hall-1.press-1.oil_temp": "1.0"})
        await until(lambda: shown() == {"muster.hall-1.press-1.oil_temp": "unavailable"})


async def test_a_topic_that_is_refused_keeps_no_other_from_the_board_and_is_told(tmp_path):
    acl = "user watcher\ntopic read #\nuser muster\ntopic write shop/press-1/#\ntopic write shop/$gateway/#\n"
    async with mosquitto(users={"muster": "pw", "watcher": "w"}, acl=acl) as broker:
        options = {"spec": {"credentials": Credentials(secret="pw")}}
        with capture_logs() as logs:
            async with (
                running(broker.url, tmp_path, **options) as lane,
                seen(broker.url, user="watcher", password="w") as standing,
            ):
                lane.offer([reading(1), feature(7)])
                await until(lambda: standing.value(OIL) == 1)
                await until(lambda: "not authorised" in lane.status()["trouble"])
                lane.offer([reading(2)])
                await until(lambda: standing.value(OIL) == 2)
                await broker.set_acl(acl + "topic write shop/#\n")
                lane.retry()
                await until(lambda: standing.value(RMS) == 1.0)
                await until(lambda: lane.status()["trouble"] == "")
        assert [line["event"] for line in logs].count("publish_refused") >= 1


async def test_without_a_broker_nothing_piles_up(tmp_path):
    async with mosquitto() as broker:
        url = broker.url
    async with running(url, tmp_path) as lane:
        for i in range(5000):
            lane.offer([reading(i)])
        await until(lambda: lane.status()["last_error"])
        assert len(lane._board) == 1
        assert lane.status()["points"] == 1


async def test_the_whole_gateway_shows_a_machine_and_that_it_is_gone_and_keeps_nothing_of_it_on_the_disk(tmp_path):
    async with mosquitto() as broker, seen(broker.url) as standing, modbus_tcp() as press:
        uplinks = f"uplinks: {{ha: {{broker: ['{broker.url}'], plain: {{topic: shop, every: 50ms, discovery: homeassistant}}}}}}\n"
        share = "shares: [{to: ha, machines: [press-1], points: [p1]}]\n"
        with gateway(tmp_path, site(machine_of("press-1", press.port, points=2)) + uplinks, share) as running:
            await running.start()
            await until(lambda: standing.value("shop/press-1/p1") is not None, 20)
            assert [topic for topic in standing.all if topic.startswith("shop/press-1/")] == ["shop/press-1/p1"]
            (found,) = [topic for topic in standing.all if topic.endswith("/config")]
            entity = home_assistant.discovered(found, standing.all[found])
            assert float(home_assistant.state(entity, standing.all)) >= 0
            assert running.status()["plain"]["ha"]["contract"] == "p1 of press-1"
            assert running.status()["recipients"] == {}
            assert not (tmp_path / "var" / "outbox").exists()
            await press.stop()
            await until(lambda: home_assistant.state(entity, standing.all) == "unavailable", 30)
            (tmp_path / "share.yaml").write_text("shares: []\n")
            running.apply()
            await until(lambda: "shop/press-1/p1" not in standing.all)
            await until(lambda: found not in standing.all)
