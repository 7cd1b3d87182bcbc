"""What is worth reporting, in plain Python."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence


class Gate:
    """Picks from a scan what is worth reporting; see `cython_ext.gate.Gate`."""

    def __init__(self, deadbands: Sequence[float], heartbeats_s: Sequence[float], always: Sequence[int]) -> None:
        self._rules = list(zip(deadbands, heartbeats_s, always, strict=True))
        self._reported: dict[int, tuple[float, int, int, float]] = {}

    def select(
        self,
        now_s: float,
        values: Sequence[float],
        quality: Sequence[int],
        reason: Sequence[int],
        rows: Sequence[int] | None,
        out: array[int],
    ) -> int:
        """Write the columns worth reporting into `out`, remember them as reported, and return how many they are."""
        selected = 0
        for column, (value, q, r) in enumerate(zip(values, quality, reason, strict=True)):
            row = column if rows is None else rows[column]
            if self._worth(row, value, q, r, now_s):
                self.touch(row, value, q, r, now_s)
                out[selected] = column
                selected += 1
        return selected

    def _worth(self, row: int, value: float, quality: int, reason: int, now_s: float) -> bool:
        deadband, heartbeat_s, always = self._rules[row]
        if always or row not in self._reported:
            return True
        last, last_quality, last_reason, last_s = self._reported[row]
        if (quality, reason) != (last_quality, last_reason):
            return True
        same = value == last or (math.isnan(value) and math.isnan(last))
        if quality != 0 and not same and not abs(value - last) <= deadband:
            return True
        return heartbeat_s > 0 and now_s - last_s >= heartbeat_s

    def force(self, row: int) -> None:
        """Make the next `select` that sees this row report it."""
        self._reported.pop(row, None)

    def touch(self, row: int, value: float, quality: int, reason: int, now_s: float) -> None:
        """Remember a report of this row that was made elsewhere."""
        self._reported[row] = (value, quality, reason, now_s)
