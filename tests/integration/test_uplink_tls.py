"""TLS against a real mosquitto: own authority, client certificates, and every usual mistake told in words."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.config.spec import BrokerUrl, SecretRef, Tls, Uplink
from gateway.uplink.errors import SessionLost, TlsProblem
from gateway.uplink.session import Dialer, MqttSession
from gateway.uplink.tls import make_context
from tests.gateway.uplink.fakes import MemoryOutbox, forwarder, reading
from tests.peers.broker import mosquitto, subscriber
from tests.peers.certificates import Authority
from tests.waiting import until

ID = "muster:hall-1"


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def no_secret(name):
    raise AssertionError(f"nobody needs secret {name}")


async def connect(url, tls, base, read_secret=no_secret):
    session = await Dialer().connect(url, client_id=ID, tls=make_context(tls, base, read_secret), connect_timeout_s=5)
    await session.publish("a", b"x")
    await session.close()
    return session


async def test_own_authority(authority, tmp_path):
    server = authority.issue("server", hosts=("127.0.0.1", "localhost"))
    async with mosquitto(server=(server.certificate, server.key)) as broker:
        assert (await connect(broker.url, Tls(ca=authority.file.name), tmp_path)).protocol == "5"
        with pytest.raises(TlsProblem, match=r"authority is not known here; give it with tls: \{ca: FILE\}"):
            await connect(broker.url, Tls(), tmp_path)
        other = Authority(tmp_path, "Another CA")
        with pytest.raises(TlsProblem, match=r"certificate"):
            await connect(broker.url, Tls(ca=other.file.name), tmp_path)
        with pytest.raises(SessionLost, match="write mqtts://"):
            await Dialer().connect(BrokerUrl(f"mqtt://127.0.0.1:{broker.port}"), client_id=ID)


async def test_a_certificate_for_another_host(authority, tmp_path):
    server = authority.issue("server", hosts=("hub.coop.example",))
    async with mosquitto(server=(server.certificate, server.key)) as broker:
        for url in (broker.url, BrokerUrl(f"mqtts://localhost:{broker.port}")):
            with pytest.raises(TlsProblem, match="is for another"):
                await connect(url, Tls(ca=authority.file.name), tmp_path)


async def test_an_expired_certificate_points_to_the_clock(authority, tmp_path):
    server = authority.issue("server", hosts=("127.0.0.1",), expired=True)
    async with mosquitto(server=(server.certificate, server.key)) as broker:
        with pytest.raises(TlsProblem, match="has expired; check that the clock of this gateway is right"):
            await connect(broker.url, Tls(ca=authority.file.name), tmp_path)


async def test_a_port_without_tls(tmp_path):
    async with mosquitto() as broker:
        with pytest.raises(TlsProblem, match=r"does not speak TLS on this port|hung up during the TLS handshake"):
            await connect(BrokerUrl(f"mqtts://127.0.0.1:{broker.port}"), Tls(), tmp_path)


async def test_a_client_certificate_whose_key_lies_in_no_file(authority, tmp_path):
    server = authority.issue("server", hosts=("127.0.0.1",))
    client = authority.issue("hall-1")
    tls = Tls(ca=authority.file.name, certificate="hall-1.crt", key=SecretRef(secret="client-key"))
    client.key.unlink()
    async with mosquitto(server=(server.certificate, server.key), ca=authority.file) as broker:
        before = descriptors()
        session = await connect(broker.url, tls, tmp_path, lambda name: client.key_pem if name == "client-key" else "")
        assert session.protocol == "5"
        with pytest.raises(SessionLost, match=r"the broker wants a client certificate; give it with tls"):
            await connect(broker.url, Tls(ca=authority.file.name), tmp_path)
        await until(lambda: descriptors() <= before, what="no descriptor stays open")


async def test_a_client_certificate_of_an_unknown_authority_is_told(authority, tmp_path):
    server = authority.issue("server", hosts=("127.0.0.1",))
    stranger = Authority(tmp_path, "Another CA").issue("stranger")
    tls = Tls(ca=authority.file.name, certificate="stranger.crt", key=SecretRef(secret="k"))
    async with mosquitto(server=(server.certificate, server.key), ca=authority.file) as broker:
        with pytest.raises(SessionLost, match="client certificate"):
            await connect(broker.url, tls, tmp_path, lambda _: stranger.key_pem)


async def test_the_forwarder_over_tls_takes_up_a_certificate_that_is_put_right(authority, tmp_path):
    server = authority.issue("server", hosts=("127.0.0.1",))
    client, other = authority.issue("hall-1"), authority.issue("other")
    keys = [other.key_pem] * 3
    outbox = MemoryOutbox()
    outbox.put(reading(1))
    async with mosquitto(server=(server.certificate, server.key), ca=authority.file) as broker:
        tls = Tls(ca=authority.file.name, certificate="hall-1.crt", key=SecretRef(secret="client-key"))
        spec = Uplink(broker=[broker.url], tls=tls, batch=0.02)
        read = lambda _: keys.pop() if keys else client.key_pem  # noqa: E731
        with capture_logs() as logs:
            forward = forwarder(outbox, spec=spec, base=tmp_path, read_secret=read)
            task = asyncio.create_task(forward.run())
            await until(lambda: outbox.waiting == 0)
            status = forward.status()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert status["trouble"] == ""
    assert "the key in secret 'client-key' does not belong to certificate" in status["last_error"]
    assert [entry["event"] for entry in logs if entry["log_level"] != "debug"] == [
        "uplink_lost",
        "uplink_connected",
        "uplink_recovered",
    ]
    for secret in (other.key_pem, client.key_pem):
        assert not any(line in repr(logs) + repr(status) for line in secret.splitlines()[1:-1])


async def test_tls_and_a_subscriber_of_the_same_authority(authority, tmp_path):
    server = authority.issue("server", hosts=("127.0.0.1",))
    async with (
        mosquitto(server=(server.certificate, server.key)) as broker,
        subscriber(broker.url, ca=Path(authority.file)) as inbox,
    ):
        context = make_context(Tls(ca=authority.file.name), tmp_path, no_secret)
        session = await MqttSession.connect(broker.url, client_id=ID, tls=context)
        await asyncio.gather(*(session.publish("big", b"x" * 100_000) for _ in range(20)))
        await inbox.until(lambda got: len(got) == 20)
        await session.close()
