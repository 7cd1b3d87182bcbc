"""The local socket, `gateway.sock` in the data folder: one JSON request a line, one JSON answer a line.

Who may open the file may ask; it is readable and writable by owner and group only. Where no file can be made, as the disk is full
or read-only, the socket has a name without one (unix(7), abstract), and answers its own user and root only.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import pwd
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.log import get
from gateway.ports import Operates, Runtime

NAME = "gateway.sock"
MOST_BYTES = 64 * 1024
"""Longest request; answers are as long as they are."""

_UNWRITABLE = {errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO}
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid

PATIENCE_S = 10.0
"""Who does not read its answer for so long is hung up on."""


log = get("control")


class NotRunning(Exception):  # noqa: N818  (a state, not a fault)
    """No gateway answers on the socket; the message says where it was looked for."""


class AlreadyRunning(Exception):  # noqa: N818
    """Another gateway uses this data folder."""


class DataFolder:
    """The data folder, locked for one gateway at a time; the lock goes with the process, however it ends.

    A gateway also starts on a disk that is full or read-only: what can be kept is kept, the rest lives in memory.

    Attributes:
        trouble: why nothing can be written there, in words; empty when it can.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        self._locks: list[int] = []
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock(path, os.O_RDONLY | os.O_DIRECTORY)  # needs nothing to be written
            self._lock(path / "gateway.lock", os.O_CREAT | os.O_RDWR)
        except OSError as error:
            if error.errno not in _UNWRITABLE:
                self.close()
                raise
            self.trouble = f"the data folder {path} cannot be written: {(error.strerror or str(error)).lower()}"

    def _lock(self, path: Path, flags: int) -> None:
        self._locks.append(os.open(path, flags | os.O_CLOEXEC, 0o600))
        try:
            fcntl.flock(self._locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise AlreadyRunning(
                f"another gateway already runs on the data folder {self.path}; stop it or name another with --data"
            ) from error

    def close(self) -> None:
        """Give the folder free."""
        while self._locks:
            os.close(self._locks.pop())


class ControlServer:
    """Answers requests on the socket in a data folder from a `Runtime`."""

    def __init__(self, folder: Path, runtime: Runtime, desk: Operates | None = None) -> None:
        self._folder = folder
        self._runtime = runtime
        self._desk = desk
        self._server: asyncio.Server | None = None
        self._has_file = True
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def start(self) -> None:
        """Listen; the socket file of a gateway that was killed is replaced."""
        path = self._folder / NAME
        try:
            path.unlink(missing_ok=True)
            with _short(self._folder) as short:
                self._server = await asyncio.start_unix_server(self._serve, path=f"{short}/{NAME}", limit=MOST_BYTES)
            path.chmod(0o660)
        except OSError as error:
            if self._server is not None:
                self._server.close()
            log.warning("control_without_file", path=str(path), reason=str(error.strerror or error))
            self._has_file = False
            self._server = await asyncio.start_unix_server(self._serve, path=_nameless(self._folder), limit=MOST_BYTES)

    async def stop(self) -> None:
        """Hang up on everybody and remove the socket."""
        if self._server is not None:
            self._server.close()
        tasks = [task for task in self._open.values() if task is not None]
        for writer in self._open:
            writer.close()
        if tasks:
            await asyncio.wait(tasks, timeout=2)
        with contextlib.suppress(OSError):
            (self._folder / NAME).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        try:
            # a socket without a file has no permissions
            user = _user(writer.get_extra_info("socket"))
            ours = self._has_file or user in (0, os.geteuid())
            while ours and (line := await reader.readline()):
                writer.write(msgspec.json.encode(await _one(self._runtime, self._desk, line, user)) + b"\n")
                async with asyncio.timeout(PATIENCE_S):
                    await writer.drain()
        except (ConnectionError, ValueError, TimeoutError):
            pass  # the other side left, does not read, or sent a line longer than the limit: nothing is owed to it
        finally:
            del self._open[writer]
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def _one(runtime: Runtime, desk: Operates | None, line: bytes, user: int) -> dict[str, Any]:
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
        case {"op": "alarms", **rest} if not rest and desk is not None:
            return {"alarms": desk.alarms(), "limits": [event for event in runtime.status()["alarms"] if event["kind"] == "limit"]}
        case {"op": "alarm", "deed": str() as deed, "machine": str() as machine, "point": str() as point, **rest} if desk:
            for_s = rest.get("for_s")
            return await desk.operate(deed, machine, point, by=_name(user), for_s=for_s if isinstance(for_s, int | float) else None)
        case {"op": "forget", "machine": str() as machine, **rest} if not rest and desk is not None:
            return await desk.forget(machine, by=_name(user))
    return {"error": f"unknown request {request.get('op')!r}; known: status, metrics, apply, alarms, alarm, forget"}


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
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(timeout_s)
        try:
            _connect(link, folder)
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


def _connect(link: socket.socket, folder: Path) -> None:
    try:
        with _short(folder) as short:
            link.connect(f"{short}/{NAME}")
    except (FileNotFoundError, ConnectionRefusedError):  # no file, or one that a gateway left behind
        link.connect(_nameless(folder))
        if _user(link) not in (0, os.geteuid(), _owner(folder)):
            raise FileNotFoundError(errno.ENOENT, "somebody else listens there") from None


def _nameless(folder: Path) -> str:
    """Return the address of the socket without a file that belongs to a data folder."""
    return f"\0retrofit-gateway-{hashlib.sha256(os.fsencode(folder.absolute().resolve())).hexdigest()[:32]}"


def _user(link: socket.socket) -> int:
    """Return the user id of the process on the other side of a Unix socket."""
    return int(_CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[1])


def _name(user: int) -> str:
    """Return the name of a user, or the number where it has none."""
    try:
        return f"{pwd.getpwuid(user).pw_name} (uid {user})"
    except (KeyError, OSError):
        return f"uid {user}"


def _owner(folder: Path) -> int:
    try:
        return folder.stat().st_uid
    except OSError:
        return 0


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
