"""How a question and its answer look on a bus, RTU or ASCII, for a scan that knows neither the line nor the unit."""

from __future__ import annotations

import struct
from typing import Final, Literal, Protocol

from cython_ext.registers import crc16
from drivers.modbus import ascii as ascii_frames

LONGEST: Final = 256
"""Bytes of the longest RTU frame."""

_EXCEPTION: Final = 0x80
_GAP_S: Final = 0.1


class Framing(Protocol):
    """Frames of one kind: what goes out, and the sound answer among what came.

    Attributes:
        name: `rtu` or `ascii`.
        longest: bytes of the longest frame on the line.
        gap_s: an answer that stops for so long will not be completed.
    """

    name: Literal["rtu", "ascii"]
    longest: int
    gap_s: float

    def request(self, unit: int, pdu: bytes) -> bytes:
        """Return the frame of a request."""

    def answer(self, raw: bytes, unit: int, pdu: bytes) -> tuple[bytes | None, bool]:
        """Return function and data of the sound answer to a request among the bytes that came, and whether one may have begun."""


class RtuFraming:
    """Unit, function, data and a CRC; where a frame ends, only its form and its checksum tell."""

    name: Literal["rtu", "ascii"] = "rtu"
    longest = LONGEST
    gap_s = _GAP_S

    def request(self, unit: int, pdu: bytes) -> bytes:
        """Return the frame of a request."""
        frame = bytes([unit]) + pdu
        return frame + struct.pack("<H", crc16(frame))

    def answer(self, raw: bytes, unit: int, pdu: bytes) -> tuple[bytes | None, bool]:
        """Return the sound answer to a request among the bytes that came, and whether one may have begun."""
        begun = False
        for i in range(len(raw)):
            if raw[i] != unit:
                continue
            length = answer_length(raw[i + 1 :], pdu)
            if length == 0:
                continue
            if length is None or len(raw) - i < length + 3:
                begun = True
            elif crc16(raw[i : i + length + 3]) == 0:
                return raw[i + 1 : i + length + 1], False
        return None, begun


class AsciiFraming:
    """A colon, everything in hexadecimal digits, an LRC, CR LF."""

    name: Literal["rtu", "ascii"] = "ascii"
    longest = ascii_frames.LONGEST
    gap_s = ascii_frames.GAP_S

    def request(self, unit: int, pdu: bytes) -> bytes:
        """Return the frame of a request."""
        body = bytes([unit]) + pdu
        return b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\r\n"

    def answer(self, raw: bytes, unit: int, pdu: bytes) -> tuple[bytes | None, bool]:
        """Return the sound answer to a request among the bytes that came, and whether one may have begun."""
        *lines, rest = raw.split(b"\r\n")
        for line in lines:
            body = ascii_frames.unhexed(line.rpartition(b":")[2])
            if body and body[0] == unit and fits(body[1:], pdu):
                return body[1:], False
        return None, b":" in rest


RTU: Final = RtuFraming()
ASCII: Final = AsciiFraming()
FRAMINGS: Final[dict[str, Framing]] = {"rtu": RTU, "ascii": ASCII}


def expected_size(pdu: bytes) -> int | None:
    """Return the number of data bytes in the answer to a read, None where the answer itself says it."""
    if pdu[0] in {1, 2}:
        return (int.from_bytes(pdu[3:5], "big") + 7) // 8
    return 2 * int.from_bytes(pdu[3:5], "big") if pdu[0] in {3, 4} else None


def fits(answer: bytes, pdu: bytes) -> bool:
    """Say whether a whole answer has the form asked for."""
    if len(answer) < 2:
        return False
    if answer[0] == pdu[0] | _EXCEPTION:
        return len(answer) == 2
    length = answer_length(answer, pdu)
    return length is not None and 0 < length == len(answer)


def answer_length(answer: bytes, pdu: bytes) -> int | None:
    """Return the length of an answer that begins so, without unit and checksum; None: too early to say, 0: it is none."""
    if not answer:
        return None
    if answer[0] == pdu[0] | _EXCEPTION:
        return 2
    if answer[0] != pdu[0]:
        return 0
    if answer[0] == 43:
        return _identification_length(answer, pdu)
    if len(answer) < 2:
        return None
    size = expected_size(pdu)
    return answer[1] + 2 if size in {None, answer[1]} else 0


def _identification_length(answer: bytes, pdu: bytes) -> int | None:
    """Return the same for device identification: head of 7 bytes, then id, length and text of each object."""
    if answer[1:3] != pdu[1:3][: len(answer) - 1]:
        return 0
    if len(answer) < 7:
        return None
    at = 7
    for _ in range(answer[6]):
        if len(answer) < at + 2:
            return None
        at += 2 + answer[at + 1]
    return at if at <= LONGEST else 0
