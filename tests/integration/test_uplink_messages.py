"""Wills, retained messages, QoS 0 and subscriptions of a session, against real brokers and one that answers as told."""

import asyncio
import threading
import tracemalloc

import pytest

from gateway.config.spec import BrokerUrl
from gateway.uplink.client import MAX_INCOMING, Will
from gateway.uplink.session import Dialer, MqttSession, SessionLost
from tests.peers.broker import amqtt, mosquitto, subscriber
from tests.peers.mqtt_scripted import PUBACK, PUBLISH, length, publish, scripted, text
from tests.waiting import until

ID = "muster:hall-1:live"
WILL = Will("state", b"dead")


async def connect(url, **options):
    return await MqttSession.connect(url, client_id=ID, **options)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_the_will_comes_after_a_loss_and_when_asked_for_but_not_after_a_plain_farewell(version):
    async with mosquitto() as broker, subscriber(broker.url) as inbox:
        session = await connect(broker.url, will=WILL, version=version)
        await session.publish("state", b"born")
        await session.close()
        session = await connect(broker.url, will=WILL, version=version)
        await session.publish("state", b"again")
        await session.close(death=True)
        told = [b"born", b"again", *[b"dead"] * (2 if version == "5" else 1)]  # by the session, and in MQTT 5 by the broker, too
        await inbox.until(lambda got: got == told)
        session = await connect(broker.url, will=WILL, version=version)
        session._client.abandon()
        await inbox.until(lambda got: got == [*told, b"dead"])


async def test_a_broker_that_speaks_only_3_1_1_publishes_the_will_too():
    async with amqtt() as url, subscriber(url) as inbox:
        session = await connect(url, will=WILL, version="3.1.1")
        await session.close(death=True)
        await inbox.until(lambda got: got == [b"dead"])


async def test_a_will_is_registered_when_connect_is_sent_and_not_by_an_attempt_that_reaches_nobody():
    sent = []
    will = Will("state", b"dead", registered=lambda: sent.append(threading.current_thread()))
    with pytest.raises(SessionLost):
        await connect(BrokerUrl("mqtt://127.0.0.1:1"), will=will)
    assert sent == []
    async with mosquitto() as broker:
        await (await connect(broker.url, will=will)).close()
    assert len(sent) == 1
    assert sent[0] is not threading.main_thread(), "it may wait for a disk"


async def test_a_broker_that_waits_for_more_where_mqtt_5_has_a_will_is_asked_in_3_1_1():
    async with amqtt() as url:
        session = await Dialer().connect(url, client_id=ID, will=lambda: WILL, connect_timeout_s=1.0)
        assert session.protocol == "3.1.1"
        await session.close()


async def test_what_one_lane_found_out_the_other_knows():
    async with amqtt() as url:
        dialer = Dialer()
        assert not dialer.met.is_set()
        await (await dialer.connect(url, client_id="the batch lane")).close()
        assert dialer.met.is_set()
        session = await dialer.connect(url, client_id=ID, will=lambda: WILL, connect_timeout_s=15.0)
        assert session.protocol == "3.1.1"
        await session.close()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_retained_message_waits_for_who_comes_later_and_qos_0_goes_out(version):
    got = []
    async with mosquitto() as broker, subscriber(broker.url, "live/#") as inbox:
        session = await connect(broker.url, version=version)
        await session.publish("kept/a", b"one", retain=True)
        await asyncio.gather(*(session.publish("live/b", b"%d" % i, qos=0) for i in range(500)))
        await inbox.until(lambda payloads: payloads == [b"%d" % i for i in range(500)])
        late = await MqttSession.connect(
            broker.url, client_id="late", version=version, on_message=lambda *message: got.append(message)
        )
        assert await late.subscribe([("kept/#", 1), ("live/#", 0)]) == ()
        await until(lambda: got == [("kept/a", b"one", True)])
        await session.publish("live/b", b"now")
        await until(lambda: got[1:] == [("live/b", b"now", False)])
        await session.close()
        await late.close()


async def test_thousands_of_messages_arrive_in_order_and_none_is_dropped():
    got = []
    async with mosquitto(settings="max_queued_messages 0") as broker:
        listener = await MqttSession.connect(
            broker.url, client_id="listener", on_message=lambda _, payload, __: got.append(payload)
        )
        await listener.subscribe([("a", 1)])
        session = await connect(broker.url)
        await asyncio.gather(*(session.publish("a", b"%d" % i) for i in range(3000)))
        await until(lambda: len(got) == 3000)
        assert got == [b"%d" % i for i in range(3000)]
        await session.close()
        await listener.close()


async def test_a_refused_subscription_is_named_and_the_session_goes_on():
    async with scripted() as broker:
        broker.suback = lambda topic: 0x87 if topic == "forbidden/#" else 1
        session = await connect(broker.url, on_message=lambda *_: None)
        (refused,) = await session.subscribe([("allowed/#", 1), ("forbidden/#", 1)])
        assert (refused.topic, refused.code, refused.words) == ("forbidden/#", 0x87, "not authorised")
        await session.publish("allowed/a", b"x")
        await session.close()


async def test_a_message_that_would_fill_the_memory_passes_by():
    got = []
    big = 24 << 20
    async with scripted() as broker:
        session = await connect(broker.url, on_message=lambda *message: got.append(message))
        link = broker.links[0]
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        head = text("flood") + (7).to_bytes(2, "big") + b"\0"
        link.send(bytes([PUBLISH << 4 | 0b0010]) + length(len(head) + big) + head)
        for _ in range(big >> 16):
            link.send(bytes(1 << 16))
            await link._writer.drain()
        link.send(publish("a", b"after"))
        await until(lambda: len(got) == 2)
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        assert got == [("flood", None, False), ("a", b"after", False)]
        assert peak < 4 * MAX_INCOMING, f"{peak >> 20} MiB"
        await until(lambda: link.count(PUBACK) == 1)
        await session.close()
