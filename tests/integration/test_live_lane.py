"""The live lane before a real broker: births, data, deaths, hosts and commands; every packet checked by the standard."""

from __future__ import annotations

import asyncio
import time

import aiomqtt
import pytest
from msgspec.structs import replace

from gateway.clock import Clock
from gateway.config.spec import BrokerUrl
from gateway.model import TimeQuality
from gateway.uplink.pace import Budget
from gateway.uplink.session import Dialer
from gateway.uplink.sparkplug import node
from gateway.uplink.sparkplug.datatype import DataType
from gateway.uplink.sparkplug.device import Point
from tests.integration.live import CLIENT, GROUP, NODE, PRESS, Shop, broker, check, order, values
from tests.peers.broker import amqtt
from tests.peers.sparkplug import decoded
from tests.sparkplug.observer import Observer, Server
from tests.sparkplug.trace import Accepted, Closed, Connect
from tests.waiting import until


@pytest.fixture
async def shop() -> Shop:
    return Shop(Observer())


async def test_a_life_births_data_a_lost_machine_and_a_good_end(shop):
    async with broker(shop) as server:
        shop.report("press-1", "oil_temp", 41.5, told=False, unit="°C")
        async with shop.running(server.port) as lane:
            shop.report("press-1", "strokes", 7, told=False)
            shop.good("press-1")
            await order(shop, lambda seen: seen[:2] == ["NBIRTH", "DBIRTH press-1"])
            (_, birth) = shop.sent("DBIRTH")[0]
            assert values(birth) == {"oil_temp": None, "oil_temp/limit": "normal", "strokes": 7, "mode": None}
            shop.report("press-1", "oil_temp", 42.0)
            shop.report("press-1", "program", "customer-4711")
            shop.cross("press-1", "oil_temp", "high")
            await order(shop, lambda seen: seen[-1] == "DDATA press-1")
            await until(lambda: sum(len(payload.metrics) for _, payload in shop.sent("DDATA")) == 2)
            shop.bad("press-1", "oil_temp", "strokes")
            await order(shop, lambda seen: "DDEATH press-1" in seen)
            shop.good("press-1")
            shop.report("press-1", "oil_temp", 43.0, told=False)
            await order(shop, lambda seen: seen.count("DBIRTH press-1") == 2)
            await until(lambda: lane.status()["devices"] == 1)
            assert lane.status()["metrics"] == 4
        await until(lambda: type(shop.observer.events[-1]) is Closed)
        assert shop.order()[-1] == "NDEATH"
        assert b"customer-4711" not in b"".join(event.payload for event in shop.observer.published())
    check(shop)


async def test_only_what_is_released_now_is_born_and_what_is_withdrawn_vanishes(shop):
    async with broker(shop) as server, shop.running(server.port):
        for machine in shop.points:
            shop.good(machine)
        shop.report("press-1", "oil_temp", 41.5, told=False)
        await order(shop, lambda seen: {"DBIRTH press-1", "DBIRTH spindle"} <= set(seen))
        before = len(shop.order())
        shop.released = {("press-1", "oil_temp")}
        shop.define()
        shop.report("press-1", "mode", "auto", told=False)
        await order(shop, lambda seen: seen[before:] == ["DDEATH spindle", "NBIRTH", "DBIRTH press-1"])
        assert values(shop.sent("DBIRTH")[-1][1]).keys() == {"oil_temp", "oil_temp/limit"}
        shop.released.add(("press-1", "program"))
        shop.define()
        await order(shop, lambda seen: seen[before + 3 :] == ["NBIRTH", "DBIRTH press-1"])
        assert "program" in values(shop.sent("DBIRTH")[-1][1])
    check(shop)


