"""The byte-order wizard: what type, order and scale make of some registers what the display of the machine says.

Nobody should have to find the byte order of a float by trial and error: every reading of the registers is tried, and those that
give the displayed number are put in the order in which devices really do it.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from decimal import Decimal
from enum import IntEnum
from typing import Final

from msgspec import Struct

from drivers.modbus.spec import REGISTERS, swaps

SCALES: Final = (1.0, 0.1, 0.01, 0.001, 10.0)
"""Scales that devices use."""

NEAR: Final = 0.02
"""A value this far (relative) from the display may have moved between looking and reading."""

_FORMATS: Final = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "float32": "f",
    "int64": "q",
    "uint64": "Q",
    "float64": "d",
}
_ORDERS: Final = ("ABCD", "CDAB", "BADC", "DCBA")
_NUMBER: Final = re.compile(r"\s*([-+−]?\s*(?:\d+(?:[.,]\d*)?|[.,]\d+))(?:[eE]([-+]?\d{1,2}))?\s*(.*?)\s*", re.DOTALL)

_COST_OF_TYPE: Final = {"uint16": 0.1, "int16": 0.0, "float32": 0.0, "uint32": 0.3, "int32": 0.4, "float64": 0.8, "uint64": 1.0}
_COST_OF_ORDER: Final = {"ABCD": 0.0, "CDAB": 0.5, "DCBA": 1.5, "BADC": 2.0}
_COST_OF_SCALE: Final = {1.0: 0.0, 0.1: 0.6, 0.01: 1.0, 0.001: 1.4, 10.0: 2.0}
_COST_OF_NEIGHBOUR: Final = 4.0
_COST_OF_SCALED_FLOAT: Final = 3.0
_BONUS_OF_EXACT_FLOAT: Final = 2.0


class Fit(IntEnum):
    """How well a reading agrees with the display."""

    EXACT = 0
    """It rounds to the displayed digits."""
    LAST_DIGIT = 1
    """It is one off in the last digit: the display cuts digits off rather than rounding."""
    NEAR = 2
    """It is a little off: it may have moved between looking and reading."""


class Shown(Struct, frozen=True):
    """What the display says: the number, what one step of its last digit is worth, and the unit written behind it."""

    value: float
    step: float
    unit: str = ""
    digits: int = 1

    @classmethod
    def parse(cls, text: str) -> Shown:
        """Read a number as displays show it: `41.9`, `41,9`, `-12`, `41.9 °C`.

        Raises:
            ValueError: it is no number; the message says what to write.
        """
        match = _NUMBER.fullmatch(text)
        if not match or re.match(r"[\d.,]", match[3]):
            raise ValueError(f"'{text}' is no number; write what the display says, for example --shows 41.9 or --shows \"41.9 °C\"")
        number = Decimal(re.sub(r"\s", "", match[1]).replace(",", ".").replace("−", "-"))
        number = number.scaleb(int(match[2] or 0))
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)
        digits = len(str(abs(int(number.scaleb(-exponent))))) if number else 0
        return cls(float(number), 10.0**exponent, match[3], digits)

    @property
    def weak(self) -> str:
        """Why this display proves little, "" when it proves enough."""
        if self.value == 0:
            return "0 fits almost everything: read again when the display shows another number"
        if self.digits < 3:
            return "so few digits fit many readings: read again when the display shows more of them"
        return ""


class Guess(Struct, frozen=True):
    """One reading of the registers: `raw * scale` is `value`; `shift` is where it begins, in registers from the one asked for."""

    type: str
    order: str
    scale: float
    shift: int
    value: float
    fit: Fit
    cost: float

    @property
    def rank(self) -> tuple[int, float]:
        """Lower is better: first how well it fits, then how usual it is."""
        return int(self.fit), round(self.cost, 6)


def guess(data: bytes, at: int, shown: Shown) -> list[Guess]:
    """Return every reading that gives what the display says, best first.

    Guaranteed: the true reading is among them, with the best fit there is, when its value rounds to the displayed digits.

    Args:
        data: registers as they were read, two bytes each.
        at: index of the register that was asked for; readings that begin one register before or behind it are tried too.
        shown: what the display says.
    """
    return sorted(_guesses(data, at, shown), key=lambda one: (*one.rank, abs(one.value - shown.value)))


def alike(best: Guess, others: list[Guess]) -> list[Guess]:
    """Return the guesses among `others` that make the same value of the same registers, so that only a later value tells."""
    same = [one for one in others if one is not best and one.shift == best.shift and one.scale == best.scale]
    return [one for one in same if math.isclose(one.value, best.value, rel_tol=1e-12, abs_tol=1e-12)]


def value_of(data: bytes, kind: str, order: str) -> float | int:
    """Return the raw number of a type and order that stands at the beginning of `data`."""
    raw = arranged(data[: 2 * REGISTERS[kind]], order)
    number: float | int = struct.unpack(f">{_FORMATS[kind]}", raw)[0]
    return number


def encoded(number: float, kind: str, order: str) -> bytes:
    """Return the registers in which a device with this type and order keeps a raw number."""
    return arranged(struct.pack(f">{_FORMATS[kind]}", number), order)


def arranged(raw: bytes, order: str) -> bytes:
    """Bring bytes from one order into big-endian, or back: each order is its own inverse."""
    words, in_word = swaps(order)
    registers = [raw[i : i + 2] for i in range(0, len(raw), 2)]
    if in_word:
        registers = [register[::-1] for register in registers]
    return b"".join(reversed(registers) if words else registers)


def _guesses(data: bytes, at: int, shown: Shown) -> Iterator[Guess]:
    for shift in (0, -1, 1):
        for kind in _FORMATS:
            start = 2 * (at + shift)
            part = data[start : start + 2 * REGISTERS[kind]] if start >= 0 else b""
            if len(part) < 2 * REGISTERS[kind]:
                continue
            for order in _ORDERS if REGISTERS[kind] > 1 else ("ABCD", "BADC"):
                raw = value_of(part, kind, order)
                if math.isfinite(raw):
                    yield from _scaled(raw, kind, order, shift, shown)


def _scaled(raw: float, kind: str, order: str, shift: int, shown: Shown) -> Iterator[Guess]:
    is_float = kind.startswith("float")
    for scale in SCALES:
        value = raw * scale
        fit = _fit(value, shown)
        if fit is None:
            continue
        cost = _COST_OF_TYPE.get(kind, 1.1) + _COST_OF_ORDER[order] + _COST_OF_SCALE[scale]
        cost += _COST_OF_NEIGHBOUR * abs(shift) + (_COST_OF_SCALED_FLOAT if is_float and scale != 1 else 0)
        if is_float and shown.value and math.isclose(value, shown.value, rel_tol=2e-7):
            cost -= _BONUS_OF_EXACT_FLOAT
        yield Guess(kind, order, scale, shift, value, fit, cost)


def _fit(value: float, shown: Shown) -> Fit | None:
    off = abs(value - shown.value)
    slack = abs(shown.value) * 1e-9
    if off <= shown.step / 2 + slack:
        return Fit.EXACT
    if off <= shown.step + slack:
        return Fit.LAST_DIGIT
    return Fit.NEAR if shown.value and off <= NEAR * abs(shown.value) else None
