"""Real proxies from Debian: tinyproxy for HTTP CONNECT, microsocks for SOCKS 5; and a WebSocket front for a broker."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError

from gateway.config.broker import BrokerUrl, ProxyUrl
from tests.peers.broker import free_port
from tests.waiting import until


def _program(name: str) -> str:
    path = shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin")
    assert path, f"{name} is missing: run make test, which installs it"
    return path


@asynccontextmanager
async def _running(port: int, *command: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )

    def accepts() -> bool:
        assert process.returncode is None, f"{command[0]} ended with {process.returncode}"
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    try:
        await until(accepts, 15, f"{command[0]} accepts connections")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def tinyproxy(*, login: tuple[str, str] | None = None, allow_port: int | None = None) -> AsyncIterator[ProxyUrl]:
    """Run an HTTP proxy; `login` is user and password, `allow_port` the only port it connects to."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "MaxClients 20", "LogLevel Critical"]
        lines += [f"BasicAuth {login[0]} {login[1]}"] if login else []
        lines += [f"ConnectPort {allow_port}"] if allow_port else []
        path = Path(folder, "tinyproxy.conf")
        path.write_text("\n".join([*lines, ""]))
        async with _running(port, _program("tinyproxy"), "-d", "-c", str(path)):
            yield ProxyUrl(f"http://127.0.0.1:{port}")


@asynccontextmanager
async def microsocks(*, login: tuple[str, str] | None = None) -> AsyncIterator[ProxyUrl]:
    """Run a SOCKS 5 proxy; `login` is user and password."""
    port = free_port()
    who = ["-u", login[0], "-P", login[1]] if login else []
    async with _running(port, _program("microsocks"), "-i", "127.0.0.1", "-p", str(port), *who):
        yield ProxyUrl(f"socks5://127.0.0.1:{port}")


@asynccontextmanager
async def websocket_front(
    target: int, *, path: str = "/mqtt", fragment: int = 0, ping_s: float | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[BrokerUrl]:
    """Let a broker on the local port `target` be reached by WebSocket, by the library `websockets`.

    Args:
        target: port of the broker.
        path: the only path that is served; others get 404.
        fragment: send frames of so many bytes, each message in several; 0 for one frame per message.
        ping_s: ping the client so often.
        tls: encrypt.
    """

    def check(connection: ServerConnection, request: object) -> object:
        return None if request.path == path else connection.respond(404, "nothing here\n")  # type: ignore[attr-defined]

    async def bridge(connection: ServerConnection) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target)

        async def out() -> None:
            while data := await reader.read(4096):
                parts = [data[at : at + fragment] for at in range(0, len(data), fragment)] if fragment else []
                await connection.send(parts or data)
            await connection.close()

        task = asyncio.create_task(out())
        try:
            with contextlib.suppress(ConnectionClosedError):
                async for message in connection:
                    assert isinstance(message, bytes), "text in a WebSocket of MQTT"
                    writer.write(message)
                    await writer.drain()
        finally:
            writer.close()
            task.cancel()

    options = {"subprotocols": ["mqtt"], "process_request": check, "ping_interval": ping_s, "max_size": None, "ssl": tls}
    async with serve(bridge, "127.0.0.1", 0, compression=None, **options) as server:  # type: ignore[arg-type]
        port = next(iter(server.sockets)).getsockname()[1]
        yield BrokerUrl(f"{'wss' if tls else 'ws'}://127.0.0.1:{port}{path}")
