"""The gateway as systemd runs it: under the unit's system call filter, telling when it is ready and that it is alive."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.broker import mosquitto, subscriber
from tests.peers.modbus import tcp as modbus_tcp
from tests.waiting import until

UNIT = Path(__file__).parents[2] / "systemd" / "retrofit-gateway.service"
SITE = """\
site: muster
gateway: hall-1
machines:
  - {{name: press-1, connect: "modbus-tcp://127.0.0.1:{port}", every: 100ms, points: {{p: {{at: holding 7, report: always}}}}}}
  - {{name: lathe-1, connect: "opc.tcp://127.0.0.1:1", insecure: true, points: {{p: {{path: Objects/Lathe/Load}}}}}}
uplink: {{broker: ["{broker}"], batch: 200ms}}
"""
SHARE = "shares:\n  - {to: cooperative, machines: ['*'], points: ['*']}\n"


class Manager:
    """The service manager's end of the notify socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._heard: list[str] = []

    def heard(self) -> list[str]:
        while True:
            try:
                self._heard += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self._heard

    def count(self, line: str) -> int:
        return self.heard().count(line)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def service(folder: Path, manager: Manager) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "NOTIFY_SOCKET": str(manager.path),
        "WATCHDOG_USEC": "1000000",
        "STATE_DIRECTORY": str(folder / "state"),
    }
    command = [sys.executable, "-m", "tests.sandbox", str(UNIT), sys.executable, "-m", "gateway", "run", str(folder / "site.yaml")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=UNIT.parents[1], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        manager.close()


async def test_ready_alive_reloaded_and_stopped_are_told_and_the_sandbox_lets_everything_through(tmp_path: Path) -> None:
    async with mosquitto() as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
        (tmp_path / "site.yaml").write_text(SITE.format(port=server.port, broker=broker.url))
        (tmp_path / "share.yaml").write_text(SHARE)
        manager = Manager(tmp_path / "notify")
        with service(tmp_path, manager) as process:
            await until(lambda: manager.count("READY=1"), 30, "the gateway is ready")
            await inbox.until(lambda payloads: len(payloads) >= 1)
            await until(lambda: manager.count("WATCHDOG=1") >= 3, 10, "the watchdog is fed")
            process.send_signal(signal.SIGHUP)
            await until(lambda: manager.count("RELOADING=1") == 1 and manager.count("READY=1") == 2, 10, "the reload is told")
            process.send_signal(signal.SIGTERM)
            await until(lambda: manager.count("STOPPING=1"), 10, "the stop is told")
            assert await asyncio.to_thread(process.wait, 15) == 0
        log = (tmp_path / "log").read_text()
        assert "Operation not permitted" not in log
        assert "Traceback" not in log
        told = [json.loads(line) for line in log.splitlines() if "machine_unavailable" in line]
        assert [line["machine"] for line in told] == ["lathe-1"], "OPC UA's library works in there too, and says who is not there"


def _last(log: Path, event: str) -> str:
    """Return the last line of the log with this event."""
    return next((line for line in reversed(log.read_text().splitlines()) if event in line), "")


@pytest.mark.timeout(120)
async def test_the_watchdog_starves_when_the_disk_of_the_outbox_hangs(tmp_path: Path) -> None:
    """The commit never returns, as an fsync on a dying card; all goes on in memory, but not for ever: systemd must hear nothing."""
    hang = (
        "import sys, threading, gateway.outbox.store as store, gateway.outbox.outbox as outbox\n"
        "store.Store.commit = lambda self, rows: threading.Event().wait()\n"
        "outbox.SegmentedOutbox.__init__.__kwdefaults__['patience_s'] = 0.5\n"
        "outbox.GIVEN_UP_S = 1.0\n"
        "import gateway.share\n"
        "gateway.share._STUCK_S = 1.0\n"
        "from gateway.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    async with modbus_tcp() as server:
        (tmp_path / "site.yaml").write_text(SITE.format(port=server.port, broker="mqtt://127.0.0.1:1"))
        (tmp_path / "share.yaml").write_text(SHARE)
        manager = Manager(tmp_path / "notify")
        environment = os.environ | {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "500000"}
        with (tmp_path / "log").open("wb") as log:
            command = [sys.executable, "-c", hang, "run", str(tmp_path / "site.yaml"), "--data", str(tmp_path / "var")]
            process = subprocess.Popen(command, env=environment, cwd=UNIT.parents[1], stdout=log, stderr=log)
        try:
            await until(lambda: manager.count("READY=1"), 30)
            await until(lambda: "outbox cooperative" in _last(tmp_path / "log", "watchdog_withheld"), 40, "it is withheld")
            fed = manager.count("WATCHDOG=1")
            lines = (tmp_path / "log").read_text()
            await asyncio.sleep(0.9)  # nothing must happen, and nothing tells when it did not
            assert manager.count("WATCHDOG=1") == fed, lines
        finally:
            process.kill()
            process.wait(10)
            manager.close()
