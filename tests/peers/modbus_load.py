"""Load on Debian's libmodbus (C): a server of many devices whose values change, and a client that reads as fast as C can."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent


def compiled(name: str) -> Path:
    """Return the program made from `name`.c beside this file; compiled once per source text."""
    source = HERE / f"{name}.c"
    target = Path(tempfile.gettempdir(), f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}")
    if not target.exists():
        compiler = shutil.which("cc")
        assert compiler, "a C compiler is missing: apt-get install gcc libc6-dev"
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = Path(folder, name)
            command = [compiler, "-O2", "-Wall", "-o", str(made), str(source), "-I/usr/include/modbus", "-lmodbus"]
            process = subprocess.run(command, capture_output=True, text=True, check=False)
            assert process.returncode == 0, f"{name}.c does not compile; apt-get install libmodbus-dev\n{process.stderr}"
            made.rename(target)
    return target


class Devices:
    """The running devices; each has a port of its own."""

    def __init__(self, process: subprocess.Popen[str], ports: list[int]) -> None:
        self.ports = ports
        self._process = process

    def served(self) -> int:
        """Return how many requests all of them have answered so far."""
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGUSR1)
        word, count = self._process.stdout.readline().split()
        assert word == "served"
        return int(count)


@contextlib.contextmanager
def load(devices: int, registers: int, percent: int = 5) -> Iterator[Devices]:
    """Run devices of `registers` holding registers each, `percent` of which change every second."""
    command = [str(compiled("modbus_load")), str(devices), str(registers), str(percent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            word, *ports = process.stdout.readline().split()
            assert (word, len(ports)) == ("ready", devices), "modbus_load did not start"
            yield Devices(process, [int(port) for port in ports])
        finally:
            process.kill()
