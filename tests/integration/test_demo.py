"""`gateway demo` as a user runs it: real processes, a broker, and nothing left afterwards."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.cli.demo import SITE

pytestmark = pytest.mark.timeout(180)

CLONE = Path(__file__).parents[2]
START_S = 60.0


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Copy the demo's configuration with free ports, so that a demo that runs on this computer does not matter."""
    folder = tmp_path / "site"
    folder.mkdir()
    text = SITE.read_text(encoding="utf-8")
    with_ports: list[socket.socket] = []
    for port in ("15502", "14840", "15025", "11883"):
        assert f":{port}" in text
        with_ports.append(socket.create_server(("127.0.0.1", 0)))
        text = text.replace(f":{port}", f":{with_ports[-1].getsockname()[1]}")
    for taken in with_ports:
        taken.close()
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    (folder / "share.yaml").write_bytes(SITE.with_name("share.yaml").read_bytes())
    return folder / "site.yaml"


def command(site: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "gateway", "demo", "--site", str(site), *more]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CLONE), "TERM": "xterm-256color", "PYTHONDONTWRITEBYTECODE": "1"}


def processes(site: Path) -> dict[int, str]:
    """Return the running processes of a demo on this configuration, found by what stands on their command lines."""
    ports = [word.split("?")[0].rstrip("],").rsplit(":", 1)[1] for word in site.read_text().split() if "127.0.0.1:" in word]
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        line = " ".join(words)
        if str(site) in words or ("drivers.sim." in line and any(port in words for port in ports)):
            found[int(entry.name)] = line
    return found


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {START_S:g} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def demo(site: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start demos in an empty folder; whatever is left of them is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*more: str, **options: object) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | options
        started.append(subprocess.Popen(command(site, *more), text=True, cwd=tmp_path, env=environment(), **pipes))  # type: ignore[call-overload]
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    for pid in processes(site):
        os.kill(pid, signal.SIGKILL)


def test_twenty_seconds_of_json(demo, site: Path, tmp_path: Path) -> None:
    output, errors = demo("--duration", "20s", "--json").communicate(timeout=150)
    lines = [json.loads(line) for line in output.splitlines()]
    *objects, last = lines
    assert errors == ""
    assert set(last) == {"total"}
    total = last["total"]
    assert all({"t", "machine", "point", "value", "unit", "quality"} <= set(each) for each in objects)
    assert len(objects) >= 60
    assert total["objects"] == len(objects)
    assert {each["machine"] for each in objects} == {"press-1", "lathe-1", "spindle-1"}
    assert total["machines"] == 3
    assert len({each["point"] for each in objects if each["point"].startswith("vibration.")}) >= 5
    assert (total["lost"], total["doubled"]) == (0, 0)
    assert total["messages"] >= 10

    good = {(each["machine"], each["point"]): each for each in objects if each["quality"] == "good"}
    assert 30 < good["press-1", "oil_temp"]["value"] < 60
    assert good["press-1", "oil_temp"]["unit"] == "°C"
    assert good["press-1", "mode"]["value"] in {"setup", "auto"}
    assert good["press-1", "strokes"]["value"] >= 148_203
    assert isinstance(good["press-1", "running"]["value"], bool)
    assert good["press-1", "oil_temp.slope"]["unit"] == "K/min"
    assert good["lathe-1", "state"]["value"] in {"run", "idle"}  # it rests between two parts
    assert good["lathe-1", "spindle_speed"]["value"] > 1000
    assert 0.5 < good["spindle-1", "vibration.velocity_rms"]["value"] < 2.5
    assert 2.5 < good["spindle-1", "vibration.kurtosis"]["value"] < 5
    assert ("lathe-1", "program") not in good, "share.yaml does not release it"

    assert processes(site) == {}
    assert {path.name for path in tmp_path.iterdir()} == {"site", "var"}
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["demo"]


def test_ctrl_c_on_a_terminal_restores_it_and_leaves_nothing(demo, site: Path) -> None:
    ours, theirs = pty.openpty()
    process = demo(stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    seen = b""

    def saw_features() -> bool:
        nonlocal seen
        seen += os.read(ours, 65536)
        return b"kurtosis" in seen and b"1049h" in seen

    wait_for(saw_features, "features on the screen")
    process.send_signal(signal.SIGINT)
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    os.close(ours)
    assert process.wait(60) == 0
    assert b"\x1b[?1049l" in seen
    assert b"\x1b[?25h" in seen
    assert seen.rindex(b"\x1b[?1049l") > seen.rindex(b"\x1b[?1049h")
    assert b"Traceback" not in seen
    assert b"All processes have ended" in seen.rsplit(b"\x1b[?1049l", 1)[1]
    assert processes(site) == {}


def test_kill_9_of_the_demo_leaves_nothing(demo, site: Path) -> None:
    process = demo("--json")
    assert process.stdout.readline().startswith("{")
    assert len(processes(site)) == 6
    process.kill()
    process.wait()
    wait_for(lambda: not processes(site), "the end of all processes")


def test_a_machine_that_dies_is_named(demo, site: Path) -> None:
    process = demo("--json")
    assert process.stdout.readline().startswith("{")
    (lathe,) = [pid for pid, line in processes(site).items() if "drivers.sim.lathe" in line]
    os.kill(lathe, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith("gateway demo: the lathe was ended by signal 9: ")
    assert errors.count("\n") == 1
    assert processes(site) == {}


def test_without_a_terminal_it_prints_lines(demo, site: Path) -> None:
    output, errors = demo("--duration", "7s").communicate(timeout=100)
    assert errors == ""
    assert "\x1b" not in output
    assert "published" in output
    assert "spindle-1" in output
    assert processes(site) == {}


def test_the_reader_of_the_output_may_leave(demo, site: Path) -> None:
    process = demo("--json")
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert process.returncode == 141
    assert processes(site) == {}
