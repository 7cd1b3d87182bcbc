"""What `gateway try` prints: a table, on a phone a list, frames as hexdump, a live table with min, max and changes."""

from __future__ import annotations

import math
import textwrap
from typing import Any, Final

from msgspec import Struct, to_builtins

from drivers.modbus.watch import Seen
from gateway.cli._try_read import Attempt, Row
from gateway.cli.status import wrapped

_GAP: Final = "  "
_LEAST: Final = {"point": 10, "raw": 9, "value": 9, "address": 13}
_GIVES_WAY: Final = ("raw", "point", "node", "address", "min", "max", "value")
_BYTES_A_LINE: Final = 16
_NARROW: Final = 72
"""A table needs that many columns; on fewer, as on a phone, each point has lines of its own."""

_TINY: Final = 1e-9
_HUGE: Final = 1e12
"""What no machine measures: a float beyond them has its bytes in another order."""


class Column(Struct):
    """One column of a table: its head, its cells, whether numbers stand in it, and how narrow it may become."""

    head: str
    cells: list[str]
    right: bool = False
    least: int = 0

    @property
    def width(self) -> int:
        """Width without cutting anything."""
        return max(map(len, [self.head, *self.cells]))


def table(rows: list[Row], width: int) -> list[str]:
    """Return the rows of one read as lines no longer than `width` (40 at least); below a bad point stands what to do."""
    if width < _NARROW:
        return [line for row in rows for line in _listed(row, width)]
    modbus = any(row.wire for row in rows)
    columns = [Column("point", [row.point for row in rows], least=_LEAST["point"])]
    columns.append(Column("address" if modbus else "node", [row.manual for row in rows], least=_LEAST["address"]))
    if modbus:
        columns.append(Column("wire", [row.wire for row in rows], right=True))
        columns.append(Column("raw", [row.raw for row in rows], least=_LEAST["raw"]))
    columns.append(Column("value", [shown(row.value, row.unit) for row in rows], right=True, least=_LEAST["value"]))
    columns.append(Column("ms", [_ms(row.ms) for row in rows], right=True))
    columns.append(Column("verdict", [row.quality for row in rows]))
    return _lines(columns, rows, width)


class Tally(Struct):
    """What a point has done since the live table began."""

    low: float = math.inf
    high: float = -math.inf
    changes: int = 0
    last: Any = None
    seen: bool = False

    def take(self, row: Row) -> None:
        """Take note of a reading."""
        if row.quality == "bad":
            return
        if isinstance(row.value, int | float) and not isinstance(row.value, bool):
            self.low, self.high = min(self.low, row.value), max(self.high, row.value)
        if self.seen and row.value != self.last:
            self.changes += 1
        self.last, self.seen = row.value, True


def live_table(rows: list[Row], tallies: dict[str, Tally], width: int) -> list[str]:
    """Return the live table: what is, the least, the greatest and how often it changed."""
    known = [tallies[row.point] for row in rows]
    columns = [
        Column("point", [row.point for row in rows], least=_LEAST["point"]),
        Column("address", [row.manual for row in rows], least=_LEAST["address"]),
        Column("value", [shown(row.value, row.unit) for row in rows], right=True, least=_LEAST["value"]),
        Column("min", [_short(tally.low) for tally in known], right=True, least=7),
        Column("max", [_short(tally.high) for tally in known], right=True, least=7),
        Column("changes", [str(tally.changes) for tally in known], right=True),
        Column("verdict", [row.quality for row in rows]),
    ]
    for heads in (("address",), ("verdict",), ("changes",), ("min", "max")):  # an address stands in the table of a single read
        if sum(column.width + len(_GAP) for column in columns) > width:
            columns = [column for column in columns if column.head not in heads]
    return _lines(columns, rows, width)


def dump(frames: list[Seen], begun_s: float, width: int = 80) -> list[str]:
    """Return frames as a hexdump: time in ms, direction, meaning, and below it the bytes."""
    lines = []
    indent = 18 if width >= _NARROW else 6
    bytes_a_line = _BYTES_A_LINE if width >= _NARROW else 8
    for frame in frames:
        arrow = "Tx →" if frame.direction == "tx" else "Rx ←"
        took = f" after {frame.took_s * 1e3:.1f} ms" if frame.took_s is not None else ""
        head = f"{(frame.at_s - begun_s) * 1e3:9.1f} ms  {arrow}  {frame.words}{took}"
        lines += _broken(head, width, indent)
        pieces = [frame.raw[i : i + bytes_a_line] for i in range(0, len(frame.raw), bytes_a_line)]
        lines += [f"{'':{indent}}{piece.hex(' ').upper()}" for piece in pieces]
        if frame.hint:
            lines += _broken(f"{'':{indent}}→ {frame.hint}", width, indent + 2)
    return lines


def summary(attempt: Attempt) -> str:
    """Return the last line: how many points are good, and what it cost."""
    if attempt.wave:
        return f"good: a waveform, read in {attempt.took_ms:.0f} ms"
    good = sum(row.quality == "good" for row in attempt.rows)
    asked = f" in {attempt.requests} request{'' if attempt.requests == 1 else 's'}" if attempt.requests else ""
    all_of = "all good" if good == len(attempt.rows) else f"{good} of {len(attempt.rows)} good"
    return f"{len(attempt.rows)} point{'' if len(attempt.rows) == 1 else 's'}{asked}, {attempt.took_ms:.1f} ms: {all_of}"


