"""What a counter has counted up: a device that begins at 0 again, or one reading that is wrong, does not falsify the sum."""

from __future__ import annotations


class Meter:
    """Takes the readings of a counter and gives the increase since the one before.

    A reading below the last one is believed only when the next one confirms it: then the counter began anew in between, and what
    it counted up to since counts from the first of the two. When the next one is back where the counter was, it was a slip.

    Attributes:
        last: the reading that the next increase counts from; None before the first.
        resets: how often the counter began anew.
    """

    def __init__(self, last: float | None = None) -> None:
        self.last = last
        self.resets = 0
        self._doubtful: float | None = None

    def take(self, value: float) -> float:
        """Return by how much the counter has gone up, 0 or more."""
        last, doubtful = self.last, self._doubtful
        if last is None or value >= last:
            self.last, self._doubtful = value, None
            return 0.0 if last is None else value - last
        if doubtful is None or value < doubtful:
            self._doubtful = value
            return 0.0
        self.resets += 1
        self.last, self._doubtful = value, None
        return value - doubtful

    def begin(self, value: float) -> None:
        """Count from this reading on: what lies between it and the last one belongs to nobody."""
        self.last, self._doubtful = value, None
