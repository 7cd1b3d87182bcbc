"""`gateway doctor`: each check finds what is wrong and names a cure; a healthy gateway is told so."""

import asyncio
import json
import os
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from gateway.cli import _doctor_checks as here
from gateway.cli import _doctor_reach as reach
from gateway.cli import main
from gateway.clock import TimeQuality
from gateway.config.check import check


def site(folder: Path, text: str, **machines: str) -> Path:
    """Write a site file with machines given as name=url, each with one point where it is polled."""
    lines = [f"  - {{name: {name}, connect: '{url}', points: {{a: {{at: holding 1}}}}}}" for name, url in machines.items()]
    path = folder / "site.yaml"
    path.write_text("\n".join(["site: s", "gateway: g", *(["machines:", *lines] if lines else []), text]))
    return path


def config(folder: Path, text: str = "", **machines: str):
    checked = check(site(folder, text, **machines))
    assert checked.config, checked.problems
    return checked.config


def only(found) -> here.Finding:
    (finding,) = list(found)
    return finding


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]  # bound but not listening: connecting is refused


@pytest.fixture
async def listener():
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


# ── the whole ──


def doctor(capsys, *arguments: str) -> tuple[int, dict]:
    code = main(["doctor", *arguments, "--json"])
    out, err = capsys.readouterr()
    assert err == ""
    return code, json.loads(out)


def test_every_check_is_made_and_one_that_fails_makes_exit_1(capsys, tmp_path, free_port):
    path = site(
        tmp_path, f"uplink: {{broker: ['mqtt://127.0.0.1:{free_port}'], batch: 1s}}", press=f"modbus-tcp://127.0.0.1:{free_port}"
    )
    code, answer = doctor(capsys, str(path), "--data", str(tmp_path / "data"))
    assert code == 1
    assert {
        "configuration",
        "data folder",
        "disk space",
        "clock",
        "machine",
        "broker",
        "gateway",
        "memory",
        "python",
        "kernels",
    } <= {item["check"] for item in answer["checks"]}
    assert answer["fail"] == sum(item["verdict"] == "fail" for item in answer["checks"]) >= 2
    assert all(item["cure"] for item in answer["checks"] if item["verdict"] != "ok")
    assert not (tmp_path / "data").exists(), "a doctor changes nothing"


def test_warnings_alone_are_exit_0(capsys, tmp_path):
    code, answer = doctor(capsys, str(site(tmp_path, "")), "--data", str(tmp_path))
    assert (code, answer["fail"]) == (0, 0)
    assert any(item["check"] == "broker" and "everything stays here" in item["sentence"] for item in answer["checks"])


