"""Driver `replay`: a recorded or piped waveform as a sensor, e.g. `replay:bearing.wav?unit=g`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.replay.spec import ReplayLink, ReplayPoint, ReplayUnit, check, check_address, files
from gateway.driver import Plugin

if TYPE_CHECKING:
    from gateway.clock import Clock
    from gateway.config.spec import Link
    from gateway.driver import Driver

__all__ = ["PLUGIN"]


def _create(link: Link, clock: Clock) -> Driver:
    from drivers.replay.driver import ReplayDriver

    return ReplayDriver(link, clock)


PLUGIN = Plugin(
    name="replay",
    schemes=("replay",),
    link=ReplayLink,
    unit=ReplayUnit,
    point=ReplayPoint,
    create=_create,
    check_address=check_address,
    check=check,
    files=files,
    streams=True,
)
