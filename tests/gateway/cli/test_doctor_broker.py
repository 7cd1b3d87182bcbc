"""`gateway doctor` and brokers: it logs in as the gateway would, so that what is wrong with that is found beforehand."""

import asyncio
import contextlib
import re
import ssl
import subprocess
from pathlib import Path

import pytest

from gateway.cli import _doctor_broker as broker
from gateway.cli import _doctor_checks as here
from gateway.cli import _doctor_reach as reach
from gateway.config.broker import Pin
from tests.gateway.cli.doctor_site import config, only, refusing_port
from tests.peers.broker import mosquitto, subscriber
from tests.peers.certificates import Authority
from tests.peers.proxy import tinyproxy


@contextlib.asynccontextmanager
async def broker_that_answers(code: int = 0, context: ssl.SSLContext | None = None):
    """Answer every CONNECT with a reason code; yield the port and what the clients sent."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                asked.append(data)
                if data[0] >> 4 == 1:
                    writer.write(bytes([0x20, 3, 0, code, 0]))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a certificate for localhost that signs itself, valid for the given days."""

    def make(days: int) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("tls")
        pair = folder / "cert.pem", folder / "key.pem"
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *names]
        subprocess.run([*command, "-days", str(days), "-out", pair[0], "-keyout", pair[1]], check=True, capture_output=True)
        return pair

    return make


