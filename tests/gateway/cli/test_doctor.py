"""`gateway doctor`: each check finds what is wrong and names a cure; a healthy gateway is told so."""

import json
import os
import time
from pathlib import Path

import pytest

from gateway.cli import _doctor_checks as here
from gateway.cli import main
from gateway.clock import TimeQuality
from tests.gateway.cli.doctor_site import config, only, refusing_port, site


@pytest.fixture
def free_port():
    with refusing_port() as port:
        yield port


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


@pytest.mark.parametrize("below", ["", "/deeper/still"])
def test_a_file_in_place_of_the_folder_fails_with_a_cure(tmp_path, below):
    (tmp_path / "file").touch()
    finding = only(here.data_folder(Path(f"{tmp_path}/file{below}")))
    assert (finding.verdict, finding.sentence) == ("fail", f"{tmp_path}/file is a file, not a folder")
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
