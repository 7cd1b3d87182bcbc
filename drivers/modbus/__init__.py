"""Driver `modbus`: Modbus TCP, TLS and UDP, RTU and ASCII on a serial port or over TCP; reads only (function codes 1 to 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.modbus.check import check, check_address, medium
from drivers.modbus.forecast import forecast, remarks
from drivers.modbus.spec import ModbusLink, ModbusPoint, ModbusUnit
from gateway.driver import Plugin

if TYPE_CHECKING:
    from gateway.clock import Clock
    from gateway.config.spec import Link
    from gateway.driver import Driver

__all__ = ["PLUGIN"]


def _create(link: Link, clock: Clock) -> Driver:
    from drivers.modbus.driver import ModbusDriver

    return ModbusDriver(link, clock)


PLUGIN = Plugin(
    name="modbus",
    schemes=("modbus-tcp", "modbus-rtu", "modbus-tls", "modbus-ascii", "modbus-udp"),
    link=ModbusLink,
    unit=ModbusUnit,
    point=ModbusPoint,
    create=_create,
    check_address=check_address,
    check=check,
    plan=forecast,
    remarks=remarks,
    streams=True,
    medium=medium,
)
