"""Time on a machine without a clock chip: schedule on monotonic time, stamp with both, say how good the wall time is."""

from __future__ import annotations

import asyncio
import ctypes
import time
from pathlib import Path

from gateway.model import Stamp, TimeQuality

_STA_UNSYNC = 0x0040
_TIME_ERROR = 5
_TIMESYNCD_SAYS = Path("/run/systemd/timesync/synchronized")  # touched at every synchronisation
_FREE_RUN_S = 32_000.0  # the kernel's own rule: unsynchronised when 500 ppm of drift have added up to 16 s


def read_boot_id() -> str:
    """Return the kernel's id of this boot, 32 hex digits; a monotonic time means something only within one boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip().replace("-", "")


class _Timex(ctypes.Structure):
    """The head of `struct timex` (adjtimex(2)); the kernel fills 208 bytes on 64-bit Linux."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def kernel_time_quality() -> TimeQuality:
    """Ask the kernel whether something (chrony, timesyncd, ntpd) keeps its clock in step; see adjtimex(2).

    Where a sandbox forbids the call (ProtectClock= of systemd), the file in which timesyncd says so answers instead.
    """
    timex = _Timex()
    state = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    synced = _timesyncd_synced() if state < 0 else state != _TIME_ERROR and not timex.status & _STA_UNSYNC
    return TimeQuality.SYNCED if synced else TimeQuality.UNCERTAIN


def _timesyncd_synced() -> bool:
    try:
        age_s = time.time() - _TIMESYNCD_SAYS.stat().st_mtime
    except OSError:
        return False
    return age_s < _FREE_RUN_S


class Clock:
    """The real clock. Everything that needs time takes a Clock, so a test can bring a `ManualClock`."""

    _QUALITY_AGE_NS = 10_000_000_000
    _STEP_NS = 100_000_000

    def __init__(self) -> None:
        self.boot = read_boot_id()
        self._quality = kernel_time_quality()
        self._asked_ns = time.monotonic_ns()
        self._offset_ns = time.time_ns() - self._asked_ns
        self._stepped = False

    @property
    def quality(self) -> TimeQuality:
        """How good the wall time is, asked of the kernel at most every 10 s."""
        now = time.monotonic_ns()
        if self._stepped or now - self._asked_ns > self._QUALITY_AGE_NS:
            self._quality = kernel_time_quality()
            self._asked_ns = now
            self._stepped = False
        return self._quality

    def monotonic(self) -> float:
        """Return monotonic seconds; the only time that schedules anything."""
        return time.monotonic()

    def stamp(self) -> Stamp:
        """Return this moment. After a step of the wall clock the kernel is asked at once how good it is now."""
        wall_ns, mono_ns = time.time_ns(), time.monotonic_ns()
        if not -self._STEP_NS < wall_ns - mono_ns - self._offset_ns < self._STEP_NS:
            self._stepped = True
        self._offset_ns = wall_ns - mono_ns
        return Stamp(wall_ns, mono_ns, self.boot, self.quality)

    async def sleep_until(self, moment: float) -> None:
        """Sleep until the monotonic time `moment` (seconds); returns at once, after one turn of the loop, when it is past."""
        await asyncio.sleep(max(0.0, moment - self.monotonic()))

    async def wait(self, event: asyncio.Event, moment: float) -> bool:
        """Wait for `event`, at the longest until the monotonic time `moment` (seconds); return whether it came."""
        try:
            async with asyncio.timeout(max(0.0, moment - self.monotonic())):
                return await event.wait()
        except TimeoutError:
            return False


class ManualClock(Clock):
    """A clock that moves only when told; ships with the package so that drivers of others can be tested too."""

    def __init__(self, wall_ns: int = 1_700_000_000_000_000_000, quality: TimeQuality = TimeQuality.SYNCED) -> None:
        self.boot = "0" * 32
        self.wall_ns = wall_ns
        self.mono_ns = 1_000_000_000
        self.time_quality = quality
        self._moved = asyncio.Event()

    @property
    def quality(self) -> TimeQuality:
        """The quality it was given."""
        return self.time_quality

    def monotonic(self) -> float:
        """Return the monotonic seconds it was set to."""
        return self.mono_ns / 1e9

    def stamp(self) -> Stamp:
        """Return the moment it was set to."""
        return Stamp(self.wall_ns, self.mono_ns, self.boot, self.time_quality)

    def advance(self, seconds: float) -> None:
        """Move both times forward and wake whoever's moment has come."""
        step = round(seconds * 1e9)
        self.wall_ns += step
        self.mono_ns += step
        self._moved.set()
        self._moved = asyncio.Event()

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back, as a person or a time server does; the monotonic time goes on as it was."""
        self.wall_ns += round(seconds * 1e9)

    async def sleep_until(self, moment: float) -> None:
        """Sleep until `advance` has moved the clock to `moment`."""
        await asyncio.sleep(0)
        while self.monotonic() < moment:
            await self._moved.wait()

    async def wait(self, event: asyncio.Event, moment: float) -> bool:
        """Wait for `event`, at the longest until `advance` has moved the clock to `moment`; return whether it came."""
        sleeper = asyncio.ensure_future(self.sleep_until(moment))
        waiter = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({sleeper, waiter}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waiter.cancel()
        return event.is_set()
