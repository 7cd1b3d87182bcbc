"""Short ways to points, tables and links for these tests."""

from __future__ import annotations

from typing import Any

from drivers.modbus.address import Address
from drivers.modbus.spec import ModbusLink, ModbusPoint, ModbusUnit
from gateway.config.quantity import Duration
from gateway.config.spec import Link
from gateway.model import PointTable, Quality, Scan


def point(at: str, **keys: Any) -> ModbusPoint:
    return ModbusPoint(at=Address.parse(at), **keys)


def table(points: dict[str, ModbusPoint], **options: Any) -> PointTable:
    return PointTable("m", tuple(points), tuple(p.unit for p in points.values()), tuple(points.values()), ModbusUnit(**options))


def registers(*wires: int, **options: Any) -> PointTable:
    """A table of 16-bit holding registers named by their wire address."""
    return table({f"r{wire}": point(f"holding wire {wire}") for wire in wires}, **options)


def link(scheme: str, address: str, timeout: float = 1.0, **options: Any) -> Link:
    return Link(scheme, address, ModbusLink(timeout=Duration(timeout), **options))


def good(scan: Scan) -> dict[str, Any]:
    """Name and value of the good points."""
    names = scan.table.names
    return {names[i]: scan.objects.get(i, scan.values[i]) for i in range(len(scan)) if scan.quality[i] == Quality.GOOD}


def bad(scan: Scan) -> dict[str, int]:
    """Name and reason of the others."""
    return {scan.table.names[i]: scan.reason[i] for i in range(len(scan)) if scan.quality[i] != Quality.GOOD}
