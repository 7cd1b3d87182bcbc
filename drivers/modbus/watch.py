"""What went over a Modbus line, piece by piece and in words: who asked what, what was answered, and the registers it brought.

It only listens (`Line.on_frame`), so it shows what was really on the wire, also where the driver threw an answer away.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct

from cython_ext.registers import crc16
from drivers.modbus.errors import Refusal
from drivers.modbus.request import FUNCTIONS, REGISTER_FUNCTIONS, Request

Framing = Literal["mbap", "rtu", "ascii"]

VERBS: Final = {
    1: "read coils",
    2: "read discrete inputs",
    3: "read holding registers",
    4: "read input registers",
    17: "report server id",
    43: "read device identification",
}
"""Function codes in words."""

_WIRE: Final = "noise, wrong baud or parity, A and B swapped, or cut off"
_SUSPECT: Final = {"mbap": "something else than Modbus TCP answers here", "rtu": _WIRE, "ascii": _WIRE}
_EXCEPTION: Final = 0x80
_MBAP: Final = 7
_RTU_SHORTEST: Final = 5
_REMEMBERED: Final = 64
_LONGEST: Final = 600
"""Bytes of the longest frame: 513 characters of ASCII, 260 elsewhere."""


def framing_of(scheme: str) -> Framing:
    """Return how frames look on a line of this URL scheme."""
    if scheme == "modbus-rtu":
        return "rtu"
    return "ascii" if scheme == "modbus-ascii" else "mbap"


class Seen(Struct, frozen=True):
    """One frame, or bytes that are none.

    Attributes:
        at_s: monotonic seconds when it was complete.
        direction: `tx` from the gateway, `rx` to it.
        raw: its bytes as they were on the line.
        words: what it means.
        request: the request that it is, or answers.
        took_s: of an answer: seconds since its request.
        code: of an exception: its number.
        hint: what to do about an exception or an echo.
        echo: these are the bytes that were just sent: the adapter hears itself.
    """

    at_s: float
    direction: Literal["tx", "rx"]
    raw: bytes
    words: str
    request: Request | None = None
    took_s: float | None = None
    code: int | None = None
    hint: str = ""
    echo: bool = False


class Register(Struct, frozen=True, gc=False):
    """What the last answer said about one register (2 bytes) or bit (1 byte), and how many seconds it took."""

    raw: bytes
    took_s: float


class _Asked(Struct, frozen=True):
    request: Request
    tid: int
    at_s: float


class Watch:
    """Listens to one line; `seen` holds the frames in order, `memory` what was read by (unit, function, wire address)."""

    def __init__(self, framing: Framing, tell: Callable[[Seen], None] | None = None) -> None:
        """Listen for frames of this kind; `tell` gets every one at once."""
        self.seen: list[Seen] = []
        self.memory: dict[tuple[int, int, int], Register] = {}
        self._framing = framing
        self._tell = tell
        self._buffer = b""
        self._asked: deque[_Asked] = deque(maxlen=_REMEMBERED)
        self._at_s = 0.0
        self._sent_last = b""

    def __call__(self, direction: str, data: bytes, at_s: float) -> None:
        """Take one piece; it is made for `Line.on_frame`."""
        if direction == "tx":
            self.flush()
            self._at_s, self._sent_last = at_s, data
            self._sent(data)
            return
        self._at_s = at_s
        self._buffer += data
        while (length := self._length()) and length <= len(self._buffer):
            frame, self._buffer = self._buffer[:length], self._buffer[length:]
            self._came(frame)
        if len(self._buffer) > 2 * _LONGEST:  # noise without end: no frame can begin so far back
            noise, self._buffer = self._buffer[:-_LONGEST], self._buffer[-_LONGEST:]
            self._came(noise)

    def flush(self) -> None:
        """Nothing more will come: what is left over is no whole frame."""
        if self._buffer:
            rest, self._buffer = self._buffer, b""
            self._came(rest)

    def clear(self) -> None:
        """Forget what was seen; requests still waiting for their answer are remembered."""
        self.seen.clear()
        self.memory.clear()

    def registers(self, unit: int, function: int, address: int, count: int) -> tuple[bytes, float] | None:
        """Return the bytes of neighbouring registers (or a byte per bit) and the seconds their answer took, None if not read."""
        found = [self.memory.get((unit, function, address + i)) for i in range(count)]
        known = [register for register in found if register is not None]
        if not known or len(known) < count:
            return None
        return b"".join(register.raw for register in known), max(register.took_s for register in known)

    def _note(self, direction: Literal["tx", "rx"], raw: bytes, words: str, asked: _Asked | None = None, **more: object) -> None:
        took = self._at_s - asked.at_s if asked and direction == "rx" else None
        entry = Seen(self._at_s, direction, raw, words, asked.request if asked else None, took, **more)  # type: ignore[arg-type]
        self.seen.append(entry)
        if self._tell:
            self._tell(entry)

    def _sent(self, data: bytes) -> None:
        parts = _parts(self._framing, data)
        if parts is None or len(parts[2]) != 5 or parts[2][0] not in FUNCTIONS:
            verb = VERBS.get(parts[2][0], f"function {parts[2][0]}") if parts and parts[2] else "a request"
            self._note("tx", data, verb)
            return
        tid, unit, pdu = parts
        function, address, count = struct.unpack(">BHH", pdu)
        asked = _Asked(Request(unit, function, address, count), tid, self._at_s)
        self._asked.append(asked)
        self._note("tx", data, f"FC{function} read {asked.request}", asked)

    def _came(self, frame: bytes) -> None:
        if frame == self._sent_last:
            self._note("rx", frame, "echo: the adapter hears what it sends", hint="set echo: true on the connection", echo=True)
            return
        parts = _parts(self._framing, frame)
        if parts is None or not parts[2]:
            self._note("rx", frame, f"{len(frame)} bytes that are no sound frame: {_SUSPECT[self._framing]}")
            return
        tid, unit, pdu = parts
        function = pdu[0] & ~_EXCEPTION
        asked = next((one for one in reversed(self._asked) if self._fits(one, tid, unit, function)), None)
        if asked is None:
            whose = f"transaction {tid:#06x}, " if self._framing == "mbap" else ""
            verb = VERBS.get(function, f"function {function}")
            self._note("rx", frame, f"an answer nobody waits for: {whose}unit {unit}, {verb}")
            return
        request = asked.request
        if pdu[0] & _EXCEPTION:
            refusal = Refusal(request, pdu[1] if len(pdu) > 1 else 0)
            words = refusal.message.partition(": the answer is ")[2] or refusal.message
            self._note("rx", frame, f"{words}, from unit {unit}", asked, code=refusal.code, hint=refusal.hint)
        elif len(pdu) < 2 or pdu[1] != len(pdu) - 2 or pdu[1] != request.size:
            late = "late answer to an older request?" if self._framing != "mbap" else "the device does not keep to the protocol"
            self._note("rx", frame, f"{len(pdu) - 2} data bytes where {request.size} were asked for; {late}", asked)
        else:
            self._remember(asked, pdu[2:])
            self._note("rx", frame, f"answer of unit {unit}, {request.size} data bytes", asked)

    def _fits(self, asked: _Asked, tid: int, unit: int, function: int) -> bool:
        if self._framing == "mbap":
            return asked.tid == tid and asked.request.unit == unit
        return asked.request.unit == unit and asked.request.function == function

    def _remember(self, asked: _Asked, data: bytes) -> None:
        request, took = asked.request, self._at_s - asked.at_s
        wide = request.function in REGISTER_FUNCTIONS
        for i in range(request.count):
            raw = data[2 * i : 2 * i + 2] if wide else bytes([data[i // 8] >> i % 8 & 1])
            self.memory[request.unit, request.function, request.address + i] = Register(raw, took)

    def _length(self) -> int:
        """Return how long the frame at the beginning of the buffer is, 0 when that is not known yet."""
        data = self._buffer
        if self._framing == "mbap":
            return 6 + (data[4] << 8 | data[5]) if len(data) >= _MBAP else 0
        if self._framing == "ascii":
            return data.find(b"\n") + 1
        for skip in range(len(data)):
            if (length := _rtu_length(data[skip:])) and length <= len(data) - skip and crc16(data[skip : skip + length]) == 0:
                return skip or length  # noise before it is told by itself
        return 0


def _parts(framing: Framing, frame: bytes) -> tuple[int, int, bytes] | None:
    """Return transaction id (0 where there is none), unit and PDU of a frame, None when it is no sound one."""
    if framing == "mbap":
        if len(frame) < _MBAP + 1 or frame[2] or frame[3]:
            return None
        return frame[0] << 8 | frame[1], frame[6], frame[7:]
    if framing == "ascii":
        try:
            body = bytes.fromhex(frame.strip().removeprefix(b":").decode("ascii"))
        except ValueError:
            return None
        return (0, body[0], body[1:-1]) if len(body) >= 3 and sum(body) & 0xFF == 0 else None
    return (0, frame[0], frame[1:-2]) if len(frame) >= _RTU_SHORTEST - 1 and crc16(frame) == 0 else None


def _rtu_length(data: bytes) -> int:
    """Return how long an answer that begins like this is, 0 when it is too short to tell."""
    if len(data) < _RTU_SHORTEST:
        return 0
    return _RTU_SHORTEST if data[1] & _EXCEPTION else data[2] + _RTU_SHORTEST
