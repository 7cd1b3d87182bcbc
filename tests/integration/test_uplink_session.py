"""The session against real brokers: what is accepted, refused, lost, and in which version of MQTT."""

import asyncio
import gc
import signal
import socket
from contextlib import asynccontextmanager

import pytest

from gateway.config.spec import BrokerUrl
from gateway.uplink.errors import DroppedEarly, PublishRefused, SessionLost
from gateway.uplink.session import WARNING_311, Dialer, MqttSession
from tests.peers.broker import amqtt, cutter, free_port, mosquitto, subscriber

ID = "muster:hall-1"
ACL = "user muster\ntopic write allowed/#\n"


async def test_publishes_with_mqtt_5_and_says_so():
    async with mosquitto() as broker, subscriber(broker.url) as inbox:
        session = await Dialer().connect(broker.url, client_id=ID)
        assert (session.protocol, session.warnings) == ("5", ())
        await session.publish("a/b", b"one")
        await inbox.until(lambda got: got == [b"one"])
        await session.close()
        assert session.ended.done()
        with pytest.raises(SessionLost):
            await session.publish("a/b", b"two")


async def test_falls_back_to_3_1_1_where_the_broker_knows_nothing_newer_and_remembers_it():
    async with amqtt() as url, subscriber(url) as inbox:
        now = 0.0
        dialer = Dialer(lambda: now)
        session = await dialer.connect(url, client_id=ID)
        assert (session.protocol, session.warnings) == ("3.1.1", (WARNING_311,))
        await session.publish("a/b", b"one")
        await inbox.until(lambda got: got == [b"one"])
        await session.close()
        assert url in dialer._old
        again = await dialer.connect(url, client_id=ID)
        assert again.protocol == "3.1.1"
        await again.close()


