"""What a host has missed: for every device since when it was not told anything, and the records of that time on their way to it.

Only for hosts that speak nothing but Sparkplug (`history: true`). It is sent at QoS 0, as the standard will have it, so nobody
knows what of it arrived; the batch lane is the one that promises.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from msgspec import Struct

from gateway.model import Stamp

from .device import Update

MESSAGE = 100
"""Values in one message."""


class Mark(Struct):
    """Up to where a device was told: a moment, and a place in the history from which on nothing was sent yet."""

    since: Stamp
    after: int = 0


class Gap(Struct):
    """What is owed of a device: the time between two wall times in ns, from a place in the history on."""

    mark: Mark
    since_ns: int
    until_ns: int


class Past:
    """Keeps account of the gaps, and hands out what fills them, oldest first, a message at a time.

    Attributes:
        left: devices that are told nothing now, and up to where they were.
        owed: gaps of devices that are told again.

    Args:
        start: since when devices that are not in `left` were not told: the start of the gateway.
        left: what an earlier run left behind.
        repair: gives a stamp from before the clock was known its time.
        messages_s: messages per second at most, so that what is new comes first and the line is not filled.
    """

    def __init__(
        self,
        start: Stamp,
        left: Mapping[str, Mark] | None = None,
        *,
        repair: Callable[[Stamp], Stamp] = lambda stamp: stamp,
        messages_s: float = 5.0,
    ) -> None:
        self.left = dict(left or {})
        self.owed: dict[str, Gap] = {}
        self._start = start
        self._repair = repair
        self._told: set[str] = set()
        self._pause_s = 1.0 / messages_s
        self._free_s = 0.0
        self._queue: deque[Update] = deque()
        self._device = ""
        self._next: int | None = None

    def born(self, device: str, now: Stamp) -> None:
        """Note that a device is told from now on; what lies between is owed."""
        if device not in self._told:
            self._told.add(device)
            mark = self.left.pop(device, None) or Mark(self._start)
            self.owed[device] = Gap(mark, self._repair(mark.since).wall_ns, now.wall_ns)

    def ended(self, device: str, since: Stamp) -> None:
        """Note that a device has been told nothing since a moment; what was still owed is owed all the same."""
        if device in self._told:
            self._told.discard(device)
            gap = self.owed.pop(device, None)
            self.left[device] = Mark(since) if gap is None else gap.mark
            self.restart(device)

    def forget(self, device: str) -> None:
        """Forget a device that is shared no more."""
        self._told.discard(device)
        self.left.pop(device, None)
        self.owed.pop(device, None)
        self.restart(device)

    def restart(self, device: str | None = None) -> None:
        """Forget what was looked up (of one device) and not yet sent, as it may be told otherwise now; it is looked up again."""
        if device in {None, self._device}:
            self._queue.clear()
            self._device = ""

    @property
    def wanted(self) -> tuple[str, Gap] | None:
        """The device whose past is to be looked up next; None when none is, or when something still waits to be sent."""
        return None if self._queue else next(iter(self.owed.items()), None)

    def give(self, device: str, gap: Gap, updates: list[Update], following: int | None) -> None:
        """Take a page of a gap, and the place in the history where the next one begins; None: this was the last."""
        if self.owed.get(device) is gap:
            self._device, self._next = device, following
            self._queue.extend(updates)
            self.settle([])

    def due_s(self) -> float | None:
        """Return from which moment on the next message may go, monotonic seconds; None when there is none."""
        return self._free_s if self._queue else None

    def take(self, now_s: float) -> tuple[str, list[Update]] | None:
        """Return the next message, its device and values; then call `settle`. None: there is none or it is not time yet."""
        if not self._queue or now_s < self._free_s:
            return None
        self._free_s = max(now_s, self._free_s) + self._pause_s
        return self._device, [self._queue.popleft() for _ in range(min(MESSAGE, len(self._queue)))]

    def settle(self, rest: list[Update]) -> None:
        """Take back what did not fit into the message; a page counts only when all of it was sent, so a loss leaves nothing out."""
        self._queue.extendleft(reversed(rest))
        if self._queue:
            return
        if self._next is None:
            del self.owed[self._device]
        else:
            self.owed[self._device].mark.after = self._next
