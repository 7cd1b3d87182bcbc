"""Machines on Modbus units, polled as the gateway does it: supervise, poll and driver, without files and sockets around them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

from drivers.modbus.spec import ModbusLink, ModbusUnit
from gateway.clock import Clock
from gateway.config.quantity import Duration
from gateway.config.spec import Link, Machine
from gateway.model import Record
from gateway.supervise import Machines, Pulse
from tests.drivers.modbus.tables import point
from tests.peers.modbus_units import Units


def machine(name: str, scheme: str, place: str, every_s: float, *, unit: int = 1, timeout: float = 1.0, **options: Any) -> Machine:
    """Return a machine with five registers that hold their address."""
    if scheme == "modbus-rtu":
        options = {"parity": "N"} | options
    link = Link(scheme, place, ModbusLink(timeout=Duration(timeout), **options))
    points = {f"r{wire}": point(f"holding wire {wire}", report="always") for wire in range(10, 15)}
    return Machine(name, link, ModbusUnit(unit=unit), every_s, points)


def units(scheme: str, place: str, numbers: Iterable[int], every_s: float, **options: Any) -> dict[str, Machine]:
    """Return one machine per unit, named u<number>."""
    return {f"u{unit}": machine(f"u{unit}", scheme, place, every_s, unit=unit, **options) for unit in numbers}


@contextlib.asynccontextmanager
async def polled(wanted: dict[str, Machine], records: list[Record] | None = None) -> AsyncIterator[Machines]:
    """Poll machines; in the end, stopping them must be prompt, whatever they do."""
    clock = Clock()
    machines = Machines(clock, Pulse(clock), (records if records is not None else []).extend)
    await machines.apply(wanted)
    try:
        yield machines
    finally:
        began = time.monotonic()
        await machines.stop()
        took = time.monotonic() - began
    assert took < 1.5, f"stopping took {took:.2f} s"


def state(machines: Machines, name: str) -> str:
    """Return `good`, `bad` or `starting`."""
    return str(machines.status()[name]["state"])


async def rates(peer: Units, seconds: float) -> dict[int, float]:
    """Return requests per second of each unit, counted by the peer."""
    began, before = time.monotonic(), peer.requests()
    await asyncio.sleep(seconds)
    after, took = peer.requests(), time.monotonic() - began
    return {unit: (after[unit] - before[unit]) / took for unit in after}
