"""The live lane and those who listen: rebirths on command, writes that are refused, a primary host that comes and goes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.uplink.sparkplug import command
from gateway.uplink.sparkplug.datatype import DataType
from gateway.uplink.sparkplug.encode import encode
from gateway.uplink.sparkplug.payload import Metric, Payload
from tests.integration.live import GROUP, NODE, Shop, broker, check, order, say, state, values
from tests.sparkplug.observer import Observer
from tests.sparkplug.trace import Connect
from tests.waiting import until

NCMD, DCMD = f"spBv1.0/{GROUP}/NCMD/{NODE}", f"spBv1.0/{GROUP}/DCMD/{NODE}/press-1"
ASK = encode(Payload(timestamp=1, metrics=(Metric(name=command.REBIRTH, datatype=DataType.BOOLEAN, value=True),)))


@pytest.fixture
async def shop() -> Shop:
    return Shop(Observer())


async def test_a_rebirth_is_served_at_once_and_repeats_together_after_the_pause(shop, monkeypatch):
    async with broker(shop) as server, shop.running(server.port) as lane:
        lane._node.rebirths = command.Rebirths(pause_s=3.0, answered_s=0.5)
        shop.good("press-1")
        await until(lambda: shop.sent("DBIRTH"))
        await say(server, NCMD, ASK)
        await order(shop, lambda seen: seen.count("NBIRTH") == 2 and seen[-1] == "DBIRTH press-1")
        await asyncio.sleep(0.6)
        for _ in range(3):
            await say(server, NCMD, ASK)
        for value in range(10):
            shop.report("press-1", "strokes", value, told=value == 9)
            await asyncio.sleep(0.05)
        assert shop.order().count("NBIRTH") == 2
        await order(shop, lambda seen: seen.count("NBIRTH") == 3 and seen[-1] == "DBIRTH press-1")
        status = lane.status()
        assert status["rebirths"] == {"asked": 4, "served": 2}
        assert {values(birth)["bdSeq"] for _, birth in shop.sent("NBIRTH")} == {0}
        for _ in range(2):
            await say(server, NCMD, ASK)
        await until(lambda: lane.status()["rebirths"]["asked"] == 6)
        assert "6 times within an hour" in lane.status()["warnings"][0]
    check(shop)


async def test_writes_are_refused_and_counted_and_nothing_is_done(shop):
    async with broker(shop) as server, shop.running(server.port) as lane:
        shop.good("press-1")
        await until(lambda: shop.sent("DBIRTH"))
        before = shop.order()
        alias = shop.sent("DBIRTH")[0][1].named("strokes")[0].alias
        write = encode(Payload(timestamp=1, metrics=(Metric(alias=alias, datatype=DataType.INT64, value=0),)))
        reboot = encode(Payload(timestamp=1, metrics=(Metric(name="Node Control/Reboot", datatype=DataType.BOOLEAN, value=True),)))
        await say(server, DCMD, write)
        await say(server, NCMD, reboot)
        await until(lambda: lane.status()["refused_commands"] == 2)
        assert shop.order() == before


async def test_garbage_on_every_topic_is_ignored_and_counted(shop):
    async with broker(shop) as server:
        await say(server, NCMD, ASK, retain=True)
        await say(server, "spBv1.0/STATE/scada", b"\xff not json", retain=True)
        async with shop.running(server.port, primary_host="scada") as lane:
            await until(lambda: lane.status()["ignored_messages"] == 2)
            assert not lane.status()["born"]
            assert lane.status()["waits_for"] == "scada"
            for payload in (b"", b"\x12\xff", b"x" * 100_000, b"\x12\x00" * 5000):
                await say(server, NCMD, payload)
            await until(lambda: (lane.status()["ignored_messages"], lane.status()["refused_commands"]) == (5, 1))
            assert lane.status()["connected"]
            await say(server, "spBv1.0/STATE/scada", b'{"online":true,"timestamp":1}')
            await until(lambda: lane.status()["born"])
            assert lane.status()["rebirths"]["asked"] == 0


async def test_a_primary_host_that_goes_takes_the_lane_to_the_next_broker(shop):
    async with broker(shop, "a") as first, broker(shop, "b") as second:
        for server in (first, second):
            await state(server, online=True)
        async with shop.running(first.port, second.port, primary_host="scada") as lane:
            shop.good("press-1")
            await order(shop, lambda seen: seen == ["NBIRTH", "DBIRTH press-1"])
            await say(first, "spBv1.0/STATE/scada", b'{"online":false,"timestamp":1}')
            await until(lambda: lane.status()["ignored_messages"] == 1)
            shop.report("press-1", "strokes", 1)
            await order(shop, lambda seen: seen[-1] == "DDATA press-1")
            before = len(shop.order())
            await state(first, online=False)
            await order(shop, lambda seen: seen[before:] == ["NDEATH", "NBIRTH", "DBIRTH press-1"])
            assert lane.status()["broker"].endswith(str(second.port))
    check(shop, primary_host="scada", servers=("a", "b"))


async def test_a_host_that_is_nowhere_is_looked_for_on_every_broker_and_then_waited_for(shop, monkeypatch):
    monkeypatch.setattr("gateway.uplink.sparkplug.lane.BRIEFLY_S", 0.1)
    async with (
        broker(shop, "a") as first,
        broker(shop, "b") as second,
        shop.running(first.port, second.port, primary_host="scada") as lane,
    ):
        shop.good("press-1")
        await until(lambda: [event.server for event in shop.observer.events if type(event) is Connect][:3] == ["a", "b", "a"])
        assert "NBIRTH" not in shop.order()
        await until(lambda: lane.status()["connected"])
        await state(first, online=True)
        await order(shop, lambda seen: seen[-2:] == ["NBIRTH", "DBIRTH press-1"])
    check(shop, primary_host="scada", servers=("a", "b"))