async def test_aliases_and_bdseq_go_on_after_a_restart(shop):
    async with broker(shop) as server:
        births = []
        for _ in range(2):
            async with shop.running(server.port):
                shop.good("press-1")
                count = len(births) + 1
                await until(lambda count=count: len(shop.sent("DBIRTH")) == count)
                births.append({metric.name: metric.alias for metric in shop.sent("DBIRTH")[-1][1].metrics})
        assert births[0] == births[1]
        shop.points["press-1"] = [point for point in PRESS if point.name != "strokes"] + [PRESS[2]]
        async with shop.running(server.port):
            shop.good("press-1")
            await until(lambda: len(shop.sent("DBIRTH")) == 3)
            assert {metric.name: metric.alias for metric in shop.sent("DBIRTH")[-1][1].metrics} == births[0]
        assert [values(birth)["bdSeq"] for _, birth in shop.sent("NBIRTH")] == [0, 1, 2]
    check(shop)


async def test_an_attempt_that_sent_no_connect_uses_no_bdseq_up(shop):
    async with broker(shop) as server, shop.running(1, server.port) as lane:  # nobody listens at the first
        for count in (1, 2):
            await until(lambda count=count: len(shop.sent("NBIRTH")) == count)
            server.cut()
        await until(lambda: len(shop.sent("NBIRTH")) == 3)
        assert "nobody listens" in lane.status()["last_error"]
        assert [values(birth)["bdSeq"] for _, birth in shop.sent("NBIRTH")] == [0, 1, 2]
    check(shop)


async def test_after_255_comes_0(shop):
    shop.state.put("sparkplug.cooperative.bdseq", 254)
    async with broker(shop) as server, shop.running(server.port):
        for count in (1, 2):
            await until(lambda count=count: len(shop.sent("NBIRTH")) == count)
            server.cut()
        await until(lambda: len(shop.sent("NBIRTH")) == 3)
        assert [values(birth)["bdSeq"] for _, birth in shop.sent("NBIRTH")] == [255, 0, 1]
    check(shop, fresh=False)


async def test_a_metric_that_shows_its_type_and_unit_later_is_born_again(shop):
    async with broker(shop) as server, shop.running(server.port):
        shop.good("spindle")
        await until(lambda: shop.sent("DBIRTH"))
        shop.compute("spindle", "vibration.rms", 1.5, "m/s²")
        await until(lambda: len(shop.sent("DBIRTH")) == 2)
        (metric,) = shop.sent("DBIRTH")[-1][1].metrics
        assert metric.properties.get("engUnit").value == "m/s²"
        assert metric.value() == 1.5
    known = shop.state.get("sparkplug.cooperative.aliases", dict, {})["metrics"]["spindle"]["vibration.rms"]
    assert known[1:] == [DataType.DOUBLE, "m/s²"]
    check(shop)


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_whoever_listens_hears_of_every_death(shop, version):
    heard: list[bytes] = []
    async with broker(shop, old=version == "3.1.1") as server, aiomqtt.Client("127.0.0.1", server._target) as client:
        await client.subscribe(f"spBv1.0/{GROUP}/NDEATH/{NODE}", qos=1)

        async def listen() -> None:
            async for message in client.messages:
                heard.append(bytes(message.payload))

        listening = asyncio.create_task(listen())
        async with shop.running(server.port) as lane:
            await until(lambda: lane.status()["born"])
            assert lane.status()["protocol"] == version
            assert lane.status()["warnings"] == []
            server.cut()
            await until(lambda: len(heard) == 1, 20, "the will after a loss")
            await until(lambda: lane.status()["born"])
        await until(lambda: len(set(heard)) == 2, 20, "the death of a good end")
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    check(shop)


async def test_a_broker_that_speaks_only_3_1_1_gets_it_too(shop):
    dialer = Dialer()
    async with amqtt() as url, shop.observer.before("a", url.port) as server:
        await (await dialer.connect(BrokerUrl(f"mqtt://127.0.0.1:{server.port}"), client_id="the batch lane")).close()
        await with_3_1_1(shop, server, dialer)
    check(shop)


