"""A range of registers as `allow:` and `deny:` write it: `holding 40001-40100` as manuals print it, `holding wire 16-31`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from drivers.modbus.address import LAST_ADDRESS, TABLES, TWO_WORDS, Address, owner_of, unknown_table

_NUMBER: Final = r"(?:0[xX][0-9A-Fa-f]+|[0-9]+)(?:\.[0-9]+)?"
_FORM: Final = re.compile(
    r"(?P<table>[A-Za-z0-4_][A-Za-z0-4_-]*)"
    rf"(?:\s(?P<wire>wire\s)?(?P<first>{_NUMBER})"
    rf"(?:\s?(?P<mark>-|–|—|:|\.\.\.?|…|to\b)\s?(?P<again>[A-Za-z ]+\s)?(?P<last>{_NUMBER}))?)?"
)
_BARE: Final = re.compile(r"([0-9]{1,6})(?: ?- ?[0-9]{1,6})?")
_LONGEST: Final = 80
_EXAMPLE: Final = "write it like 'holding 40001-40100', 'input 300017-300032', 'coil 1-16', 'holding wire 16-31' or 'coil' (all)"


@dataclass(frozen=True, slots=True)
class Area:
    """Neighbouring registers, coils or discrete inputs of one table, from `first` to `last`, both included."""

    first: Address
    last: Address

    @property
    def table(self) -> str:
        """The table they stand in."""
        return self.first.table

    def __str__(self) -> str:
        """Return both countings: `holding 40001-40100 (wire 0-99)`."""
        if (self.first.wire, self.last.wire) == (0, LAST_ADDRESS):
            return f"all of '{self.table}'"
        if self.first.wire == self.last.wire:
            return str(self.first)
        return f"{self.table} {self.first.manual}-{self.last.manual} (wire {self.first.wire}-{self.last.wire})"

    @classmethod
    def parse(cls, value: object) -> Area:
        """Read `TABLE FIRST-LAST`, `TABLE wire FIRST-LAST`, one address, or `TABLE` for all of it; numbers count as in `at:`.

        Raises:
            ValueError: it is none, runs backwards, mixes both countings, or leaves its table.
        """
        if not isinstance(value, str):
            raise ValueError(f"expected a range of registers; {_EXAMPLE}")
        text = TWO_WORDS.sub(r"\1", " ".join(value.split()))
        match = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
        if bare := _BARE.fullmatch(text):
            table = owner_of(bare[1]) or "holding"
            raise ValueError(f"'{text}' names no table; did you mean '{table} {text}'?")
        if not match:
            raise ValueError(f"'{text[:_LONGEST]}' is no range of registers; {_EXAMPLE}")
        table = match["table"].lower()
        if table not in TABLES:
            raise ValueError(unknown_table(match["table"], text))
        if match["first"] is None:
            return cls(Address(table, 0), Address(table, LAST_ADDRESS))
        wire, first, last = match["wire"] or "", match["first"], match["last"] or match["first"]
        if "." in first + last:
            raise ValueError(f"'{text}': a range is made of whole registers; leave the bit out")
        if match["again"] or match["mark"] not in {None, "-"}:
            raise ValueError(f"'{text}' is no range of registers; did you mean '{table} {wire}{first}-{last}'?")
        return cls._between(text, table, wire, first, last)

    @classmethod
    def _between(cls, text: str, table: str, wire: str, first: str, last: str) -> Area:
        owner = owner_of(last) if not wire and last.isdecimal() else None
        if owner not in {None, table} and first.isdecimal() and owner_of(first) == table:
            raise ValueError(f"'{text}': {last} is a reference number of table '{owner}'; a range stays in one table")
        begin, end = Address.parse(f"{table} {wire}{first}"), Address.parse(f"{table} {wire}{last}")
        if begin.counted != end.counted:
            raise ValueError(
                f"'{text}': one end is a reference number of a manual, the other a wire address; {_mended(begin, end, first, last)}"
            )
        if end.wire < begin.wire:
            raise ValueError(f"'{text}' runs backwards; did you mean '{table} {wire}{last}-{first}'?")
        return cls(begin, end)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        number = "(0[xX][0-9A-Fa-f]+|[0-9]+)"
        return {
            "type": "string",
            "pattern": rf"^\s*(coil|discrete|input|holding)(\s+(wire\s+)?{number}(\s*-\s*{number})?)?\s*$",
            "examples": ["holding 40001-40100", "input 300017-300032", "coil 1-16", "holding wire 16-31", "discrete"],
            "description": "table and first-last, as numbers of a manual or as wire addresses; the table alone: all of it",
        }


def _mended(begin: Address, end: Address, first: str, last: str) -> str:
    """Return what was probably meant where only one end is a reference number: its last digits, or the other counting."""
    width = len(first) - 1
    if begin.counted and last.isdecimal() and width in {4, 5} and len(last) <= width:
        whole = f"{first[0]}{int(last):0{width}d}"
        if owner_of(whole) == begin.table and int(whole) > int(first):
            return f"did you mean '{begin.table} {first}-{whole}'?"
    return (
        f"write both in one counting, such as '{begin.table} {begin.manual}-{end.manual}' "
        f"or '{begin.table} wire {begin.wire}-{end.wire}'"
    )
