"""Ring of samples, in plain Python."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from itertools import islice


class Ring:
    """Samples between a sensor and its windows; see `cython_ext.ring.Ring`."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("a ring holds one sample or more")
        self.capacity = capacity
        self.skip = self.position = self.overflow = 0
        self._samples: deque[float] = deque()

    @property
    def available(self) -> int:
        """Samples held."""
        return len(self._samples)

    def push(self, samples: Iterable[float], scale: float = 1.0, offset: float = 0.0) -> None:
        """Take the next samples."""
        for sample in samples:
            if self.skip:
                self.skip -= 1
                self.position += 1
                continue
            if len(self._samples) == self.capacity:
                self._samples.popleft()
                self.overflow += 1
                self.position += 1
            self._samples.append(sample * scale + offset)

    def window(self, length: int) -> array[float]:
        """Return the oldest samples."""
        if not 0 <= length <= self.available:
            raise ValueError("not so many samples")
        return array("f", islice(self._samples, length))

    def advance(self, hop: int) -> None:
        """Pass over the oldest samples, and over the next that come."""
        if hop < 0:
            raise ValueError("a hop below 0")
        here = min(hop, self.available)
        for _ in range(here):
            self._samples.popleft()
        self.position += here
        self.skip += hop - here

    def clear(self) -> None:
        """Forget all samples."""
        self._samples.clear()
        self.skip = self.position = 0
