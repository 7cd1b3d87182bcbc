"""Listening before asking: is somebody else's Modbus, RTU or ASCII, on the line, who is asked, and at which speed?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from msgspec import Struct, field

from cython_ext.registers import crc16
from drivers.modbus.ascii import unhexed
from drivers.modbus.verdict import FEW, Evidence, Verdict, another_master, verdicts

REQUEST_LENGTH: Final = 8
"""Bytes of a request of function 1 to 6, checksum included."""

_LONGEST: Final = 256
_ANSWERED_WITH_COUNT: Final = frozenset({1, 2, 3, 4, 17})
_ASCII: Final = re.compile(rb":([0-9A-Fa-f]{6,512})\r\n")
_EXCEPTION: Final = 0x80
_LAST_EXCEPTION: Final = 11
_KNOWN: Final = frozenset({*range(1, 9), 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43})  # others are rather noise


class Heard(NamedTuple):
    """A sound frame of somebody else. `request`: it has the form of a question."""

    unit: int
    function: int
    request: bool
    framing: str = "rtu"


def frames_in(data: bytes) -> list[Heard]:
    """Return the sound frames in what was heard, wherever they begin; what lies between them is passed over."""
    return _rtu_frames(data) or _ascii_frames(data)


def _ascii_frames(data: bytes) -> list[Heard]:
    """Return those in ASCII; a parity bit that 8 data bits show as the topmost one is put aside."""
    found = []
    for match in _ASCII.finditer(bytes(byte & 0x7F for byte in data)):
        body = unhexed(match[1])
        if body and body[0] <= 247 and body[1] & ~_EXCEPTION in _KNOWN:
            request = len(body) == REQUEST_LENGTH - 2 and body[1] <= 6
            found.append(Heard(body[0], body[1] & ~_EXCEPTION, request, "ascii"))
    return found


def _rtu_frames(data: bytes) -> list[Heard]:
    found, i = [], 0
    while i + 4 < len(data):
        for length, request in _lengths(data, i):
            if i + length <= len(data) and crc16(data[i : i + length]) == 0:
                found.append(Heard(data[i], data[i + 1] & ~_EXCEPTION, request))
                i += length
                break
        else:
            i += 1
    return found


def _lengths(data: bytes, i: int) -> list[tuple[int, bool]]:
    """Return the lengths a frame that begins here may have, each with whether it would be a request."""
    unit, function = data[i], data[i + 1]
    if unit > 247:
        return []
    if function & _EXCEPTION:
        known = function & ~_EXCEPTION in _KNOWN and 1 <= data[i + 2] <= _LAST_EXCEPTION
        return [(5, False)] if known else []
    lengths = []
    if 1 <= function <= 6:
        lengths.append((REQUEST_LENGTH, True))
    if function in _ANSWERED_WITH_COUNT:
        lengths.append((data[i + 2] + 5, False))
    if function in {15, 16}:
        lengths.append((REQUEST_LENGTH, False))
        if i + 6 < len(data):
            lengths.append((data[i + 6] + 9, True))
    return [(length, request) for length, request in lengths if length <= _LONGEST]


class Overheard(Struct, kw_only=True):
    """What was heard in all. `baud` is the speed at which the frames were sound, None when none was."""

    seconds: float = 0.0
    count: int = 0
    frames: list[Heard] = field(default_factory=list)
    baud: int | None = None

    @property
    def verdict(self) -> Verdict | None:
        """What forbids asking on this line; None when it is free."""
        if self.frames:
            return another_master(self._doing())
        if self.count > FEW:
            return verdicts(Evidence(unasked=self.count))[0]
        return None

    def _doing(self) -> str:
        asked = sorted({frame.unit for frame in self.frames if frame.request})
        units = asked or sorted({frame.unit for frame in self.frames})
        functions = sorted({frame.function for frame in self.frames})
        verb = "asks" if asked else "talks with"
        at = f" at {self.baud} baud" if self.baud else ""
        at += " in ASCII" if self.frames[0].framing == "ascii" else ""
        noun, codes = "unit" if len(units) == 1 else "units", "function" if len(functions) == 1 else "functions"
        return f"it {verb} {noun} {_short(units)} with {codes} {_short(functions)}{at}"


def _short(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown}, …" if len(numbers) > 8 else shown


class Ear(Protocol):
    """A line that can be listened to."""

    def tune(self, baud: int) -> bool:
        """Set the speed; False when the port cannot."""

    async def hear(self, seconds: float) -> bytes:
        """Return what comes within this time."""


async def listen(ear: Ear, bauds: Sequence[int], seconds: float) -> Overheard:
    """Listen without a word; when bytes come, find out at which speed they are Modbus.

    A byte also shows at a wrong speed, so one speed is enough to hear whether there is anybody; the others are tried only then.
    """
    overheard = Overheard()
    for baud in bauds:
        if not ear.tune(baud):
            continue
        data = await ear.hear(seconds)
        overheard.seconds += seconds
        overheard.count += len(data)
        if frames := frames_in(data):
            overheard.frames, overheard.baud = frames, baud
            break
        if overheard.count <= FEW:
            break
    return overheard