async def test_falls_back_when_a_broker_just_hangs_up_but_only_after_asking_twice():
    async with amqtt() as url:
        asked: list[int] = []

        async def hang_up_on_5(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readexactly(9)  # fixed header of 2, name of 6, level
            asked.append(head[8])
            if head[8] == 5:
                writer.close()
                return
            there, back = await asyncio.open_connection(url.host, url.port)
            back.write(head)

            async def relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                while data := await source.read(4096):
                    sink.write(data)
                sink.close()

            await asyncio.gather(relay(reader, back), relay(there, writer), return_exceptions=True)

        server = await asyncio.start_server(hang_up_on_5, "127.0.0.1", 0)
        front = BrokerUrl(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        dialer = Dialer()
        for expected in ([5, 5, 4], [5, 5, 4, 4]):
            session = await dialer.connect(front, client_id=ID)
            assert session.protocol == "3.1.1"
            assert asked == expected
            await session.close()
        server.close()


async def test_a_refused_publish_raises_and_the_session_goes_on():
    async with (
        mosquitto(users={"muster": "right"}, acl=ACL) as broker,
    ):
        session = await MqttSession.connect(broker.url, client_id=ID, user="muster", password="right")
        with pytest.raises(PublishRefused) as refused:
            await session.publish("forbidden/x", b"one")
        assert refused.value.code == 0x87
        assert "not authorised" in str(refused.value)
        await session.publish("allowed/x", b"two")
        await session.close()


async def test_many_publishers_each_get_their_own_answer():
    async with mosquitto(users={"muster": "right"}, acl=ACL) as broker:
        session = await MqttSession.connect(broker.url, client_id=ID, user="muster", password="right", window=20)
        topics = ["allowed/x" if i % 3 else "forbidden/x" for i in range(200)]
        results = await asyncio.gather(*(session.publish(topic, b"x" * 100) for topic in topics), return_exceptions=True)
        for topic, result in zip(topics, results, strict=True):
            assert isinstance(result, PublishRefused) == topic.startswith("forbidden"), (topic, result)
        await session.close()


@pytest.mark.parametrize(
    ("user", "password", "sentence"),
    [
        ("muster", "wrong-canary", "the broker refuses user 'muster'; check credentials: user, and the secret"),
        (None, None, "the broker admits nobody without user and password; give them with credentials: {user: …, secret: NAME}"),
    ],
)
async def test_wrong_credentials_are_told_in_words(user, password, sentence):
    async with mosquitto(users={"muster": "right"}) as broker:
        with pytest.raises(SessionLost) as lost:
            await MqttSession.connect(broker.url, client_id=ID, user=user, password=password)
        assert lost.value.code in {0x86, 0x87}
        assert str(lost.value) == sentence


async def test_a_broker_that_dies_during_a_publish_is_told_at_once():
    async with mosquitto() as broker:
        session = await MqttSession.connect(broker.url, client_id=ID, timeout_s=600)
        broker.send(signal.SIGSTOP)
        pending = [asyncio.create_task(session.publish("a", b"x" * 1000)) for _ in range(30)]
        await asyncio.sleep(0)
        await broker.stop(signal.SIGKILL)
        results = await asyncio.wait_for(asyncio.gather(*pending, return_exceptions=True), 20)
        assert {type(result) for result in results} == {SessionLost}
        assert session.ended.done()


async def test_a_broker_that_stops_is_noticed_without_a_publish():
    async with mosquitto() as broker:
        session = await MqttSession.connect(broker.url, client_id=ID)
        await broker.stop()
        lost = await asyncio.wait_for(asyncio.shield(session.ended), 20)
        assert "broke" in str(lost)


async def test_a_message_larger_than_the_broker_announced_is_refused_and_the_session_goes_on():
    async with mosquitto(settings="max_packet_size 20000") as broker:
        session = await MqttSession.connect(broker.url, client_id=ID)
        with pytest.raises(PublishRefused, match="larger than the broker allows") as refused:
            await session.publish("a", b"x" * 30000)
        assert refused.value.code == 0x95
        await session.publish("a", b"x" * 3000)
        await session.close()


@asynccontextmanager
async def scripted(*packets: bytes):
    """Answer CONNECT with these bytes, then wait for the client to go; yields the URL and an event that tells that it went."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"".join(packets))
        try:
            while await reader.read(1000):
                pass
        except OSError:
            pass
        gone.set()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield BrokerUrl(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"), gone
    finally:
        server.close()


CONNACK = b"\x20\x03\x00\x00\x00"


@pytest.mark.parametrize(
    ("code", "word"), [(0x8E, "same site and gateway name"), (0x8B, "shutting down"), (0x98, "operator"), (0x9D, "moved")]
)
async def test_what_the_broker_says_at_the_end_is_told(code, word):
    async with scripted(CONNACK, bytes([0xE0, 1, code])) as (url, gone):
        try:
            session = await MqttSession.connect(url, client_id=ID)
            lost = await asyncio.wait_for(asyncio.shield(session.ended), 20)
        except SessionLost as exc:
            lost = exc
        assert (lost.code, word in str(lost)) == (code, True), lost
        await gone.wait()


@pytest.mark.parametrize(("code", "word"), [(0x85, "client id"), (0x89, "busy"), (0x8A, "banned"), (0x97, "quota"), (0x9F, "rate")])
async def test_why_the_broker_refuses_the_connection_is_told(code, word):
    async with scripted(bytes([0x20, 3, 0, code, 0])) as (url, gone):
        with pytest.raises(SessionLost, match=word) as lost:
            await MqttSession.connect(url, client_id=ID)
        assert lost.value.code == code
        await gone.wait()


async def test_a_broker_without_qos_1_is_refused():
    async with scripted(b"\x20\x05\x00\x00\x02\x24\x00") as (url, gone):
        with pytest.raises(SessionLost, match="does not take messages at QoS 1"):
            await MqttSession.connect(url, client_id=ID)
        await gone.wait()


@pytest.mark.parametrize("rubbish", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x01\x00", b"\x20\x03\x00\x77\x00", b"\xff" * 100])
async def test_rubbish_instead_of_a_broker_is_no_crash(rubbish):
    async with scripted(rubbish) as (url, gone):
        with pytest.raises(SessionLost):
            await MqttSession.connect(url, client_id=ID, connect_timeout_s=2)
        await gone.wait()


async def test_rubbish_after_the_connection_ends_the_session():
    async with scripted(CONNACK, b"\xff\xff\xff\xff\xff\xff\xff") as (url, gone):
        try:
            session = await MqttSession.connect(url, client_id=ID)
            await asyncio.wait_for(asyncio.shield(session.ended), 20)
        except SessionLost:
            pass
        await gone.wait()


async def test_a_half_open_connection_is_found_by_the_publish_timeout_and_by_keepalive():
    async with mosquitto() as broker:
        publishing = await MqttSession.connect(broker.url, client_id="p", timeout_s=0.5)
        silent = await MqttSession.connect(broker.url, client_id="s", keepalive_s=1)
        broker.send(signal.SIGSTOP)
        with pytest.raises(SessionLost, match="did not acknowledge"):
            await publishing.publish("a", b"x")
        assert publishing.ended.done()
        lost = await asyncio.wait_for(asyncio.shield(silent.ended), 20)
        assert "does not answer any more" in str(lost)


async def test_broker_that_never_answers_connect_is_given_up_and_leaves_nothing_open():
    async with scripted() as (url, gone):
        with pytest.raises(SessionLost, match=r"no answer from 127.0.0.1:\d+ within 0.3 s"):
            await MqttSession.connect(url, client_id=ID, connect_timeout_s=0.3)
        await asyncio.wait_for(gone.wait(), 20)


async def test_cancelling_a_connection_attempt_leaves_nothing_behind():
    async with mosquitto() as broker:
        broker.send(signal.SIGSTOP)
        for i in range(20):
            task = asyncio.create_task(MqttSession.connect(broker.url, client_id=ID, connect_timeout_s=5))
            for _ in range(i):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        broker.send(signal.SIGCONT)
        session = await MqttSession.connect(broker.url, client_id=ID)
        await session.publish("a", b"x")
        await session.close()
    gc.collect()


async def test_nobody_there_in_words():
    with pytest.raises(SessionLost, match=r"nobody listens at 127\.0\.0\.1"):
        await MqttSession.connect(BrokerUrl(f"mqtt://127.0.0.1:{free_port()}"), client_id=ID)


async def test_unknown_host_in_words(monkeypatch):
    def lookup(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(SessionLost, match=r"the host 'hub\.invalid' is not known; check its name"):
        await MqttSession.connect(BrokerUrl("mqtt://hub.invalid"), client_id=ID)


async def test_a_port_that_is_no_broker_in_words():
    async def hang_up(_reader, writer):
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    with pytest.raises(DroppedEarly, match="hung up without an answer; if this port expects TLS, write mqtts://"):
        await Dialer().connect(BrokerUrl(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"), client_id=ID)
    server.close()


async def test_forced_drops_leave_no_noise_in_the_loop():
    noise: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
    async with mosquitto() as broker, cutter(broker.port) as relay:
        for i in range(30):
            connecting = asyncio.create_task(MqttSession.connect(relay.url, client_id=ID))
            for _ in range(3 * i):
                await asyncio.sleep(0)
            relay.cut()
            try:
                session = await connecting
            except SessionLost:
                continue
            relay.cut()
            await asyncio.wait_for(asyncio.shield(session.ended), 20)
            with pytest.raises(SessionLost):
                await session.publish("a", b"x")
            await session.close()
    gc.collect()
    await asyncio.sleep(0)
    assert noise == []


async def test_the_broker_s_limits_are_respected():
    async with mosquitto(settings="max_packet_size 20000\nmax_inflight_messages 3") as broker:
        session = await MqttSession.connect(broker.url, client_id=ID)
        assert session.max_payload == 20000 - 1024
        assert session._window._value == 3
        await asyncio.gather(*(session.publish("a", b"x" * session.max_payload) for _ in range(10)))
        await session.close()
