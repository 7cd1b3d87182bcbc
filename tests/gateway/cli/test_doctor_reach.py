"""`gateway doctor`: what the configuration names, whether it is there, and what to do where it is not."""

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest

from gateway.cli import _doctor_checks as here
from gateway.cli import _doctor_reach as reach
from tests.gateway.cli.doctor_site import config, only, refusing_port, site


@pytest.fixture
def free_port():
    with refusing_port() as port:
        yield port


@pytest.fixture
async def listener():
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def test_no_configuration_is_told_and_does_not_fail():
    found = reach.configuration(None)[1]
    assert only(found).verdict == "warn"


def test_a_configuration_with_a_problem_shows_the_first(tmp_path):
    path = site(tmp_path, "machins: []")
    loaded, found = reach.configuration(path)
    assert loaded is None
    assert only(found).verdict == "fail"
    assert "machins" in only(found).sentence
    assert f"{path}:3:1" in only(found).sentence


def test_a_missing_serial_port_names_those_that_are_there(tmp_path):
    for name in ("ttyUSB0", "ttyACM3", "null"):
        (tmp_path / name).touch()
    there = config(tmp_path, bus="modbus-rtu:///dev/ttyUSB77?unit=3")
    finding = only(reach.serial_ports(there, devices=tmp_path))
    assert finding.verdict == "fail"
    assert "/dev/ttyUSB77 (bus) does not exist" in finding.sentence
    assert "ttyUSB0" in finding.cure
    assert "ttyACM3" in finding.cure
    assert "null" not in finding.cure


def test_a_serial_port_that_may_not_be_opened_names_group_and_command(tmp_path, monkeypatch):
    there = config(tmp_path, bus="modbus-rtu:///dev/null?unit=3")
    assert only(reach.serial_ports(there)).verdict == "ok"
    monkeypatch.setattr(reach.os, "access", lambda *_: False)
    monkeypatch.setattr(reach, "_group", lambda _: "dialout")
    finding = only(reach.serial_ports(there))
    assert "belongs to group dialout" in finding.sentence
    assert finding.cure.startswith(f"sudo usermod -aG dialout {here.user()}")


def test_a_file_is_not_a_serial_port(tmp_path):
    (tmp_path / "file").touch()
    there = config(tmp_path, bus=f"modbus-rtu://{tmp_path}/file?unit=3")
    assert "is not a serial port" in only(reach.serial_ports(there)).sentence


async def test_machines_are_reached_all_at_once(tmp_path, listener, free_port, monkeypatch):
    monkeypatch.setattr(reach, "_CONNECT_S", 1.0)
    there = config(
        tmp_path,
        up=f"modbus-tcp://127.0.0.1:{listener}?unit=1",
        twin=f"modbus-tcp://127.0.0.1:{listener}?unit=2",
        down=f"modbus-tcp://127.0.0.1:{free_port}",
        nobody="modbus-tcp://no-such-host.invalid:502",
        serial="modbus-rtu:///dev/null?unit=3",
    )
    found = {finding.sentence.split(" at ")[0]: finding for finding in await reach.machines(there, None)}
    assert set(found) == {"up, twin", "down", "nobody"}
    assert found["up, twin"].verdict == "ok"
    assert "nothing listens on port" in found["down"].sentence
    assert found["nobody"].verdict == "fail"


