"""Bearings by name: `configs/bearings.yaml`, and how the name printed on a bearing is found in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from gateway.config.bearing import Bearing
from gateway.config.data import data_folder
from gateway.config.words import nearest

_MAKERS = re.compile(r"^(SKF|FAG|INA|NSK|NTN|SNR|KOYO|JTEKT|NACHI|TIMKEN|SCHAEFFLER|LDK|REXNORD)[\s:_-]+")
_BETWEEN = re.compile(r"[\s_/]+")


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the file: the geometry in mm, or the four rates per turn of the shaft."""

    source: str
    verified: bool
    balls: int = 0
    ball: float = 0
    pitch: float = 0
    angle: float = 0
    outer: float = 0
    inner: float = 0
    element: float = 0
    cage: float = 0

    def bearing(self, name: str, sources: Mapping[str, str]) -> Bearing:
        source = " ".join(sources.get(self.source, self.source).split())
        if self.ball:
            made = Bearing.of_geometry(name, self.balls, self.ball, self.pitch, self.angle, source=source, verified=self.verified)
            given = {key: rate for key in ("outer", "inner", "element", "cage") if (rate := getattr(self, key))}
            return msgspec.structs.replace(made, **given)
        if not min(self.outer, self.inner, self.element, self.cage) > 0:
            raise ValueError(f"{name}: a bearing needs balls, ball and pitch, or outer, inner, element and cage")
        return Bearing(name, self.outer, self.inner, self.element, self.cage, self.balls, source, self.verified)


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    bearings: dict[str, _Entry]
    sources: dict[str, str] = {}


class UnknownBearingError(ValueError):
    """No bearing of that name is known; the message says what is near and what can be written instead."""


class Bearings:
    """The bearings of a file, by designation.

    Raises:
        ValueError: the file is not such a file.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or data_folder() / "bearings.yaml"
        try:
            raw: Any = yaml.load(self.path.read_text(encoding="utf-8"), yaml.CSafeLoader)
            file = msgspec.convert(raw, _File)
            self.known: Mapping[str, Bearing] = {name: entry.bearing(name, file.sources) for name, entry in file.bearings.items()}
        except (yaml.YAMLError, msgspec.ValidationError, ValueError) as error:
            raise ValueError(f"{self.path}: {error}") from error

    def find(self, designation: str) -> Bearing:
        """Return the bearing printed as `designation`: without its maker, and without what follows the basic number.

        Seals, clearance, cage and tolerance (2RS, ZZ, C3, TN9, P6) do not change the rates: 6205-2RS-C3 is 6205.

        Raises:
            UnknownBearingError: there is none.
        """
        wanted = _BETWEEN.sub("-", _MAKERS.sub("", designation.strip().upper()))
        names = [name for name in self.known if _begins(wanted, name.upper())]
        if names:
            return self.known[max(names, key=len)]
        guess = nearest(wanted.split("-")[0], self.known)
        raise UnknownBearingError(
            f"the bearing '{designation}' is not known{f'; did you mean {guess}?' if guess else '.'} "
            "Otherwise give its geometry {balls: 9, ball: 7.94mm, pitch: 39.04mm, angle: 0deg} "
            "or its rates per turn of the shaft {outer: 3.58, inner: 5.42, element: 2.36, cage: 0.398}"
        )


def _begins(wanted: str, name: str) -> bool:
    """Say whether the designation is this name with more behind it, and not a longer number."""
    return wanted.startswith(name) and not wanted[len(name) : len(name) + 1].isdigit()
