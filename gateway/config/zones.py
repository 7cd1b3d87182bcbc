"""The zone boundaries of one machine, out of `configs/iso-zones.yaml`: what a verdict rests on, and how sure its numbers are."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

IsoGroup = Literal[
    "group1-rigid",
    "group1-flexible",
    "group2-rigid",
    "group2-flexible",
    "class1",
    "class2",
    "class3",
    "class4",
    "pump1-small",
    "pump1-large",
    "pump2-small",
    "pump2-large",
]
"""What may stand after `iso:`; the data file has a row for each."""


class Boundaries(Struct, frozen=True):
    """Where one zone ends and the next begins.

    Attributes:
        name: the row of the data file.
        standard: number and year of the standard.
        group: which machines it is for, in words.
        velocity_mm_s: A/B, B/C and C/D in mm/s RMS.
        displacement_um: the same in µm RMS, where the standard has it.
        verified: whether two public sources give these velocities, each without the other.
        displacement_verified: the same for the displacements.
        sources: those sources.
        lowest_rpm: the standard holds from this speed on.
        highest_rpm: and up to this one.
    """

    name: str
    standard: str
    group: str
    velocity_mm_s: tuple[float, float, float]
    displacement_um: tuple[float, float, float] | None = None
    verified: bool = False
    displacement_verified: bool = False
    sources: tuple[str, ...] = ()
    lowest_rpm: float = 120.0
    highest_rpm: float = 30_000.0
