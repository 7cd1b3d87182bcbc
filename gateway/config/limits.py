"""What `msgspec.Meta` says about a text or a number, as sentences."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Meta

from gateway.config.words import quoted

_NAME_PATTERN = r"^[A-Za-z0-9_.-]+$"
_TRANSLITERATED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "é": "e", "è": "e"})


def number_limits(meta: Meta | None) -> Callable[[float], str] | None:
    """Return a function that gives the sentence for a number outside its range, "" inside; None without a range."""
    if meta is None or all(limit is None for limit in (meta.ge, meta.gt, meta.le, meta.lt, meta.multiple_of)):
        return None
    ge, gt, le, lt, step = meta.ge, meta.gt, meta.le, meta.lt, meta.multiple_of
    low = f"at least {ge:g}" if ge is not None else f"more than {gt:g}" if gt is not None else ""
    high = f"at most {le:g}" if le is not None else f"less than {lt:g}" if lt is not None else ""
    span = f"{ge:g} to {le:g}" if ge is not None and le is not None else " and ".join(filter(None, (low, high)))

    def limits(value: float) -> str:
        if (
            (ge is not None and value < ge)
            or (gt is not None and value <= gt)
            or (le is not None and value > le)
            or (lt is not None and value >= lt)
        ):
            return f"{_shown(value)} is out of range: {span}"
        if step is not None and value % step:
            return f"{_shown(value)} is not a multiple of {step:g}"
        return ""

    return limits


def text_limits(meta: Meta | None) -> Callable[[str], str] | None:
    """Return a function that gives the sentence for a text that does not fit, "" where it does; None without a limit."""
    if meta is None or (meta.pattern is None and meta.min_length is None and meta.max_length is None):
        return None
    pattern = re.compile(meta.pattern) if meta.pattern is not None else None
    least, most = meta.min_length or 0, meta.max_length
    name = meta.pattern == _NAME_PATTERN

    def limits(value: str) -> str:
        if len(value) < least:
            return "the text is empty" if least == 1 else f"{quoted(value)} is shorter than {least} characters"
        if most is not None and len(value) > most:
            return f"{quoted(value)} has {len(value)} characters, at most {most} are possible"
        # $ would let a line break at the end through
        if pattern is None or (pattern.search(value) and not (name and value.endswith("\n"))):
            return ""
        if name:
            return _no_name(value)
        return f"{quoted(value)} does not fit: {meta.description or f'it must match {meta.pattern}'}"

    return limits


def _no_name(value: str) -> str:
    odd = "".join(dict.fromkeys(char for char in value if not re.fullmatch(r"[A-Za-z0-9_.-]", char)))
    guess = re.sub(r"[^A-Za-z0-9_.-]+", "-", value.translate(_TRANSLITERATED)).strip("-")
    cure = f"; did you mean '{guess}'?" if guess else ""
    what = "a space" if odd == " " else "'" + "', '".join(odd[:5]) + "'"
    return f"{what} cannot stand in a name; use letters, digits, '-', '_' and '.'{cure}"


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) and abs(value) < 10**20 else f"{value:g}"
