"""What a time recorded before the clock was known really was: a small table of boots, each with where its clock stood when in step.

Within a boot the monotonic clock never steps, so one moment at which the wall time was right dates all others of that boot, however
often the wall clock was set meanwhile. `Timeline.repair` does that on the way out; what cannot be dated stays `uncertain`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gateway.clock import Clock
from gateway.log import get
from gateway.model import Stamp, TimeQuality

T = TypeVar("T")

LOOK_EVERY_S = 10.0
KEEP_EVERY_NS = 3_600_000_000_000
"""Without anything new the table is stored once an hour: what is lost with it is an hour of the clock's drift."""

STEP_NS = 500_000_000
"""A larger change of wall minus monotonic time is a step, a smaller one the clock being steered."""

MOST_BOOTS = 64
MOST_SPANS = 16
_NAME = "clock"

log = get("clock")


class Anchor(Struct, frozen=True, gc=False):
    """A moment and where the wall clock stood then: wall time minus monotonic time, in ns."""

    mono_ns: int
    offset_ns: int

    @classmethod
    def of(cls, stamp: Stamp) -> Anchor:
        """Return where the clock stood at a stamp."""
        return cls(stamp.mono_ns, stamp.wall_ns - stamp.mono_ns)

    @property
    def wall_ns(self) -> int:
        """The wall time of that moment."""
        return self.mono_ns + self.offset_ns


class Boot(Struct, frozen=True, gc=False):
    """One boot: its first and newest sight of the clock, and the spans during which it was in step.

    `rtc` tells whether the kernel took the time from a clock chip at start, which goes on while the power is off.
    """

    boot: str
    began: Anchor
    seen: Anchor
    spans: tuple[tuple[Anchor, Anchor], ...] = ()
    rtc: bool = False

    @property
    def synced(self) -> bool:
        """Whether the clock was in step when it was last looked at."""
        return bool(self.spans) and self.spans[-1][1] == self.seen

    def looked(self, stamp: Stamp) -> Boot:
        """Return the boot with one more look at the clock."""
        now = Anchor.of(stamp)
        if stamp.quality is not TimeQuality.SYNCED:
            return replace(self, seen=now)
        spans = self.spans
        if self.synced and abs(now.offset_ns - self.seen.offset_ns) <= STEP_NS:
            spans = (*spans[:-1], (spans[-1][0], now))
        else:
            spans = (*spans, (now, now))
        if len(spans) > MOST_SPANS:  # the first one dates what came before it
            spans = (spans[0], *spans[2:])
        return replace(self, seen=now, spans=spans)

    def offset_ns(self, mono_ns: int) -> tuple[int, bool]:
        """Return wall minus monotonic time at a moment, and whether it is known.

        Between two looks at a clock in step it is interpolated, which takes the drift away; before the first it is that of the
        first. After the last one the clock ran free: then it is that of the last; without any, what the clock showed last. Both
        are the same for all such moments, so that setting the clock by hand reorders nothing.
        """
        if not self.spans:
            return self.seen.offset_ns, False
        anchors = [anchor for span in self.spans for anchor in span]
        if mono_ns <= anchors[0].mono_ns:
            return anchors[0].offset_ns, True
        if mono_ns > anchors[-1].mono_ns:
            return anchors[-1].offset_ns, False
        after = next(i for i, anchor in enumerate(anchors) if anchor.mono_ns >= mono_ns)
        one, two = anchors[after - 1], anchors[after]
        part = (mono_ns - one.mono_ns) / max(1, two.mono_ns - one.mono_ns)
        return one.offset_ns + round(part * (two.offset_ns - one.offset_ns)), True


class Store(Protocol):
    """Where the table is kept; `gateway.state.State` is one."""

    def get(self, name: str, kind: type[T], default: T) -> T:
        """Return what is stored under a name."""

    async def aput(self, name: str, value: Any) -> None:
        """Store a value durably."""


