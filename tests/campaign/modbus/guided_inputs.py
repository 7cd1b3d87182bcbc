"""From any bytes to an input of each decoder and planner, for a fuzzer that searches byte by byte; and seeds to begin with.

Nothing here needs that fuzzer: hypothesis drives the same functions in the normal tests.
"""

from __future__ import annotations

import atexit
import random
from collections.abc import Callable, Iterator
from functools import cache

from msgspec.structs import replace

from drivers.modbus.cost import Cost
from drivers.modbus.plan import Limits, Span
from drivers.modbus.request import REGISTER_FUNCTIONS, Request
from tests.campaign.modbus import check_frames, check_values
from tests.campaign.modbus.check_frames import ASKED, mbap
from tests.campaign.modbus.fuzz import IDENTITIES, SHOWN, WRITTEN
from tests.peers.modbus_evil import framed, registers
from tests.peers.modbus_evil_ascii import in_characters

LONGEST = 700
"""Bytes of an input; the longest frame, of ASCII, has 513 characters."""

MOST_PIECES = 6
"""Of what is shown; noise is looked through again with every piece, so more would only take longer."""

Check = Callable[[bytes], None]


class Source:
    """Numbers and bytes taken from the front of an input; of an exhausted one all are zero or empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, most: int) -> int:
        """Return a number from 0 to `most`."""
        width = (most.bit_length() + 7) // 8
        return int.from_bytes(self.bytes(width), "big") % (most + 1)

    def bytes(self, count: int) -> bytes:
        """Return at most `count` bytes."""
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.bytes(len(self._data))


def _stream(data: bytes, sealed: Callable[[bytes], bytes]) -> list[bytes]:
    """Return pieces of a line: the first byte says where they are cut, and whether they get the checksum nobody would guess."""
    source = Source(data)
    first = source.number(255)
    body = source.rest()
    if first & 1 and len(body) > 1:
        body = sealed(body)
    cut = (first >> 1) * len(body) // 127
    return [body[:cut], body[cut:]]


def _sealed(body: bytes) -> bytes:
    return framed(body[0], body[1:])


def rtu(data: bytes) -> None:
    check_frames.check_rtu(_stream(data, _sealed))


def ascii_frames(data: bytes) -> None:
    check_frames.check_ascii(_stream(data, lambda body: in_characters(_sealed(body))))


def overheard(data: bytes) -> None:
    check_frames.check_overheard(b"".join(_stream(data, _sealed)))


def shown(data: bytes) -> None:
    source, pieces = Source(data), []
    framing, direction = (("rtu", "ascii", "mbap")[source.number(2)]), source.number(255)
    while (piece := source.bytes(1 + source.number(63))) and len(pieces) < MOST_PIECES:
        if direction & 2 and framing != "mbap":
            piece = _sealed(piece) if framing == "rtu" else in_characters(_sealed(piece))
        pieces.append(("rx" if direction & 1 else "tx", piece))
        direction = source.number(255)
    check_frames.check_watch(framing, pieces)


@cache
def _tcp() -> check_frames.TcpAnswers:
    made = check_frames.TcpAnswers()
    atexit.register(made.close)
    return made


def tcp(data: bytes) -> None:
    """Up to three answers, each of a length of its own: behind the right header, or all of it as it comes."""
    source = Source(data)
    asked = [replace(ASKED[source.number(len(ASKED) - 1)], unit=unit) for unit in (1, 2, 3)]

    def answers(sent: list[bytes]) -> Iterator[bytes]:
        for frame, request in zip(sent, asked, strict=True):
            how, length = source.number(255), source.number(260)
            if how & 1:
                yield source.bytes(length)
            else:
                pdu = source.bytes(min(length, 253)) or registers(request.pdu)
                yield mbap(frame[0] << 8 | frame[1], request.unit, pdu)

    _tcp().check(asked, answers)


def written(data: bytes) -> None:
    check_values.check_written(data.decode("utf-8", "replace"))


def plans(data: bytes) -> None:
    source = Source(data)
    cost = Cost(request_ns=(0, 1000, 60_000_000)[source.number(2)], byte_ns=(1, 80, 1_000_000)[source.number(2)], framing=13)
    limits = Limits(8 + source.number(117), (None, 0, 5, 125)[source.number(3)], cost)
    cuts = {(1 + source.number(3), source.number(300)) for _ in range(source.number(5))}
    wanted: list[Span] = []
    for row in range(source.number(39)):
        function = (1, 2, 3, 4)[source.number(3)]
        width = (1, 2, 4, 8)[source.number(3)] if function in REGISTER_FUNCTIONS else 1
        start = source.number(300) if source.number(1) else source.number(65535 - width)
        wanted.append(Span(row, function, start, start + width))
    check_values.check_plan(wanted, limits, cuts)


@cache
def _decodings() -> list[check_values.Decoding]:
    return check_values.decodings(random.Random(1), 60)


def decoders(data: bytes) -> None:
    source, pool = Source(data), _decodings()
    one = pool[source.number(len(pool) - 1)]
    check_values.check_decoding(one, source.rest()[: one.size].ljust(one.size, b"\0"))


def guesses(data: bytes) -> None:
    source = Source(data)
    raw = source.bytes(2 * source.number(6))
    raw = raw[: len(raw) // 2 * 2]
    check_values.check_guess(raw, source.number(len(raw) // 2), source.rest().decode("utf-8", "replace"))


def identities(data: bytes) -> None:
    source = Source(data)

    def answers() -> Iterator[bytes | None]:
        while count := source.number(255):
            yield source.bytes(count) or None

    check_values.check_identity(answers(), data)


FRAMES = [framed(7, registers(request.pdu)) for request in ASKED] + [framed(7, b"\x83\x02"), framed(7, Request(7, 3, 100, 2).pdu)]
SPLIT = bytes([64])
"""In the middle, without a checksum of the fuzzer's."""

TARGETS: dict[str, tuple[Check, list[bytes]]] = {
    "byte-order guess": (guesses, [bytes([2]) + b"\x42\x27\x99\x9a" + bytes([0]) + display.encode() for display in SHOWN]),
    "read plan": (plans, [bytes(range(n, 256, n)) for n in (1, 2, 3, 7)]),
    "TCP answers, exchange": (tcp, [bytes([n, n, n, 0, 0, 0, 0, 0, 0]) for n in range(len(ASKED))]),
    "frames overheard": (overheard, [SPLIT + frame for frame in FRAMES]),
    "frames shown": (shown, [bytes([0, 0, 7]) + framed(7, Request(7, 3, 100, 2).pdu) + bytes([1, 8]) + FRAMES[1]]),
    "RTU frames": (rtu, [SPLIT + frame for frame in FRAMES]),
    "ASCII frames": (ascii_frames, [SPLIT + in_characters(frame) for frame in FRAMES]),
    "identification": (identities, [bytes([len(one)]) + one for one in IDENTITIES]),
    "decoder of registers": (decoders, [bytes(range(n, n + 60)) for n in (0, 60, 120)]),
    "written address, raw value": (written, [text.encode() for text in WRITTEN]),
}
"""What is checked, and the inputs the search begins with; the slowest first."""
