"""An arecord of our own: started, read, told about its overruns, ended."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios

from drivers.alsa import words
from drivers.alsa.spec import AlsaLink
from gateway.driver import LinkError
from gateway.model import Reason
from gateway.waveform import readable

_PIPE_BYTES = 1 << 20
_SAID_MOST = 20_000
_END_S = 2.0
_LIST_S = 5.0
_RATE_OFF = 1e-4


class Recorder:
    """One run of arecord; `read` gives its samples as bytes.

    `overruns_ms` collects what it told of overruns, each by its least length, until it is cleared. What was read before one is told
    was recorded before it: arecord tells before it goes on, and what it said is taken after its samples.
    """

    def __init__(self, program: str, device: str, options: AlsaLink) -> None:
        self.overruns_ms: list[float] = []
        self._program = program
        self._device = device
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._fds: list[int] = []
        self._said = self._line = ""
        self._rate_seen = False

    async def begin(self) -> None:
        """Start it.

        Raises:
            LinkError: arecord is not installed.
        """
        options = self._options
        microseconds = [round(1e6 * value) for value in (options.buffer, options.block)]
        arguments = [
            "-D",
            self._device,
            "-t",
            "raw",
            "-f",
            options.format,
            "-c",
            str(options.channels),
            "-r",
            f"{options.rate:.0f}",
        ]
        arguments += [f"--buffer-time={microseconds[0]}", f"--period-time={microseconds[1]}", "--dump-hw-params", "-v"]
        ends = []
        for _ in range(2):
            mine, theirs = os.pipe2(os.O_CLOEXEC)
            self._fds.append(mine)
            ends.append(theirs)
            os.set_blocking(mine, False)
        with contextlib.suppress(OSError):  # a system may allow less; then the kernel's buffer has to do
            fcntl.fcntl(self._fds[0], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            self._process = await _start(self._program, arguments, *ends)
        finally:
            for fd in ends:
                os.close(fd)

    async def read(self) -> bytes:
        """Return what came; waits until something does.

        Raises:
            LinkError: it ended, is silent, or records at another rate than it was asked for.
        """
        timeout_s = float(self._options.timeout)
        try:
            await readable(self._fds[0], timeout_s)
        except TimeoutError:
            self._listen()
            hint = "is the sensor plugged in? dmesg tells"
            raise LinkError(f"no samples from {self._device} for {timeout_s:g} s", hint=hint, reason=Reason.TIMEOUT) from None
        data = os.read(self._fds[0], _PIPE_BYTES)
        if not data:
            raise await self._ended()
        self._listen()
        if not self._rate_seen and (rate_hz := words.actual_rate(self._said)) is not None:
            if abs(rate_hz - self._options.rate) > _RATE_OFF * self._options.rate:
                raise words.other_rate(self._device, self._options, rate_hz, self._said)
            self._rate_seen = True
        return data

    def waiting(self) -> int:
        """Return how many bytes could be read at once."""
        count: int = struct.unpack("i", fcntl.ioctl(self._fds[0], termios.FIONREAD, bytes(4)))[0]
        return count

    async def end(self) -> None:
        """End it; never raises, may be called twice."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        while self._fds:
            os.close(self._fds.pop())  # it may be waiting for room in the pipe
        if process is not None:
            try:
                async with asyncio.timeout(_END_S):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    def _listen(self) -> None:
        """Take what it said meanwhile."""
        with contextlib.suppress(BlockingIOError):
            while said := os.read(self._fds[1], 65536):
                self._line += said.decode("utf-8", "replace")
        lines, newline, self._line = self._line.rpartition("\n")
        self.overruns_ms += words.overruns_ms(lines)
        self._said = (self._said + lines + newline)[:_SAID_MOST]

    async def _ended(self) -> LinkError:
        """Return why it ended."""
        assert self._process is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self._process.wait()
        self._listen()
        return words.refused(self._device, self._options, f"{self._said}\n{self._line}", await list_cards(self._program))


async def list_cards(program: str) -> list[words.Card]:
    """Return the devices that can record; none where they cannot be listed."""
    try:
        process = await _start(program, ["-l"], asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL)
        try:
            async with asyncio.timeout(_LIST_S):
                listing, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return []
    except LinkError:
        return []
    return words.cards(listing.decode("utf-8", "replace"))


async def _start(program: str, arguments: list[str], out: int, err: int) -> asyncio.subprocess.Process:
    """Start arecord with messages in English.

    Raises:
        LinkError: it is not installed.
    """
    try:
        return await asyncio.create_subprocess_exec(
            program, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, "LC_ALL": "C"}
        )
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise LinkError(f"the program {program} is missing", hint=words.INSTALL) from None
        why = (error.strerror or str(error)).lower()
        raise LinkError(f"the program {program} cannot be started: {why}", hint=words.INSTALL) from None