def report(attempt: Attempt, width: int) -> list[str]:
    """Return everything a round brought, apart from the frames."""
    lines: list[str] = []
    if attempt.error:
        lines.append(wrapped(f"✗ {attempt.error}", width))
        if attempt.hint:
            lines.append(wrapped(f"  → {attempt.hint}", width))
    if attempt.rows:
        lines += [*table(attempt.rows, width), ""]
    if wave := attempt.wave:
        unit = f" {wave.unit}" if wave.unit else ""
        lines.append(f"● waveform  {wave.rate_hz:g} Hz, {wave.samples} samples ({wave.samples / wave.rate_hz:.2f} s)")
        lines += [f"  min {wave.low:.5g}{unit}   max {wave.high:.5g}{unit}   RMS {wave.rms:.5g}{unit}", ""]
    told = [row.point for row in attempt.rows if row.reason]
    fresh = [warning for warning in attempt.warnings if not any(point in warning.split() for point in told)]
    lines += [wrapped(f"! {sentence}", width) for sentence in [*attempt.line, *fresh, *_doubts(attempt.rows)]]
    if not attempt.error:
        lines.append(summary(attempt))
    return lines


def _doubts(rows: list[Row]) -> list[str]:
    """Say of floats that no machine measures what is wrong with them."""
    odd = [row for row in rows if isinstance(row.value, float) and row.value and not _TINY < abs(row.value) < _HUGE]
    if not odd:
        return []
    names, plural = ", ".join(row.point for row in odd), "" if len(odd) == 1 else "s"
    cure = f'the wizard finds out with what the display says: --at "{odd[0].manual}" --shows 41.9'
    return [f"{names}: hardly measured value{plural}, so byte order or type is wrong; {cure}"]


def as_json(attempt: Attempt) -> dict[str, Any]:
    """Return a round as plain JSON values; NaN and infinity do not occur."""
    frames = [
        {"at_s": frame.at_s, "direction": frame.direction, "hex": frame.raw.hex(), "words": frame.words, "hint": frame.hint}
        for frame in attempt.frames
    ]
    rows = [to_builtins(row) | {"value": _plain(row.value)} for row in attempt.rows]
    return {
        "good": attempt.code == 0,
        "error": attempt.error,
        "hint": attempt.hint,
        "took_ms": round(attempt.took_ms, 2),
        "requests": attempt.requests,
        "points": rows,
        "waveform": to_builtins(attempt.wave) if attempt.wave else None,
        "warnings": attempt.warnings,
        "line": attempt.line,
        "frames": frames,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.hex() if isinstance(value, bytes) else value


def shown(value: object, unit: str = "") -> str:
    """Return a value with its unit as a person writes it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return value.hex(" ").upper()
    text = _number(value) if isinstance(value, float) else str(value)
    text = "".join(one if one.isprintable() else "·" for one in text)  # a device's text must not steer the terminal
    return text if unit in {"", "1"} or isinstance(value, str) else f"{text} {unit}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.7g}" if value != int(value) or abs(value) >= 1e15 else f"{int(value)}"


def _short(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else "-"


def _ms(ms: float | None) -> str:
    return "" if ms is None else f"{ms:.1f}" if ms < 100 else f"{ms:.0f}"


def _broken(line: str, width: int, indent: int) -> list[str]:
    return textwrap.wrap(line, max(40, width), subsequent_indent=" " * indent, break_on_hyphens=False, drop_whitespace=True)


def _lines(columns: list[Column], rows: list[Row], width: int) -> list[str]:
    widths = _fitted(columns, width - 2)
    if any(cut < column.width for cut, column in zip(widths, columns, strict=True) if column.head != "raw"):
        columns = [column for column in columns if column.head != "verdict"]  # the mark says the same
        widths = _fitted(columns, width - 2)
    lines = ["  " + _line([column.head for column in columns], columns, widths)]
    for i, row in enumerate(rows):
        lines.append(f"{_mark(row)} " + _line([column.cells[i] for column in columns], columns, widths))
        lines += _why(row, width)
    return lines


def _listed(row: Row, width: int) -> list[str]:
    """Return one point on two lines or more: name and value, below it where it stands."""
    width = max(40, width)
    value = shown(row.value, row.unit) if row.quality != "bad" else "bad"
    head = f"{_mark(row)} {row.point} {value:>{max(0, width - 3 - len(row.point))}}"
    wire = f" (wire {row.wire})" if row.wire else ""
    where = "  ".join(filter(None, [f"{row.manual}{wire}", row.raw, f"{_ms(row.ms)} ms" if row.ms is not None else ""]))
    lines = [head] if len(head) <= width else textwrap.wrap(head, width, subsequent_indent="    ")
    return [*lines, *textwrap.wrap(f"    {where}", width, subsequent_indent="      "), *_why(row, width)]


def _mark(row: Row) -> str:
    return {"good": "●", "uncertain": "!"}.get(row.quality, "✗")


def _why(row: Row, width: int) -> list[str]:
    return [wrapped(f"    {row.reason}" + (f" → {row.hint}" if row.hint else ""), width)] if row.reason else []


def _fitted(columns: list[Column], width: int) -> list[int]:
    """Return the widths that fit: raw bytes give way first, values last."""
    widths = [column.width for column in columns]
    over = sum(widths) - (width - len(_GAP) * (len(columns) - 1))
    for head in _GIVES_WAY:
        for i, column in enumerate(columns):
            if column.head == head and over > 0:
                less = min(over, max(0, widths[i] - column.least))
                widths[i] -= less
                over -= less
    return widths


def _line(cells: list[str], columns: list[Column], widths: list[int]) -> str:
    cut = [text if len(text) <= width else text[: width - 1] + "…" for text, width in zip(cells, widths, strict=True)]
    placed = [f"{text:>{w}}" if column.right else f"{text:<{w}}" for text, column, w in zip(cut, columns, widths, strict=True)]
    return _GAP.join(placed).rstrip()
