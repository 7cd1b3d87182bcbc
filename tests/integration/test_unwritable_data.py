"""A data folder that is full or read-only, real file systems: the gateway starts, polls, says so, sends from memory, and heals."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.power.disk import loop_disk, possible
from tests.integration.running import RunningGateway, gateway
from tests.integration.test_end_to_end import SHARE_ALL, press, rows, site
from tests.peers.broker import mosquitto, subscriber
from tests.peers.modbus import tcp as modbus_tcp
from tests.waiting import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")


class Tmpfs:
    """A file system in memory that can be made full or read-only."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)], check=True)

    def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def empty(self) -> None:
        self._ballast.unlink()

    def read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(self.folder)], check=True)

    def writable(self) -> None:
        subprocess.run(["mount", "-o", "remount,bind,rw", str(self.folder)], check=True)


@contextmanager
def tmpfs(folder: Path, size: str = "40m") -> Iterator[Tmpfs]:
    folder.mkdir()
    made = Tmpfs(folder, size)
    try:
        yield made
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def outbox(running: RunningGateway) -> dict[str, Any]:
    found: dict[str, Any] = running.status()["recipients"]["cooperative"]["outbox"]
    return found


def events(inbox: Any) -> list[tuple[str, str]]:
    return [(row["point"], row["after"]) for row in rows(inbox) if row["kind"] == "event" or row.get("after")]


async def said(data: Path) -> tuple[int | None, str]:
    """Return exit code and output of `gateway status`."""
    command = [sys.executable, "-m", "gateway", "status", "--data", str(data)]
    process = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", ["read-only", "full"])
async def test_it_starts_on_a_folder_that_cannot_be_written_polls_sends_from_memory_and_heals(tmp_path: Path, way: str) -> None:
    words = {"read-only": "read-only", "full": "full"}[way]
    with tmpfs(tmp_path / "var") as disk:
        disk.read_only() if way == "read-only" else disk.fill()
        async with mosquitto() as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
            with gateway(tmp_path, site(press("press-1", server.port), broker.url), SHARE_ALL) as running:
                await running.start()
                await until(lambda: len(rows(inbox)) > 200, 30, "what is measured is sent all the same")
                assert words in outbox(running)["trouble"]
                assert ("outbox.cooperative", "failed") in events(inbox), "the alarm leaves, too"
                code, text = await said(tmp_path / "var")
                assert code == 1
                assert words in text
                machine = running.machine("press-1")
                assert (machine["state"], machine["missed"]) == ("good", 0)

                disk.writable() if way == "read-only" else disk.empty()
                await until(lambda: not outbox(running)["trouble"], 30, "it heals")
                await until(lambda: ("outbox.cooperative", "good") in events(inbox), 20)
                seen = len(rows(inbox))
                await until(lambda: len(rows(inbox)) > seen + 100)
                assert running.stop() == 0
        assert any((tmp_path / "var" / "outbox" / "cooperative").glob("reading-*.seg"))
    assert "Traceback" not in running.log_text()


@pytest.mark.timeout(120)
@pytest.mark.skipif(bool(possible()), reason=possible())
async def test_a_disk_that_dies_raises_an_alarm_within_10_s_and_nothing_is_lost_when_it_is_put_in_again(tmp_path: Path) -> None:
    (tmp_path / "card").mkdir()
    with loop_disk(tmp_path / "card") as disk:
        (tmp_path / "var").symlink_to(disk.folder)
        async with mosquitto() as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
            with gateway(tmp_path, site(press("press-1", server.port), broker.url), SHARE_ALL) as running:
                await running.start()
                await until(lambda: len(rows(inbox)) > 100)
                disk.cut()
                began = time.monotonic()
                await until(lambda: ("outbox.cooperative", "failed") in events(inbox), 30)
                assert time.monotonic() - began < 10 + 5, "10 s, and some for a computer that is busy"
                assert running.events("outbox_failed")
                machine = running.machine("press-1")  # its socket lies on the dead disk
                assert machine["missed"] == 0
                subprocess.run(["umount", "-l", str(disk.folder)], check=True)
                image = tmp_path / "card" / "disk.img"  # what was on it; the kernel does not let go of the dead one yet
                image = shutil.copy(image, image.with_name("again.img"))
                subprocess.run(["mount", "-o", "loop,noatime", str(image), str(disk.folder)], check=True)
                await until(lambda: ("outbox.cooperative", "good") in events(inbox), 30)
                assert running.stop() == 0
        points = [row for row in rows(inbox) if row["point"] == "p0"]
        assert len({row["t"] for row in points}) > machine["scans"], "every scan arrived"
        assert "Traceback" not in running.log_text()