async def test_a_machine_that_is_silent_is_told_within_the_time(tmp_path, monkeypatch):
    async def silent(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(reach, "_CONNECT_S", 0.05)
    monkeypatch.setattr(reach.asyncio, "open_connection", silent)
    there = config(tmp_path, a="modbus-tcp://10.255.0.1", b="modbus-tcp://10.255.0.2")
    found = await reach.machines(there, None)
    assert all("does not answer" in finding.sentence and "ping 10.255.0." in finding.cure for finding in found)


async def test_a_machine_that_the_running_gateway_reads_is_not_disturbed(tmp_path, free_port):
    """Many old controllers take one connection only."""
    there = config(tmp_path, press=f"modbus-tcp://127.0.0.1:{free_port}")
    found = await reach.machines(there, {"machines": {"press": {"state": "good"}}})
    assert only(found).verdict == "ok"
    assert only(await reach.machines(there, {"machines": {"press": {"state": "bad"}}})).verdict == "fail"


# ── brokers ──


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


async def broker_finding(folder: Path, certificate, days: int, tls: str) -> here.Finding:
    public, private = certificate(days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    try:
        port = server.sockets[0].getsockname()[1]
        there = config(folder, f"uplink: {{broker: ['mqtts://127.0.0.1:{port}'], {tls.format(ca=public)}}}")
        return only(await reach.brokers(there))
    finally:
        server.close()


async def test_a_broker_over_tls_is_shaken_hands_with(tmp_path, certificate):
    finding = await broker_finding(tmp_path, certificate, 100, "tls: {{ca: '{ca}'}}")
    assert finding.verdict == "ok", finding
    assert "holds for" in finding.sentence


async def test_a_certificate_that_ends_soon_is_told(tmp_path, certificate):
    assert "expires in" in (await broker_finding(tmp_path, certificate, 5, "tls: {{ca: '{ca}'}}")).sentence


async def test_a_certificate_nobody_vouches_for_fails_with_a_cure(tmp_path, certificate):
    finding = await broker_finding(tmp_path, certificate, 100, "batch: 1s")
    assert finding.verdict == "fail"
    assert "tls: {ca: FILE}" in finding.cure


async def test_a_broker_without_tls_where_tls_is_expected(tmp_path, listener):
    there = config(tmp_path, f"uplink: {{broker: ['mqtts://127.0.0.1:{listener}', 'mqtt://127.0.0.1:{listener}']}}")
    first, second = await reach.brokers(there)
    assert (first.verdict, second.verdict) == ("fail", "ok")


# ── secrets ──

SECRETS = "uplink: {broker: ['mqtt://127.0.0.1'], credentials: {secret: mqtt-pw}}"


def test_secrets_are_looked_for_and_their_mode_is_judged(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    there = config(tmp_path, SECRETS)
    missing = only(reach.secrets(there))
    assert missing.verdict == "fail"
    assert "'mqtt-pw' is missing" in missing.sentence
    assert "chmod 600" in missing.cure
    path = tmp_path / "secrets" / "mqtt-pw"
    path.parent.mkdir()
    path.write_text("hunter22\n")
    path.chmod(0o644)
    assert "others may read" in only(reach.secrets(there)).sentence
    path.chmod(0o600)
    good = only(reach.secrets(there))
    assert good.verdict == "ok"
    assert "hunter22" not in repr(good)


def test_a_credential_that_systemd_handed_over_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(reach, "_CREDENTIALS", tmp_path)
    (tmp_path / "mqtt-pw").write_text("x")
    assert only(reach.secrets(config(tmp_path, SECRETS))).verdict == "ok"


# ── the running gateway ──


def test_no_running_gateway_is_told_with_a_cure(tmp_path):
    status, found = reach.running(tmp_path)
    assert status is None
    assert only(found).verdict == "warn"
    assert "gateway run" in only(found).cure


@pytest.mark.parametrize(
    ("trouble", "verdict", "words"),
    [([], "ok", "all is well"), (["press: no answer", "x"], "warn", "press: no answer (and 1 more)")],
)
def test_a_running_gateway_is_asked(tmp_path, monkeypatch, trouble, verdict, words):
    monkeypatch.setattr(reach, "request", lambda *_, **__: {"version": "1"})
    monkeypatch.setattr(reach, "troubles", lambda _: trouble)
    finding = only(reach.running(tmp_path)[1])
    assert finding.verdict == verdict
    assert words in finding.sentence
