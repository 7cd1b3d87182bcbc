"""A rolling bearing as the signal core needs it: how often, per turn of the shaft, its parts pass one another."""

from __future__ import annotations

import math
from typing import Self

from msgspec import Struct

LEAST_TURNS = 25
"""Turns of the shaft a record must hold, so that its lines stand apart from those of the shaft."""


class Bearing(Struct, frozen=True):
    """A bearing whose outer race stands still and whose inner race turns with the shaft; rates are per turn of the shaft.

    Attributes:
        name: its designation.
        outer: rolling elements that pass a place of the outer race (BPFO).
        inner: rolling elements that pass a place of the inner race (BPFI).
        element: turns of a rolling element about itself (BSF); damage to it strikes twice per turn.
        cage: turns of the cage (FTF).
        rollers: number of rolling elements; 0 where it is not known.
        source: where the numbers come from.
        verified: two independent public sources give the same.
    """

    name: str
    outer: float
    inner: float
    element: float
    cage: float
    rollers: int = 0
    source: str = ""
    verified: bool = False

    @classmethod
    def of_geometry(
        cls,
        name: str,
        rollers: int,
        diameter: float,
        pitch: float,
        angle_deg: float = 0.0,
        *,
        source: str = "",
        verified: bool = False,
    ) -> Self:
        """Return the bearing of this geometry: rates of rolling without sliding.

        Args:
            name: its designation.
            rollers: number of rolling elements (of one row).
            diameter: of a rolling element, in the unit of `pitch`.
            pitch: diameter of the circle through the middles of the rolling elements.
            angle_deg: contact angle, 0 for a deep groove ball bearing.
            source: where the numbers come from.
            verified: two independent public sources give the same.

        Raises:
            ValueError: there is no such bearing.
        """
        if rollers < 3:
            raise ValueError(f"a bearing has 3 rolling elements or more, not {rollers}")
        if not 0 < diameter < pitch < math.inf:
            raise ValueError(f"rolling elements of {diameter:g} do not fit on a pitch circle of {pitch:g}")
        if not 0 <= angle_deg < 90:
            raise ValueError(f"a contact angle of {angle_deg:g}°; it must be 0 to 90")
        if rollers * math.asin(diameter / pitch) > math.pi:
            raise ValueError(f"{rollers} rolling elements of {diameter:g} overlap on a pitch circle of {pitch:g}")
        ratio = diameter / pitch * math.cos(math.radians(angle_deg))
        return cls(
            name=name,
            outer=rollers / 2 * (1 - ratio),
            inner=rollers / 2 * (1 + ratio),
            element=pitch / diameter / 2 * (1 - ratio * ratio),
            cage=(1 - ratio) / 2,
            rollers=rollers,
            source=source,
            verified=verified,
        )
