"""Packed scans of a sensor and the pace of their stamps, in plain Python."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterable, Sequence

SIGNED, UNSIGNED, FLOAT = range(3)

Channel = tuple[int, int, int, int, int, bool, float, float]


class Scans:
    """Decodes scans of one shape; see `cython_ext.scans.Decoder`."""

    def __init__(self, size: int, channels: Iterable[Channel]) -> None:
        self.size = size
        self._channels = list(channels)

    def decode(self, data: bytes, outs: Sequence[array[float]]) -> int:
        """Write the samples of every channel as float32; return how many scans there were."""
        n = len(data) // self.size
        for channel, out in zip(self._channels, outs, strict=False):
            *_, scale, offset = channel
            for i in range(n):
                out[i] = (_number(channel, data, i * self.size) + offset) * scale
        return n

    def whole(self, data: bytes, channel: int, out: array[int]) -> int:
        """Write one channel of whole numbers, unscaled; return how many scans there were."""
        n = len(data) // self.size
        for i in range(n):
            out[i] = int(_number(self._channels[channel], data, i * self.size))
        return n


def _number(channel: Channel, data: bytes, start: int) -> float | int:
    """Return one sample before scale and offset."""
    at, size, kind, bits, shift, big, _, _ = channel
    stored = data[start + at : start + at + size]
    if kind == FLOAT:
        number: float = struct.unpack((">" if big else "<") + ("f" if size == 4 else "d"), stored)[0]
        return number
    raw = int.from_bytes(stored, "big" if big else "little") >> shift & (1 << bits) - 1
    return raw - (1 << bits) if kind == SIGNED and raw >> bits - 1 else raw


class Pace:
    """Finds where samples are missing, from the moments they were stamped with; see `cython_ext.scans.Pace`."""

    sure = 32
    late = 0.7
    together = 0.25
    creep = 5e-4
    set_back_ns = 1_000_000_000

    def __init__(self, period_ns: float) -> None:
        self.period_ns = period_ns
        self._expected: float | None = None
        self._last = 0

    def begin(self) -> None:
        """Forget what came before."""
        self._expected = None

    def judge(self, stamps: Sequence[int]) -> tuple[int, int]:
        """Return how many stamps are good and how many samples are missing after them."""
        if not stamps:
            return 0, 0
        if self._expected is None:
            self._expected, self._last = float(stamps[0]), stamps[0]
        period, base = self.period_ns, stamps[0]
        expected = self._expected - base
        ahead: list[float] = []
        lags: list[float] = []
        for i, (before, stamp) in enumerate(zip([self._last, *stamps], stamps, strict=False)):
            if stamp - before < -self.set_back_ns:
                self.begin()
                return i, -1
            lag = (stamp - base) - expected
            expected += min(lag, 0.0)
            ahead.append(expected)
            lags.append(lag)
            first = self._first(stamps[: i + 2], lags)
            expected += period * (1.0 + self.creep) if first > i else period
            late = [lags[k] for k in range(first, i + 1) if not self._batched(stamps, k)]
            if len(late) > self.sure:
                return self._go(stamps, first, base + ahead[first] + min(late)), max(1, math.floor(min(late) / period + 0.5))
        first = self._first(stamps, lags)
        return self._go(stamps, first, base + (ahead[first] if first < len(stamps) else expected)), 0

    def _batched(self, stamps: Sequence[int], k: int) -> bool:
        """Whether the next stamp belongs to the same moment, so that this one says nothing."""
        return k + 1 < len(stamps) and abs(stamps[k + 1] - stamps[k]) < self.together * self.period_ns

    def _first(self, stamps: Sequence[int], lags: Sequence[float]) -> int:
        """Return where the stamps begin that are late, and stay late to the end."""
        late = [lag >= self.late * self.period_ns for lag in lags]
        in_time = [k for k in range(len(lags)) if not late[k] and not self._batched(stamps, k)]
        return next((k for k in range(in_time[-1] + 1 if in_time else 0, len(lags)) if late[k]), len(lags))

    def _go(self, stamps: Sequence[int], good: int, expected: float) -> int:
        self._expected = expected
        if good:
            self._last = stamps[good - 1]
        return good