async def over_tls(folder: Path, certificate, days: int, tls: str) -> here.Finding:
    public, private = certificate(days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    async with broker_that_answers(context=context) as (port, _):
        there = config(folder, f"uplink: {{broker: ['mqtts://127.0.0.1:{port}'], {tls.format(ca=public)}}}")
        return only(await broker.brokers(there))


async def test_a_broker_over_tls_is_shaken_hands_with(tmp_path, certificate):
    finding = await over_tls(tmp_path, certificate, 100, "tls: {{ca: '{ca}'}}")
    assert finding.verdict == "ok", finding
    assert "lets the gateway in, its certificate holds for" in finding.sentence


async def test_a_certificate_that_ends_soon_is_told(tmp_path, certificate):
    assert "expires in" in (await over_tls(tmp_path, certificate, 5, "tls: {{ca: '{ca}'}}")).sentence


async def test_a_certificate_nobody_vouches_for_fails_with_a_cure(tmp_path, certificate):
    finding = await over_tls(tmp_path, certificate, 100, "batch: 1s")
    assert finding.verdict == "fail"
    assert "tls: {ca: FILE}" in finding.cure


async def test_a_broker_without_tls_where_tls_is_expected(tmp_path):
    async with broker_that_answers() as (port, _):
        there = config(tmp_path, f"uplink: {{broker: ['mqtts://127.0.0.1:{port}', 'mqtt://127.0.0.1:{port}']}}")
        first, second = await broker.brokers(there)
    assert (first.verdict, second.verdict) == ("fail", "ok")


async def test_a_broker_that_is_not_there_fails_with_a_cure(tmp_path):
    with refusing_port() as port:
        finding = only(await broker.brokers(config(tmp_path, f"uplink: {{broker: ['mqtt://127.0.0.1:{port}']}}")))
    assert finding.verdict == "fail"
    assert f"nothing listens on port {port}" in finding.sentence


CREDENTIALS = "uplink: {{broker: ['mqtt://127.0.0.1:{port}'], credentials: {{user: u1, secret: mqtt-pw}}}}"


@pytest.mark.parametrize(
    ("password", "verdict", "words"),
    [("right", "ok", "lets the gateway in"), ("wrong-canary", "fail", "the broker refuses user 'u1'")],
)
async def test_user_and_password_are_tried_at_a_real_broker(tmp_path, monkeypatch, password, verdict, words):
    monkeypatch.setenv("GATEWAY_SECRET_MQTT_PW", password)
    async with mosquitto(users={"u1": "right"}) as real:
        finding = only(await broker.brokers(config(tmp_path, CREDENTIALS.format(port=real.port))))
    assert (finding.verdict, finding.cure) == (
        verdict,
        "" if verdict == "ok" else "check credentials: user, and the secret 'mqtt-pw'",
    )
    assert words in finding.sentence
    assert "canary" not in repr(finding)


async def test_a_password_that_is_nowhere_is_told_with_the_cure_of_the_secret(tmp_path, monkeypatch):
    monkeypatch.delenv("GATEWAY_SECRET_MQTT_PW", raising=False)
    async with broker_that_answers() as (port, _):
        finding = only(await broker.brokers(config(tmp_path, CREDENTIALS.format(port=port))))
    assert finding.verdict == "fail"
    assert "secret 'mqtt-pw' is missing" in finding.sentence
    assert "chmod 600" in finding.cure


async def test_the_session_of_a_running_gateway_is_left_alone(tmp_path):
    """A broker ends the older of two sessions with one client id."""
    async with broker_that_answers() as (port, asked):
        await broker.brokers(config(tmp_path, f"uplink: {{broker: ['mqtt://127.0.0.1:{port}']}}"))
    assert b"s:g:doctor:" in b"".join(asked)
    async with mosquitto() as real, subscriber(real.url) as inbox:
        assert only(await broker.brokers(config(tmp_path, f"uplink: {{broker: ['{real.url}']}}"))).verdict == "ok"
        assert inbox.messages == []


async def test_a_broker_that_admits_known_client_ids_only_is_no_failure(tmp_path):
    async with broker_that_answers(0x85) as (port, _):
        finding = only(await broker.brokers(config(tmp_path, f"uplink: {{broker: ['mqtt://127.0.0.1:{port}']}}")))
    assert finding.verdict == "warn"
    assert "gateway status" in finding.cure


async def test_the_key_of_a_broker_is_shown_and_held_against_the_pins(tmp_path, certificate):
    finding = await over_tls(tmp_path, certificate, 100, "tls: {{ca: '{ca}'}}")
    pin = re.search(r"its key is (sha256/\S{44})$", finding.sentence)[1]
    assert Pin.parse(pin) == pin
    finding = await over_tls(tmp_path, certificate, 100, f"tls: {{{{ca: '{{ca}}', pin: ['{pin}']}}}}")
    assert finding.verdict == "fail", "another certificate has another key"
    assert "the broker has another key than those in tls: pin (sha256/" in finding.sentence


async def test_the_way_leads_through_the_proxy_and_its_secret_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_SECRET_PROXY", "proxy-canary")
    async with mosquitto() as real, tinyproxy(login=("me", "proxy-canary")) as url:
        site = f"uplink: {{broker: ['{real.url}'], proxy: '{url}', proxy_credentials: {{user: me, secret: proxy}}}}"
        there = config(tmp_path, site)
        assert only(await broker.brokers(there)).verdict == "ok"
        assert [found.sentence for found in reach.secrets(there)] == ["'proxy' is there and only its owner may read it"]
        monkeypatch.setenv("GATEWAY_SECRET_PROXY", "wrong-canary")
        finding = only(await broker.brokers(there))
    assert "refuses user 'me'" in finding.sentence
    assert "canary" not in repr(finding)


@pytest.mark.parametrize(
    ("days", "verdict", "words"), [(100, "ok", "holds for"), (20, "warn", "expires in"), (-1, "fail", "has expired")]
)
def test_certificates_of_ours_are_looked_at(tmp_path, days, verdict, words):
    authority = Authority(tmp_path)
    authority.issue("hall-1", days=days)
    there = config(
        tmp_path,
        "uplink: {broker: ['mqtts://127.0.0.1'], tls: {ca: Test-CA.crt, certificate: hall-1.crt, key: {secret: k}}}",
    )
    client, ca = broker.certificates(there)
    assert (client.verdict, ca.verdict) == (verdict, "ok")
    assert f"the client certificate 'hall-1.crt' {words}" in client.sentence