async def with_3_1_1(shop: Shop, server: Server, dialer: Dialer) -> None:
    async with shop.running(server.port, calling={"connect": dialer.connect}) as lane:
        shop.good("press-1")
        await order(shop, lambda seen: seen == ["NBIRTH", "DBIRTH press-1"])
        shop.report("press-1", "strokes", 1)
        await order(shop, lambda seen: seen[-1] == "DDATA press-1")
        assert lane.status()["protocol"] == "3.1.1"
    check(shop)


def kept_left(shop: Shop) -> set[str]:
    return set(shop.state.get("sparkplug.cooperative.left", dict, {}))


async def test_what_was_missed_is_sent_flagged_and_what_is_new_comes_first(shop):
    async with broker(shop) as server:
        async with shop.running(server.port, history=True) as lane:
            shop.good("press-1")
            shop.report("press-1", "strokes", 0, told=False)
            await until(lambda: shop.sent("DBIRTH"))
            again = len(shop.sent("DDATA"))
            server.reachable = False
            server.cut()
            await until(lambda: not lane.status()["connected"])
            for value in range(1, 11):
                shop.report("press-1", "strokes", value, told=False)
                shop.report("press-1", "program", f"secret {value}", told=False)
            server.reachable = True
            await order(shop, lambda seen: seen.count("DBIRTH press-1") == 2)
            shop.report("press-1", "strokes", 11)
            assert values(shop.sent("DBIRTH")[-1][1])["strokes"] == 10
            await until(lambda: lane.status()["missed"]["devices"] == 0 and lane.status()["missed"]["sent"] >= 11)
            await until(lambda: kept_left(shop) == set())  # else a run after a crash would send all of it again
        messages = [payload.metrics for _, payload in shop.sent("DDATA", since=again)]
        late = [metric for metrics in messages for metric in metrics if metric.is_historical]
        assert [metric.value() for metric in late] == list(range(11))  # 0 again: nobody knows whether it had arrived
        assert [metric.timestamp for metric in late] == sorted(metric.timestamp for metric in late)
        fresh = next(at for at, metrics in enumerate(messages) if 11 in [metric.value() for metric in metrics])
        assert fresh < len(messages) - 1  # what is new did not wait for what is old
        assert b"secret" not in b"".join(event.payload for event in shop.observer.published())
        assert kept_left(shop) == {"press-1"}
    check(shop)


async def test_a_line_that_is_too_slow_makes_the_lane_leave_out_not_grow(shop, monkeypatch):
    monkeypatch.setattr(node, "MOST_PENDING", 100)
    async with broker(shop) as server, shop.running(server.port) as lane:
        shop.good("press-1")
        await until(lambda: shop.sent("DBIRTH"))
        for value in range(1000):
            shop.report("press-1", "strokes", value, told=value == 999)
        assert lane.status()["skipped"] > 800
        await until(lambda: any(metric.value() == 999 for _, payload in shop.sent("DDATA") for metric in payload.metrics))
    check(shop)


async def test_datatypes_can_be_left_out_of_data(shop):
    async with broker(shop) as server, shop.running(server.port, datatype_in_data="never"):
        shop.good("press-1")
        await until(lambda: shop.sent("DBIRTH"))
        shop.report("press-1", "oil_temp", 40.0)
        await until(lambda: shop.sent("DDATA"))
        assert {metric.datatype for _, payload in shop.sent("DDATA", "NDATA") for metric in payload.metrics} == {None}
    check(shop, datatype_in_data=False)


async def test_every_message_is_read_by_the_common_decoder_with_the_values_it_was_made_of(shop):
    async with broker(shop) as server, shop.running(server.port):
        shop.good("press-1")
        await until(lambda: shop.sent("DBIRTH"))
        shop.report("press-1", "oil_temp", -0.1)
        shop.report("press-1", "strokes", -7)
        shop.report("press-1", "mode", "Größe ✓")
        await until(lambda: sum(len(payload.metrics) for _, payload in shop.sent("DDATA")) == 3)
    payloads = [event.payload for event in shop.observer.published(f"spBv1.0/{GROUP}/DDATA")]
    read = [metric for payload in await decoded(payloads) for metric in payload["metrics"]]
    assert {metric["type"] for metric in read} == {"Double", "Int64", "String"}
    assert -0.1 in [metric["value"] for metric in read]
    assert "Größe ✓" in [metric["value"] for metric in read]


