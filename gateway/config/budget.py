"""What the machines of a connection need together, compared with their periods; offline, from what their drivers plan."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from gateway import driver
from gateway.config.quantity import Duration
from gateway.config.spec import Link, Machine
from gateway.driver import PlannedRequest, Plugin

ROUND_PERIODS_S: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)


class Group(Struct, frozen=True):
    """Points of one machine that are read together, every `every_s` seconds; `remarks` tell what bounds the requests."""

    machine: str
    every_s: float
    points: int
    requests: tuple[PlannedRequest, ...]
    remarks: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Time of one scan."""
        return sum(request.seconds for request in self.requests)

    @property
    def bytes(self) -> int:
        """Bytes on the line of one scan."""
        return sum(request.bytes for request in self.requests)

    @property
    def share(self) -> float:
        """Part of the connection's time that the group takes: time of a scan over its period."""
        return self.seconds / self.every_s


class Load(Struct, frozen=True):
    """Everything that is read over one connection."""

    link: Link
    groups: tuple[Group, ...]

    @property
    def share(self) -> float:
        """Part of the time in which the connection is busy; above 1 the periods cannot be kept."""
        return sum(group.share for group in self.groups)

    @property
    def requests_per_s(self) -> float:
        """Requests per second."""
        return sum(len(group.requests) / group.every_s for group in self.groups)

    @property
    def bytes_per_s(self) -> float:
        """Bytes per second on the line, both directions together."""
        return sum(group.bytes / group.every_s for group in self.groups)

    @property
    def overrun(self) -> str:
        """What does not fit and what to do, in words; empty when everything does."""
        if self.share <= 1:
            return ""
        count = sum(len(group.requests) for group in self.groups)
        total_s = sum(group.seconds for group in self.groups)
        names = {group.machine for group in self.groups}
        who = f"of {len(names)} machines on {self.link.url} " if len(names) > 1 else ""
        needs = f"{count} requests {who}x {total_s / count * 1e3:.3g} ms = {total_s:.3g} s do" if count > 1 else _one(total_s)
        periods = {group.every_s for group in self.groups}
        if len(periods) == 1:
            cure = f"use {_written(enough_s(total_s))}, or give points that change slowly an 'every' of their own"
            return f"{needs} not fit every: {_written(periods.pop())}; {cure}"
        longest = max(self.groups, key=lambda group: group.share)
        busy = f"the line would be busy {self.share:.0%} of the time, {longest.share:.0%} of it for '{longest.machine}'"
        cure = f"make the periods {math.ceil(self.share * 10) / 10:g} times as long"
        return f"{needs} not fit their periods: {busy} every {_written(longest.every_s)}; {cure}"


def loads(machines: Iterable[Machine], turnaround_s: float | None = None) -> list[Load]:
    """Return the load of every connection whose driver plans its requests, in the order of the file.

    Args:
        machines: checked machines.
        turnaround_s: how long a device takes to begin its answer; None: what the driver takes for usual.
    """
    groups: list[tuple[Link, list[Group]]] = []  # a Link holds options that need not be hashable
    plugins: dict[str, Plugin | None] = {}
    for machine in machines:
        scheme = machine.link.scheme
        if scheme not in plugins:
            try:
                plugins[scheme] = driver.find(scheme)
            except LookupError:
                plugins[scheme] = None  # was told where the URL is read
        plugin = plugins[scheme]
        if plugin is None or plugin.plan is None or not machine.points:
            continue
        remarks = tuple(plugin.remarks(machine.link, machine.options)) if plugin.remarks else ()
        own = next((own for link, own in groups if link == machine.link), None)
        if own is None:
            own = []
            groups.append((machine.link, own))
        for every_s, points in periods(machine).items():
            requests = tuple(plugin.plan(machine.link, machine.options, points, turnaround_s))
            own.append(Group(machine.name, every_s, len(points), requests, remarks))
    return [Load(link, tuple(own)) for link, own in groups]


def periods(machine: Machine) -> dict[float, dict[str, Any]]:
    """Return a machine's points by their period in seconds, the machine's own first."""
    found: dict[float, dict[str, Any]] = {}
    for name, point in machine.points.items():
        found.setdefault(float(getattr(point, "every", None) or machine.every_s), {})[name] = point
    return dict(sorted(found.items(), key=lambda item: (item[0] != machine.every_s, item[0])))


def enough_s(seconds: float) -> float:
    """Return the shortest round period that is at least so long."""
    return next((period for period in ROUND_PERIODS_S if period >= seconds), math.ceil(seconds / 3600) * 3600.0)


def _written(seconds: float) -> str:
    return Duration(seconds).written


def _one(seconds: float) -> str:
    return f"one request of {seconds:.3g} s does"
