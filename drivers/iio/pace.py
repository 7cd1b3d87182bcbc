"""Where samples are missing, from the timestamps of a device; the true period is learned on the way."""

from __future__ import annotations

from array import array

from cython_ext.scans import Pace

_TOGETHER = 0.25
_FAR_OFF = 0.2
_LEARN_S = 0.1
_LEARN_COUNT = 64
_LEARN_MOST_S = 2.0
_HELD_MOST = 16384
_HELD_MOST_S = 10.0
_RENEW_S = 1.0
_RENEW_MOST = 2e-4


class Stamps:
    """Judges the timestamps of one device; a sensor's clock may be off by percents, so the period is taken from the stamps.

    `useless` turns true when they say nothing: all the same for two seconds, or not in step with the rate at all.
    """

    def __init__(self, rate_hz: float) -> None:
        self.useless = False
        self._nominal_ns = 1e9 / rate_hz
        self._pace = Pace(self._nominal_ns)
        self._learned = False
        self._mark: tuple[int, int] | None = None
        self._count = 0

    def judge(self, stamps: array[int]) -> tuple[int, int]:
        """Return (good, lost) for the stamps that follow those found good before; see `cython_ext.scans.Pace.judge`.

        Nothing is good, nothing lost, while there are too few to tell the period from.
        """
        if not self._learned and not self._learn(stamps):
            return 0, 0
        good, lost = self._pace.judge(stamps)
        if lost:
            self._mark = None
        else:
            self.useless = len(stamps) - good > max(_HELD_MOST, _HELD_MOST_S * 1e9 / self._nominal_ns)
            self._renew(stamps, good)
        self._count += good
        return good, lost

    def _learn(self, stamps: array[int]) -> bool:
        """Take the period from the first stamps."""
        n, period = len(stamps), self._nominal_ns
        if n < _LEARN_COUNT or n * period < _LEARN_S * 1e9:
            return False
        first, last = _earliest(stamps, 0, n // 3, period), _earliest(stamps, n - n // 3, n, period)
        if first is not None and last is not None:
            found = (stamps[last] - stamps[first]) / (last - first)
            if abs(found / period - 1) <= _FAR_OFF:
                self._pace.period_ns = found
            self._learned = True
        else:
            self.useless = n * period > _LEARN_MOST_S * 1e9
        return self._learned

    def _renew(self, stamps: array[int], good: int) -> None:
        """Follow the clock of the sensor, which drifts with its temperature."""
        period = self._pace.period_ns
        if self._mark is not None and (self._count + good - self._mark[1]) * period < _RENEW_S * 1e9:
            return
        if (earliest := _earliest(stamps, 0, good, period)) is None:
            return
        stamp, count = stamps[earliest], self._count + earliest
        if self._mark is not None and count > self._mark[1]:
            found = (stamp - self._mark[0]) / (count - self._mark[1])
            self._pace.period_ns = min(max(found, period * (1 - _RENEW_MOST)), period * (1 + _RENEW_MOST))
        self._mark = stamp, count


def _earliest(stamps: array[int], begin: int, end: int, period_ns: float) -> int | None:
    """Return which stamp came the earliest, measured by when it should; only the last of a batch counts."""
    together = _TOGETHER * period_ns
    marks = [i for i in range(begin, min(end, len(stamps) - 1)) if abs(stamps[i + 1] - stamps[i]) >= together]
    base = stamps[begin] if marks else 0
    return min(marks, key=lambda i: (stamps[i] - base) - (i - begin) * period_ns, default=None)
