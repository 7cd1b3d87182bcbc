"""Modbus peers that are not ours: a server on Debian's libmodbus (C), over TCP and as RTU slave on a pty pair made by socat."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

SOURCE = Path(__file__).with_name("modbus_server.c")
START_S = 10.0

TYPED = {
    "int16": ("holding wire 1000", -1234),
    "uint16": ("holding wire 1001", 54321),
    "int32": ("holding wire 1002", -123456789),
    "uint32": ("holding wire 1004", 4000000000),
    "int64": ("holding wire 1006", -1234567890123456789),
    "uint64": ("holding wire 1010", 18000000000000000001),
    "float32": ("holding wire 1014", 41.900001525878906),
    "float64": ("holding wire 1016", -273.15),
}
"""Where the server keeps one value of each type, and the value."""

TEXT = ("holding wire 1020", 8, "UMG 96-PA")
BITS = ("holding wire 1028", 0x8009)
ORDERED = {"ABCD": "holding wire 1030", "CDAB": "holding wire 1032", "BADC": "holding wire 1034", "DCBA": "holding wire 1036"}
"""Where 41.9 stands in each byte order."""

FIRST_ILLEGAL = 2000
"""Lowest holding register (wire address) that the server does not know."""


class Server:
    """The running server; `port` for TCP, `unit` on a bus."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, unit: int = 1) -> None:
        self.process = process
        self.port = port
        self.unit = unit

    async def stop(self) -> None:
        """Kill it and wait until it is gone."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


async def start_tcp(port: int = 0) -> Server:
    """Start the server on a free port of 127.0.0.1, or on a given one (to bring it back)."""
    process, word = await _start(str(await build()), "tcp", str(port))
    return Server(process, int(word))


@contextlib.asynccontextmanager
async def tcp() -> AsyncIterator[Server]:
    """Run the server on a free port of 127.0.0.1."""
    server = await start_tcp()
    try:
        yield server
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def pty_pair() -> AsyncIterator[tuple[str, str]]:
    """Run socat with two connected pseudo terminals; yields their paths. A pty carries no baud timing."""
    socat = shutil.which("socat")
    assert socat, "socat is missing: apt-get install socat"
    with tempfile.TemporaryDirectory() as folder:
        ends = [Path(folder, "a"), Path(folder, "b")]
        process = await asyncio.create_subprocess_exec(socat, *(f"pty,raw,echo=0,link={end}" for end in ends))
        try:
            async with asyncio.timeout(START_S):
                while not all(end.exists() for end in ends):
                    assert process.returncode is None, "socat has ended"
                    await asyncio.sleep(0.01)
            yield str(ends[0]), str(ends[1])
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


@contextlib.asynccontextmanager
async def rtu(unit: int = 7) -> AsyncIterator[str]:
    """Run the server as RTU slave (19200 8E1); yields the path of the other end of its line."""
    async with pty_pair() as (ours, theirs):
        process, _ = await _start(str(await build()), "rtu", theirs, str(unit))
        try:
            yield ours
        finally:
            await Server(process, 0, unit).stop()


async def build(source: Path = SOURCE) -> Path:
    """Compile a peer on libmodbus once per source text."""
    target = Path(tempfile.gettempdir(), f"{source.stem}-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}")
    if target.exists():
        return target
    compiler = shutil.which("cc")
    assert compiler, "a C compiler is missing: apt-get install gcc libc6-dev"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "server")
        command = [compiler, "-O1", "-Wall", "-o", str(made), str(source), "-I/usr/include/modbus", "-lmodbus"]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, stderr = await process.communicate()
        assert process.returncode == 0, f"{source.name} does not compile; apt-get install libmodbus-dev\n{stderr.decode()}"
        partial = target.with_suffix(f".{process.pid}")
        shutil.copy2(made, partial)
        partial.rename(target)
    return target


async def _start(*command: str) -> tuple[asyncio.subprocess.Process, str]:
    """Start it and wait for its line `ready WORD`."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    line = (await asyncio.wait_for(process.stdout.readline(), START_S)).decode().split()
    if line[:1] != ["ready"]:
        await Server(process, 0).stop()
        raise AssertionError(f"{command[0]} did not start")
    return process, line[1]


async def _main() -> None:
    async with tcp() as server:
        print(f"ready {server.port}", flush=True)
        await server.process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
