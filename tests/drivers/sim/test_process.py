import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import shop

MACHINES = ("press", "lathe", "spindle", "broker")


@pytest.mark.parametrize("name", MACHINES)
async def test_ends_cleanly_on_ctrl_c_even_when_pressed_twice(name):
    async with shop.machine(name) as (_, process):
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
        assert errors == b""
        process.terminate = lambda: None


def test_dies_when_its_parent_is_killed():
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import subprocess, sys; c = subprocess.Popen([sys.executable, '-m', 'drivers.sim.spindle', '--port', '0'],"
                " stdout=subprocess.PIPE); c.stdout.readline(); print(c.pid, flush=True); c.wait()"
            ),
        ],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    watch = os.pidfd_open(child)
    try:
        parent.kill()
        parent.communicate()
        import select

        readable, _, _ = select.select([watch], [], [], 20)
        assert readable, "the child outlived its parent"
    finally:
        os.close(watch)


def test_a_port_in_use_is_a_sentence_and_exit_3():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "drivers.sim.press", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1
    assert f"port {port} is in use" in result.stderr


def test_a_wrong_option_is_a_sentence_and_exit_2():
    result = subprocess.run(
        [sys.executable, "-m", "drivers.sim.spindle", "--grow", "10"], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert "'10' has no unit; did you mean '10s'?" in result.stderr


def test_without_the_extra_the_broker_names_the_command(tmp_path):
    (tmp_path / "amqtt").mkdir()
    (tmp_path / "amqtt" / "__init__.py").write_text("raise ImportError('not here')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"}
    result = subprocess.run(
        [sys.executable, "-m", "drivers.sim.broker"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert result.returncode == 3
    assert "pip install 'retrofit-gateway[demo]'" in result.stderr
