"""The metrics on a loopback port, where a collector on this computer reads them; only when `metrics:` in site.yaml asks for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from gateway.config.host import LoopbackAddress
from gateway.log import get
from gateway.metrics import CONTENT_TYPE

PATIENCE_S = 5.0
MOST_HEAD_BYTES = 8192
MOST_AT_A_TIME = 8

log = get("metrics")


class Exporter:
    """Answers `GET /metrics` on one address of this computer (HTTP/1.1, one request a connection); everything else is refused."""

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        self._address: LoopbackAddress | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.trouble = ""

    async def listen(self, address: LoopbackAddress | None) -> None:
        """Listen there, or nowhere; never raises: what is wrong stands in `trouble` and the log, and the next call tries again."""
        if address == self._address and not self.trouble:
            return
        await self.close()
        self._address, self.trouble = address, ""
        if address is None:
            return
        try:
            self._server = await asyncio.start_server(self._serve, *address.pair, limit=MOST_HEAD_BYTES)
        except OSError as error:
            self.trouble = f"the metrics cannot be offered at {address}: {(error.strerror or str(error)).lower()}"
            log.error("metrics_failed", reason=self.trouble, hint="choose another port in 'metrics'")

    async def close(self) -> None:
        """Stop listening and hang up."""
        self._address = None
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MOST_AT_A_TIME:
            writer.close()
            return
        self._open.add(writer)
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head.split(b"\r\n", 1)[0].split(b" ")))
                await writer.drain()
        except (OSError, ValueError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # the other side left, is slow, or speaks something else: nothing is owed to it
        finally:
            self._open.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _answer(self, request: list[bytes]) -> bytes:
        if len(request) != 3 or not request[2].startswith(b"HTTP/1."):
            return _response("400 Bad Request", "text/plain", "not HTTP\n")
        method, target = request[0], request[1].split(b"?")[0]
        if target != b"/metrics":
            return _response("404 Not Found", "text/plain", "there is only /metrics\n")
        if method != b"GET":
            return _response("405 Method Not Allowed", "text/plain", "only GET\n", "Allow: GET\r\n")
        return _response("200 OK", CONTENT_TYPE, self._text())


def _response(status: str, content_type: str, text: str, more: str = "") -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    return head.encode() + body
