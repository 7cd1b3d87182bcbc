"""Commands that arrive: a rebirth is the only one that is served. Nothing is ever written, neither to the node nor to a machine."""

from __future__ import annotations

import math
from collections import deque

from gateway.uplink.errors import FormatError

from .decode import decode

REBIRTH = "Node Control/Rebirth"
HOUR_S = 3600.0


def wants(payload: bytes) -> tuple[bool, int]:
    """Return whether an NCMD asks for births, and how many writes of other metrics it holds, which are refused.

    Raises:
        FormatError: it is no Sparkplug payload, or asks for nothing.
    """
    metrics = decode(payload).metrics
    if not metrics:
        raise FormatError("a command without a metric")
    asks = sum(metric.name == REBIRTH and metric.value is True for metric in metrics)
    return asks > 0, len(metrics) - asks


class Rebirths:
    """When births are sent again because hosts ask for them: at once the first time, then once per `pause_s` for all who asked.

    Several hosts that miss the same birth ask at the same moment, and one answer reaches all of them: what arrives within
    `answered_s` after births went out had been sent before those arrived, and is answered.

    Attributes:
        asked: requests since the start.
        served: how often births were sent because of them.
    """

    def __init__(self, *, pause_s: float = 30.0, answered_s: float = 1.0, per_hour: int = 5) -> None:
        self.asked = self.served = 0
        self._pause_s = pause_s
        self._answered_s = answered_s
        self._per_hour = per_hour
        self._waits = False
        self._served_s = -math.inf
        self._times: deque[float] = deque(maxlen=1000)

    def ask(self, now_s: float) -> None:
        """Take a request."""
        self.asked += 1
        self._times.append(now_s)
        if now_s - self._served_s >= self._answered_s:
            self._waits = True

    @property
    def due_s(self) -> float:
        """When births are to be sent; infinity when nobody asks."""
        return max(self._served_s + self._pause_s, 0.0) if self._waits else math.inf

    def born(self, now_s: float) -> None:
        """Note that births go out now, for whatever reason: they answer everyone who has asked."""
        if self._waits:
            self._waits = False
            self._served_s = now_s
            self.served += 1

    def storm(self, now_s: float) -> int:
        """Return how many requests came in the last hour if those are too many, else 0."""
        while self._times and now_s - self._times[0] > HOUR_S:
            self._times.popleft()
        return len(self._times) if len(self._times) > self._per_hour else 0
