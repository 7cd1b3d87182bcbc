"""The local socket: who asks gets an answer, nonsense included, and only one gateway uses a data folder."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.control import NAME, AlreadyRunning, ControlServer, DataFolder, NotRunning, request


class FakeRuntime:
    def __init__(self) -> None:
        self.applied: list[str | None] = []

    def status(self, points: Container[str] = ()) -> dict[str, Any]:
        named = [name for name in ("a", "b") if name in points]
        return {"site": "muster"} | ({"points": named} if named else {})

    async def apply(self, path: str | None) -> dict[str, Any]:
        self.applied.append(path)
        return {"kept": ["a"]}


@asynccontextmanager
async def serving(folder: Path, runtime: FakeRuntime | None = None) -> AsyncIterator[None]:
    server = ControlServer(folder, runtime or FakeRuntime())
    await server.start()
    yield
    await server.stop()


async def test_status_and_apply(tmp_path: Path) -> None:
    runtime = FakeRuntime()
    async with serving(tmp_path, runtime):
        assert await asyncio.to_thread(request, tmp_path, "status") == {"site": "muster"}
        assert await asyncio.to_thread(request, tmp_path, "apply", path="/x.yaml") == {"kept": ["a"]}
        assert await asyncio.to_thread(request, tmp_path, "apply") == {"kept": ["a"]}
        assert runtime.applied == ["/x.yaml", None]
        assert "unknown request 'reboot'" in (await asyncio.to_thread(request, tmp_path, "reboot"))["error"]


async def test_points_are_told_of_the_machines_that_are_named(tmp_path: Path) -> None:
    async with serving(tmp_path):
        for named, told in ((True, ["a", "b"]), (False, None), ([], None), (["b", "nobody"], ["b"])):
            assert (await asyncio.to_thread(request, tmp_path, "status", points=named)).get("points") == told, named


async def test_the_socket_is_for_owner_and_group_only(tmp_path: Path) -> None:
    async with serving(tmp_path):
        assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o660


async def test_a_long_path_is_no_problem(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    async with serving(folder):
        assert await asyncio.to_thread(request, folder, "status") == {"site": "muster"}


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b"{}\n", b'{"op":"apply","path":7}\n'])
async def test_nonsense_gets_an_error_and_the_server_goes_on(tmp_path: Path, line: bytes) -> None:
    async with serving(tmp_path):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / NAME))
        writer.write(line)
        assert b'"error"' in await reader.readline()
        writer.write(b'{"op":"status"}\n')
        assert b"muster" in await reader.readline()
        writer.close()


async def test_a_line_without_end_is_cut_off(tmp_path: Path) -> None:
    async with serving(tmp_path):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / NAME))
        writer.write(b"x" * 200_000)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        assert await asyncio.to_thread(request, tmp_path, "status") == {"site": "muster"}


def test_nobody_there_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no gateway runs on the data folder"):
        request(tmp_path, "status")
    with pytest.raises(NotRunning, match="no gateway runs on the data folder"):
        request(tmp_path / "absent", "status")


def test_one_gateway_per_data_folder(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "var")
    with pytest.raises(AlreadyRunning, match="another gateway already runs"):
        DataFolder(tmp_path / "var")
    first.close()
    DataFolder(tmp_path / "var").close()


def refuse(code: int):
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_is_told_and_still_belongs_to_one_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    real = os.open

    def opening(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(code, os.strerror(code))
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", opening)
    first = DataFolder(tmp_path)
    assert os.strerror(code).lower() in first.trouble
    with pytest.raises(AlreadyRunning, match="another gateway already runs"):
        DataFolder(tmp_path)
    first.close()
    DataFolder(tmp_path).close()


def test_a_folder_that_belongs_to_somebody_else_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "mkdir", refuse(errno.EACCES))
    with pytest.raises(PermissionError):
        DataFolder(tmp_path / "var")


async def test_without_room_for_a_file_the_socket_has_none_and_answers_its_own_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "chmod", refuse(errno.EROFS))
    async with serving(tmp_path):
        monkeypatch.undo()
        (tmp_path / NAME).unlink()
        assert await asyncio.to_thread(request, tmp_path, "status") == {"site": "muster"}
        with monkeypatch.context() as patched:
            patched.setattr("gateway.control._user", lambda _: 4711)
            with pytest.raises(NotRunning):
                await asyncio.to_thread(request, tmp_path, "status")
        assert await asyncio.to_thread(request, tmp_path, "status") == {"site": "muster"}
    with pytest.raises(NotRunning):
        await asyncio.to_thread(request, tmp_path, "status")
