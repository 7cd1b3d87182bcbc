"""Many Modbus units behind one line (Debian's libmodbus, C): a TCP host, a gateway before serial units, a bus on a pty pair."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import struct
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.peers.modbus import START_S, build, pty_pair

SOURCE = Path(__file__).with_name("modbus_units.c")


class Units:
    """The running units; `place` is `host:port`, or the path of the other end of the bus."""

    def __init__(self, process: asyncio.subprocess.Process, place: str, counts: Path) -> None:
        self.process = process
        self.place = place
        self._counts = counts

    def requests(self) -> dict[int, int]:
        """Return how many requests each unit has seen so far, also unanswered ones."""
        return dict(enumerate(struct.unpack("<256I", self._counts.read_bytes()[:1024])))

    def die(self) -> None:
        """Let the mortal units fall silent."""
        self.process.send_signal(signal.SIGUSR2)

    def live(self) -> None:
        """Let them return."""
        self.process.send_signal(signal.SIGUSR1)


@contextlib.asynccontextmanager
async def _running(
    kind: str, place: str, port: str, mortal: Sequence[int | str], before: Sequence[str] = ()
) -> AsyncIterator[Units]:
    program = await build(SOURCE)
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder, "counts")
        arguments = [kind, place, port, str(counts), *map(str, mortal)]
        process = await asyncio.create_subprocess_exec(*before, str(program), *arguments, stdout=asyncio.subprocess.PIPE)
        assert process.stdout
        try:
            words = (await asyncio.wait_for(process.stdout.readline(), START_S)).decode().split()
            assert words[:1] == ["ready"], f"{' '.join([*before, str(program), *arguments])} did not start"
            yield Units(process, place if kind == "rtu" else f"{place}:{words[1]}", counts)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def tcp(mortal: Sequence[int] = (), host: str = "127.0.0.1", before: Sequence[str] = ()) -> AsyncIterator[Units]:
    """One TCP host with all units; `before` is put before the command (`ip netns exec …`)."""
    async with _running("tcp", host, "0", mortal, before) as units:
        yield units


@contextlib.asynccontextmanager
async def gateway(mortal: Sequence[int]) -> AsyncIterator[Units]:
    """A TCP gateway before serial units, which answers one request at a time and waits 300 ms for a dead unit."""
    async with _running("gateway", "127.0.0.1", "0", mortal) as units:
        yield units


@contextlib.asynccontextmanager
async def bus(mortal: Sequence[int | str]) -> AsyncIterator[Units]:
    """A bus with all units, on a pair of pseudo terminals; `5@800`: unit 5 does not die but answers after 800 ms."""
    async with pty_pair() as (ours, theirs), _running("rtu", theirs, "-", mortal) as units:
        units.place = ours
        yield units
