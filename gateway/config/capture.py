"""What stands under `capture:` of a vibration: the piece of waveform that is kept when an alarm comes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from gateway.config.base import Spec
from gateway.config.quantity import Duration, Size

MOST_S = 60.0


class Capture(Spec, frozen=True, kw_only=True):
    """On an alarm of the machine its waveform is kept here, from before the alarm to after it; it never leaves the shop."""

    before: Annotated[Duration, Meta(description="how much from before the alarm; it is held in memory all the time")] = Duration(4)
    after: Annotated[Duration, Meta(description="how much from after the alarm")] = Duration(4)
    keep: Annotated[int, Meta(ge=0, le=1000, description="how many are kept, the oldest go; 0: none at all")] = 20
    max: Annotated[Size, Meta(description="how many bytes all of this machine may take")] = Size(50e6)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        for key in ("before", "after"):
            if getattr(self, key) > MOST_S:
                yield key, "must be at most 1min, as it is held in memory"
        if self.keep and self.before + self.after <= 0:
            yield "", "nothing is captured with 'before' and 'after' of 0s; to switch it off write keep: 0"
