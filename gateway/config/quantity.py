"""Scalars that carry their unit: a duration is `1s`, a rate `25.6kHz`, a size `512MB`. A bare number is an error.

A spec type is a *scalar* when it has a classmethod `parse(value) -> Self`, which takes what the YAML holds (str, int, float,
bool) and raises ValueError with a sentence for the user: what is wrong and what to write instead. An optional classmethod
`schema() -> dict` gives its JSON Schema. Drivers may bring scalars of their own (an address, a node id).
"""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar, NamedTuple, Self

_NUMBER = re.compile(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*")


class _Quantity(float):
    """A number with a unit, kept in the base unit."""

    units: ClassVar[dict[str, float]]
    spellings: ClassVar[dict[str, str]] = {}
    what: ClassVar[str]
    example: ClassVar[str]
    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `<number><unit>`.

        Raises:
            ValueError: the unit is missing or unknown, or the number is negative or too large.
        """
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"expected {cls.what} such as '{cls.example}'")
        if not isinstance(value, str):
            raise ValueError(f"'{value}' has no unit; did you mean '{value}{next(iter(cls.units))}'?")
        match = _NUMBER.fullmatch(value)
        if not match:
            raise ValueError(f"'{value}' is not {cls.what}; write it like '{cls.example}'")
        number, unit = match.groups()
        if not unit:
            raise ValueError(f"'{value}' has no unit; did you mean '{number}{next(iter(cls.units))}'?")
        factor = cls.units.get(unit)
        if factor is None:
            folded = {name.lower(): name for name in cls.units}
            guess = folded.get(unit.lower()) or cls.spellings.get(unit.lower())
            cure = f"did you mean '{number}{guess}'?" if guess else f"known units: {', '.join(cls.units)}"
            raise ValueError(f"unknown unit '{unit}' in '{value}'; {cure}")
        result = cls(float(number) * factor)
        if not math.isfinite(result):
            raise ValueError(f"'{value}' is too large")
        if result < 0:
            raise ValueError(f"'{value}' is negative; write it without the sign")
        return result

    @property
    def written(self) -> str:
        """The value as it would be written: `Duration(600).written` is `10min`."""
        fitting = [(unit, factor) for unit, factor in self.units.items() if float(self / factor).is_integer() and self >= factor]
        unit, factor = max(fitting, key=lambda pair: pair[1]) if fitting else next(iter(self.units.items()))
        return f"{self / factor:g}{unit}"

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        units = "|".join(re.escape(unit) for unit in cls.units)
        return {
            "type": "string",
            "pattern": rf"^\s*\+?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*({units})\s*$",
            "examples": [cls.example],
            "description": f"{cls.what}, with its unit: {', '.join(cls.units)}",
        }


class Duration(_Quantity):
    """Seconds."""

    units: ClassVar[dict[str, float]] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0, "h": 3600.0, "d": 86400.0}
    spellings: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("sec", "secs", "second", "seconds", "sek", "sekunden"), "s"),
        **dict.fromkeys(("msec", "millis", "milliseconds"), "ms"),
        **dict.fromkeys(("m", "mins", "minute", "minutes", "minuten"), "min"),
        **dict.fromkeys(("hr", "hrs", "hour", "hours", "std"), "h"),
        **dict.fromkeys(("day", "days", "tage"), "d"),
    }
    what: ClassVar[str] = "a duration"
    example: ClassVar[str] = "1s"
    __slots__ = ()


class LongDuration(Duration):
    """Seconds, where people think in days."""

    units: ClassVar[dict[str, float]] = {"d": 86400.0} | Duration.units
    example: ClassVar[str] = "30d"
    __slots__ = ()


class Rate(_Quantity):
    """Hertz."""

    units: ClassVar[dict[str, float]] = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "mHz": 1e-3}
    spellings: ClassVar[dict[str, str]] = {"hertz": "Hz", "khertz": "kHz", "/s": "Hz", "1/s": "Hz", "k": "kHz"}
    what: ClassVar[str] = "a rate"
    example: ClassVar[str] = "25.6kHz"
    __slots__ = ()


class Size(_Quantity):
    """Bytes."""

    units: ClassVar[dict[str, float]] = {
        "MB": 1e6,
        "kB": 1e3,
        "GB": 1e9,
        "TB": 1e12,
        "B": 1.0,
        "MiB": 2.0**20,
        "KiB": 2.0**10,
        "GiB": 2.0**30,
    }
    spellings: ClassVar[dict[str, str]] = {"m": "MB", "g": "GB", "k": "kB", "t": "TB", "bytes": "B", "byte": "B"}
    what: ClassVar[str] = "a size"
    example: ClassVar[str] = "512MB"
    __slots__ = ()


class Length(_Quantity):
    """Millimetres."""

    units: ClassVar[dict[str, float]] = {"mm": 1.0, "cm": 10.0, "in": 25.4}
    what: ClassVar[str] = "a length"
    example: ClassVar[str] = "7.94mm"
    __slots__ = ()


class Angle(_Quantity):
    """Degrees."""

    units: ClassVar[dict[str, float]] = {"deg": 1.0, "°": 1.0}
    spellings: ClassVar[dict[str, str]] = dict.fromkeys(("degrees", "degree", "grad"), "deg")
    what: ClassVar[str] = "an angle"
    example: ClassVar[str] = "15deg"
    __slots__ = ()


class Resolution(NamedTuple):
    """How far a number that is sent may be from the one that was measured: `most`, of itself where `relative`, else in its unit."""

    most: float
    relative: bool

    @classmethod
    def parse(cls, value: object) -> Resolution:
        """Read `0.5%`, or a bare number in the unit of the point.

        Raises:
            ValueError: it is neither, or nobody could want it.
        """
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("expected a resolution such as '0.5%', or a number in the unit of the point such as 0.1")
        if not isinstance(value, str):
            return cls._checked(float(value), False, f"{value}")
        match = _NUMBER.fullmatch(value.replace(",", "."))
        if not match or "," in value:
            cure = f"did you mean '{value.replace(',', '.')}'?" if match else "write '0.5%', or a number in the unit of the point"
            raise ValueError(f"'{value}' is not a resolution; {cure}")
        number, unit = match.groups()
        if unit != "%":
            words = "does not name the unit, it is that of the point" if unit else "in the unit of the point stands without quotes"
            raise ValueError(f"a resolution {words}; did you mean {number}, or '{number}%'?")
        return cls._checked(float(number) / 100, True, value)

    @classmethod
    def _checked(cls, most: float, relative: bool, written: str) -> Resolution:
        if not 0 < most < math.inf:
            raise ValueError(f"a resolution must be above 0, not {written}; leave the key out to send exact values")
        if relative and not 1e-6 <= most <= 0.1:
            raise ValueError(f"a relative resolution lies between 0.0001% and 10%, not at {written}")
        return cls(most, relative)

    @property
    def written(self) -> str:
        """The resolution as it would be written: `0.5%`, `0.1`."""
        return f"{self.most * 100:.6g}%" if self.relative else f"{self.most:g}"

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written forms."""
        return {
            "type": ["number", "string"],
            "exclusiveMinimum": 0,
            "pattern": r"^\s*\+?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*%\s*$",
            "examples": ["0.5%", 0.1],
        }


class Acceleration(str):
    """A unit of acceleration, `m/s²` or `g`; it is declared, never guessed."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Acceleration:
        """Read the unit; `m/s2` and `m/s^2` are spellings of `m/s²`.

        Raises:
            ValueError: it is another unit.
        """
        if value in ("m/s²", "m/s2", "m/s^2"):
            return cls("m/s²")
        if value == "g":
            return cls("g")
        raise ValueError(f"'{value}' is not a unit of acceleration; write 'm/s²' or 'g'")

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {"enum": ["m/s²", "m/s2", "m/s^2", "g"], "description": "unit of acceleration"}
