"""Raw float32 little-endian samples as they come: from a TCP socket or a named pipe."""

from __future__ import annotations

import asyncio
import math
import os
import stat
from array import array
from pathlib import Path
from typing import Protocol

from drivers.replay.files import missing, unreadable
from gateway.driver import LinkError
from gateway.model import Reason

_BUFFER_BYTES = 1 << 20


class _Closes(Protocol):
    def close(self) -> None: ...


class LiveSource:
    """A running process that hands out samples; opened once, gone for good after an error."""

    def __init__(self, reader: asyncio.StreamReader, end: _Closes, name: str, timeout_s: float) -> None:
        self._reader = reader
        self._end = end  # kept also because a StreamWriter that is collected closes its socket
        self._name = name
        self._timeout_s = timeout_s

    async def take(self, n: int, lasts_s: float) -> array[float]:
        """Return the next `n` samples, which take `lasts_s` to be made.

        Raises:
            LinkError: the source ended, or did not send them within the timeout after that.
        """
        try:
            async with asyncio.timeout(lasts_s + self._timeout_s):
                data = await self._reader.readexactly(4 * n)
        except TimeoutError:
            raise LinkError(
                f"no samples from {self._name} for {self._timeout_s:g} s", hint="is its source running?", reason=Reason.TIMEOUT
            ) from None
        except asyncio.IncompleteReadError:
            raise LinkError(f"{self._name} ended the stream", hint="its source has stopped") from None
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise LinkError(f"the stream from {self._name} broke: {why}", hint="is its source running?") from None
        samples = array("f", data)
        if not math.isfinite(sum(samples)):
            raise LinkError(f"{self._name} does not send float32 little-endian samples", hint="the bytes hold NaN or infinity")
        return samples

    def close(self) -> None:
        """Let go of the socket or pipe."""
        self._end.close()


async def connect_tcp(host: str, port: int, timeout_s: float) -> LiveSource:
    """Connect to a process that sends samples.

    Raises:
        LinkError: nobody listens there.
    """
    name = f"tcp://{host}:{port}"
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port, limit=_BUFFER_BYTES)
    except TimeoutError:
        hint = "check the address, and that no firewall is between"
        raise LinkError(f"no answer from {name} within {timeout_s:g} s", hint=hint, reason=Reason.TIMEOUT) from None
    except ConnectionRefusedError:
        raise LinkError(f"nobody listens on {name}", hint="is the source of the samples running?", reason=Reason.REFUSED) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise LinkError(f"cannot connect to {name}: {why}", hint="check its name, the network and that the source runs") from None
    return LiveSource(reader, writer, name, timeout_s)


async def open_pipe(path: Path, timeout_s: float) -> LiveSource:
    """Open a named pipe; it need not have a writer yet.

    Raises:
        LinkError: it is missing, may not be read, or is not a pipe.
    """
    try:
        # Also held open for writing: no end of file between two writers, and opening does not wait for the first.
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise LinkError(str(missing(path)), hint=f"or make it: mkfifo '{path}'") from None
    except OSError as error:
        raise unreadable(path, error) from None
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        os.close(fd)
        raise LinkError(f"{path} is not a named pipe", hint=f"make one: mkfifo '{path}'")
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_BUFFER_BYTES)
    pipe = os.fdopen(fd, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return LiveSource(reader, transport, str(path), timeout_s)
