"""What a request costs on a line, in time: so that a plan can weigh reading a gap along against asking once more.

On a serial line all of it is arithmetic (Modbus over Serial Line V1.02, 2.5.1.1): a character has a start bit, 8 data bits, the
parity bit and the stop bits; frames are separated by 3.5 characters of silence, above 19200 baud by 1.75 ms; a request has 8
characters, an answer 5 and its data. ASCII has no silences, but two characters per byte and three around a frame. On TCP the
wire costs next to nothing; what costs is the device. How long a device takes to begin its answer is its own affair; the defaults
here are usual ones and can be replaced by what was measured.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from drivers.modbus.request import REGISTER_FUNCTIONS, Request
from drivers.modbus.spec import BUS_SCHEMES, ModbusLink
from gateway.config.spec import Link

TURNAROUND_SERIAL_S: Final = 0.010
"""From the end of a request to the beginning of the answer, after the silence: usual for meters and drives on a bus."""

TURNAROUND_TCP_S: Final = 0.004
"""The same for a device on Ethernet, the network included."""

DEVICE_BYTE_S: Final = 25e-6
"""What a byte more costs a device on Ethernet: a small controller collects its registers one by one, 50 µs each."""

SILENT_CHARACTERS: Final = 3.5
LEAST_SILENCE_S: Final = 0.00175
BEHIND_TCP: Final = (19200, "E", 1)
"""Baud, parity and stop bits assumed of a line behind a serial server, which does not tell."""

RTU_REQUEST: Final = 8
RTU_ANSWER: Final = 5
ASCII_REQUEST: Final = 17
ASCII_ANSWER: Final = 11
MBAP_REQUEST: Final = 12
MBAP_ANSWER: Final = 9
_NS: Final = 1_000_000_000


class Cost(Struct, frozen=True):
    """Time on one line: `request_ns` for a request however short its answer, `byte_ns` for every data byte of the answer.

    `framing` is the number of bytes on the line besides those of the data, request and answer together; a data byte takes
    `characters` of them. Whole nanoseconds, so that two plans can be compared without rounding.
    """

    request_ns: int
    byte_ns: int
    framing: int
    characters: int = 1

    @classmethod
    def of(cls, link: Link, turnaround_s: float | None = None) -> Cost:
        """Return the cost on a line; `turnaround_s` replaces the usual turnaround by a measured one."""
        options: ModbusLink = link.options
        if link.scheme not in BUS_SCHEMES:
            turnaround = TURNAROUND_TCP_S if turnaround_s is None else turnaround_s
            return cls(round((turnaround + options.pause) * _NS), round(DEVICE_BYTE_S * _NS), MBAP_REQUEST + MBAP_ANSWER)
        turnaround = TURNAROUND_SERIAL_S if turnaround_s is None else turnaround_s
        ascii_frames = link.scheme == "modbus-ascii"
        baud, parity, stop = (options.baud or 19200, options.parity or "E", options.stop or 1)
        if not link.address.startswith("/"):
            baud, parity, stop = BEHIND_TCP
            turnaround += TURNAROUND_TCP_S
        character = character_s(baud, parity, stop, options.data or (7 if ascii_frames else 8))
        silence = 0.0 if ascii_frames else silence_s(baud, character)
        framing = ASCII_REQUEST + ASCII_ANSWER if ascii_frames else RTU_REQUEST + RTU_ANSWER
        request = max(silence, options.pause) + framing * character + silence + turnaround
        each = 2 if ascii_frames else 1
        return cls(round(request * _NS), round(each * character * _NS), framing, each)

    def at_a_time(self, requests: int) -> Cost:
        """Return what each costs where so many are sent together: they share the turnaround, while the device works one by one."""
        return self if requests == 1 else replace(self, request_ns=self.request_ns // requests)

    def seconds(self, request: Request, share: float = 1.0) -> float:
        """Return how long a request takes, until the next one may go out; `share` is its part of the turnaround."""
        return (self.request_ns * share + self.byte_ns * request.size) / _NS

    def bytes(self, request: Request) -> int:
        """Return how many bytes a request and its answer put on the line."""
        return self.framing + self.characters * request.size

    def weights(self, function: int) -> tuple[int, int]:
        """Return what a request and what one item of its answer cost, in eighths of a nanosecond: a bit is an eighth of a byte."""
        return 8 * self.request_ns, self.byte_ns * (16 if function in REGISTER_FUNCTIONS else 1)

    def gap(self, function: int) -> int:
        """Return the largest gap, in items, that costs no more than a further request."""
        request, item = self.weights(function)
        return request // item


def character_s(baud: int, parity: str, stop: int, data: int = 8) -> float:
    """Return the time of a character on the line: 11 bits with parity and one stop bit."""
    return (1 + data + (parity != "N") + stop) / baud


def silence_s(baud: int, character: float) -> float:
    """Return the silence that separates two frames."""
    return LEAST_SILENCE_S if baud > 19200 else SILENT_CHARACTERS * character


TCP: Final = Cost(round(TURNAROUND_TCP_S * _NS), round(DEVICE_BYTE_S * _NS), MBAP_REQUEST + MBAP_ANSWER)
"""A device on Ethernet that needs no pause."""

SERIAL: Final = Cost.of(Link("modbus-rtu", "/dev/ttyS0", ModbusLink()))
"""A bus at 19200 baud with parity, as the standard recommends it."""
