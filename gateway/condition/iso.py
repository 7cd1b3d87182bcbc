"""The zone of a machine by ISO 20816-3, 10816-1 or 10816-7: A new, B for good, C not for long, D damages. Never a guess.

A verdict needs the unit, a rate for 1000 Hz, at least a second of record and the group of the machine; where one is missing it is
refused, in words. Criterion II, a change of more than a quarter of the B/C boundary, is what the proposed alarm rests on.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gateway.config.zones import Boundaries

from .spectrum import LOWEST_SLOW_HZ, SLOW_RPM, Spectrum

ZONES = "ABCD"
SHORTEST_S = 1.0
FEWEST_AVERAGES = 4
CHANGE = 0.25
"""Share of the B/C boundary by which a change is significant (criterion II), and an alarm lies above the baseline."""

HIGHEST_ALARM = 1.25
"""An alarm lies at most at this multiple of the B/C boundary."""


class Verdict(Struct, frozen=True):
    """What the standard says of one axis.

    Attributes:
        zone: `A` to `D`; empty when the verdict is refused.
        refused: why, in words.
        value: what the zone rests on.
        unit: mm/s, or µm where the displacement of a slow machine is worse than its velocity.
        limits: the boundaries A/B, B/C, C/D in that unit.
        standard: number and year.
        group: the group of machines, in words.
        verified: whether two public sources give these limits; where not, it has to be said.
        notes: what else has to be said, in words.
    """

    zone: str = ""
    refused: str = ""
    value: float = 0.0
    unit: str = "mm/s"
    limits: tuple[float, float, float] = (0.0, 0.0, 0.0)
    standard: str = ""
    group: str = ""
    verified: bool = False
    notes: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[int, float]:
        """The worse, the higher; a refusal is lowest."""
        return (ZONES.find(self.zone), self.value / self.limits[0]) if self.zone else (-1, 0.0)


def zone(value: float, limits: tuple[float, float, float]) -> str:
    """Return the zone of a value; one on a boundary belongs to the better zone."""
    return ZONES[sum(value > limit for limit in limits)]


def refusal(row: Boundaries | None, spectrum: Spectrum, length_s: float, rpm: float | None) -> str:
    """Return why there is no verdict; empty when there is one."""
    if row is None:
        return "the group of the machine is not given; write it with 'iso:', for example 'iso: group2-rigid'"
    if spectrum.refusal:
        return spectrum.refusal
    if length_s < SHORTEST_S:
        return f"a record of {length_s:.3g} s is too short; the standard wants 1 s at least"
    if rpm is not None and not row.lowest_rpm <= rpm <= row.highest_rpm:
        return f"{row.standard} is for {row.lowest_rpm:g} to {row.highest_rpm:g} rpm, this machine turns at {rpm:.0f}"
    if rpm is not None and rpm < SLOW_RPM and spectrum.low_hz(rpm) != LOWEST_SLOW_HZ:
        return f"below {SLOW_RPM:g} rpm it is judged from 2 Hz on, which needs a window of 2 s, better 8s"
    return ""


def judge(row: Boundaries | None, spectrum: Spectrum, length_s: float, rpm: float | None) -> Verdict:
    """Return the verdict on the window whose density `spectrum` has taken last.

    Args:
        row: the boundaries of the machine's group; None: it is not given.
        spectrum: of the acceleration.
        length_s: length of the window.
        rpm: speed of the machine; None when nobody tells it: it is then taken as 600 rpm or more, which is said.
    """
    if refused := refusal(row, spectrum, length_s, rpm):
        return Verdict(refused=refused) if row is None else Verdict("", refused, standard=row.standard, group=row.group)
    assert row is not None
    low_hz = spectrum.low_hz(rpm)
    value, unit, limits, verified = spectrum.velocity_rms(low_hz), "mm/s", row.velocity_mm_s, row.verified
    if low_hz == LOWEST_SLOW_HZ and row.displacement_um is not None:
        moved = spectrum.displacement_rms(low_hz)
        if (zone(moved, row.displacement_um), moved / row.displacement_um[0]) > (zone(value, limits), value / limits[0]):
            value, unit, limits, verified = moved, "µm", row.displacement_um, row.displacement_verified
    return Verdict(
        zone(value, limits), "", value, unit, limits, row.standard, row.group, verified, tuple(_notes(row, spectrum, rpm, verified))
    )


def _notes(row: Boundaries, spectrum: Spectrum, rpm: float | None, verified: bool) -> Iterable[str]:
    if not verified:
        yield f"the limits of {row.name} are verified: no; compare them with {row.standard} before you rely on them"
    if spectrum.averages < FEWEST_AVERAGES:
        many = f"{spectrum.averages} average{'s' if spectrum.averages > 1 else ''} of {spectrum.segment_s:g} s"
        yield f"the zone rests on {many}; four are steadier: a window of {spectrum.segment_s * 2.5:g} s or more"
    if rpm is None:
        yield "the speed is not known and is taken as 600 rpm or more, where 10-1000 Hz is right; write it with 'speed:'"


def proposed_alarm(row: Boundaries, baseline_mm_s: float) -> float:
    """Return the velocity at which to alarm: a quarter of B/C above what is usual here, at most 1.25 of B/C (ISO 20816-1).

    Args:
        row: the boundaries of the machine's group.
        baseline_mm_s: the velocity that is usual for this machine, in mm/s RMS.
    """
    border = row.velocity_mm_s[1]
    return min(baseline_mm_s + CHANGE * border, HIGHEST_ALARM * border)


def worst(verdicts: Iterable[Verdict]) -> Verdict | None:
    """Return the worst of several axes; a refusal only where all are refused, None when there is none."""
    return max(verdicts, key=lambda verdict: verdict.rank, default=None)
