"""How many bytes a day something takes, judged by the last 24 hours at most."""

from __future__ import annotations

from collections import deque

_STEP_S = 3600.0
_STEPS = 24
_LEAST_S = 60.0
_DAY_S = 86400.0


class Rate:
    """Bytes by the hour, as a ring of a day, in monotonic time."""

    def __init__(self, now_s: float) -> None:
        self._begun_s = now_s
        self._hours: deque[tuple[float, int]] = deque(maxlen=_STEPS)  # when it began, bytes since

    def add(self, now_s: float, count: int) -> None:
        """Count bytes."""
        if not self._hours or now_s - self._hours[-1][0] >= _STEP_S:
            self._hours.append((now_s, 0))
        since, before = self._hours[-1]
        self._hours[-1] = (since, before + count)

    def per_day(self, now_s: float) -> float:
        """Return bytes a day, taken over the last day or since the beginning; 0 when nothing came in that time."""
        recent = [(since, count) for since, count in self._hours if now_s - since < _DAY_S]
        if not recent:
            return 0.0
        since = self._begun_s if len(recent) == len(self._hours) < _STEPS else recent[0][0]
        span_s = min(_DAY_S, max(_LEAST_S, now_s - since))
        return sum(count for _, count in recent) * _DAY_S / span_s
