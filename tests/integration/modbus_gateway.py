"""Machines on Modbus units, polled as the gateway does it: supervise, poll and driver, without files and sockets around them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from drivers.modbus.spec import ModbusLink, ModbusUnit
from gateway.clock import Clock
from gateway.config.quantity import Duration
from gateway.config.spec import Link, Machine
from gateway.model import Record
from gateway.supervise import Machines, Pulse
from tests.drivers.modbus.tables import point
from tests.peers.modbus_units import Units
from tests.waiting import until


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


KEPT = 0.95
"""Share of their rate that units keep while others are dead."""

_STRETCHES = 3


class Control(NamedTuple):
    """A second line on which all units live, and its machines: it tells what this computer has time for now."""

    peer: Units
    machines: Machines

    def missed(self) -> int:
        """Return how many moments passed unused so far."""
        return sum(one["missed"] for one in self.machines.status().values())


@contextlib.asynccontextmanager
async def beside(
    start: Callable[[], AbstractAsyncContextManager[Units]], scheme: str, numbers: Iterable[int], every_s: float
) -> AsyncIterator[Control]:
    """Poll a control."""
    async with start() as control, polled(units(scheme, control.place, numbers, every_s)) as machines:
        await until(lambda: all(one["state"] == "good" for one in machines.status().values()))
        yield Control(control, machines)


async def lost(peer: Units, control: Control, numbers: Iterable[int], seconds: float) -> dict[int, float]:
    """Return the units that are read too seldom, each with its share of what the peer on the other line sees in the same time.

    Both lines are counted at their peers, so a busy computer costs both the same. One request at the edge of the time is forgiven
    to a unit, none to all of them together. Where the computer was busier for one line, another stretch of time is counted.
    """
    for _ in range(_STRETCHES):
        before = peer.requests(), control.peer.requests()
        await asyncio.sleep(seconds)
        read, most = (
            {n: now[n] - then[n] for n in numbers}
            for now, then in zip((peer.requests(), control.peer.requests()), before, strict=True)
        )
        short = {n: round(read[n] / most[n], 3) for n in numbers if read[n] + 1 < KEPT * most[n]}
        if not short and sum(read.values()) < KEPT * sum(most.values()):
            short = {0: round(sum(read.values()) / sum(most.values()), 3)}
        if not short:
            break
    return short
