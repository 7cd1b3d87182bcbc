"""What must hold whatever comes over a line, however it was made; a broken rule is an AssertionError."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator, Sequence

from drivers.modbus.ascii import AsciiSplitter
from drivers.modbus.frames import Frame, Splitter
from drivers.modbus.framing import ASCII, RTU, fits
from drivers.modbus.listen import frames_in
from drivers.modbus.request import Request
from drivers.modbus.tcp import TcpExchange
from drivers.modbus.watch import Framing, Watch
from tests.campaign.modbus.virtual import VirtualLoop
from tests.drivers.modbus.fake_line import exchange_on
from tests.peers.modbus_evil import framed

ASKED = [Request(7, f, 100, n) for f in (3, 4) for n in (1, 2, 10, 125)] + [Request(7, 1, 100, n) for n in (1, 9, 2000)]
SHAPES = {(q.unit, q.function, q.size) for q in ASKED} | {(7, f, None) for f in (1, 3, 4)}


def check_rtu(pieces: Sequence[bytes]) -> None:
    """Every frame was asked for and stands in the stream with its checksum; every byte is in a frame or counted as garbage."""
    splitter, frames, data = Splitter(SHAPES), list[Frame](), b"".join(pieces)
    for piece in pieces:
        frames += splitter.feed(piece)
    frames += splitter.give_up()
    for frame in frames:
        _asked_for(frame)
        code = frame.code
        pdu = bytes([frame.function, len(frame.data)]) + frame.data if code is None else bytes([frame.function | 0x80, code])
        assert framed(7, pdu) in data
    assert splitter.waiting == 0
    assert splitter.garbage + sum(5 + len(frame.data) for frame in frames) == len(data)


def check_ascii(pieces: Sequence[bytes]) -> None:
    """Every frame was asked for, and nothing is left over."""
    splitter = AsciiSplitter(SHAPES)
    for piece in pieces:
        for frame in splitter.feed(piece):
            _asked_for(frame)
    splitter.give_up()
    assert splitter.waiting == 0


def _asked_for(frame: Frame) -> None:
    size = None if frame.code is not None else len(frame.data)
    assert (frame.unit, frame.function, size) in SHAPES, frame


class TcpAnswers:
    """Exchanges over Modbus TCP in virtual time, each with several units asked at once, which their answers tell apart."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.close = self._runner.close

    def check(self, asked: Sequence[Request], answers: Callable[[list[bytes]], Iterator[bytes]]) -> int:
        """Ask all of `asked`, each of another unit; feed `answers(the frames sent)` as long as the connection stands, and close.

        Every request ends with data of the length asked for or an error with words for the user. Returns how many were fed.
        """
        return self._runner.run(self._check(asked, answers))

    async def _check(self, asked: Sequence[Request], answers: Callable[[list[bytes]], Iterator[bytes]]) -> int:
        exchange = exchange_on(TcpExchange, "modbus-tcp", "h:502", window=16)
        tasks = [asyncio.ensure_future(exchange.ask(request)) for request in asked]
        await asyncio.sleep(0)
        count = 0
        for data in answers(exchange.line.sent):
            cut = len(data) // 2
            for piece in (data[:cut], data[cut:]):
                if not exchange.line.closed:
                    exchange._received(piece)
            count += 1
            if exchange.line.closed:
                break
        exchange.close()
        await asyncio.wait(tasks)
        for task, request in zip(tasks, asked, strict=True):
            error = task.exception()
            if error is None:
                assert len(task.result()) == request.size
            elif not hasattr(error, "hint"):  # a DeviceError or LinkError has words for the user
                raise error
        return count


def check_overheard(data: bytes) -> None:
    """What is taken for a frame of somebody else has the unit of a slave."""
    assert all(heard.unit <= 247 for heard in frames_in(data))


def check_found(raw: bytes, asked: bytes) -> None:
    """What a scan takes for the answer to a question has its form, whatever it was found among."""
    for framing in (RTU, ASCII):
        answer, _ = framing.answer(raw, 7, asked)
        assert answer is None or fits(answer, asked)


def check_watch(framing: Framing, pieces: Sequence[tuple[str, bytes]]) -> None:
    """Every byte is told once, in its direction and order."""
    watch = Watch(framing)
    for i, (direction, data) in enumerate(pieces):
        watch(direction, data, float(i))
    watch.flush()
    for wanted in ("tx", "rx"):
        told = b"".join(seen.raw for seen in watch.seen if seen.direction == wanted)
        assert told == b"".join(data for direction, data in pieces if direction == wanted)
    assert all(seen.words for seen in watch.seen)


def mbap(tid: int, unit: int, pdu: bytes) -> bytes:
    """Return a Modbus TCP frame."""
    return struct.pack(">HHHB", tid, 0, len(pdu) + 1, unit) + pdu
