"""What stands under `alarms:`: which values are not right, and how carefully that is judged."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta, field, structs

from gateway.config.base import Spec
from gateway.config.quantity import Duration

MachineState = Literal["off", "idle", "run", "fault"]

LONGEST_DELAY_S = 3600.0
LONGEST_STALE_S = 7 * 86_400.0


class Alarm(Spec, frozen=True, kw_only=True):
    """The alarm of a point or feature in the words of ISA-18.2: two levels on the high and the low side, and when they count."""

    warning: Annotated[
        float | Literal["iso", "baseline"] | None,
        Meta(
            description="above this value it is a warning, in the unit of the point; iso: the end of zone B of vibration.iso; "
            "baseline: a quarter of that above what is usual here, once that has been learned"
        ),
    ] = None
    alarm: Annotated[
        float | Literal["iso"] | None,
        Meta(description="above this value it is an alarm; iso: the end of zone C of vibration.iso"),
    ] = None
    low_warning: Annotated[float | None, Meta(description="below this value it is a warning")] = None
    low_alarm: Annotated[float | None, Meta(description="below this value it is an alarm")] = None
    hysteresis: Annotated[
        float, Meta(ge=0, description="how far the value must come back, in the unit of the point (deadband)")
    ] = 0.0
    delay: Annotated[Duration, Meta(description="how long the value must be beyond a limit before that counts")] = Duration(0)
    off_delay: Annotated[Duration, Meta(description="how long it must be back before that counts")] = Duration(0)
    latch: Annotated[bool, Meta(description="it stays until somebody acknowledges it, also when the value has come back")] = False
    priority: Annotated[
        Literal["low", "medium", "high"], Meta(description="how important it is beside the others; lists begin with high")
    ] = "medium"
    only_in: Annotated[
        list[MachineState],
        Meta(description="states of the machine in which it counts; in any other it is suppressed; default: all"),
    ] = field(default_factory=list)
    stale: Annotated[
        Duration,
        Meta(description="after how long without a good value it is told that nothing is watched; longer for slow features"),
    ] = Duration(300)

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by level, the most severe first."""
        levels = {
            "high alarm": self.alarm,
            "low alarm": self.low_alarm,
            "high warning": self.warning,
            "low warning": self.low_warning,
        }
        return {level: limit for level, limit in levels.items() if isinstance(limit, float)}

    @property
    def by_standard(self) -> bool:
        """Whether a limit is to come from ISO's zones."""
        return self.warning in {"iso", "baseline"} or self.alarm == "iso"

    def with_zones(self, velocity_mm_s: tuple[float, float, float]) -> Alarm:
        """Return the alarm with numbers where it says iso or baseline: the boundaries B/C and C/D, in mm/s."""
        warning = velocity_mm_s[1] if self.warning in {"iso", "baseline"} else self.warning
        return structs.replace(self, warning=warning, alarm=velocity_mm_s[2] if self.alarm == "iso" else self.alarm)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if not self.limits and not self.by_standard:
            yield "", "an alarm needs a limit: 'warning', 'alarm', 'low_warning' or 'low_alarm'"
        rising = ("low_alarm", "low_warning", "warning", "alarm")
        known = [(key, value) for key in rising if isinstance(value := getattr(self, key), float)]
        for (lower, low), (higher, high) in pairwise(known):
            if low >= high:
                yield higher, f"{higher} ({high:g}) must be above {lower} ({low:g})"
        low = max((value for key, value in known if key.startswith("low")), default=-math.inf)
        high = min((value for key, value in known if not key.startswith("low")), default=math.inf)
        if low < high and self.hysteresis >= high - low:
            yield "hysteresis", f"must be less than what lies between {low:g} and {high:g}; a value could never come back"
        for key in ("delay", "off_delay"):
            if getattr(self, key) > LONGEST_DELAY_S:
                yield key, "must be at most 1h; what lasts longer is a trend"
        if not 1 <= self.stale <= LONGEST_STALE_S:
            yield "stale", "lies between 1s and 7d"
