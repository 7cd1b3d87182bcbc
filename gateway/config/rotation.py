"""Scalars of what turns and vibrates: the speed of a shaft, a range of speeds, a band of frequencies."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple, Self

_SPEED = re.compile(r"\s*(\d+(?:[.,]\d+)?)\s*(rpm|1/min|U/min|min-1|min⁻¹|Hz)?\s*", re.IGNORECASE)
_RANGE = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*([kM]?Hz|rpm|1/min|U/min)?\s*(?:-|–|\.\.|to)\s*(\d+(?:\.\d+)?)\s*([kM]?Hz|rpm|1/min|U/min)?\s*"
)
_POINT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HERTZ = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6}

MOST_RPM = 300_000.0
"""Faster than anything that has bearings to watch (a dental turbine)."""


class Shaft(NamedTuple):
    """How fast a shaft turns: `rpm` when it is known, else the `point` that tells it, of another `machine` where one is named."""

    rpm: float | None = None
    point: str = ""
    machine: str = ""

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `1480rpm`, `24.7Hz` (rotations per second), `spindle_speed` or `lathe-1/spindle_speed`.

        Raises:
            ValueError: it is none of these.
        """
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("expected a speed such as '1480rpm', a point as lathe-1/spindle_speed, or {estimate: 1400-1500rpm}")
        text = f"{value}"
        match = _SPEED.fullmatch(text)
        if match is None:
            machine, _, point = text.rpartition("/")
            named = _POINT.fullmatch(point) and (_POINT.fullmatch(machine) or "/" not in text)
            if text[:1].isdigit() or text[:1] in "+-." or not named:
                raise ValueError(f"'{text}' is not a speed; write it like '1480rpm', or name a point in rpm: MACHINE/POINT")
            return cls(None, point, machine)
        number, unit = float(match[1].replace(",", ".")), match[2]
        if unit is None:
            raise ValueError(f"'{text}' has no unit; did you mean '{match[1]}rpm'?")
        rpm = number * 60 if unit.lower() == "hz" else number
        if not 0 < rpm <= MOST_RPM:
            raise ValueError(f"a shaft turns faster than 0rpm and at most at {MOST_RPM:g}rpm, not at '{text}'")
        return cls(rpm)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written forms."""
        return {"type": "string", "examples": ["1480rpm", "lathe-1/spindle_speed"]}


class SpeedRange(NamedTuple):
    """Between which speeds a shaft turns, in rpm."""

    low_rpm: float
    high_rpm: float

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `1400-1500rpm`.

        Raises:
            ValueError: it is no such range.
        """
        low, high, unit = _range(value, "a range of speeds", "1400-1500rpm")
        factor = 60.0 * _HERTZ[unit] if unit in _HERTZ else 1.0
        if high * factor > MOST_RPM:
            raise ValueError(f"a shaft turns at most at {MOST_RPM:g}rpm, not at '{value}'")
        if high > 4 * low:
            raise ValueError(f"'{value}' is too wide a range to find the speed in; its end is at most 4 times its begin")
        return cls(low * factor, high * factor)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {"type": "string", "examples": ["1400-1500rpm"]}


class FrequencyBand(NamedTuple):
    """A band of frequencies in Hz."""

    low_hz: float
    high_hz: float

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `50-300Hz` or `0.3-1.8kHz`.

        Raises:
            ValueError: it is no such band.
        """
        low, high, unit = _range(value, "a band of frequencies", "50-300Hz")
        if unit not in _HERTZ:
            raise ValueError(f"a band is given in Hz, not in {unit}: '{value}'")
        return cls(low * _HERTZ[unit], high * _HERTZ[unit])

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {
            "type": "string",
            "pattern": r"^\s*\d+(\.\d+)?\s*([kM]?Hz)?\s*(-|to)\s*\d+(\.\d+)?\s*[kM]?Hz\s*$",
            "examples": ["50-300Hz"],
        }


def _range(value: object, what: str, example: str) -> tuple[float, float, str]:
    """Read two numbers with one unit; the first may have the same, or in Hz a smaller one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected {what} such as '{example}'")
    match = _RANGE.fullmatch(f"{value}")
    if match is None:
        raise ValueError(f"'{value}' is not {what}; write it like '{example}'")
    first, first_unit, last, unit = float(match[1]), match[2], float(match[3]), match[4]
    if unit is None:
        raise ValueError(f"'{value}' has no unit; write it like '{example}'")
    if first_unit and (first_unit in _HERTZ) != (unit in _HERTZ):
        raise ValueError(f"'{value}' has two different units")
    if first_unit in _HERTZ:
        first *= _HERTZ[first_unit] / _HERTZ[unit]
    if not 0 < first < last < math.inf:
        raise ValueError(f"{what} begins above 0 and ends higher; '{value}' does not")
    return first, last, unit
