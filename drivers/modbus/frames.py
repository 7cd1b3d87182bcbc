"""Sound RTU answers in a stream of bytes that may also hold noise, pieces of frames and frames of others.

pymodbus's own RTU decoder is not used for this: it throws away all that has been received with the first frame it finds, or
fails to find, so a late answer would take the right one behind it along.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final, NamedTuple

from cython_ext.registers import crc16

SHORTEST: Final = 5
"""Bytes of an exception, the shortest answer: unit, function, code, checksum."""

_OVERHEAD: Final = 5
_EXCEPTION: Final = 0x80


class Frame(NamedTuple):
    """A frame with a good checksum. `data` holds the data bytes; of an exception it is empty, and `code` its number."""

    unit: int
    function: int
    data: bytes
    code: int | None = None


class Splitter:
    """Cuts answers out of a stream.

    Only what has the form of an answer to something that was asked is tried, so noise costs little: `shapes` holds every
    (unit, function, number of data bytes) asked so far, and (unit, function, None) for the exceptions.
    """

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
        self._buffer = self._buffer + data if self._buffer else data
        return self._cut()

    def give_up(self) -> list[Frame]:
        """Stop waiting for the rest of what has begun, since nothing came for a while; return the frames found behind it."""
        frames = []
        while len(self._buffer) >= SHORTEST:
            self._buffer = self._buffer[1:]
            self.garbage += 1
            frames += self._cut()
        self.garbage += len(self._buffer)
        self._buffer = b""
        return frames

    def _cut(self) -> list[Frame]:
        frames = []
        buffer, i = self._buffer, 0
        while len(buffer) - i >= SHORTEST:
            length = self._length(buffer[i], buffer[i + 1], buffer[i + 2])
            if length > len(buffer) - i:
                break
            if length and crc16(buffer[i : i + length]) == 0:
                frames.append(_frame(buffer[i : i + length]))
                i += length
            else:
                self.garbage += 1
                i += 1
        self._buffer = buffer[i:]
        return frames

    def _length(self, unit: int, function: int, third: int) -> int:
        """Return the length of the answer that begins with these bytes, 0 when nothing that was asked for does."""
        if function & _EXCEPTION:
            return SHORTEST if (unit, function ^ _EXCEPTION, None) in self._shapes else 0
        return third + _OVERHEAD if (unit, function, third) in self._shapes else 0


def _frame(raw: bytes) -> Frame:
    if raw[1] & _EXCEPTION:
        return Frame(raw[0], raw[1] ^ _EXCEPTION, b"", raw[2])
    return Frame(raw[0], raw[1], raw[3:-2])
