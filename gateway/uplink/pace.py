"""How much may be sent: a backlog beside fresh data only so fast, and all together only so much a day."""

from __future__ import annotations

from gateway.clock import Clock
from gateway.model import Log

DAY_S = 86400.0
FRAME_BYTES = 160
"""What a message costs on the wire besides payload and topic: MQTT and TLS headers, its acknowledgement, both under TCP and IP."""

DEGREES: tuple[tuple[float, frozenset[Log]], ...] = (
    (1 / 4, frozenset({Log.BULK})),
    (1 / 8, frozenset({Log.BULK, Log.READING})),
    (1 / 32, frozenset({Log.BULK, Log.READING, Log.FEATURE})),
)
"""Below which part of a day's bytes which logs are held back, kept in the outbox until there is more."""

SMALL_RUN = 50
"""So many records are made into a message in the loop, which takes a millisecond or two; more, or to be compressed, in a thread."""

RARER = 4
"""Below a quarter of a day's bytes the pauses between two batches are so many times as long: fewer messages, fewer headers."""


class Bucket:
    """A token bucket in bytes, on monotonic time: `rate` bytes a second, `burst` of them at once; a message may overdraw it."""

    def __init__(self, clock: Clock, rate: float, burst: float, level: float | None = None) -> None:
        self._clock = clock
        self.rate = rate
        self.burst = burst
        self._level = burst if level is None else level
        self._at_s = clock.monotonic()

    @property
    def level(self) -> float:
        """Bytes that may be sent now; negative when overdrawn."""
        now_s = self._clock.monotonic()
        self._level = min(self.burst, self._level + (now_s - self._at_s) * self.rate)
        self._at_s = now_s
        return self._level

    def take(self, count: float) -> None:
        """Note that so many bytes are sent."""
        self._level = self.level - count

    @property
    def wait_s(self) -> float:
        """Seconds until it is not overdrawn any more; 0 when it is not."""
        return max(0.0, -self.level / self.rate)


class Budget:
    """A day's bytes of one recipient, shared by its lanes; spent faster than they come, the less important waits.

    First bulk is held back and batches become rarer, then the live lane rests and readings are held back, then features. Alarms are
    always sent. What is held back stays in the outbox. What is not spent is saved up, a day's bytes at most; a start of the program
    begins with half of them.

    Args:
        clock: the clock; only its monotonic time counts.
        per_day: bytes on the wire in 24 hours; None for no limit.
    """

    def __init__(self, clock: Clock, per_day: float | None) -> None:
        self._bucket = None if per_day is None else Bucket(clock, per_day / DAY_S, per_day, per_day / 2)
        self.per_day = per_day

    def spent(self, topic: str, payload: bytes) -> None:
        """Note that a message was sent."""
        if self._bucket:
            self._bucket.take(len(payload) + len(topic) + FRAME_BYTES)

    @property
    def degree(self) -> int:
        """How much is held back: 0 nothing, 1 bulk, 2 also live data and readings, 3 also features."""
        if self._bucket is None:
            return 0
        part = self._bucket.level / self._bucket.burst
        return sum(part < below for below, _ in DEGREES)

    @property
    def held(self) -> frozenset[Log]:
        """The logs that are held back now."""
        degree = self.degree
        return DEGREES[degree - 1][1] if degree else frozenset()

    @property
    def live(self) -> bool:
        """Whether the live lane may send."""
        return self.degree < 2

    @property
    def left(self) -> int | None:
        """Bytes that are left now; None for no limit."""
        return None if self._bucket is None else max(0, round(self._bucket.level))
