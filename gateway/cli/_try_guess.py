"""`gateway try --at … --shows …`: reads the registers around an address once and says what they mean, best reading first."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from msgspec import to_builtins

from drivers.modbus.address import LAST_ADDRESS, Address
from drivers.modbus.allowed import Allowed
from drivers.modbus.check import not_allowed
from drivers.modbus.guess import Fit, Guess, Shown, alike, guess
from drivers.modbus.spec import ModbusPoint
from gateway.cli._try_edit import NotSafe, Plan, append_point
from gateway.cli._try_read import Attempt, Session, table_of
from gateway.cli.status import wrapped
from gateway.config.spec import Machine

BEFORE: Final = 1
"""Registers read before the one asked for, in case the address is off by one."""

AFTER: Final = 5
"""Registers read from it on: the widest value, and one more."""

BEST: Final = 3

_ORDER_WORDS: Final = {
    "ABCD": "high word first, as the standard says",
    "CDAB": "low word first, common in PLCs",
    "BADC": "bytes swapped within each register",
    "DCBA": "everything reversed, little-endian",
}
_FIT_WORDS: Final = {
    Fit.EXACT: "fits to the last digit",
    Fit.LAST_DIGIT: "one off in the last digit; the display may cut digits off",
    Fit.NEAR: "a little off; it may have moved in between",
}


async def find(machine: Machine, path: Path, args: argparse.Namespace) -> int:
    """Read, guess, print, and write where that was asked for; 1: nothing fits, 2: usage, 3: not reachable."""
    try:
        if not machine.link.scheme.startswith("modbus"):
            raise ValueError(f"{machine.name} is no Modbus machine ({machine.link.url}); --at and --shows are for registers")
        at, shown = Address.parse(args.at), Shown.parse(args.shows)
        if at.bits or at.bit is not None:
            raise ValueError(f"'{args.at}' is a single bit and has neither type nor byte order; name a register")
        if words := not_allowed(machine.options, Allowed.of(machine.options), at):
            raise ValueError(f"{machine.name}: {words}")
    except ValueError as error:
        print(f"gateway try: {error}", file=sys.stderr)
        return 2
    width = shutil.get_terminal_size().columns
    registers, attempt = await _read(machine, at)
    if at.wire not in registers:
        return _nothing_read(attempt, at, args.json, width)
    first = at.wire if at.wire - 1 not in registers else at.wire - 1
    data = b""
    for wire in range(first, at.wire + AFTER):
        if wire not in registers:
            break
        data += registers[wire]
    found = guess(data, at.wire - first, shown)
    line = point_line(args.write or "NAME", at, found[0], shown.unit) if found else ""
    if args.json:
        report = {"at": str(at), "registers": {str(wire): raw.hex() for wire, raw in sorted(registers.items())}}
        guesses = [to_builtins(one) | {"fit": one.fit.name.lower()} for one in found]
        print(json.dumps(report | {"guesses": guesses, "line": line}, ensure_ascii=False))
    else:
        for text in explain(at, registers, shown, found, line):
            print(wrapped(text, width))
        if already := there_already(machine, at):
            print(wrapped(f"! {already}", width))
    if not found:
        return 1
    return _write(path, machine, args, line, found, shown) if args.write else 0


async def _read(machine: Machine, at: Address) -> tuple[dict[int, bytes], Attempt]:
    """Return the registers around an address by wire address: in one answer, or, where the unit refuses that, in fewer."""
    allowed = Allowed.of(machine.options)
    around = [
        wire
        for wire in range(max(0, at.wire - BEFORE), min(LAST_ADDRESS + 1, at.wire + AFTER))
        if allowed.holds(at.function, min(wire, at.wire), max(wire, at.wire) + 1)
    ]
    wide: dict[str, Any] = {f"r{wire}": ModbusPoint(at=Address(at.table, wire)) for wire in around}
    narrow = [
        {"r": point}
        for kind in ("uint64", "uint32")
        if (point := ModbusPoint(at=at, type=kind)).end <= LAST_ADDRESS + 1 and allowed.holds(at.function, at.wire, point.end)
    ]
    for points in [wide, *narrow]:
        session = Session(machine, table_of(machine, points))
        try:
            attempt = await session.round()
        finally:
            await session.close()
        unit = machine.options.unit
        memory = {wire: session.watch.registers(unit, at.function, wire, 1) for wire in around}
        registers = {wire: found[0] for wire, found in memory.items() if found is not None}
        if at.wire in registers or not attempt.reached:
            break
    return registers, attempt


def _nothing_read(attempt: Attempt, at: Address, as_json: bool, width: int) -> int:
    words = attempt.error or f"the unit does not hand out {at}"
    hint = attempt.hint or (attempt.rows[0].hint if attempt.rows else "")
    if as_json:
        print(json.dumps({"at": str(at), "error": words, "hint": hint}, ensure_ascii=False))
    else:
        print(wrapped(f"✗ {words}", width))
        if hint:
            print(wrapped(f"  → {hint}", width))
    return 1 if attempt.reached else 3


def explain(at: Address, registers: dict[int, bytes], shown: Shown, found: list[Guess], line: str) -> list[str]:
    """Return the registers, the best readings in words and the line for site.yaml."""
    unit = f" {shown.unit}" if shown.unit else ""
    lines = [f"{at}; the display says {shown.value:.12g}{unit}", ""]
    for wire, raw in sorted(registers.items()):
        mark = "▶" if wire == at.wire else " "
        number = int.from_bytes(raw, "big")
        signed = f" ({number - 65536})" if number >= 32768 else ""
        lines.append(f"{mark} {Address(at.table, wire)!s:<32} {raw.hex().upper()}  {number}{signed}")
    lines.append("")
    if not found:
        lines.append("✗ nothing that stands here gives that number, in any type, order or usual scale")
        lines.append("  → the right register (off by one? input, not holding?), the right unit number, the same moment?")
        return lines
    for place, one in enumerate(found[:BEST], start=1):
        lines += [f"{place}. {words_of(one, at)}", f"     = {one.value:.10g}: {_FIT_WORDS[one.fit]}"]
    if len(found) > BEST:
        lines.append(f"   and {len(found) - BEST} more that fit less well or are less usual (--json shows them)")
    if others := alike(found[0], found):
        kinds = ", ".join(dict.fromkeys(f"{one.type} {one.order}" if one.order != "ABCD" else one.type for one in others[:4]))
        verb = "gives" if "," not in kinds else "give"
        lines.append(f"! {kinds} {verb} the same now; they part when the value becomes negative or large")
    if shown.weak:
        lines.append(f"! {shown.weak}")
    elif rivals := rivals_of(found):
        fit = "fits" if len(rivals) == 1 else "fit"
        lines.append(f"! {len(rivals)} more {fit} as well; read again when the display has moved: what is wrong drops out")
    lines += ["", "the line for 'points:' in site.yaml:", f"  {line}"]
    return lines


def rivals_of(found: list[Guess]) -> list[Guess]:
    """Return the readings that fit as well as the best one, stand at the same place, and yet mean something else."""
    best = found[0]
    same = [best, *alike(best, found)]
    return [one for one in found if one.fit is best.fit and one.shift == best.shift and one not in same]


def there_already(machine: Machine, at: Address) -> str:
    """Return which points of the machine hold this register, in words, "" when none does."""
    unit = machine.options
    names = [
        name
        for name, spec in machine.points.items()
        if (where := unit.place(spec.at)).table == at.table and where.wire <= at.wire < where.wire + spec.width
    ]
    return f"{', '.join(names)} of {machine.name} already read{'s' if len(names) == 1 else ''} this register" if names else ""


def words_of(one: Guess, at: Address) -> str:
    """Return a reading in words: `float32, order CDAB (low word first, common in PLCs)`."""
    what = one.type
    if one.order != "ABCD" or one.type[-2:] in {"32", "64"}:
        what += f", order {one.order} ({_ORDER_WORDS[one.order]})"
    if one.scale != 1:
        what += f", times {one.scale:g}"
    if one.shift:
        where = Address(at.table, at.wire + one.shift)
        what += f", but one register {'later' if one.shift > 0 else 'earlier'}: {where}"
    return what


def point_line(name: str, at: Address, best: Guess, unit: str) -> str:
    """Return the ready line for site.yaml."""
    where = Address(at.table, at.wire + best.shift)
    keys = [f"at: {where.table} {where.manual}", f"type: {best.type}"]
    if best.order != "ABCD":
        keys.append(f"order: {best.order}")
    if best.scale != 1:
        keys.append(f"scale: {best.scale:g}")
    if unit:
        plain = re.fullmatch(r"[^\W\d_][\w°²³/·]*|°[A-Za-z]+", unit) and unit.lower() not in {"null", "true", "false"}
        keys.append(f"unit: {unit if plain else json.dumps(unit, ensure_ascii=False)}")
    return f"{name}: {{{', '.join(keys)}}}"


def _write(path: Path, machine: Machine, args: argparse.Namespace, line: str, found: list[Guess], shown: Shown) -> int:
    """Append the line to the file, showing what changes; say why not where that is not safe."""
    out = sys.stderr if args.json else sys.stdout
    try:
        if shown.weak or found[0].fit is not Fit.EXACT:
            raise NotSafe(shown.weak or "no reading fits to the last digit; look and read again")
        plan: Plan = append_point(path, machine.name, args.write, line)
    except NotSafe as error:
        print(f"\nnot written: {error}; add the line by hand", file=out)
        return 1
    print("\n" + plan.diff, file=out)
    try:
        plan.carry_out()
    except OSError as error:
        print(f"not written: {path}: {error.strerror or error}; add the line by hand", file=out)
        return 1
    print(f"written to {path}; the running gateway takes it with: gateway apply {path}", file=out)
    return 0
