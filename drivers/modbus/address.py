"""Where a value stands in a Modbus device: `holding 40017` as manuals print it, `holding 16` as it goes over the wire.

Two countings are in use, and mixing them up is the most common mistake with Modbus. A reference number carries its table in the
first digit and begins at 1; a wire address begins at 0. Both are read here, each has one unmistakable form, and both are echoed.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

LAST_ADDRESS: Final = 65535
"""Highest wire address of every table."""


class Table(NamedTuple):
    """One of the four tables of a Modbus device: the digit that reference numbers begin with, and its function code."""

    digit: int
    function: int
    bits: bool


TABLES: Final = {
    "coil": Table(0, 1, bits=True),
    "discrete": Table(1, 2, bits=True),
    "input": Table(3, 4, bits=False),
    "holding": Table(4, 3, bits=False),
}

_OTHER_WORDS: Final = {
    **dict.fromkeys(("coils", "output", "do", "0x", "c"), "coil"),
    **dict.fromkeys(("discretes", "discrete_input", "discrete-input", "contact", "di", "1x"), "discrete"),
    **dict.fromkeys(("inputs", "input_register", "input-register", "ir", "3x"), "input"),
    **dict.fromkeys(("holdings", "holding_register", "holding-register", "register", "hr", "4x", "h"), "holding"),
}
TWO_WORDS = re.compile(r"^(discrete|input|holding)\s+(?:inputs?|registers?)\b", re.IGNORECASE)
_FORM = re.compile(r"(?P<table>[A-Za-z0-4_-]+)\s+(?P<wire>wire\s+)?(?P<number>0[xX][0-9A-Fa-f]+|[0-9]+)(?:\.(?P<bit>[0-9]+))?")
_LONGEST: Final = 60
_EXAMPLE = "write it like 'holding 40017', 'input 300017', 'coil 17' or 'discrete 10017' (by the manual) or 'holding wire 16'"


def _table_of_digit(digit: int) -> str | None:
    return next((name for name, table in TABLES.items() if table.digit == digit), None)


@dataclass(frozen=True, slots=True)
class Address:
    """A place in one of the four tables, as zero-based `wire` address 0..65535; `bit` 0..15 (least significant 0) or None.

    `counted` says that it was written as a reference number, which a few manuals count from 0.
    """

    table: str
    wire: int
    bit: int | None = None
    counted: bool = field(default=False, compare=False)

    @property
    def manual(self) -> str:
        """The reference number as manuals print it: five digits, six where five do not reach."""
        number = self.wire + 1
        width = 4 if number <= 9999 else 5
        return f"{TABLES[self.table].digit}{number:0{width}d}"

    @property
    def function(self) -> int:
        """The function code that reads this table, 1 to 4."""
        return TABLES[self.table].function

    @property
    def bits(self) -> bool:
        """Whether the table holds single bits rather than registers."""
        return TABLES[self.table].bits

    def __str__(self) -> str:
        """Return both countings: `holding 40017 (wire 16)`."""
        bit = "" if self.bit is None else f".{self.bit}"
        return f"{self.table} {self.manual}{bit} (wire {self.wire})"

    @classmethod
    def parse(cls, value: object) -> Address:
        """Read `TABLE NUMBER[.BIT]`, where NUMBER is a reference number, or `TABLE wire NUMBER[.BIT]`.

        Without `wire`, a hexadecimal number is a wire address; so is a decimal one that is no reference number of any table,
        except for coils: their reference numbers carry no digit of their own, so `coil 17` is always the 17th coil.

        Raises:
            ValueError: it is none, or the number belongs to another table.
        """
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"expected the address of a register or coil; {_EXAMPLE}")
        text = str(value).strip()
        match = _FORM.fullmatch(TWO_WORDS.sub(r"\1", text)) if len(text) <= _LONGEST else None
        if not match:
            raise ValueError(_unreadable(text[:_LONGEST]))
        table = match["table"].lower()
        if table not in TABLES:
            raise ValueError(unknown_table(match["table"], text))
        bit = int(match["bit"]) if match["bit"] is not None else None
        if bit is not None:
            if TABLES[table].bits:
                raise ValueError(
                    f"'{text}': a {table} is a single bit and has no bit {bit}; did you mean '{table} {match['number']}'?"
                )
            if bit > 15:
                raise ValueError(f"'{text}': a register has bits 0 to 15")
        number = match["number"]
        if match["wire"] or number[:2].lower() == "0x":
            wire = int(number, 0) if number[:2].lower() == "0x" else int(number)
            if wire > LAST_ADDRESS:
                raise ValueError(f"'{text}': wire addresses end at {LAST_ADDRESS}{_meant_reference(table, wire)}")
            return cls(table, wire, bit)
        wire = _wire(table, number, text)
        return cls(table, wire, bit, counted=wire != int(number))

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {
            "type": "string",
            "pattern": r"^\s*(coil|discrete|input|holding)\s+(wire\s+)?(0[xX][0-9A-Fa-f]+|[0-9]+)(\.[0-9]+)?\s*$",
            "examples": ["holding 40017", "input 300017", "coil 17", "discrete 10017", "holding wire 16", "holding 40017.3"],
            "description": "table and reference number as printed in manuals, or 'wire' and the zero-based address",
        }


def _wire(table: str, digits: str, text: str) -> int:
    """Return the wire address of a decimal number that has no `wire` before it."""
    number, own = int(digits), TABLES[table].digit
    if owner := owner_of(digits):
        if owner == table:
            return number - own * (10000 if len(digits) == 5 else 100000) - 1
        raise ValueError(
            f"'{text}': {digits} is a reference number of table '{owner}'; "
            f"did you mean '{owner} {digits}'{_or_wire(table, number)}?"
        )
    if table == "coil":
        if not 1 <= number <= LAST_ADDRESS + 1:
            raise ValueError(f"'{text}': coils are numbered 1 to 65536; did you mean 'coil wire {min(number, LAST_ADDRESS)}'?")
        return number - 1
    if number in {10000, 30000, 40000} or number > LAST_ADDRESS:
        first, last = (own * 10000 + 1, own * 10000 + 9999), (own * 100000 + 1, own * 100000 + 65536)
        raise ValueError(
            f"'{text}': {number} is no reference number of table '{table}' ({first[0]}-{first[1]}, {last[0]}-{last[1]})"
            + (f"; did you mean '{table} {number + 1}'{_or_wire(table, number)}?" if number <= LAST_ADDRESS else "")
        )
    return number


def owner_of(digits: str) -> str | None:
    """Return the table whose reference numbers hold this one; short numbers belong to none."""
    number = int(digits)
    if len(digits) == 5 and number % 10000 >= 1:
        return _table_of_digit(int(digits[0]))
    if len(digits) == 6 and 1 <= number % 100000 <= LAST_ADDRESS + 1:
        return _table_of_digit(int(digits[0]))
    return None


def _or_wire(table: str, number: int) -> str:
    return f" or '{table} wire {number}'" if number <= LAST_ADDRESS else ""


def _meant_reference(table: str, number: int) -> str:
    return f"; did you mean '{table} {number}'?" if owner_of(str(number)) == table else ""


def unknown_table(word: str, text: str) -> str:
    """Return what to say of `text`, which begins with a word that is no table."""
    guess = _OTHER_WORDS.get(word.lower()) or next(iter(difflib.get_close_matches(word.lower(), TABLES, 1)), None)
    if guess:
        return f"unknown table '{word}'; did you mean '{guess}{text[len(word) :]}'?"
    return f"unknown table '{word}'; known: {', '.join(TABLES)}"


def _unreadable(text: str) -> str:
    match = re.fullmatch(r"([0-9]{5,6})(\.[0-9]+)?", text)
    if match and (owner := owner_of(match[1])):
        return f"'{text}' names no table; did you mean '{owner} {text}'?"
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?|0[xX][0-9A-Fa-f]+", text):
        return f"'{text}' names no table; did you mean 'holding {text}'? Tables: {', '.join(TABLES)}"
    if match := re.fullmatch(r"([A-Za-z]+)[:/=_-]?\s*([0-9]+)", text):
        word = match[1].lower()
        guess = word if word in TABLES else _OTHER_WORDS.get(word)
        if guess:
            return f"'{text}' is no Modbus address; did you mean '{guess} {match[2]}'?"
    return f"'{text}' is no Modbus address; {_EXAMPLE}"
