"""A bus on a pty with whatever a scan may meet: units of any kind, another master, noise, echo, or nobody at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable

from cython_ext.registers import crc16

Answer = Callable[[bytes], bytes | None]
"""What a unit makes of a request (function and data): the answer, or None for silence."""


def framed(unit: int, pdu: bytes) -> bytes:
    """Return an RTU frame."""
    body = bytes([unit]) + pdu
    return body + struct.pack("<H", crc16(body))


def coded(unit: int, pdu: bytes) -> bytes:
    """Return an ASCII frame."""
    body = bytes([unit]) + pdu
    return b":%s%02X\r\n" % (body.hex().upper().encode(), -sum(body) & 0xFF)


def unit(
    registers: dict[int, int] | None = None,
    objects: dict[int, str] | None = None,
    server_id: bytes | None = None,
    part: int = 10,
    silent: frozenset[int] = frozenset(),
) -> Answer:
    """Return a unit with holding registers, identification objects (handed out `part` at a time) and server id.

    Functions in `silent` are not answered at all, everything else that it does not know is refused.
    """
    held = registers or {}

    def answer(pdu: bytes) -> bytes | None:
        function = pdu[0]
        if function in silent:
            return None
        if function in {3, 4}:
            address, count = struct.unpack(">HH", pdu[1:5])
            wanted = [held.get(address + i) for i in range(count)]
            if function == 4 or any(value is None for value in wanted):
                return bytes([function | 0x80, 2])
            return struct.pack(f">BB{count}H", function, 2 * count, *(value or 0 for value in wanted))
        if function == 17 and server_id is not None:
            return bytes([17, len(server_id)]) + server_id
        if function == 43 and objects:
            level, first = pdu[2], pdu[3]
            top = 2 if level == 1 else 6
            ids = [i for i in sorted(objects) if first <= i <= top]
            now, later = ids[:part], ids[part:]
            body = b"".join(bytes([i, len(objects[i].encode())]) + objects[i].encode() for i in now)
            return bytes([43, 14, level, 0x82, 0xFF if later else 0, later[0] if later else 0, len(now)]) + body
        return bytes([function | 0x80, 1])

    return answer


def sunspec(models: list[tuple[int, int]], common: int = 66) -> dict[int, int]:
    """Return holding registers with a SunSpec map at 40000: common model, then models of (number, length)."""
    words = [*struct.unpack(">2H", b"SunS"), 1, common]
    for text, size in (("Acme", 16), ("Counter 3", 16), ("", 8), ("1.2", 8), ("SN77", 16)):
        words += struct.unpack(f">{size}H", text.encode().ljust(2 * size, b"\0"))
    words += [0] * (common - 64)
    for number, length in models:
        words += [number, length] + [7] * length
    return dict(enumerate([*words, 0xFFFF, 0], start=40000))


class Bus:
    """The bus; `heard` are all requests that the units understood, `port` is what a scan opens. `in_ascii`: they speak ASCII."""

    def __init__(self, units: dict[int, Answer] | None = None, in_ascii: bool = False) -> None:
        self.units = units or {}
        self.in_ascii = in_ascii
        self.heard: list[tuple[int, bytes]] = []
        self.echo = False
        self.delay = 0.0
        self.spoil: Callable[[bytes], bytes] = lambda frame: frame
        self.port = ""
        self._ours = -1
        self._buffer = b""

    def say(self, data: bytes) -> None:
        """Put bytes on the line."""
        os.write(self._ours, data)

    def _take(self) -> None:
        data = os.read(self._ours, 4096)
        if self.echo:
            self.say(data)
        self._buffer += data
        loop = asyncio.get_running_loop()
        while body := self._line() if self.in_ascii else self._frame():
            number, pdu = body[0], body[1:]
            self.heard.append((number, pdu))
            answer = self.units[number](pdu) if number in self.units else None
            if answer is not None:
                frame = coded(number, answer) if self.in_ascii else framed(number, answer)
                loop.call_later(self.delay, self._say_if_open, self.spoil(frame))

    def _frame(self) -> bytes:
        """Take the request at the beginning of what has come; its length is where the checksum fits."""
        lengths = range(4, min(9, len(self._buffer) + 1))
        frame = next((self._buffer[:n] for n in lengths if crc16(self._buffer[:n]) == 0), b"")
        self._buffer = self._buffer[len(frame) :]
        return frame[:-2]

    def _line(self) -> bytes:
        """Take the next request in ASCII; whatever stands before its colon is nobody's."""
        before, end, self._buffer = self._buffer.partition(b"\r\n")
        if not end:
            self._buffer = before
            return b""
        return bytes.fromhex(before.rpartition(b":")[2].decode())[:-1]

    def _say_if_open(self, data: bytes) -> None:
        if self._ours >= 0:
            self.say(data)

    @contextlib.asynccontextmanager
    async def on_pty(self) -> AsyncIterator[Bus]:
        """Put it on a pseudo terminal."""
        self._ours, theirs = os.openpty()
        tty.setraw(self._ours)
        tty.setraw(theirs)
        self.port = os.ttyname(theirs)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._ours, self._take)
        try:
            yield self
        finally:
            loop.remove_reader(self._ours)
            os.close(self._ours)
            os.close(theirs)
            self._ours = -1


@contextlib.asynccontextmanager
async def talking(bus: Bus, *frames: bytes, every: float = 0.02) -> AsyncIterator[None]:
    """Let somebody else talk on the bus: these frames, over and over."""

    async def talk() -> None:
        while True:
            for frame in frames:
                bus.say(frame)
                await asyncio.sleep(every)

    task = asyncio.create_task(talk())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
