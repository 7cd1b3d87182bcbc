"""Exponential back-off with full jitter: thousands of gateways that lose one broker together do not come back together."""

from __future__ import annotations

from random import Random

from gateway.uplink.reasons import Manner

SLOW_S = 60.0
"""Shortest pause where somebody has to change something first."""
QUOTA_TIMES = 10
QUOTA_MOST_S = 3600.0
STOP_S = 3600.0
"""Shortest pause after another client took over; up to twice that, so that two of one name do not meet again and again."""


class Backoff:
    """Pauses in seconds, each drawn from 0 to a ceiling that doubles from `first_s` up to `cap_s`; reset only after a stable time.

    A broker that accepts connections and drops them again therefore sees longer and longer pauses too.
    """

    def __init__(self, random: Random, *, first_s: float = 1.0, cap_s: float = 300.0, stable_s: float = 120.0) -> None:
        self._random = random
        self._first_s = first_s
        self._cap_s = max(cap_s, first_s)
        self.stable_s = stable_s
        self._tries = 0

    @property
    def fresh(self) -> bool:
        """Whether nothing has failed since the last reset."""
        return self._tries == 0

    def next(self) -> float:
        """Return the next pause in seconds."""
        ceiling = min(self._cap_s, self._first_s * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return self._random.uniform(0, ceiling)

    def stretched(self, pause: float, manner: Manner) -> float:
        """Return a pause made as long as the broker's reason asks for."""
        if manner is Manner.SLOW:
            return max(pause, self._random.uniform(min(SLOW_S, self._cap_s), self._cap_s))
        if manner is Manner.QUOTA:
            return min(QUOTA_TIMES * pause, QUOTA_MOST_S)
        if manner is Manner.STOP:
            return self._random.uniform(STOP_S, 2 * STOP_S)
        return pause

    def lasted(self, seconds: float) -> None:
        """Note that things went well for so many seconds; start over from `first_s` when that was long enough."""
        if seconds >= self.stable_s:
            self.reset()

    def reset(self) -> None:
        """Start over from `first_s`."""
        self._tries = 0
