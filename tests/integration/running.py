"""Runs the real gateway as its own process, the way a user does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.control import NotRunning, request
from tests.waiting import until


class RunningGateway:
    """One `gateway run`, with its data folder and its log."""

    def __init__(self, site: Path, data: Path, env: dict[str, str] | None = None, arguments: Sequence[str] = ()) -> None:
        self.site = site
        self.data = data
        self.log_path = site.parent / "gateway.log"
        self._env = os.environ | (env or {})
        self.options: tuple[str, ...] = ()
        self._arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self, ready: bool = True) -> None:
        command = [sys.executable, "-m", "gateway", "run", str(self.site), "--data", str(self.data), "--json", *self._arguments]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self._env, cwd=Path(__file__).parents[2])
        if ready:
            await until(lambda: self.answers() or self.gone(), 20, "the gateway answers on its socket")

    def gone(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{self.log_text()}")
        return False

    def answers(self) -> bool:
        try:
            self.status()
        except NotRunning:
            return False
        return True

    def status(self, points: Sequence[str] = ()) -> dict[str, Any]:
        return request(self.data, "status", points=list(points), timeout_s=5)

    def apply(self, path: Path | None = None) -> dict[str, Any]:
        return request(self.data, "apply", path=None if path is None else str(path))

    def machine(self, name: str) -> dict[str, Any]:
        machine: dict[str, Any] = self.status([name])["machines"][name]
        return machine

    def log_text(self) -> str:
        return self.log_path.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """kill -9, as a power cut that spares the disk."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """Stop as the service manager does; return the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@contextmanager
def gateway(tmp_path: Path, site: str, share: str = "", env: dict[str, str] | None = None) -> Iterator[RunningGateway]:
    """Write the configuration and hand out a gateway for it, not yet started; it is stopped in the end."""
    path = tmp_path / "site.yaml"
    path.write_text(site)
    if share:
        (tmp_path / "share.yaml").write_text(share)
    running = RunningGateway(path, tmp_path / "var", env)
    try:
        yield running
    finally:
        running.stop()
