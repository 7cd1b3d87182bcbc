"""What a raw value means beyond its type: values that stand for "no sensor", plausible ranges, counters that wrap."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from msgspec import Meta

from gateway.config.spec import Spec

INTEGER_BITS: Final = {"int16": 16, "uint16": 16, "int32": 32, "uint32": 32, "int64": 64, "uint64": 64}
"""Width of the whole-number types."""

_FLOATS: Final = {"float32": ">f", "float64": ">d"}


@dataclass(frozen=True, slots=True)
class Raw:
    """A raw value as it stands in the registers, before scale and offset: a number, or NaN."""

    value: int | float

    @classmethod
    def parse(cls, value: object) -> Raw:
        """Read a number; hexadecimal is the bit pattern, `NaN` any float that is none.

        Raises:
            ValueError: it is no number.
        """
        if isinstance(value, str) and value.strip().lower().lstrip(".") == "nan":
            return cls(math.nan)
        if isinstance(value, str):
            try:
                return cls(int(value, 0))
            except ValueError:
                raise ValueError(f"'{value}' is no raw value; write a number like -9999 or 0x8000, or NaN") from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("expected a raw value: a number like -9999 or 0x8000, or NaN")
        return cls(value)

    def image(self, kind: str) -> bytes | None:
        """Return the bytes of the value as type `kind`, most significant first; None when the type cannot hold it.

        A whole number may be given as its bit pattern too: 0x8000 of an int16 is -32768. NaN of a float has no single image: b"".
        """
        if bits := INTEGER_BITS.get(kind):
            if not (isinstance(self.value, int) or self.value.is_integer()) or not -(1 << bits - 1) <= self.value < 1 << bits:
                return None
            return (int(self.value) & ((1 << bits) - 1)).to_bytes(bits // 8, "big")
        if kind not in _FLOATS:
            return None
        try:
            return b"" if math.isnan(self.value) else struct.pack(_FLOATS[kind], float(self.value))
        except OverflowError:
            return None

    def __str__(self) -> str:
        """Return the value as a number."""
        return f"{self.value}" if isinstance(self.value, int) else f"{self.value:g}"

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {"type": ["number", "string"], "pattern": r"^([-+]?[0-9]+|0[xX][0-9A-Fa-f]+|\.?[Nn][Aa][Nn])$"}


class Range(Spec, frozen=True, kw_only=True):
    """The range in which a value is believed; outside of it the point is bad, `out of range`."""

    low: Annotated[float, Meta(description="lowest value that is believed, in the unit of the point")] | None = None
    high: Annotated[float, Meta(description="highest value that is believed, in the unit of the point")] | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.low is None and self.high is None:
            yield "", "a range needs 'low' or 'high'"
        elif self.low is not None and self.high is not None and self.low >= self.high:
            yield "low", f"low ({self.low:g}) must be below high ({self.high:g})"

    def holds(self, value: float) -> bool:
        """Say whether a value lies inside."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


class Counter(Spec, frozen=True, kw_only=True):
    """A counter that begins at 0 again when it is full; the point becomes the total, which only grows while the gateway runs."""

    wrap: (
        Annotated[
            int,
            Meta(ge=2, description="raw value at which it is 0 again; default: what the type holds", examples=[65536, 4294967296]),
        ]
        | None
    ) = None
    most: (
        Annotated[
            int,
            Meta(
                ge=1,
                description="most it counts between two scans; a fall that would need more is a reset; default: half of wrap",
            ),
        ]
        | None
    ) = None


class Total:
    """The total of one counter: follows the raw value up, over a wrap, and goes on from 0 after a reset."""

    def __init__(self, wrap: int, most: int | None = None) -> None:
        self._wrap = wrap
        self._most = wrap // 2 if most is None else most
        self._last: int | None = None
        self.total = 0
        self.resets = 0
        self.last_reset: tuple[int, int] | None = None
        """Raw values before and after the last reset."""

    def step(self, raw: int) -> bool:
        """Take a raw value 0..wrap-1; return whether the counter was reset. The total begins at the first raw value."""
        last, self._last = self._last, raw
        if last is None or raw >= last:
            self.total += raw - (last or 0)
            return False
        if raw + self._wrap - last <= self._most:
            self.total += raw + self._wrap - last
            return False
        self.total += raw
        self.resets += 1
        self.last_reset = (last, raw)
        return True
