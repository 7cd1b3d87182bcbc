"""What the check of a machine comes to, for those checks that look at several machines at once."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from gateway.config.node import Node
from gateway.config.rotation import Shaft
from gateway.config.running import Running
from gateway.config.spec import Link, Machine
from gateway.driver import LocalFile


class Outcome(Struct):
    """A machine after its check: what is known of it even where something is wrong, and `machine` when nothing is.

    `features` are the names of what will be computed, besides the points that are read, `waves` those of its waveforms; `link`,
    `unit` and `medium` tell the line it is on, `files` what it needs on this computer, and `place` where that stands; `speed` and
    `by` are what tells the speed of its shaft and its state, and where that stands.
    """

    name: str
    key: Node
    points: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    waves: tuple[str, ...] = ("vibration",)
    machine: Machine | None = None
    link: Link | None = None
    unit: Any = None
    medium: str = ""
    files: tuple[LocalFile, ...] = ()
    place: Node = Node("", 0, 0)
    speed: tuple[Shaft, Node] | None = None
    by: tuple[Running, Node] | None = None
