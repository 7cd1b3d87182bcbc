"""`gateway doctor`: what the configuration names, whether it is there, and what to do where it is not."""

import asyncio

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
    monkeypatch.setattr(reach, "CONNECT_S", 1.0)
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

    monkeypatch.setattr(reach, "CONNECT_S", 0.05)
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


async def test_what_only_takes_connections_is_not_called_a_machine_that_answers(tmp_path, listener):
    there = config(tmp_path, press=f"modbus-tcp://127.0.0.1:{listener}")
    assert "`gateway status` says whether it answers" in only(await reach.machines(there, None)).sentence


# ── files ──


def test_files_that_are_named_and_not_there_fail_with_a_cure(tmp_path):
    text = (
        "  - {name: spindle, connect: 'replay:bearing.wav?unit=g', vibration: {}}\n"
        "  - {name: lathe, connect: 'opc.tcp://127.0.0.1:4840?security=Basic256Sha256&certificate=pki/g.pem&key_file=pki/g.key',"
        " points: {a: {node: 'i=2258'}}}\n"
        "uplink: {broker: ['mqtts://127.0.0.1'], tls: {ca: ca.pem}}"
    )
    there = config(tmp_path, text, press="modbus-tcp://127.0.0.1")
    found = {finding.sentence: finding for finding in reach.files(there)}
    assert all(finding.verdict == "fail" and finding.cure for finding in found.values())
    assert set(found) == {
        "the recording 'bearing.wav' does not exist", "the certificate 'pki/g.pem' does not exist",
        "the private key 'pki/g.key' does not exist", "the certificate authority 'ca.pem' does not exist",
    }  # fmt: skip
    cure = found["the private key 'pki/g.key' does not exist"].cure
    assert f"the folder {tmp_path}/pki is missing, too; make certificate and key: openssl req -x509 " in cure
    assert "-keyout pki/g.key -out pki/g.pem " in cure
    (tmp_path / "pki").mkdir()
    (tmp_path / "bearings.wav").touch()
    assert "did you mean 'bearings.wav'?" in next(reach.files(there)).cure
    for name in ("bearing.wav", "pki/g.pem", "pki/g.key", "ca.pem"):
        (tmp_path / name).touch()
    assert only(reach.files(there)).verdict == "ok"


def test_a_configuration_that_names_no_file_has_nothing_to_say_about_them(tmp_path):
    assert list(reach.files(config(tmp_path, press="modbus-tcp://127.0.0.1"))) == []


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
