"""What stands in YAML for Modbus: options of a line, options of a unit, a point. No protocol library is needed to check it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from msgspec import Meta

from drivers.modbus.address import LAST_ADDRESS, Address
from drivers.modbus.area import Area
from drivers.modbus.meaning import INTEGER_BITS, Counter, Range, Raw
from drivers.modbus.waveform import Waveform
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


BUS_SCHEMES: Final = frozenset({"modbus-rtu", "modbus-ascii"})
"""URL schemes of a bus: a serial port, or its frames over TCP."""


PIPELINED_SCHEMES: Final = frozenset({"modbus-tcp", "modbus-tls"})
"""URL schemes on which a unit may be sent several requests together: each has an id of its own, and none is lost on the way."""


class ModbusLink(Spec, frozen=True, kw_only=True):
    """Options of a Modbus line; a TCP connection needs none of them."""

    timeout: Annotated[Duration, Meta(description="how long an answer may take to begin, besides the time on the line")] = Duration(
        1
    )
    connect_timeout: Annotated[Duration, Meta(description="how long connecting may take")] = Duration(3)
    pause: Annotated[Duration, Meta(description="silence between an answer and the next request", examples=["5ms"])] = Duration(0)
    window: Annotated[
        int, Meta(ge=1, le=16, description="TCP: units that may be asked at a time while a slow one is waited for; 1: never")
    ] = 4
    baud: Annotated[int, Meta(ge=50, le=4_000_000, description="serial: bits per second; default 19200")] | None = None
    parity: (
        Annotated[Literal["N", "E", "O"], Meta(description="serial: none, even or odd; default E, as the standard says")] | None
    ) = None
    stop: Annotated[int, Meta(ge=1, le=2, description="serial: stop bits; default 1")] | None = None
    data: Annotated[int, Meta(ge=7, le=8, description="serial: data bits; RTU needs 8")] | None = None
    echo: Annotated[
        bool, Meta(description="serial: the adapter hears what it sends itself (two-wire RS-485 without echo suppression)")
    ] = False
    pause_after_connect: Annotated[
        Duration, Meta(description="silence between connecting and the first request", examples=["500ms"])
    ] = Duration(0)
    one_connection: Annotated[
        bool, Meta(description="the device takes one connection at a time: those of this gateway wait for each other")
    ] = False
    close_after_read: Annotated[
        bool, Meta(description="close the connection after every scan, for devices that stop answering on an idle one")
    ] = False
    ca: Annotated[str, Meta(description="TLS: file with the authority of the device's certificate; default: the system's")] = ""
    certificate: Annotated[str, Meta(description="TLS: file with the client certificate")] = ""
    key_file: Annotated[str, Meta(description="TLS: file with the private key of the client certificate (PEM, mode 0600)")] = ""
    insecure: Annotated[bool, Meta(description="TLS: do not check who the device is; the gateway keeps warning of it")] = False

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if not 0.005 <= self.timeout <= 60:
            yield "timeout", f"timeout must be between 5ms and 60s, not {self.timeout:g} s"
        if not 0 < self.connect_timeout <= 60:
            yield "connect_timeout", f"connect_timeout must be longer than 0 and at most 60s, not {self.connect_timeout:g} s"
        if self.pause > 10:
            yield "pause", f"a pause of {self.pause:g} s between requests is too long; at most 10s"
        if self.pause_after_connect > 30:
            yield "pause_after_connect", f"a pause of {self.pause_after_connect:g} s after connecting is too long; at most 30s"
        if bool(self.certificate) != bool(self.key_file):
            yield "certificate" if self.certificate else "key_file", "a client certificate needs both 'certificate' and 'key_file'"
        if self.insecure and self.ca:
            yield "insecure", "with 'insecure: true' nothing is checked against 'ca'; keep one of them"


class ModbusUnit(Spec, frozen=True, kw_only=True):
    """Options of one Modbus unit (slave) on a line."""

    unit: Annotated[int, Meta(ge=0, le=255, description="unit number (slave address)", examples=[1])] = 1
    order: Annotated[Order, Meta(description=f"default {_ORDER_MEANING}")] = "ABCD"
    max_registers: Annotated[
        int, Meta(ge=1, le=MAX_REGISTERS, description="most registers the unit hands out per request; coils in proportion")
    ] = MAX_REGISTERS
    max_gap: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=MAX_REGISTERS,
                description="most registers between two points that are read along; default: what is faster than asking once more",
            ),
        ]
        | None
    ) = None
    one_per_request: Annotated[
        bool, Meta(description="ask for every point alone, for devices that refuse reads across their values")
    ] = False
    pipeline: Annotated[
        int,
        Meta(ge=1, le=16, description="TCP: requests that may be under way to the unit at a time, for devices that stand several"),
    ] = 1
    string_order: (
        Annotated[
            Literal["AB", "BA"],
            Meta(description="order of the two characters in a register of a string; default: as the bytes in 'order'"),
        ]
        | None
    ) = None
    coils_from: Annotated[
        Literal[0, 1],
        Meta(description="how the manual counts coils and discrete inputs: 1 (coil 1 is the first) or 0 (coil 1 is the second)"),
    ] = 1
    allow: Annotated[
        tuple[Area, ...],
        Meta(
            min_length=1,
            description="the only registers that any request may touch, not even a gap or a probe any other; default: all",
            examples=[["holding 40001-40100", "input 300017-300032"]],
        ),
    ] = ()
    deny: Annotated[
        tuple[Area, ...],
        Meta(description="registers that no request may touch; taken away from 'allow'", examples=[["holding wire 16-31"]]),
    ] = ()
    waveform: Annotated[Waveform | None, Meta(description="a waveform in a range of registers, for `vibration:`")] = None

    def place(self, at: Address) -> Address:
        """Return the address as this unit counts it."""
        if self.coils_from == 0 and at.bits and at.counted:
            return Address(at.table, min(at.wire + 1, LAST_ADDRESS))
        return at


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
    invalid: Annotated[
        tuple[Raw, ...],
        Meta(
            description="raw values that mean 'no sensor', in decimal or as bit pattern; a float that is NaN always does",
            examples=[[0x8000], [-9999, 32767]],
        ),
    ] = ()
    valid: (
        Annotated[Range, Meta(description="range in which the value is believed", examples=[{"low": -50, "high": 200}])] | None
    ) = None
    scale_from: (
        Annotated[
            Address,
            Meta(
                description="int16 register that holds a power of ten for this value (SunSpec sunssf), read in the same scan",
                examples=["holding wire 40083"],
            ),
        ]
        | None
    ) = None
    bits: (
        Annotated[
            dict[int, str],
            Meta(
                description="names of the bits of a status word; the value is the list of those set",
                examples=[{0: "running", 3: "fault"}],
            ),
        ]
        | None
    ) = None
    counter: Annotated[Counter, Meta(description="a counter that wraps", examples=[{"wrap": 65536}])] | None = None

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
        yield from self._meaning_problems(kind)
        if self.end > LAST_ADDRESS + 1:
            yield "at", f"{self.width} registers from {self.at} reach beyond the last register (wire {LAST_ADDRESS})"

    def _meaning_problems(self, kind: str) -> Iterable[tuple[str, str]]:
        numeric = kind not in {"string", "bool"}
        for key in ("invalid", "valid", "scale_from"):
            if getattr(self, key) and not numeric:
                yield key, f"a value of type {kind} has no '{key}'"
        if numeric:
            for raw in self.invalid:
                if raw.image(kind) is None:
                    yield "invalid", f"{raw} is no value that {kind} can hold; 'invalid' lists raw values, before scale and offset"
        if self.scale_from is not None and self.scale_from.function not in {3, 4}:
            yield "scale_from", f"a scale factor stands in a register, not in a {self.scale_from.table}"
        if self.scale_from is not None and (self.states or self.bits):
            yield "scale_from", f"a point with {'states' if self.states else 'bits'} has no scale factor"
        if self.bits is not None:
            yield from self._bits_problems(kind)
        if self.counter is not None:
            yield from self._counter_problems(kind, self.counter)

    def _bits_problems(self, kind: str) -> Iterable[tuple[str, str]]:
        assert self.bits is not None
        if kind not in {"uint16", "uint32", "uint64"}:
            yield "bits", f"a status word with names for its bits is of type uint16, uint32 or uint64, not {kind}"
        elif over := [bit for bit in self.bits if not 0 <= bit < INTEGER_BITS[kind]]:
            yield "bits", f"{kind} has bits 0 to {INTEGER_BITS[kind] - 1}; there is no bit {over[0]}"
        if self.states:
            yield "bits", "either 'states' (the whole value has a name) or 'bits' (each bit has one)"
        if self.scale != 1 or self.offset != 0:
            yield "bits", "a point with bits has no scale or offset"
        if self.valid or self.counter or self.limits:
            yield "bits", "a point with bits is no number: 'valid', 'counter' and 'limits' do not go with it"

    def _counter_problems(self, kind: str, counter: Counter) -> Iterable[tuple[str, str]]:
        if kind not in {"uint16", "uint32", "uint64"}:
            yield "counter", f"a counter is of type uint16, uint32 or uint64, not {kind}"
            return
        full = 1 << INTEGER_BITS[kind]
        if counter.wrap is not None and counter.wrap > full:
            yield "counter", f"{kind} holds values up to {full - 1}, so it wraps at {full} at the latest, not at {counter.wrap}"
        if counter.most is not None and counter.most >= (counter.wrap or full):
            yield "counter", f"'most' ({counter.most}) must be below 'wrap' ({counter.wrap or full})"
        if self.states:
            yield "counter", "a counter has no states"