def test_a_file_that_is_not_there_is_a_usage_error(capsys, tmp_path):
    assert main(["doctor", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml does not exist" in capsys.readouterr().err


def test_text_for_people_shows_marks_and_cures(capsys, tmp_path):
    main(["doctor", str(site(tmp_path, "machines: [oops]")), "--data", str(tmp_path)])
    out = capsys.readouterr().out
    assert "✗ configuration" in out
    assert f"→ see all of it: gateway check {tmp_path}/site.yaml" in out
    assert "to repair" in out
    assert "\x1b" not in out


# ── this computer ──


def test_a_writable_folder_is_good_and_left_as_it_was(tmp_path):
    finding = only(here.data_folder(tmp_path))
    assert finding.verdict == "ok" or "power cut" in finding.sentence
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_names_user_and_cure(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    finding = only(here.data_folder(Path("/proc/nowhere")))
    assert finding.verdict == "fail" or os.getuid() == 0  # root may write anywhere but into /proc
    finding = only(here.data_folder(Path("/sys")))
    assert finding.verdict == "fail"
    assert here.user() in finding.sentence
    assert "--data DIR" in finding.cure


@pytest.mark.parametrize(
    ("kind", "verdict"), [("ext4", "ok"), ("tmpfs", "warn"), ("overlay", "warn"), ("cifs", "warn"), ("vfat", "warn")]
)
def test_the_file_system_is_judged(monkeypatch, tmp_path, kind, verdict):
    monkeypatch.setattr(here, "filesystem", lambda _: kind)
    finding = only(here.data_folder(tmp_path))
    assert (finding.verdict, kind in finding.sentence) == (verdict, True)


def test_the_file_system_is_that_of_the_innermost_mount(tmp_path):
    mounts = (
        "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        f"30 22 0:5 / {tmp_path} rw - tmpfs tmpfs rw\n"
        f"31 22 0:6 / {tmp_path}x rw - nfs4 server:/ rw\n"
        f"32 30 0:7 / {tmp_path}/my\\040data rw master:3 - vfat /dev/sdb1 rw\n"
    )
    assert here.filesystem(tmp_path / "a", mounts) == "tmpfs"
    assert here.filesystem(tmp_path / "my data" / "b", mounts) == "vfat"
    assert here.filesystem(tmp_path.parent, mounts) == "ext4"


def test_disk_space_is_compared_with_what_the_outbox_may_take(tmp_path):
    assert only(here.disk_space(tmp_path, None)).verdict == "ok"
    greedy = config(tmp_path, "uplink: {broker: ['mqtt://127.0.0.1'], keep: {max: 900000GB}}")
    finding = only(here.disk_space(tmp_path / "not" / "yet", greedy))
    assert finding.verdict == "warn"
    assert "keep: max" in finding.cure


@pytest.mark.parametrize(
    ("now_s", "quality", "verdict", "words"),
    [
        (time.time(), TimeQuality.SYNCED, "ok", "kept in step"),
        (time.time(), TimeQuality.UNCERTAIN, "warn", "uncertain"),
        (60.0, TimeQuality.SYNCED, "fail", "before this program was installed"),
        (5e9, TimeQuality.SYNCED, "fail", "not plausible"),
    ],
)
def test_the_clock_is_judged(now_s, quality, verdict, words):
    finding = only(here.clock(now_s, quality))
    assert finding.verdict == verdict
    assert words in finding.sentence


def raspberry(root: Path, *, temperature: str = "48312", throttled: str = "0", available: int = 500_000) -> dict[str, here.Finding]:
    for name, text in {
        "proc/meminfo": f"MemTotal: 948000 kB\nMemFree: 10 kB\nMemAvailable: {available} kB\n",
        "sys/class/thermal/thermal_zone0/temp": temperature,
        "sys/devices/platform/soc/soc:firmware/get_throttled": throttled,
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {finding.check: finding for finding in here.board(root)}


@pytest.mark.parametrize(
    ("state", "check_name", "verdict"),
    [
        ({}, "supply", "ok"),
        ({}, "temperature", "ok"),
        ({}, "memory", "ok"),
        ({"temperature": "81000"}, "temperature", "warn"),
        ({"temperature": "86000"}, "temperature", "fail"),
        ({"throttled": "50005"}, "supply", "fail"),
        ({"throttled": "0x50000"}, "supply", "warn"),
        ({"throttled": "40000"}, "supply", "warn"),
        ({"available": 30_000}, "memory", "warn"),
    ],
)
def test_the_board_is_read_from_the_kernel(tmp_path, state, check_name, verdict):
    assert raspberry(tmp_path, **state)[check_name].verdict == verdict


def test_a_board_that_tells_nothing_is_no_finding(tmp_path):
    raspberry(tmp_path, temperature="", throttled="")
    assert {finding.check for finding in here.board(tmp_path)} == {"memory"}
    assert any(finding.check == "memory" for finding in here.board())


def test_python_and_kernels_are_good_here_and_a_missing_kernel_is_named(monkeypatch):
    assert {finding.verdict for finding in here.program()} == {"ok"}

    def broken(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(here.importlib, "import_module", broken)
    finding = list(here.program())[-1]
    assert (finding.check, finding.verdict) == ("kernels", "fail")
    assert "gate (No module named 'cython_ext.gate')" in finding.sentence


# ── what the configuration names ──


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
