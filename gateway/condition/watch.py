"""One alarm in the states of ISA-18.2 (IEC 62682): what it is now, and which step it takes next.

| state | means |
|---|---|
| normal | nothing is wrong |
| unacknowledged | beyond a limit, and nobody has said yet that he knows |
| acknowledged | beyond a limit, and somebody knows |
| returned-unacknowledged | back within the limits, but it latches: it stays until somebody acknowledges it |
| shelved | put aside by a person, for a time; ends by itself |
| suppressed | the machine is in a state in which it does not count |
| out-of-service | put aside by a person, without an end |
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from gateway.config.alarm import Alarm

from .threshold import Threshold

NORMAL, UNACKNOWLEDGED, ACKNOWLEDGED, RETURNED = "normal", "unacknowledged", "acknowledged", "returned-unacknowledged"
SHELVED, SUPPRESSED, OUT_OF_SERVICE = "shelved", "suppressed", "out-of-service"
STATES = (NORMAL, UNACKNOWLEDGED, ACKNOWLEDGED, RETURNED, SHELVED, SUPPRESSED, OUT_OF_SERVICE)

MOST_RAISES = 5
CHATTER_S = 600.0
"""An alarm that is raised more than `MOST_RAISES` times within this time chatters."""

HOLD_S = 60.0
"""While it chatters a value must be back for as long before that counts, so that nobody is told twice a second."""


class Held(Struct, omit_defaults=True):
    """What of an alarm outlasts a restart. Wall times are ns; `left_s` is what was left of the shelving when it was kept."""

    state: str = NORMAL
    level: str = ""
    present: str = ""
    aside: str = ""
    left_s: float = 0.0
    until_wall_ns: int = 0
    since_wall_ns: int = 0
    value: float | None = None
    by: str = ""


class Watch:
    """The state of one alarm; its methods change it, `words` says what it is.

    Attributes:
        state: normal, unacknowledged, acknowledged or returned-unacknowledged.
        level: what it stands at, `high alarm` for example; of one that latches the worst since it was last acknowledged.
        present: the level the value itself is at, empty within the limits.
        aside: shelved or out-of-service; empty when neither.
        suppressed: whether the machine is in a state in which it does not count.
        stale: whether there was no good value for too long.
        raises: monotonic times at which it was raised lately.
    """

    def __init__(self, spec: Alarm) -> None:
        self.spec = spec
        self.thresholds = tuple(
            Threshold(level, limit, spec.hysteresis, float(spec.delay), float(spec.off_delay))
            for level, limit in spec.limits.items()
        )
        self.state, self.level, self.present, self.aside = NORMAL, "", "", ""
        self.suppressed = self.stale = self.chattering = False
        self.raises: deque[float] = deque(maxlen=1000)
        self.until_s: float | None = None

    @property
    def words(self) -> str:
        """The state in words, before and after an event: `high alarm unacknowledged`, `normal`, `shelved`."""
        shown = self.shown
        return f"{self.level} {shown}" if shown in {UNACKNOWLEDGED, ACKNOWLEDGED, RETURNED} else shown

    @property
    def shown(self) -> str:
        """The state; a latched one is shown until it was acknowledged, also when the machine has been switched off."""
        if self.aside:
            return self.aside
        return SUPPRESSED if self.suppressed and self.state != RETURNED else self.state

    @property
    def stands(self) -> bool:
        """Whether it is one that a person should know of."""
        return self.shown in {UNACKNOWLEDGED, ACKNOWLEDGED, RETURNED}

    def step(self, value: float | None, now_s: float) -> None:
        """Take a good value, None where there is none to be beyond anything (nothing ahead)."""
        if not self.suppressed:
            for threshold in self.thresholds:
                threshold.step(value, now_s, self._hold_s)
        self._settle(now_s)

    def tick(self, now_s: float) -> None:
        """Let time pass: delays end, shelving ends, chattering ends."""
        if not (self.stale or self.suppressed):
            for threshold in self.thresholds:
                threshold.tick(now_s, self._hold_s)
        while self.raises and self.raises[0] < now_s - CHATTER_S:
            self.raises.popleft()
        self.chattering = len(self.raises) > MOST_RAISES or (self.chattering and bool(self.raises))
        if self.aside == SHELVED and self.until_s is not None and now_s >= self.until_s:
            self.put_aside("", None, now_s)
        self._settle(now_s)

    def hold(self) -> None:
        """Take note of a value that is not good: nothing is raised and nothing returns."""
        for threshold in self.thresholds:
            threshold.hold()

    def suppress(self, suppressed: bool, now_s: float) -> None:
        """Take note of whether the machine is in a state in which the alarm does not count."""
        if suppressed == self.suppressed:
            return
        self.suppressed = suppressed
        for threshold in self.thresholds:
            threshold.reset()
        self._settle(now_s)

    def acknowledge(self) -> bool:
        """Note that somebody knows; return whether there was anything to know."""
        if self.aside or self.state not in {UNACKNOWLEDGED, RETURNED}:
            return False
        self.state, self.level = (ACKNOWLEDGED, self.present) if self.present else (NORMAL, "")
        return True

    def put_aside(self, aside: str, until_s: float | None, now_s: float) -> None:
        """Shelve it, take it out of service, or, with an empty word, take it back; then what is wrong now is raised anew."""
        self.aside, self.until_s = aside, until_s
        self.state, self.level = NORMAL, ""
        self._settle(now_s)

    def held(self, now_s: float) -> Held:
        """Return what outlasts a restart."""
        left_s = 0.0 if self.until_s is None else max(0.0, self.until_s - now_s)
        return Held(self.state, self.level, self.present, self.aside, left_s)

    def restore(self, held: Held) -> None:
        """Go on from what was kept; a level that is no longer configured is forgotten.

        Raises:
            ValueError: there is no such state.
        """
        if held.state not in STATES or held.aside not in {"", SHELVED, OUT_OF_SERVICE}:
            raise ValueError(f"there is no alarm state '{held.state}' or '{held.aside}'")
        self.aside = held.aside
        levels = [threshold.level for threshold in self.thresholds]
        if held.present in levels:
            self.present = held.present
            side = held.present.partition(" ")[0]
            for threshold in self.thresholds:
                threshold.reset(threshold.level == held.present or threshold.level == f"{side} warning")
        if held.level in levels and (self.present or held.state == RETURNED):
            self.state, self.level = held.state, held.level

    @property
    def _hold_s(self) -> float:
        return HOLD_S if self.chattering else 0.0

    def _settle(self, now_s: float) -> None:
        """Take the step of the state diagram that the present level asks for."""
        before, self.present = self.present, next((t.level for t in self.thresholds if t.active), "")
        if self.present and not before:
            self.raises.append(now_s)
            self.chattering |= len(self.raises) > MOST_RAISES
        if self.aside:
            return
        open_latch = self.spec.latch and self.state in {UNACKNOWLEDGED, RETURNED}
        if not self.present:
            if open_latch:
                self.state = RETURNED
            else:
                self.state, self.level = NORMAL, ""
        elif self.state == NORMAL or _worse(self.present, self.level):
            self.state, self.level = UNACKNOWLEDGED, self.present
        elif open_latch:
            self.state = UNACKNOWLEDGED
        else:
            self.level = self.present


def _worse(level: str, than: str) -> bool:
    """Say whether a level is more severe than another, or as severe on the other side."""
    return level.endswith("alarm") > than.endswith("alarm") or (level != than and level.endswith("alarm") == than.endswith("alarm"))
