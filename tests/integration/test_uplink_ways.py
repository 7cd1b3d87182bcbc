"""The way to a broker through real proxies and WebSockets, with TLS inside; and every usual mistake told in words."""

import asyncio
import ssl

import pytest

from gateway.config.broker import BrokerUrl, ProxyUrl
from gateway.config.spec import Tls
from gateway.uplink.errors import SessionLost
from gateway.uplink.proxy import Proxy
from gateway.uplink.session import Dialer, MqttSession
from gateway.uplink.tls import make_context
from tests.peers.broker import free_port, mosquitto, subscriber
from tests.peers.certificates import Authority
from tests.peers.proxy import microsocks, tinyproxy, websocket_front
from tests.waiting import until

ID = "muster:hall-1"
LOGIN = ("me", "proxy-canary")
PROXIES = {"http": tinyproxy, "socks5": microsocks}


async def there_and_back(url, **options):
    """Publish something large and something small, and get both back."""
    got = []
    session = await Dialer().connect(url, client_id=ID, on_message=lambda topic, payload, _: got.append(payload), **options)
    try:
        await session.subscribe([("a/#", 1)])
        sent = [bytes([i]) * size for i, size in enumerate((1, 200_000, 0, 125, 126, 65_535, 65_536))]
        await asyncio.gather(*(session.publish("a/b", payload) for payload in sent))
        await until(lambda: len(got) == len(sent))
        assert got == sent
        return session
    finally:
        await session.close()


@pytest.mark.parametrize("kind", PROXIES)
@pytest.mark.parametrize("login", [None, LOGIN])
async def test_through_a_proxy(kind, login):
    async with mosquitto() as broker, PROXIES[kind](login=login) as url:
        await there_and_back(broker.url, proxy=Proxy(url, *(login or ())))


@pytest.mark.parametrize("kind", PROXIES)
async def test_tls_through_a_proxy_is_with_the_broker_not_with_the_proxy(kind, tmp_path):
    authority = Authority(tmp_path)
    server = authority.issue("server", hosts=("localhost",))
    async with mosquitto(server=(server.certificate, server.key)) as broker, PROXIES[kind]() as url:
        context = make_context(Tls(ca=authority.file.name), tmp_path, str)
        named = BrokerUrl(f"mqtts://localhost:{broker.port}")
        await there_and_back(named, proxy=Proxy(url), tls=context)
        with pytest.raises(SessionLost, match="is for another address"):
            await there_and_back(broker.url, proxy=Proxy(url), tls=context)


@pytest.mark.parametrize("kind", PROXIES)
async def test_what_a_proxy_refuses_is_told(kind):
    async with mosquitto() as broker, PROXIES[kind](login=LOGIN) as url, PROXIES[kind]() as open_url:
        with pytest.raises(SessionLost, match="admits nobody without user and password; give them with proxy_credentials"):
            await there_and_back(broker.url, proxy=Proxy(url))
        with pytest.raises(SessionLost, match="refuses user 'me'; check proxy_credentials") as lost:
            await there_and_back(broker.url, proxy=Proxy(url, "me", "wrong-canary"))
        assert "canary" not in str(lost.value)
        with pytest.raises(SessionLost, match=r"the proxy at 127\.0\.0\.1:\d+ (cannot reach|says that nobody listens at|fails)"):
            await there_and_back(BrokerUrl(f"mqtt://127.0.0.1:{free_port()}"), proxy=Proxy(open_url))
        with pytest.raises(SessionLost, match=r"nobody listens at the proxy at .*; check the port and that the proxy runs"):
            await there_and_back(broker.url, proxy=Proxy(ProxyUrl(f"{kind}://127.0.0.1:{free_port()}")))


async def test_a_port_that_the_proxy_does_not_allow():
    async with mosquitto() as broker, tinyproxy(allow_port=443) as url:
        with pytest.raises(SessionLost, match=r"does not allow a connection to 127\.0\.0\.1:\d+; ask who runs the proxy"):
            await there_and_back(broker.url, proxy=Proxy(url))


