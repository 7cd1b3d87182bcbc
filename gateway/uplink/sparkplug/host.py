"""The primary host: whether it is there, by the STATE messages it leaves at a broker (section 6.4.24 of Sparkplug 3.0)."""

from __future__ import annotations

from enum import Enum

import msgspec

from gateway.model import Stamp, TimeQuality

MAX_BYTES = 1024
FUTURE_MS = 86_400_000
"""A time further ahead than this is no time but garbage, if our own clock is right; taken in, it would outlive the real host."""

FORGIVEN_S = 600.0
"""A host that says for so long that it is online, by an older time than before, has had its clock set back."""


class _State(msgspec.Struct, frozen=True):
    online: bool
    timestamp: int


_decoder = msgspec.json.Decoder(_State)


class Turn(Enum):
    """What a STATE message changes."""

    NOTHING = "nothing"
    ONLINE = "online"
    OFFLINE = "offline"


class PrimaryHost:
    """Follows one host on one broker after the other; every broker has its own STATE, with its own times.

    Attributes:
        topic: the topic of its STATE.
        online: whether it is there, on the broker that is connected now.
        ignored: STATE messages that were none, or older than one before.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.topic = f"spBv1.0/STATE/{name}"
        self.online = False
        self.ignored = 0
        self._broker = ""
        self._latest: dict[str, int] = {}
        self._born: dict[str, int] = {}
        self._older: tuple[int, float] | None = None

    def connected(self, broker: str) -> None:
        """Begin on a broker: the host counts as absent until its STATE says otherwise."""
        self._broker = broker
        self.online = False
        self._older = None

    def take(self, payload: bytes, now: Stamp) -> Turn:
        """Take the payload of a STATE message.

        Online counts when it is not older than any STATE before, offline when it is not older than the last birth: the will of
        an earlier life of the host may come late.
        """
        state = self._read(payload, now)
        if state is None:
            self.ignored += 1
            return Turn.NOTHING
        if state.timestamp < (self._latest if state.online else self._born).get(self._broker, 0):
            self.ignored += 1
            if state.online and not self.online:
                self._older = (state.timestamp, now.mono_ns / 1e9 + FORGIVEN_S)
            return Turn.NOTHING
        return self._turn(state)

    def wait_over(self, now: Stamp) -> Turn:
        """Call it now and then: a host that has said for ten minutes that it is there is believed, whatever its clock says."""
        if self._older is None or self.online or now.mono_ns / 1e9 < self._older[1]:
            return Turn.NOTHING
        return self._turn(_State(online=True, timestamp=self._older[0]))

    def _turn(self, state: _State) -> Turn:
        self._older = None
        self._latest[self._broker] = state.timestamp
        if state.online:
            self._born[self._broker] = state.timestamp
        if state.online == self.online:
            return Turn.NOTHING if self.online else Turn.OFFLINE
        self.online = state.online
        return Turn.ONLINE if self.online else Turn.OFFLINE

    def _read(self, payload: bytes, now: Stamp) -> _State | None:
        if len(payload) > MAX_BYTES:
            return None
        try:
            state = _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        ahead_ms = state.timestamp - now.wall_ns // 1_000_000
        if state.timestamp < 0 or (now.quality is TimeQuality.SYNCED and ahead_ms > FUTURE_MS):
            return None
        return state
