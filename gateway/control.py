"""The local socket, `gateway.sock` in the data folder: one JSON request a line, one JSON answer a line.

Who may open the file may ask; it is readable and writable by owner and group only.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.ports import Runtime

NAME = "gateway.sock"
MOST_BYTES = 64 * 1024
"""Longest request; answers are as long as they are."""

PATIENCE_S = 10.0
"""Who does not read its answer for so long is hung up on."""


class NotRunning(Exception):  # noqa: N818  (a state, not a fault)
    """No gateway answers on the socket; the message says where it was looked for."""


class AlreadyRunning(Exception):  # noqa: N818
    """Another gateway uses this data folder."""


class DataFolder:
    """The data folder, locked for one gateway at a time; the lock goes with the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(path / "gateway.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise AlreadyRunning(
                f"another gateway already runs on the data folder {path}; stop it or name another with --data"
            ) from error

    def close(self) -> None:
        """Give the folder free."""
        os.close(self._lock)


class ControlServer:
    """Answers requests on the socket in a data folder from a `Runtime`."""

    def __init__(self, folder: Path, runtime: Runtime) -> None:
        self._folder = folder
        self._runtime = runtime
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def start(self) -> None:
        """Listen; the socket file of a gateway that was killed is replaced."""
        path = self._folder / NAME
        path.unlink(missing_ok=True)
        with _short(self._folder) as short:
            self._server = await asyncio.start_unix_server(self._serve, path=f"{short}/{NAME}", limit=MOST_BYTES)
        path.chmod(0o660)

    async def stop(self) -> None:
        """Hang up on everybody and remove the socket."""
        if self._server is not None:
            self._server.close()
        tasks = [task for task in self._open.values() if task is not None]
        for writer in self._open:
            writer.close()
        if tasks:
            await asyncio.wait(tasks, timeout=2)
        (self._folder / NAME).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await _one(self._runtime, line)) + b"\n")
                async with asyncio.timeout(PATIENCE_S):
                    await writer.drain()
        except (ConnectionError, ValueError, TimeoutError):
            pass  # the other side left, does not read, or sent a line longer than the limit: nothing is owed to it
        finally:
            del self._open[writer]
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def _one(runtime: Runtime, line: bytes) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError as error:
        return {"error": f"not a JSON object: {error}"}
    match request:
        case {"op": "status", "points": bool() | list() as points}:
            return runtime.status(_Everything() if points is True else points or ())
        case {"op": "status", **rest} if not rest:
            return runtime.status()
        case {"op": "metrics"}:
            return {"metrics": runtime.metrics()}
        case {"op": "apply", "path": str() | None as path}:
            return await runtime.apply(path)
        case {"op": "apply", **rest} if not rest:
            return await runtime.apply(None)
    return {"error": f"unknown request {request.get('op')!r}; known: status, metrics, apply"}


class _Everything:
    """Contains every name."""

    def __contains__(self, _: object) -> bool:
        return True


def request(folder: Path, op: str, *, timeout_s: float = 30.0, **arguments: Any) -> dict[str, Any]:
    """Ask the gateway that runs on the data folder; for the command line, so it blocks.

    Raises:
        NotRunning: nobody answers there.
    """
    path = folder / NAME
    with _short(folder) as short, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(timeout_s)
        try:
            link.connect(f"{short}/{NAME}")
            link.sendall(msgspec.json.encode({"op": op, **arguments}) + b"\n")
            answer = b"".join(_until_newline(link))
        except PermissionError as error:
            raise NotRunning(f"no permission for {path}; run it as the user of the gateway, or with sudo") from error
        except TimeoutError as error:
            raise NotRunning(f"the gateway at {path} does not answer within {timeout_s:g} s") from error
        except OSError as error:
            raise NotRunning(
                f"no gateway runs on the data folder {folder}; start it with 'gateway run', or name its folder with --data"
            ) from error
    result = msgspec.json.decode(answer or b"{}", type=dict[str, Any])
    if not result:
        raise NotRunning(f"the gateway at {path} hung up without an answer")
    return result


def _until_newline(link: socket.socket) -> Iterator[bytes]:
    while chunk := link.recv(65536):
        yield chunk
        if chunk.endswith(b"\n"):
            return


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Yield a short path to a folder: the name of a Unix socket may have 107 bytes only."""
    try:
        handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        yield str(folder)  # the caller's next step fails with this path, and says so
        return
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)
