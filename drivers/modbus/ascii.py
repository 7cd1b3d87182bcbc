"""Modbus ASCII, on a serial port or over TCP: `:` unit, function and data in hexadecimal, LRC, CR LF.

What keeps answers apart is what keeps them apart on an RTU bus (`RtuExchange`). The checksum is weaker: eight bits.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from pymodbus.framer import FramerAscii
from pymodbus.pdu import DecodePDU

from drivers.modbus.doubt import Doubt
from drivers.modbus.frames import Frame
from drivers.modbus.request import Request
from drivers.modbus.rtu import RtuExchange
from gateway.clock import Clock
from gateway.config.spec import Link

LONGEST: Final = 1 + 2 * 255 + 2
"""Characters of the longest frame: colon, 255 bytes in hexadecimal, CR LF."""

GAP_S: Final = 1.0
"""Within a frame up to a second may pass between two characters (Modbus over Serial Line V1.02, 2.5.2.1)."""

LASTING_DOUBT: Final = 256
"""After a damaged answer so many sound ones are confirmed; of those that two flipped bits hit, one in a hundred has a sound LRC."""

_EXCEPTION: Final = 0x80
_EXCEPTION_BYTES: Final = 3


class AsciiExchange(RtuExchange):
    """Exchange over ASCII frames."""

    _framer = FramerAscii(DecodePDU(is_server=False))  # type: ignore[assignment]

    def __init__(self, link: Link, clock: Clock) -> None:
        super().__init__(link, clock)
        self._splitter = AsciiSplitter(self._ledger.shapes)  # type: ignore[assignment]
        self._gap = min(GAP_S, self._timeout / 2)
        self._doubt = Doubt(LASTING_DOUBT)

    def _answer_length(self, request: Request) -> int:
        return 1 + 2 * (request.size + 4) + 2


class AsciiSplitter:
    """Cuts sound ASCII answers out of a stream; counterpart of `frames.Splitter`, `shapes` as there."""

    def __init__(self, shapes: Container[tuple[int, int, int | None]]) -> None:
        self.garbage = 0
        """Bytes so far that belong to no frame."""
        self._shapes = shapes
        self._buffer = b""

    @property
    def waiting(self) -> int:
        """Bytes that may be the beginning of an answer."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes; return the frames that are complete now, in order."""
        self._buffer += data
        frames = []
        while self._buffer:
            start = self._buffer.find(b":")
            if start:
                self._drop(len(self._buffer) if start < 0 else start)
                continue
            end, again = self._buffer.find(b"\r\n"), self._buffer.find(b":", 1)
            if 0 < again < (end if end >= 0 else len(self._buffer)):
                self._drop(again)  # a colon begins a frame wherever it stands
            elif end < 0:
                if len(self._buffer) <= LONGEST:
                    break
                self._drop(1)
            elif frame := self._frame(self._buffer[1:end]):
                frames.append(frame)
                self._buffer = self._buffer[end + 2 :]
            else:
                self._drop(end + 2)
        return frames

    def give_up(self) -> list[Frame]:
        """Stop waiting for the rest of what has begun; nothing can stand behind it."""
        self._drop(len(self._buffer))
        return []

    def _drop(self, count: int) -> None:
        self.garbage += count
        self._buffer = self._buffer[count:]

    def _frame(self, text: bytes) -> Frame | None:
        """Return the answer that these characters are, None when they are none, or none to anything that was asked."""
        raw = unhexed(text)
        if raw is None or len(raw) < _EXCEPTION_BYTES:
            return None
        unit, function, third, body = raw[0], raw[1], raw[2], raw[3:]
        if function & _EXCEPTION:
            known = (unit, function ^ _EXCEPTION, None) in self._shapes and not body
            return Frame(unit, function ^ _EXCEPTION, b"", third) if known else None
        if third != len(body) or (unit, function, third) not in self._shapes:
            return None
        return Frame(unit, function, body)


def unhexed(text: bytes) -> bytes | None:
    """Return what stands between colon and CR LF without its LRC, None when it is no hexadecimal or the LRC does not fit."""
    if len(text) % 2 or not text.isalnum():
        return None
    try:
        raw = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return None
    return raw[:-1] if not sum(raw) & 0xFF else None
