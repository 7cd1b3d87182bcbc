"""Makes drivers and tables for the tests against OPC UA servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from drivers.opcua import PLUGIN
from drivers.opcua.address import BrowsePath, NodeAddress
from drivers.opcua.spec import OpcuaLink, OpcuaPoint, OpcuaUnit
from gateway.clock import Clock
from gateway.config.quantity import Duration
from gateway.config.spec import Link
from gateway.model import PointTable, Quality, Reason, Scan


def make_driver(address: str, base: str = "", clock: Clock | None = None, **options: Any) -> Any:
    options.setdefault("insecure", "security" not in options)
    link = Link("opc.tcp", PLUGIN.check_address("opc.tcp", address), OpcuaLink(**options), base)
    return PLUGIN.create(link, clock or Clock())


@asynccontextmanager
async def connected(address: str, **options: Any) -> AsyncIterator[Any]:
    driver = make_driver(address, **options)
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


def make_table(points: dict[str, str | OpcuaPoint], every_s: float = 0.1, **unit: Any) -> PointTable:
    """Points by name: `Objects/…` a path, anything else a node id."""
    specs = tuple(value if isinstance(value, OpcuaPoint) else make_point(value) for value in points.values())
    unit = {key: Duration(value) if key in {"publish", "sample"} else value for key, value in unit.items()}
    return PointTable("press", tuple(points), ("",) * len(specs), specs, OpcuaUnit(**unit), every_s)


def make_point(where: str, **options: Any) -> OpcuaPoint:
    if where.startswith("Objects"):
        return OpcuaPoint(path=BrowsePath.parse(where), **options)
    return OpcuaPoint(node=NodeAddress.parse(where), **options)


def told(scan: Scan) -> dict[str, tuple[Any, Quality, Reason]]:
    """Value, quality and reason by name of the point."""
    return {
        scan.table.names[scan.row(column)]: (
            scan.objects.get(column, scan.values[column]),
            Quality(scan.quality[column]),
            Reason(scan.reason[column]),
        )
        for column in range(len(scan))
    }


def values(scan: Scan) -> dict[str, Any]:
    """Values by name of the point, of those that are good."""
    return {name: value for name, (value, quality, _) in told(scan).items() if quality is Quality.GOOD}
