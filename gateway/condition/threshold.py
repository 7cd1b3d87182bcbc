"""One limit of an alarm: beyond it or not, with hysteresis, on-delay and off-delay."""

from __future__ import annotations


class Threshold:
    """Whether a value is beyond a limit, high side or low side; `active` changes only when that has lasted for its delay.

    The value counts as it was until a new one comes, so a delay also ends between two values. Times are monotonic seconds.
    """

    def __init__(self, level: str, limit: float, hysteresis: float, delay_s: float, off_delay_s: float) -> None:
        self.level = level
        self.limit = limit
        self.active = False
        self._sign = -1.0 if level.startswith("low") else 1.0
        self._hysteresis = hysteresis
        self._delay_s = delay_s
        self._off_delay_s = off_delay_s
        self._since_s: float | None = None

    def step(self, value: float | None, now_s: float, hold_s: float = 0.0) -> None:
        """Take a good value; None: there is none to be beyond anything.

        Args:
            value: the value, in the unit of the limit.
            now_s: when it was measured.
            hold_s: shortest off-delay for now.
        """
        margin = self._hysteresis if self.active else 0.0
        beyond = value is not None and self._sign * (value - self.limit) > -margin
        if beyond == self.active:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        self.tick(now_s, hold_s)

    def tick(self, now_s: float, hold_s: float = 0.0) -> None:
        """Let time pass."""
        needed_s = max(self._off_delay_s, hold_s) if self.active else self._delay_s
        if self._since_s is not None and now_s - self._since_s >= needed_s:
            self.active = not self.active
            self._since_s = None

    def move(self, limit: float) -> None:
        """Set another limit; the next value is held against it."""
        self.limit = limit

    def hold(self) -> None:
        """Take note that the value is not good: what was about to change begins anew with the next good one."""
        self._since_s = None

    def reset(self, active: bool = False) -> None:
        """Begin anew."""
        self.active = active
        self._since_s = None