async def test_it_waits_before_the_first_call_like_everyone(shop):
    async with broker(shop) as server, shop.running(server.port):
        await until(lambda: any(type(event) is Accepted for event in shop.observer.events))
        connect = next(event for event in shop.observer.events if type(event) is Connect)
        assert (connect.client, connect.clean, connect.expiry_s) == (CLIENT, True, 0)
        assert (connect.will.topic, connect.will.qos, connect.will.retain) == (f"spBv1.0/{GROUP}/NDEATH/{NODE}", 1, False)


async def test_it_rests_when_the_bytes_of_the_day_run_short_and_comes_back(shop, monkeypatch):
    monkeypatch.setattr("gateway.uplink.sparkplug.lane.BEAT_S", 0.02)
    monkeypatch.setattr("gateway.uplink.pace.DAY_S", 20.0)
    budget = Budget(shop.clock, 20_000.0)
    async with broker(shop) as server, shop.running(server.port, calling={"budget": budget}) as lane:
        await order(shop, lambda seen: seen == ["NBIRTH"])
        budget.spent("", bytes(9_000))
        await until(lambda: lane.status()["rests"])
        await order(shop, lambda seen: seen == ["NBIRTH", "NDEATH"])
        await order(shop, lambda seen: seen == ["NBIRTH", "NDEATH", "NBIRTH"])
        assert not lane.status()["rests"]
    check(shop)


async def test_when_the_time_becomes_known_births_are_sent_again_with_it_and_the_node_says_so(shop):
    class Late(Clock):
        time_quality = TimeQuality.UNCERTAIN

        @property
        def quality(self) -> TimeQuality:
            return self.time_quality

    shop.clock = Late()
    calling = {"repair": lambda moment: replace(moment, quality=shop.clock.time_quality)}
    async with broker(shop) as server, shop.running(server.port, calling=calling) as lane:
        shop.good("press-1")
        shop.report("press-1", "strokes", 1, told=False)
        await order(shop, lambda seen: seen == ["NBIRTH", "DBIRTH press-1"])
        assert shop.sent("DBIRTH")[0][1].named("strokes")[0].properties.get("timeQuality").value == "uncertain"
        shop.clock.time_quality = TimeQuality.SYNCED
        shop.report("press-1", "oil_temp", 40.0, told=False)
        await order(shop, lambda seen: seen[2:] == ["NBIRTH", "DBIRTH press-1"])
        assert values(shop.sent("NBIRTH")[-1][1])["Properties/Clock"] == "synced"
        assert shop.sent("DBIRTH")[-1][1].named("strokes")[0].properties.get("timeQuality") is None
        assert lane.status()["born"]
    check(shop)


async def test_a_line_that_takes_nothing_more_does_not_look_like_a_loop_that_stands_still(shop, monkeypatch):
    monkeypatch.setattr("gateway.uplink.waits.BEAT_S", 0.05)
    shop.points["press-1"].append(Point("log", "", "text"))
    shop.released.add(("press-1", "log"))
    async with broker(shop) as server, shop.running(server.port) as lane:
        shop.good("press-1")
        await until(lambda: shop.sent("DBIRTH"))
        server.frozen.clear()
        sent = -1
        while lane.status()["published_bytes"] > sent:  # until the socket is full
            sent = lane.status()["published_bytes"]
            for number in range(40):
                shop.report("press-1", "log", f"{number}{sent}" * 20_000, told=False)
            await asyncio.sleep(0.5)
        since = time.monotonic()
        await until(lambda: len([at for at in shop.beats if at > since]) > 10, 10, "it beats on")
        server.frozen.set()
        await until(lambda: lane.status()["published_bytes"] > sent, 30, "it goes on")
