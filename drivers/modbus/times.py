"""How long a line and each unit on it take to begin their answers: what a timeout may be measured by."""

from __future__ import annotations

from collections import deque
from typing import Final

KEPT: Final = 128
"""Answers that are remembered, of the line and of each unit."""

_RENEWED_EVERY: Final = 16


class Times:
    """The last response times of one unit or line, in seconds."""

    __slots__ = ("_kept", "_p99", "_stale")

    def __init__(self) -> None:
        self._kept: deque[float] = deque(maxlen=KEPT)
        self._p99 = 0.0
        self._stale = 0

    def add(self, seconds: float) -> None:
        """Take one more."""
        self._kept.append(seconds)
        self._stale += 1

    @property
    def p99_s(self) -> float:
        """99 of 100 answers came within this, in seconds; 0 before the first."""
        if self._stale >= _RENEWED_EVERY or (self._stale and len(self._kept) <= _RENEWED_EVERY):
            self._p99 = sorted(self._kept)[(len(self._kept) * 99 - 1) // 100]
            self._stale = 0
        return self._p99


class ResponseTimes:
    """Response times of a line as a whole and of its units; time that bytes spend on a serial line is not part of them."""

    def __init__(self) -> None:
        self.line = Times()
        self._units: dict[int, Times] = {}

    def add(self, unit: int, seconds: float) -> None:
        """Take the time of one answer."""
        self.line.add(seconds)
        if (times := self._units.get(unit)) is None:
            times = self._units[unit] = Times()
        times.add(seconds)

    def of(self, unit: int) -> float:
        """Return the p99 of a unit in seconds, 0 when it has not answered yet."""
        times = self._units.get(unit)
        return times.p99_s if times else 0.0
