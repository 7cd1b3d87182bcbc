"""What stands in YAML for Modbus: options of a line, options of a unit, a point. No protocol library is needed to check it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from msgspec import Meta

from drivers.modbus.address import LAST_ADDRESS, Address
from gateway.config.quantity import Duration
from gateway.config.spec import PointSpec, Spec

MAX_REGISTERS: Final = 125
"""Most registers one answer can carry."""

MAX_BITS: Final = 2000
"""Most coils or discrete inputs one answer can carry."""

Type = Literal["bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "string"]

Order = Literal["ABCD", "CDAB", "BADC", "DCBA", "big", "word-swap", "byte-swap", "little"]

REGISTERS: Final = {
    "bool": 1,
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "float32": 2,
    "int64": 4,
    "uint64": 4,
    "float64": 4,
}
"""Registers that a value of each type takes; a string says so itself."""

_ORDER_MEANING = (
    "order of the bytes of a 32-bit value: ABCD (big), CDAB (word-swap), BADC (byte-swap) or DCBA (little); it holds for other "
    "widths too: words are reversed as a whole, bytes within each register"
)


def swaps(order: str) -> tuple[bool, bool]:
    """Return whether an order reverses the words of a value, and whether it swaps the bytes of each word."""
    return order in {"CDAB", "DCBA", "word-swap", "little"}, order in {"BADC", "DCBA", "byte-swap", "little"}


class ModbusLink(Spec, frozen=True, kw_only=True):
    """Options of a Modbus line; a TCP connection needs none of them."""

    timeout: Annotated[Duration, Meta(description="how long an answer may take to begin, besides the time on the line")] = Duration(
        1
    )
    connect_timeout: Annotated[Duration, Meta(description="how long connecting may take")] = Duration(3)
    pause: Annotated[Duration, Meta(description="silence between an answer and the next request", examples=["5ms"])] = Duration(0)
    baud: Annotated[int, Meta(ge=50, le=4_000_000, description="serial: bits per second; default 19200")] | None = None
    parity: (
        Annotated[Literal["N", "E", "O"], Meta(description="serial: none, even or odd; default E, as the standard says")] | None
    ) = None
    stop: Annotated[int, Meta(ge=1, le=2, description="serial: stop bits; default 1")] | None = None
    data: Annotated[int, Meta(ge=7, le=8, description="serial: data bits; RTU needs 8")] | None = None
    echo: Annotated[
        bool, Meta(description="serial: the adapter hears what it sends itself (two-wire RS-485 without echo suppression)")
    ] = False

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if not 0.005 <= self.timeout <= 60:
            yield "timeout", f"timeout must be between 5ms and 60s, not {self.timeout:g} s"
        if not 0 < self.connect_timeout <= 60:
            yield "connect_timeout", f"connect_timeout must be longer than 0 and at most 60s, not {self.connect_timeout:g} s"
        if self.pause > 10:
            yield "pause", f"a pause of {self.pause:g} s between requests is too long; at most 10s"
        if self.data == 7:
            yield "data", "Modbus RTU has 8 data bits; 7 would be Modbus ASCII, which is not supported"


class ModbusUnit(Spec, frozen=True, kw_only=True):
    """Options of one Modbus unit (slave) on a line."""

    unit: Annotated[int, Meta(ge=0, le=255, description="unit number (slave address)", examples=[1])] = 1
    order: Annotated[Order, Meta(description=f"default {_ORDER_MEANING}")] = "ABCD"
    max_registers: Annotated[
        int, Meta(ge=1, le=MAX_REGISTERS, description="most registers the unit hands out per request; coils in proportion")
    ] = MAX_REGISTERS
    max_gap: (
        Annotated[
            int, Meta(ge=0, le=MAX_REGISTERS, description="registers between two points that are read along; default 32, serial 12")
        ]
        | None
    ) = None


class ModbusPoint(PointSpec, frozen=True, kw_only=True):
    """A value in a Modbus device."""

    at: Annotated[Address, Meta(description="where the value stands", examples=["holding 40017", "coil 17", "holding wire 16"])]
    type: Annotated[Type, Meta(description="default: uint16; bool for coils, discrete inputs and bits")] | None = None
    bit: Annotated[int, Meta(ge=0, le=15, description="bit of a register, 0 is the least significant")] | None = None
    length: (
        Annotated[int, Meta(ge=1, le=MAX_REGISTERS, description="length of a string in registers; two characters each")] | None
    ) = None
    order: Annotated[Order, Meta(description=f"{_ORDER_MEANING}; default: that of the unit")] | None = None
    encoding: Annotated[Literal["ascii", "latin-1", "utf-8"], Meta(description="encoding of a string")] | None = None

    @property
    def kind(self) -> str:
        """The type, with its default filled in."""
        return self.type or ("bool" if self.at.bits or self.bit_number is not None else "uint16")

    @property
    def bit_number(self) -> int | None:
        """The bit of a register that is meant, from the address or from the key."""
        return self.at.bit if self.at.bit is not None else self.bit

    @property
    def width(self) -> int:
        """Registers the value takes; coils and discrete inputs: bits, always 1."""
        if self.at.bits:
            return 1
        return self.length or 1 if self.kind == "string" else REGISTERS[self.kind]

    @property
    def end(self) -> int:
        """Wire address behind the value."""
        return self.at.wire + self.width

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        yield from super().problems()
        bit, kind = self.bit_number, self.kind
        if self.at.bit is not None and self.bit is not None:
            yield "bit", f"the bit stands twice: .{self.at.bit} in the address and bit: {self.bit}; keep one"
        if self.at.bits and self.bit is not None:
            yield "bit", f"a {self.at.table} is a single bit; leave 'bit' out"
        elif self.at.bits and kind != "bool":
            yield (
                "type",
                f"a {self.at.table} is a single bit, so its type is bool, not {kind}; registers stand in 'holding' and 'input'",
            )
        elif not self.at.bits and kind == "bool" and bit is None:
            yield "type", f"which of the 16 bits of the register? write 'at: {self.at.table} {self.at.manual}.0' for the lowest one"
        elif bit is not None and kind != "bool":
            yield "type", f"a single bit is of type bool, not {kind}; leave 'type' out"
        if kind == "string" and self.length is None:
            yield "length", "a string needs 'length', in registers of two characters; for example length: 8"
        if kind != "string" and self.length is not None:
            yield "length", f"only a string has a length; {kind} takes {self.width} register{'s' if self.width > 1 else ''}"
        if kind != "string" and self.encoding is not None:
            yield "encoding", "only a string has an encoding"
        if kind in {"string", "bool"} and (self.scale != 1 or self.offset != 0):
            yield "scale" if self.scale != 1 else "offset", f"a value of type {kind} has no scale or offset"
        if kind == "string" and self.states:
            yield "states", "a string has no states; they name raw numbers"
        if self.at.bits and self.order is not None:
            yield "order", f"a {self.at.table} has no byte order"
        if self.end > LAST_ADDRESS + 1:
            yield "at", f"{self.width} registers from {self.at} reach beyond the last register (wire {LAST_ADDRESS})"
