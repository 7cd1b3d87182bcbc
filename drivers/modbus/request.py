"""One question to a unit, and the form its answer must have."""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

from drivers.modbus.address import LAST_ADDRESS, TABLES

FUNCTIONS: Final = {table.function: name for name, table in TABLES.items()}
"""Table by function code."""

REGISTER_FUNCTIONS: Final = frozenset({3, 4})
_QUESTION_SIZE: Final = 3
MAX_COUNT: Final = {1: 2000, 2: 2000, 3: 125, 4: 125}
"""Most items one request may ask for, by function code."""


class Request(Struct, frozen=True, gc=False):
    """A read of `count` registers or bits from wire address `address`; its answer carries `size` data bytes."""

    unit: int
    function: int
    address: int
    count: int

    @property
    def size(self) -> int:
        """Number of data bytes in the answer."""
        return 2 * self.count if self.function in REGISTER_FUNCTIONS else (self.count + 7) // 8

    @property
    def shape(self) -> tuple[int, int]:
        """What tells two answers of one unit apart on a bus: function code and number of data bytes."""
        return self.function, self.size

    @property
    def answered_like_asked(self) -> bool:
        """Whether its answer has the form of a question: three data bytes, 17 to 24 bits, make both eight bytes long in RTU.

        An echo, or the question of a second master, could then be taken for it.
        """
        return self.function not in REGISTER_FUNCTIONS and self.size == _QUESTION_SIZE

    def is_echo(self, data: bytes) -> bool:
        """Say whether these data bytes are what the request itself reads as when it is taken for an answer."""
        return self.answered_like_asked and self.pdu[1:] == bytes([_QUESTION_SIZE]) + data

    @property
    def pdu(self) -> bytes:
        """The request without unit and checksum."""
        return struct.pack(">BHH", self.function, self.address, self.count)

    @property
    def step(self) -> int:
        """How many items more make the answer longer: 8 bits; two registers where whole 32-bit values seem to be read, since some
        meters refuse half a value.
        """
        return 8 if self.function not in REGISTER_FUNCTIONS else 2 if self.count % 2 == 0 else 1

    def stretched(self, before: int, behind: int) -> Request | None:
        """Return the same read with more items on either side, None where the table or the protocol ends."""
        start, count = self.address - before, before + self.count + behind
        if count > MAX_COUNT[self.function] or start < 0 or start + count > LAST_ADDRESS + 1:
            return None
        return Request(self.unit, self.function, start, count)

    def wider(self) -> Request | None:
        """Return the same read with a longer answer that does not look like a question, None where table or protocol ends."""
        longer = self.stretched(0, self.step)
        return longer.stretched(0, self.step) if longer is not None and longer.answered_like_asked else longer

    def offset(self, address: int) -> int:
        """Return where in the answer a register begins, or 8 bits at a whole number of bytes, in data bytes."""
        ahead = address - self.address
        return 2 * ahead if self.function in REGISTER_FUNCTIONS else ahead // 8

    def __str__(self) -> str:
        """Return unit, table, both countings and count: `unit 7: holding 40017 (wire 16), 4 registers`."""
        digit = TABLES[FUNCTIONS[self.function]].digit
        manual = f"{digit}{self.address + 1:0{4 if self.address < 9999 else 5}d}"
        noun = "register" if self.function in REGISTER_FUNCTIONS else "bit"
        plural = "s" if self.count > 1 else ""
        return f"unit {self.unit}: {FUNCTIONS[self.function]} {manual} (wire {self.address}), {self.count} {noun}{plural}"
