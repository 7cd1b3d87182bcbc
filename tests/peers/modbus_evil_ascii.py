"""The slave that misbehaves (`modbus_evil`), speaking ASCII: its RTU frames are put into characters, torn ones stay torn."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator

from cython_ext.registers import crc16
from tests.peers.modbus_evil import Send, Slave, framed


def in_characters(frame: bytes) -> bytes:
    """Return an RTU frame as ASCII frame; of a torn one its beginning without an end, or its end without a beginning."""
    if crc16(frame) == 0:
        body = frame[:-2]
        return b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\r\n"
    text = frame.hex().upper().encode()
    return b":" + text if frame[0] < 16 else text + b"\r\n"


class Ear:
    """Takes the characters of requests and hands them to the slave."""

    def __init__(self, slave: Slave, write: Send) -> None:
        self._slave = slave
        self._write = write
        self._buffer = b""

    def take(self, data: bytes) -> None:
        """Take characters."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n")) >= 0:
            line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
            raw = bytes.fromhex(line.rpartition(b":")[2].decode())
            assert sum(raw) & 0xFF == 0, "the gateway sent a frame with a wrong checksum"
            self._slave.take(framed(raw[0], raw[1:-1]), lambda frame: self._write(in_characters(frame)))


@contextlib.asynccontextmanager
async def on_tcp(slave: Slave) -> AsyncIterator[str]:
    """Put the slave behind a serial server; yields host:port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ear = Ear(slave, writer.write)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                ear.take(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        async with _working(slave):
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@contextlib.asynccontextmanager
async def on_pty(slave: Slave) -> AsyncIterator[str]:
    """Put the slave on a pseudo terminal; yields the path of the other end."""
    ours, theirs = os.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    loop = asyncio.get_running_loop()

    def write(data: bytes) -> None:
        os.write(ours, data)

    ear = Ear(slave, write)
    loop.add_reader(ours, lambda: ear.take(os.read(ours, 4096)))
    try:
        async with _working(slave):
            yield os.ttyname(theirs)
    finally:
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)


@contextlib.asynccontextmanager
async def _working(slave: Slave) -> AsyncIterator[None]:
    task = asyncio.create_task(slave.work())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
