"""The metrics' port: one page, nothing else, and nobody can hold it up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from gateway import exporter as module
from gateway.config.host import LoopbackAddress
from gateway.exporter import Exporter


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def served() -> AsyncIterator[tuple[Exporter, int]]:
    exporter, port = Exporter(lambda: "# EOF\n"), free_port()
    await exporter.listen(LoopbackAddress(f"127.0.0.1:{port}"))
    yield exporter, port
    await exporter.close()


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_the_page_is_there(served: tuple[Exporter, int]) -> None:
    answer = await ask(served[1], b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text")
    assert answer.endswith(b"\r\n\r\n# EOF\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"\x16\x03\x01 hello\r\n\r\n", b"400"),
    ],
)
async def test_nothing_else_is(served: tuple[Exporter, int], request_: bytes, status: bytes) -> None:
    assert (await ask(served[1], request_)).split(b" ")[1] == status


async def test_a_head_without_end_is_hung_up_on(served: tuple[Exporter, int]) -> None:
    assert await ask(served[1], b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 20_000) == b""


async def test_who_says_nothing_is_hung_up_on_and_more_than_a_few_are_not_let_in(
    served: tuple[Exporter, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    silent = [await asyncio.open_connection("127.0.0.1", served[1]) for _ in range(module.MOST_AT_A_TIME)]
    assert await asyncio.wait_for(ask(served[1], b""), 5) == b""
    for reader, writer in silent:
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    assert (await ask(served[1], b"GET /metrics HTTP/1.1\r\n\r\n")).split(b" ")[1] == b"200"


async def test_a_port_that_is_taken_is_told_and_tried_again(served: tuple[Exporter, int]) -> None:
    first, port = served
    second = Exporter(lambda: "")
    await second.listen(LoopbackAddress(f"127.0.0.1:{port}"))
    assert "address already in use" in second.trouble
    await first.close()
    await second.listen(LoopbackAddress(f"127.0.0.1:{port}"))
    assert second.trouble == ""
    await second.close()


@pytest.mark.parametrize(("text", "pair"), [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:80", ("::1", 80))])
def test_an_address_of_this_computer(text: str, pair: tuple[str, int]) -> None:
    assert LoopbackAddress.parse(text).pair == pair


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.0.0.0:9464", "is not this computer"),
        ("gateway.example:9464", "write '127.0.0.1:9464'"),
        (9464, "did you mean '127.0.0.1:9464'"),
        ("localhost", "has no port"),
        ("127.0.0.1:99999", "not a port"),
        (True, "expected an address"),
    ],
)
def test_any_other_is_refused_with_the_cure(text: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LoopbackAddress.parse(text)
