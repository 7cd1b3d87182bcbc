"""Driver `iio`: a vibration sensor behind Linux Industrial I/O, e.g. `iio://adxl355?rate=4kHz`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.iio.spec import IioLink, IioPoint, IioUnit, check, check_address, waves
from gateway.driver import Plugin

if TYPE_CHECKING:
    from gateway.clock import Clock
    from gateway.config.spec import Link
    from gateway.driver import Driver

__all__ = ["PLUGIN"]


def _create(link: Link, clock: Clock) -> Driver:
    from drivers.iio.driver import IioDriver

    return IioDriver(link, clock)


PLUGIN = Plugin(
    name="iio",
    schemes=("iio",),
    link=IioLink,
    unit=IioUnit,
    point=IioPoint,
    create=_create,
    check_address=check_address,
    check=check,
    waves=waves,
    streams=True,
)
