"""Driver `opcua`: reads and subscribes OPC UA servers, e.g. `opc.tcp://10.0.0.30:4840`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.opcua.address import check_address
from drivers.opcua.spec import OpcuaLink, OpcuaPoint, OpcuaUnit, check, files
from gateway.driver import Plugin

if TYPE_CHECKING:
    from gateway.clock import Clock
    from gateway.config.spec import Link
    from gateway.driver import Driver

__all__ = ["PLUGIN"]


def _create(link: Link, clock: Clock) -> Driver:
    from drivers.opcua.driver import OpcuaDriver  # asyncua costs 25 MB: only who has such a machine pays

    return OpcuaDriver(link, clock)


PLUGIN = Plugin(
    name="opcua",
    schemes=("opc.tcp",),
    link=OpcuaLink,
    unit=OpcuaUnit,
    point=OpcuaPoint,
    create=_create,
    check_address=check_address,
    check=check,
    files=files,
    streams=True,
)