async def test_one_kind_of_proxy_taken_for_the_other_and_a_broker_for_a_proxy():
    async with mosquitto() as broker, tinyproxy() as http, microsocks() as socks:
        for scheme, port in (("socks5", http.port), ("http", socks.port), ("http", broker.port), ("socks5", broker.port)):
            proxy = Proxy(ProxyUrl(f"{scheme}://127.0.0.1:{port}"))
            with pytest.raises(SessionLost, match=r"hung up|is no such proxy|does not answer"):
                await there_and_back(broker.url, proxy=proxy, connect_timeout_s=2)


async def test_a_proxy_that_says_nothing_costs_the_time_of_a_connection_only():
    async def serve(reader, writer):
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    for scheme in PROXIES:
        with pytest.raises(SessionLost, match=r"does not answer|no answer from"):
            await there_and_back(
                BrokerUrl("mqtt://hub"), proxy=Proxy(ProxyUrl(f"{scheme}://127.0.0.1:{port}")), connect_timeout_s=0.5
            )
    silent.close()


@pytest.mark.parametrize("fragment", [0, 3, 1000])
async def test_by_websocket_in_frames_of_any_size(fragment):
    async with mosquitto() as broker, websocket_front(broker.port, fragment=fragment, ping_s=0.05) as url:
        assert (await there_and_back(url)).protocol == "5"


async def test_a_broker_with_a_websocket_of_its_own():
    from amqtt.broker import Broker

    port = free_port()
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker({"listeners": {"default": {"type": "ws", "bind": f"127.0.0.1:{port}"}}, "plugins": plugins})
    await broker.start()
    try:
        session = await MqttSession.connect(BrokerUrl(f"ws://127.0.0.1:{port}"), client_id=ID, version="3.1.1")
        await session.publish("a", b"x")
        await session.close()
    finally:
        await broker.shutdown()


async def test_websocket_inside_tls_through_a_proxy_as_shops_have_it(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.issue("server", hosts=("127.0.0.1",))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair.certificate, pair.key)
    context = make_context(Tls(ca=authority.file.name), tmp_path, str)
    async with mosquitto() as broker, websocket_front(broker.port, tls=server, ping_s=0.05) as url, tinyproxy(login=LOGIN) as proxy:
        await there_and_back(url, tls=context, proxy=Proxy(proxy, *LOGIN))


async def test_mistakes_with_a_websocket_are_told():
    async with mosquitto() as broker, websocket_front(broker.port) as url:
        with pytest.raises(SessionLost, match=r"there is nothing at /ws on 127\.0\.0\.1:\d+; check the path"):
            await there_and_back(BrokerUrl(f"ws://127.0.0.1:{url.port}/ws"))
        with pytest.raises(SessionLost, match=r"there is no WebSocket at|hung up"):
            await there_and_back(BrokerUrl(f"ws://127.0.0.1:{broker.port}"), connect_timeout_s=2)
        with pytest.raises(SessionLost, match=r"TLS"):
            await there_and_back(BrokerUrl(f"wss://127.0.0.1:{url.port}"), tls=ssl.create_default_context(), connect_timeout_s=2)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", r"does not let us in \(403 Forbidden\)"),
        ("HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n", "sends us elsewhere"),
        ("HTTP/1.1 200 OK\r\n\r\n<html>", "is no broker: it answers 200 OK"),
        ("HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: nonsense\r\n\r\n", "does not do WebSocket right"),
        ("SSH-2.0-OpenSSH\r\n", "it does not speak HTTP"),
        ("HTTP/1.1 101 " + "x" * 20000, "its answer has no end"),
    ],
)
async def test_what_is_no_websocket_is_told(answer, words):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with pytest.raises(SessionLost, match=words):
        await there_and_back(BrokerUrl(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    server.close()


async def test_the_will_and_a_loss_come_through_a_websocket():
    from gateway.uplink.client import Will

    async with mosquitto() as broker, subscriber(broker.url) as inbox:
        async with websocket_front(broker.port) as url:
            session = await MqttSession.connect(url, client_id=ID, will=Will("state", b"dead"))
            await session.publish("state", b"born")
        await until(session.ended.done)
        await inbox.until(lambda got: got == [b"born", b"dead"])
        await session.close()
