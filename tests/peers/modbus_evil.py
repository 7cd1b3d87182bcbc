"""A Modbus slave that misbehaves in the ways real ones do; every register holds its own wire address, so a wrong value shows.

It works off its requests one after another, as a serial server or a slow slave does, so one late answer makes all later ones late.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import struct
import tty
from collections.abc import AsyncIterator, Awaitable, Callable

from cython_ext.registers import crc16

FOREIGN = 0x5000
"""Added to the registers in frames of another unit."""

Send = Callable[[bytes], None]
Mood = Callable[["Slave", bytes, Send], Awaitable[None]]
"""What the slave does with its right answer."""


def registers(pdu: bytes, shift: int = 0) -> bytes:
    """Return the right answer to a read of registers or bits; bits are the parity of their address."""
    function, address, count = struct.unpack(">BHH", pdu)
    if function in {3, 4}:
        values = (0xFFFF & (address + i + shift) for i in range(count))
        return struct.pack(f">BB{count}H", function, 2 * count, *values)
    packed = bytearray((count + 7) // 8)
    for i in range(count):
        packed[i // 8] |= ((address + i) & 1) << i % 8
    return struct.pack(">BB", function, len(packed)) + packed


def framed(unit: int, pdu: bytes) -> bytes:
    """Return an RTU frame."""
    body = bytes([unit]) + pdu
    return body + struct.pack("<H", crc16(body))


class Slave:
    """The slave; `mood` decides what becomes of each answer, `legal` which reads it knows."""

    def __init__(self, mood: Mood, unit: int = 7, seed: int = 1) -> None:
        self.mood = mood
        self.units = {unit}
        self.unit = unit
        self.random = random.Random(seed)
        self.requests: list[bytes] = []
        self.legal: Callable[[int, int, int], bool] = lambda function, address, count: True
        self.other_tids = 0.0
        self.mute = False
        self.queue: asyncio.Queue[tuple[bytes, Send]] = asyncio.Queue()
        self._buffer = b""

    def take(self, data: bytes, send: Send) -> None:
        """Take bytes of RTU requests, 8 each."""
        self._buffer += data
        while len(self._buffer) >= 8:
            if crc16(self._buffer[:8]) == 0:
                self.queue.put_nowait((self._buffer[:8], send))
                self._buffer = self._buffer[8:]
            else:
                self._buffer = self._buffer[1:]

    def answer(self, request: bytes) -> bytes:
        """Return the right answer frame to a request frame."""
        unit, pdu = request[0], request[1:6]
        function, address, count = struct.unpack(">BHH", pdu)
        if not self.legal(function, address, count):
            return framed(unit, bytes([function | 0x80, 2]))
        return framed(unit, registers(pdu))

    async def work(self) -> None:
        """Answer for ever."""
        while True:
            request, send = await self.queue.get()
            self.requests.append(request)
            if request[0] in self.units and not self.mute:
                await self.mood(self, request, send)


@contextlib.asynccontextmanager
async def on_pty(slave: Slave) -> AsyncIterator[str]:
    """Put the slave on a pseudo terminal; yields the path of the other end."""
    ours, theirs = os.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    loop = asyncio.get_running_loop()

    def send(data: bytes) -> None:
        os.write(ours, data)

    loop.add_reader(ours, lambda: slave.take(os.read(ours, 4096), send))
    task = asyncio.create_task(slave.work())
    try:
        yield os.ttyname(theirs)
    finally:
        loop.remove_reader(ours)
        await _end(task)
        os.close(ours)
        os.close(theirs)


@contextlib.asynccontextmanager
async def on_tcp(slave: Slave) -> AsyncIterator[str]:
    """Put the slave behind a serial server (RTU over TCP); yields host:port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                slave.take(data, writer.write)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    task = asyncio.create_task(slave.work())
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await _end(task)


@contextlib.asynccontextmanager
async def on_mbap(slave: Slave) -> AsyncIterator[str]:
    """Put the slave on Modbus TCP; frames of another transaction (0, the last, the next one) may come before each of its own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def sender(tid: int) -> Send:
            def send(frame: bytes) -> None:
                for other in (0, tid - 1, tid + 1):
                    if slave.random.random() < slave.other_tids:
                        pdu = registers(slave.requests[-1][1:6], FOREIGN)
                        writer.write(struct.pack(">HHHB", other & 0xFFFF, 0, len(pdu) + 1, frame[0]) + pdu)
                writer.write(struct.pack(">HHHB", tid, 0, len(frame) - 2, frame[0]) + frame[1:-2])

            return send

        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readexactly(7):
                tid, _, length, unit = struct.unpack(">HHHB", head)
                slave.queue.put_nowait((framed(unit, await reader.readexactly(length - 1)), sender(tid)))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    task = asyncio.create_task(slave.work())
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await _end(task)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def honest(slave: Slave, request: bytes, send: Send) -> None:
    """Answer at once."""
    send(slave.answer(request))


def late(chance: float, shortest: float, longest: float, always: float = 0.0) -> Mood:
    """Sometimes answer only after a while, and take `always` seconds at least."""

    async def mood(slave: Slave, request: bytes, send: Send) -> None:
        if slave.random.random() < chance:
            await asyncio.sleep(slave.random.uniform(shortest, longest))
        elif always:
            await asyncio.sleep(always)
        send(slave.answer(request))

    return mood


def twice(chance: float, longest: float) -> Mood:
    """Sometimes answer twice, at once or a little later."""

    async def mood(slave: Slave, request: bytes, send: Send) -> None:
        send(slave.answer(request))
        if slave.random.random() < chance:
            await asyncio.sleep(slave.random.choice((0.0, slave.random.uniform(0, longest))))
            send(slave.answer(request))

    return mood


def truncated(chance: float) -> Mood:
    """Sometimes lose the end or the beginning of an answer."""

    async def mood(slave: Slave, request: bytes, send: Send) -> None:
        answer = slave.answer(request)
        if slave.random.random() < chance:
            at = slave.random.randrange(1, len(answer))
            answer = answer[:at] if slave.random.random() < 0.5 else answer[at:]
        send(answer)

    return mood


def another_unit(chance: float) -> Mood:
    """Sometimes let a frame of another unit come before or instead of the answer."""

    async def mood(slave: Slave, request: bytes, send: Send) -> None:
        if slave.random.random() < chance:
            send(framed(slave.random.choice((slave.unit + 1, 1, 0)), registers(request[1:6], FOREIGN)))
            if slave.random.random() < 0.5:
                return
        send(slave.answer(request))

    return mood


def noisy(chance: float, flips: float) -> Mood:
    """Sometimes flip bits of an answer, or send noise before, behind or instead of it."""

    async def mood(slave: Slave, request: bytes, send: Send) -> None:
        answer = bytearray(slave.answer(request))
        for i in range(8 * len(answer)):
            if slave.random.random() < flips:
                answer[i // 8] ^= 1 << i % 8
        noise = slave.random.randbytes(slave.random.randrange(1, 40)) if slave.random.random() < chance else b""
        send(slave.random.choice((noise + bytes(answer), bytes(answer) + noise, noise or bytes(answer))))

    return mood


def sometimes(*moods: Mood) -> Mood:
    """Be in any of these moods, changing with every request."""

    async def mood(slave: Slave, request: bytes, send: Send) -> None:
        await slave.random.choice(moods)(slave, request, send)

    return mood
