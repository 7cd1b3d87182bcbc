"""Driver `alsa`: an accelerometer that is a sound card to the computer, e.g. `alsa://hw:1,0?rate=48kHz&unit=g&scale=20`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.alsa.spec import AlsaLink, AlsaPoint, AlsaUnit, check, check_address
from gateway.driver import Plugin

if TYPE_CHECKING:
    from gateway.clock import Clock
    from gateway.config.spec import Link
    from gateway.driver import Driver

__all__ = ["PLUGIN"]


def _create(link: Link, clock: Clock) -> Driver:
    from drivers.alsa.driver import AlsaDriver

    return AlsaDriver(link, clock)


PLUGIN = Plugin(
    name="alsa",
    schemes=("alsa",),
    link=AlsaLink,
    unit=AlsaUnit,
    point=AlsaPoint,
    create=_create,
    check_address=check_address,
    check=check,
    streams=True,
)
