"""A caller over real sockets: what brokers say is obeyed, a dead line is found, a broker with another key is not spoken to."""

import asyncio
import signal
import socket
import tracemalloc
from random import Random

import pytest
from structlog.testing import capture_logs

from gateway.config.broker import BrokerUrl
from gateway.config.spec import Credentials, Tls, Uplink
from gateway.uplink.certificate import read_file
from gateway.uplink.errors import SessionLost
from gateway.uplink.session import MqttSession
from tests.gateway.uplink.fakes import Eager, MemoryOutbox, forwarder, reading
from tests.gateway.uplink.test_caller import Lane, calling
from tests.peers.broker import Mosquitto, mosquitto, subscriber
from tests.peers.certificates import Authority
from tests.peers.mqtt_scripted import PINGREQ, PUBLISH, RECEIVE_MAXIMUM, SERVER_KEEPALIVE, reference, scripted
from tests.peers.namespace import namespace
from tests.waiting import until

ID = "muster:hall-1"


class Patient(Eager):
    """Jitter without waiting, but for pauses that are meant to be long."""

    def uniform(self, a, b):
        return b if b > 3000 else super().uniform(a, b)


async def test_who_is_taken_over_stops_and_says_so_until_a_person_acts():
    async with scripted() as broker:
        lane = Lane()
        with capture_logs() as logs:
            async with calling(lane, None, broker.url, connect=None, random=Patient()) as caller:
                await until(lambda: lane.sessions)
                broker.links[0].disconnect(0x8E)
                await until(lambda: lane.report.status()["next_attempt_s"])
                assert lane.report.status()["next_attempt_s"] > 3000
                assert "another client took over this client id" in lane.report.status()["trouble"]
                caller.retry()
                await until(lambda: len(lane.sessions) == 2)
        assert [line["log_level"] for line in logs if line["event"] == "uplink_taken_over"] == ["error"]


async def test_two_gateways_of_one_name_at_a_broker_that_says_nothing_are_suspected():
    async with mosquitto() as broker:
        first, second = Lane(), Lane()
        with capture_logs() as logs:
            async with (
                calling(first, None, broker.url, connect=None, random=Eager()),
                calling(second, None, broker.url, connect=None, random=Eager()),
            ):
                await until(lambda: first.report.status()["warnings"] and second.report.status()["warnings"], 30)
                assert "another client may have the client id 'muster:hall-1'" in first.report.status()["warnings"][0]
        assert [line["event"] for line in logs].count("uplink_unsteady") == 2


@pytest.mark.parametrize("when", ["at connect", "later"])
async def test_a_broker_is_followed_to_another_one_of_the_list(when):
    async with scripted() as here, scripted() as there, scripted() as stranger:
        where = f"127.0.0.1:{stranger.url.port} 127.0.0.1:{there.url.port}"
        lane = Lane()
        if when == "at connect":
            here.connack = (0x9C, reference(where))
        async with calling(lane, None, here.url, there.url, connect=None, random=Eager()):
            if when == "later":
                await until(lambda: here.links)
                await until(lambda: lane.sessions)
                here.links[0].disconnect(0x9D, where)
            await until(lambda: there.links and lane.report.status()["broker"] == there.url)
        assert stranger.links == []
        assert (len(here.links), len(there.links)) == (1, 1)


async def test_a_broker_that_is_busy_or_refuses_is_left_alone_and_told():
    async with scripted() as broker:
        for code, words in ((0x89, "the broker is busy"), (0x97, "the quota at the broker is used up"), (0x87, "admits nobody")):
            broker.connack = (code, b"")
            lane, before = Lane(), len(broker.links)

            class Highest(Eager):
                def uniform(self, a, b):
                    return b

            async with calling(lane, None, broker.url, connect=None, random=Highest()):
                await until(lambda lane=lane: lane.report.status()["trouble"])
                assert words in lane.report.status()["trouble"]
                assert lane.report.status()["next_attempt_s"] > 8  # on this computer; elsewhere up to 5 min and an hour
            assert len(broker.links) == before + 1


async def test_no_more_is_under_way_than_the_broker_allows():
    async with scripted() as broker:
        broker.connack = (0, bytes([RECEIVE_MAXIMUM]) + (3).to_bytes(2))
        broker.puback = lambda topic, payload: None
        session = await MqttSession.connect(broker.url, client_id=ID, timeout_s=0.5)
        results = await asyncio.gather(*(session.publish("a", b"%d" % i) for i in range(10)), return_exceptions=True)
        assert all(isinstance(result, SessionLost) for result in results)
        assert broker.links[0].count(PUBLISH) == 3


async def test_the_keepalive_of_the_broker_counts():
    async with scripted() as broker:
        broker.connack = (0, bytes([SERVER_KEEPALIVE]) + (1).to_bytes(2))
        session = await MqttSession.connect(broker.url, client_id=ID, keepalive_s=600)
        await until(lambda: broker.links[0].count(PINGREQ) > 0)
        assert not session.ended.done()
        await session.close()


async def test_linux_gives_up_on_a_line_after_twice_the_keepalive():
    async with mosquitto() as broker:
        session = await MqttSession.connect(broker.url, client_id=ID, keepalive_s=7)
        assert session._client._client.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 14_000
        await session.close()


