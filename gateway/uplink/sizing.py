"""How large a message may be, learnt from a broker that does not say so.

Many brokers answer a message that is too large by hanging up, or with an answer that is no MQTT. Sent again as it is, it would
be refused for ever and hold up everything behind it.
"""

from __future__ import annotations

from gateway.uplink.batch import MAX_PAYLOAD

FLOOR = 1024
REGROW_S = 3600.0


class Sizing:
    """The limit in bytes: halved when a message is too large or was twice the last thing a connection saw; regrows by the hour.

    Down at `FLOOR` a single value that is larger is given up (see `batch.encode`); before that, runs are only split.
    """

    def __init__(self) -> None:
        self.limit = MAX_PAYLOAD
        self._lost = 0
        self._shrunk_at = 0.0

    @property
    def largest_value(self) -> int:
        """Bytes of a message with one record only; a larger one is sent without its value."""
        return FLOOR if self.limit <= FLOOR else MAX_PAYLOAD

    def accepted(self, now: float) -> None:
        """Note that a message was accepted."""
        self._lost = 0
        if self.limit < MAX_PAYLOAD and now - self._shrunk_at >= REGROW_S:
            self.limit, self._shrunk_at = self.limit * 2, now

    def lost(self, now: float) -> None:
        """Note that the connection broke while a message was under way."""
        self._lost += 1
        if self._lost >= 2:
            self.too_large(now)

    def too_large(self, now: float) -> bool:
        """Note that the broker found a message too large; return whether smaller ones can be tried."""
        self._lost = 0
        self._shrunk_at = now
        if self.limit <= FLOOR:
            return False
        self.limit = max(FLOOR, self.limit // 2)
        return True