class Timeline:
    """The table of boots, kept in `state/clock.json`; looks at the clock every 10 s, and repairs stamps.

    Args:
        clock: the clock that made the stamps of this boot.
        store: where the table is kept; a store that fails costs the repair after a restart, nothing else.
        rtc: whether this computer has a clock chip; default: ask the kernel.
    """

    def __init__(self, clock: Clock, store: Store, *, rtc: bool | None = None) -> None:
        self._clock = clock
        self._store = store
        self._boots = {boot.boot: boot for boot in store.get(_NAME, list[Boot], [])}
        self._kept: Boot | None = self._boots.get(clock.boot)
        self._rtc = has_rtc() if rtc is None else rtc
        self._failed = False
        self.look()

    def look(self) -> bool:
        """Look at the clock; return whether something was learned that is worth storing."""
        stamp = self._clock.stamp()
        before = self._boots.pop(stamp.boot, None)
        now = (before or Boot(stamp.boot, Anchor.of(stamp), Anchor.of(stamp), (), self._rtc)).looked(stamp)
        self._boots[stamp.boot] = now  # the newest stands last
        while len(self._boots) > MOST_BOOTS:
            del self._boots[next(iter(self._boots))]
        kept = self._kept
        if before and now.synced != before.synced:
            self._tell(before, now)
        return (
            kept is None
            or (kept.synced, len(kept.spans)) != (now.synced, len(now.spans))
            or abs(kept.seen.offset_ns - now.seen.offset_ns) > STEP_NS
            or now.seen.mono_ns - kept.seen.mono_ns >= KEEP_EVERY_NS
        )

    async def run(self, beat: Callable[[float], None]) -> None:
        """Look at the clock every 10 s and store what was learned, until cancelled."""
        while True:
            beat(2 * LOOK_EVERY_S)  # within so many seconds it beats again
            if self.look():
                await self._keep()
            await self._clock.sleep_until(self._clock.monotonic() + LOOK_EVERY_S)

    def repair(self, stamp: Stamp) -> Stamp:
        """Return the stamp with the best wall time there is now, and how good that is.

        A stamp of a clock in step stays as it is. One from before is `repaired` when the clock of its boot came into step at any
        time afterwards, or when a clock chip carried the time over to a boot that did; else it stays `uncertain`.
        """
        if stamp.quality is TimeQuality.SYNCED or (boot := self._boots.get(stamp.boot)) is None:
            return stamp
        offset_ns, known = boot.offset_ns(stamp.mono_ns)
        if not boot.spans and (shift_ns := self._carried_over(boot)) is not None:
            offset_ns, known = offset_ns + shift_ns, True
        quality = TimeQuality.REPAIRED if known else TimeQuality.UNCERTAIN
        return Stamp(stamp.mono_ns + offset_ns, stamp.mono_ns, stamp.boot, quality)

    def status(self) -> dict[str, Any]:
        """Return what is known as plain JSON values: whether the clock is in step, since when, boots in the table, a clock chip."""
        now = self._boots[self._clock.boot]
        since_s = (self._clock.stamp().mono_ns - now.spans[-1][0].mono_ns) / 1e9 if now.synced else None
        return {
            "in_step": now.synced,
            "in_step_since_s": None if since_s is None else round(since_s),
            "boots": len(self._boots),
            "undated_boots": sum(not boot.spans and self._carried_over(boot) is None for boot in self._boots.values()),
            "clock_chip": self._rtc,
        }

    def _carried_over(self, boot: Boot) -> int | None:
        """Return by how much the clock chip was wrong in a boot that was never in step, as a later boot found out, or None.

        The chip goes on while the power is off, and the kernel sets it only while its clock is in step. So boots without that,
        one after the other, show one time scale, and the first step of the boot that ends the row is the error of all.
        """
        following = iter(self._boots.values())
        for later in following:
            if later.boot == boot.boot:
                break
        before = boot
        for later in following:
            if not (before.rtc and later.rtc) or later.began.wall_ns < before.seen.wall_ns:
                return None  # no chip, or its battery is empty: it began anew
            if later.spans:
                first = later.spans[0][0]
                return first.offset_ns - later.began.offset_ns if later.began != first else None
            before = later
        return None

    def _tell(self, before: Boot, now: Boot) -> None:
        shift_s = round((now.seen.offset_ns - before.seen.offset_ns) / 1e9, 3)
        if now.synced:
            log.info("clock_synchronised", shift_s=shift_s)
        else:
            log.warning("clock_runs_free", shift_s=shift_s)

    async def _keep(self) -> None:
        try:
            await self._store.aput(_NAME, list(self._boots.values()))
            self._kept, self._failed = self._boots[self._clock.boot], False
        except OSError as error:
            if not self._failed:
                log.error("state_failed", reason=str(error))
            self._failed = True


def has_rtc(root: Path = Path("/sys/class/rtc")) -> bool:
    """Return whether the kernel set its clock from a clock chip when it started."""
    try:
        return any(path.read_text(encoding="ascii").strip() == "1" for path in root.glob("*/hctosys"))
    except OSError:
        return False
