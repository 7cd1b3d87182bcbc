"""A column of a .csv as samples: delimiter, decimal comma, header and time column are found in its first lines."""

from __future__ import annotations

import csv
import difflib
import itertools
import math
import re
import statistics
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from msgspec import Struct

from drivers.replay.pcm import FormatError

_TIME = re.compile(r"(?:t|time|timestamp|seconds|zeit)\s*[\[(_ ]?\s*(s|sec|ms|us|µs)?\s*[\])]?", re.IGNORECASE)
_TIME_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
_PROBE_ROWS = 2000
_HEADER_ROWS = 20
_MAX_LINE = 1_000_000
_UNEVEN = 0.1
_SHORTEST, _LONGEST = 0.5, 1.5
_GAPS = 0.02


class Shape(Struct, frozen=True, kw_only=True):
    """What the first lines of a table say: how to split a line, where the samples are, how fast they were taken.

    `time` is the column of the times and `step` the usual distance of two, in its unit; None and 0 where they are not looked at.
    """

    delimiter: str
    comma: bool
    skip: int
    column: int
    label: str
    rate_hz: float | None
    time: int | None = None
    step: float = 0.0


class TableFile:
    """One column of a .csv, read forward row by row; never the whole file.

    `gap`: by its times, samples are missing before those that `take` has just returned.
    """

    def __init__(self, path: Path, shape: Shape, *, rate_hz: float, scale: float = 1.0) -> None:
        self.rate_hz = rate_hz
        self._shape = shape
        self._scale = scale
        self.gap = False
        self._held: tuple[int, list[str]] | None = None
        self._before: float | None = None
        self._file = path.open(encoding="utf-8-sig", errors="replace", newline="")
        self._rows = _rows(self._file, shape.delimiter)
        self._skip()

    def take(self, n: int) -> array[float]:
        """Return the next `n` samples, fewer at the end or before a gap, none after the end.

        Raises:
            FormatError: a cell is not a number.
        """
        at, comma, scale = self._shape.column, self._shape.comma, self._scale
        held, self._held = self._held, None
        self.gap = held is not None
        rows = itertools.islice(self._rows if held is None else itertools.chain([held], self._rows), n)
        samples = array("f")
        row: list[str] = []
        line = 0
        try:
            for line, row in rows:
                if self._shape.time is not None and self._is_apart(line, row):
                    if samples:
                        self._held = line, row
                        self._before = None  # what begins the next piece was judged here
                        break
                    self.gap = True
                samples.append(float(row[at].replace(",", ".") if comma else row[at]) * scale)
        except FormatError:
            raise
        except (ValueError, IndexError, OverflowError):
            cell = f"'{row[at]}' is not a number" if at < len(row) else "is missing"
            raise FormatError(f"line {line}, column {self._shape.label}: {cell}") from None
        return samples

    def rewind(self) -> None:
        """Go back to the first sample."""
        self._file.seek(0)
        self._held = self._before = None
        self._rows = _rows(self._file, self._shape.delimiter)
        self._skip()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _is_apart(self, line: int, row: list[str]) -> bool:
        """Say whether samples are missing before a row."""
        assert self._shape.time is not None
        at = self._shape.time
        try:
            moment = _number(row[at], self._shape.comma)
        except (ValueError, IndexError):
            raise FormatError(f"line {line}: the time is missing or not a number") from None
        before, self._before = self._before, moment
        return before is not None and not _SHORTEST * self._shape.step <= moment - before <= _LONGEST * self._shape.step

    def _skip(self) -> None:
        for _ in itertools.islice(self._rows, self._shape.skip):
            pass