@pytest.mark.parametrize("busy", [False, True])
async def test_a_cable_that_is_pulled_is_noticed_though_nothing_is_closed(busy):
    with namespace() as net:
        broker = Mosquitto(host=net.host, enter=net.enter)
        try:
            await broker.start()
            session = await MqttSession.connect(broker.url, client_id=ID, keepalive_s=1, timeout_s=60)
            await session.publish("a", b"x")
            net.cut()
            sending = asyncio.create_task(session.publish("a", b"y")) if busy else None
            await until(session.ended.done, 30)
            said = str(session.ended.result())
            assert "does not answer any more" in said or "broke (connection timed out)" in said
            if sending:
                with pytest.raises(SessionLost):
                    await sending
            await session.close()
        finally:
            net.mend()
            await broker.close()


async def test_a_frozen_broker_is_noticed_without_a_message_under_way_and_the_next_one_taken():
    async with mosquitto() as frozen, mosquitto() as other:
        lane = Lane()
        async with calling(lane, None, frozen.url, other.url, connect=None, random=Eager(), keepalive_s=1, connect_timeout_s=1):
            await until(lambda: lane.sessions)
            frozen.send(signal.SIGSTOP)
            await until(lambda: lane.report.status()["broker"] == other.url, 30)
            frozen.send(signal.SIGCONT)
    assert "no answer from 127.0.0.1" in lane.report.status()["last_error"], "asked again first, it did not answer either"


async def test_a_topic_that_is_refused_is_told_though_nothing_waits_and_others_are_allowed():
    acl = "user muster\ntopic write coop/muster/hall-1/up/hello\n"
    async with mosquitto(users={"muster": "pw", "watcher": "w"}, acl=acl + "user watcher\ntopic read #\n") as broker:
        spec = Uplink(broker=[broker.url], batch=0.02, credentials=Credentials(secret="mqtt"))
        outbox = MemoryOutbox()
        async with subscriber(broker.url, user="watcher", password="w") as inbox:
            forward = forwarder(outbox, spec=spec, read_secret=lambda _: "pw")
            task = asyncio.create_task(forward.run())
            await until(lambda: "not authorised" in forward.status()["trouble"])
            assert forward.status()["connected"]
            assert outbox.waiting == 0
            await broker.set_acl(acl + "topic write coop/muster/hall-1/up/batch\nuser watcher\ntopic read #\n")
            forward.retry()
            await until(lambda: forward.status()["trouble"] == "")
            outbox.put(reading(1))
            await until(lambda: outbox.waiting == 0)
            await inbox.until(lambda got: len(got) >= 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_broker_whose_certificate_was_exchanged_is_not_spoken_to_and_nothing_is_lost(tmp_path):
    good, bad = Authority(tmp_path, "Good CA"), Authority(tmp_path, "Bad CA")
    ours, theirs = good.issue("ours", hosts=("127.0.0.1",)), bad.issue("theirs", hosts=("127.0.0.1",))
    renewed = good.issue("renewed", hosts=("127.0.0.1",))
    pins = [read_file(pair.certificate)[0].pin for pair in (ours, renewed)]
    port = 0
    outbox = MemoryOutbox()
    tls = Tls(ca=good.file.name, pin=pins[:1])

    async def serve(pair, condition, seen):
        nonlocal port
        broker = Mosquitto(server=(pair.certificate, pair.key), port=port)
        port = broker.port
        try:
            await broker.start()
            await until(condition, 20)
            seen.append(forward.status()["last_error"])
        finally:
            await broker.close()
            await until(lambda: not forward.status()["connected"])

    broker = Mosquitto()
    port = broker.port
    await broker.close()
    spec = Uplink(broker=[BrokerUrl(f"mqtts://127.0.0.1:{port}")], tls=tls, batch=0.02)
    forward = forwarder(outbox, spec=spec, base=tmp_path)
    task = asyncio.create_task(forward.run())
    said = []
    outbox.put(reading(1))
    await serve(ours, lambda: outbox.waiting == 0, [])
    outbox.put(reading(2))
    await serve(theirs, lambda: "certificate" in forward.status()["trouble"], said)
    await serve(renewed, lambda: "another key" in forward.status()["trouble"], said)
    assert "the broker's certificate authority is not known here" in said[0]
    assert f"the broker has another key than those in tls: pin ({pins[1]})" in said[1]
    assert outbox.waiting == 1, "what the stranger was not told"
    await serve(ours, lambda: outbox.waiting == 0, said)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_garbage_on_subscribed_topics_costs_neither_the_session_nor_memory():
    random, seen = Random(7), []

    def on_message(topic, payload, retain):
        seen.append(len(payload))
        if not payload.startswith(b"{"):
            lane.report.ignored(topic, "no JSON")

    async with mosquitto(settings="max_queued_messages 0") as broker:
        sender = await MqttSession.connect(broker.url, client_id="sender")
        for number in range(50):
            await sender.publish(f"state/{number}", random.randbytes(number * 20), retain=True)
        lane = Lane()

        async def use(session):
            lane.sessions.append(session)
            assert await session.subscribe([("state/#", 1)]) == ()
            await lane.waits.rest(60, ended=session.ended)

        lane.use = use
        async with calling(lane, None, broker.url, connect=None, random=Eager(), on_message=on_message):
            await until(lambda: len(seen) == 49, what=f"{len(seen)}")  # an empty one is not kept
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(5):
                await asyncio.gather(*(sender.publish("state/x", random.randbytes(1000)) for _ in range(200)))
            await until(lambda: len(seen) == 49 + 1000, 60)
            growth = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            assert lane.report.status()["ignored_messages"] > 1000
            assert len(lane.sessions) == 1
            assert growth < 300_000, growth
        await sender.close()
