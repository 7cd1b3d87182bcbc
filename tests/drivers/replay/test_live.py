"""A running source: a TCP socket or a named pipe that hands out raw float32."""

import asyncio
import contextlib
import itertools
import os
import struct

import pytest

from gateway.clock import Clock, ManualClock
from gateway.config.quantity import Duration, Rate
from gateway.driver import LinkError
from gateway.model import Reason

from .conftest import TABLE, joined, take

FAST = {"rate": Rate(1000), "block": Duration(0.01)}


@contextlib.asynccontextmanager
async def serving(handle):
    connections = set()

    async def run(reader, writer):
        connections.add(asyncio.current_task())
        try:
            with contextlib.suppress(ConnectionError):
                await handle(writer)
        finally:
            writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


async def test_samples_stay_aligned_whatever_the_pieces_they_come_in(replay):
    async def handle(writer):
        data = struct.pack("<100f", *range(100))
        for at in range(0, len(data), 7):
            writer.write(data[at : at + 7])
            await writer.drain()
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    async with serving(handle) as address:
        blocks = await take(replay(address, scale=2.0, **FAST), 10)
    assert joined(blocks) == [2.0 * i for i in range(100)]
    assert [block.gap for block in blocks] == [True] + [False] * 9
    assert {(block.rate_hz, len(block.samples)) for block in blocks} == {(1000.0, 10)}


async def test_the_end_of_the_source_is_a_lost_link(replay):
    async def handle(writer):
        writer.write(struct.pack("<15f", *range(15)))

    async with serving(handle) as address:
        driver = replay(address, **FAST)
        await driver.open()
        stream = driver.stream(TABLE)
        assert list((await anext(stream)).samples) == list(range(10))
        with pytest.raises(LinkError, match="ended the stream"):
            await anext(stream)
        await driver.close()


async def test_silence_is_a_lost_link(replay):
    async def handle(writer):
        await asyncio.Event().wait()

    async with serving(handle) as address:
        with pytest.raises(LinkError, match=r"no samples from tcp://.* for 0\.2 s; is its source running") as caught:
            await take(replay(address, timeout=Duration(0.2), **FAST))
    assert caught.value.reason is Reason.TIMEOUT


async def test_bytes_that_are_not_float32_are_refused(replay):
    async def handle(writer):
        writer.write(b"\xff" * 4000)
        await asyncio.Event().wait()

    async with serving(handle) as address:
        with pytest.raises(LinkError, match="does not send float32 little-endian"):
            await take(replay(address, **FAST))


async def test_nobody_listens(replay):
    async with serving(asyncio.sleep) as address:
        pass
    with pytest.raises(LinkError, match="nobody listens on tcp://127") as caught:
        await take(replay(address, **FAST))
    assert caught.value.reason is Reason.REFUSED


async def test_a_block_never_starts_before_its_samples_can_have_been_taken(replay):
    """The source is faster than its nominal rate: counting alone would run into the past, waiting alone would jitter."""

    async def handle(writer):
        for at in range(0, 1000, 10):
            writer.write(struct.pack("<10f", *range(at, at + 10)))
        await asyncio.Event().wait()

    async with serving(handle) as address:
        clock = ManualClock()
        driver = replay(address, clock, **FAST)
        await driver.open()
        stream = driver.stream(TABLE)
        starts = []
        for _ in range(50):
            starts.append((await anext(stream)).start.mono_ns)
            assert starts[-1] + 10_000_000 <= clock.stamp().mono_ns
            clock.advance(0.009)
        steps = [after - before for before, after in itertools.pairwise(starts)]
        assert set(steps) == {9_000_000}
        await stream.aclose()
        await driver.close()


async def test_a_late_block_does_not_move_the_stamps_at_once(replay):
    async def handle(writer):
        writer.write(struct.pack("<1000f", *range(1000)))
        await asyncio.Event().wait()

    async with serving(handle) as address:
        clock = ManualClock()
        driver = replay(address, clock, **FAST)
        await driver.open()
        stream = driver.stream(TABLE)
        first = await anext(stream)
        clock.advance(0.110)
        second = await anext(stream)
        assert second.start.mono_ns - first.start.mono_ns == 11_000_000
        assert second.start.wall_ns - first.start.wall_ns == 11_000_000
        clock.advance(10)
        third = await anext(stream)
        assert third.start.mono_ns + 10_000_000 == clock.stamp().mono_ns
        await stream.aclose()
        await driver.close()


@pytest.mark.parametrize("name", ["spindle.fifo", "spindle.f32"])
async def test_a_named_pipe_outlives_its_writers(tmp_path, replay, name):
    path = tmp_path / name
    os.mkfifo(path)
    driver = replay(name, Clock(), **FAST)
    await driver.open()
    stream = driver.stream(TABLE)
    for begin in (0, 10):
        with path.open("wb") as file:
            file.write(struct.pack("<10f", *range(begin, begin + 10)))
        assert list((await anext(stream)).samples) == list(range(begin, begin + 10))
    await stream.aclose()
    await driver.close()
    with pytest.raises(OSError, match="No such device"):
        os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # nobody holds it open any more


async def test_a_pipe_that_is_missing_or_none(tmp_path, replay):
    with pytest.raises(LinkError, match="or make it: mkfifo"):
        await take(replay("a.fifo", **FAST))
    (tmp_path / "a.fifo").write_bytes(b"")
    with pytest.raises(LinkError, match="is not a named pipe"):
        await take(replay("a.fifo", **FAST))