def probe(path: Path, column: str | None = None, *, use_time: bool = True) -> Shape:
    """Read the first lines of a table and say what it holds; `use_time`: derive the rate from the time column.

    Raises:
        FormatError: there is no column of numbers, several and none was chosen, or the time column is uneven.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        delimiter = _delimiter(file.read(65536))
        file.seek(0)
        rows = [row for _, row in itertools.islice(_rows(file, delimiter), _PROBE_ROWS)]
    comma = delimiter != "," and any(_DECIMAL_COMMA.fullmatch(cell.strip()) for row in rows[:_HEADER_ROWS] for cell in row)
    skip = next((i for i, row in enumerate(rows[:_HEADER_ROWS]) if _is_numeric(row, comma)), None)
    if skip is None:
        raise FormatError("has no row of numbers in its first lines" if rows else "is empty")
    width = len(rows[skip])
    names = [name.strip() for name in rows[0]] if skip else []
    names += [str(i + 1) for i in range(len(names), width)]
    times = next(((i, _TIME_UNITS[(m[1] or "").lower()]) for i, name in enumerate(names) if (m := _TIME.fullmatch(name))), None)
    chosen = _choose(names[:width], column, times[0] if times else None)
    label = f"'{names[chosen]}'"
    if not times or not use_time:
        return Shape(delimiter=delimiter, comma=comma, skip=skip, column=chosen, label=label, rate_hz=None)
    step = _step(rows[skip:], times, comma)
    rate = 1 / (step * times[1])
    return Shape(delimiter=delimiter, comma=comma, skip=skip, column=chosen, label=label, rate_hz=rate, time=times[0], step=step)


def _delimiter(text: str) -> str:
    """Choose what separates the cells: what the last complete line of the beginning has; a space for any white space."""
    lines = [line for line in text.splitlines()[:_HEADER_ROWS] if line.strip() and line.lstrip()[0] not in "#%"]
    last = lines[-1] if lines else ""
    return next((mark for mark in (";", "\t", ",") if mark in last), " ")


def _rows(file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every row; blank lines and comments (# or %) are passed over."""
    for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE + 1), ""), 1):
        if len(line) > _MAX_LINE:
            raise FormatError(f"line {number} is longer than {_MAX_LINE} characters; is this a table?")
        text = line.strip()
        if not text or text[0] in "#%":
            continue
        if delimiter == " ":
            yield number, text.split()
        elif '"' in text:
            try:
                yield number, next(csv.reader([text], delimiter=delimiter))
            except csv.Error:
                raise FormatError(f"line {number} cannot be split into cells") from None
        else:
            yield number, text.split(delimiter)


def _number(cell: str, comma: bool) -> float:
    return float(cell.replace(",", ".") if comma else cell)


def _is_numeric(row: list[str], comma: bool) -> bool:
    """Whether at least one cell is a number and no cell is a word."""
    found = False
    for cell in row:
        try:
            _number(cell, comma)
            found = True
        except ValueError:
            if cell.strip():
                return False
    return found


def _choose(names: list[str], column: str | None, time: int | None) -> int:
    """Return the index of the column to play."""
    listed = ", ".join(f"'{name}'" for name in names)
    if column is None:
        left = [i for i in range(len(names)) if i != time]
        if len(left) != 1:
            raise FormatError(f"has {len(left)} columns of samples ({listed}); choose one with column=…")
        return left[0]
    if column in names:
        return names.index(column)
    if column.isascii() and column.isdigit() and 0 < int(column[:9]) <= len(names):
        return int(column) - 1
    near = difflib.get_close_matches(column, names, 1)
    raise FormatError(f"has no column '{column}'; " + (f"did you mean '{near[0]}'?" if near else f"it has {listed}"))


def _step(rows: list[list[str]], times: tuple[int, float], comma: bool) -> float:
    """Return the usual distance of two rows in the unit of the time column; some may be longer, where samples are missing.

    Raises:
        FormatError: the steps differ by more than a tenth, so the rows are not samples at one rate.
    """
    at, unit = times
    try:
        moments = [_number(row[at], comma) for row in rows]
    except (ValueError, IndexError):
        raise FormatError(f"has a row without time in its first {len(rows)} rows; give the rate instead: rate=…") from None
    span = (moments[-1] - moments[0]) * unit
    if len(moments) < 2 or not math.isfinite(span) or span <= 0:
        raise FormatError("has a time column that does not run forward; give the rate instead: rate=…")
    steps = [(after - before) * unit for before, after in itertools.pairwise(moments)]
    usual = statistics.median(steps)
    even = [step for step in steps if abs(step - usual) <= _UNEVEN * usual]
    gaps = sum(step > _LONGEST * usual for step in steps)
    few = gaps <= _GAPS * len(steps)
    for number, step in enumerate(steps, 2):
        if not abs(step - usual) <= _UNEVEN * usual and not (few and step > _LONGEST * usual):
            raise FormatError(
                f"is not evenly sampled: row {number} comes {step:.4g} s after the one before, others {usual:.4g} s; "
                "resample it, or give the rate=… if the times are only coarse"
            )
    return math.fsum(even) / len(even) / unit
