"""What a driver is: open, read, close, and optional powers; how it says what went wrong; how it is found.

A driver is one connection to one endpoint or bus. It owns timeouts, draining and protocol recovery inside one call; schedule,
retry, quarantine and reconnect belong to `gateway.poll`. Its reads are made one at a time, save where it `Probes` and has a
`window`, and are not cancelled while a request is on the line; `open` may be. `close` may come while a read is under way, which
then ends with a LinkError.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import AsyncIterator, Callable, Iterable
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol, runtime_checkable

from msgspec import Struct

from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.model import Block, PointTable, Reason, Scan


class DeviceError(Exception):
    """A device could not be read. `message` says what happened, `hint` what to do, `reason` the code readings carry.

    Raised by `read` for one machine: the connection and the other machines on it go on.
    """

    def __init__(self, message: str, *, hint: str = "", reason: Reason = Reason.DEVICE_FAILURE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.reason = reason

    def __str__(self) -> str:
        """Return message and hint as one line."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class LinkError(DeviceError):
    """The connection itself is gone or could not be opened; poll closes the driver and opens a new one."""

    def __init__(self, message: str, *, hint: str = "", reason: Reason = Reason.NOT_CONNECTED) -> None:
        super().__init__(message, hint=hint, reason=reason)


@runtime_checkable
class Driver(Protocol):
    """One connection; made unopened, opened once, closed once. After `close` or a `LinkError` it is thrown away.

    A driver may have two attributes more, which the status shows: `warnings`, sentences that stay true while it runs, and
    `counters`, a struct of numbers about its line.
    """

    async def open(self) -> None:
        """Connect.

        Raises:
            LinkError: nobody is there, or it refuses; the hint says what to check.
        """

    async def read(self, table: PointTable) -> Scan:
        """Read all points of one table once, in as few requests as the device allows.

        A point that fails alone is bad in the Scan, with its reason.

        Raises:
            DeviceError: nothing could be read from this machine.
            LinkError: the connection is gone.
        """

    async def close(self) -> None:
        """Let go of everything; never raises, may be called twice."""


@runtime_checkable
class Subscribes(Protocol):
    """Optional power: the device sends what changed. Used instead of `read` where `subscribes` says so."""

    def subscribes(self, table: PointTable) -> bool:
        """Say whether this table is to be subscribed rather than polled."""

    def subscribe(self, table: PointTable) -> AsyncIterator[Scan]:
        """Yield Scans as they come, the first with all points; ends only by an exception or by being closed."""


@runtime_checkable
class Streams(Protocol):
    """Optional power: a waveform."""

    def stream(self, table: PointTable) -> AsyncIterator[Block]:
        """Yield Blocks as they come, in order; ends by itself when the source ends for good (a file that is not looped)."""


@runtime_checkable
class Forgets(Protocol):
    """Optional power: a driver that keeps something per table, a read plan or warnings, and can drop it."""

    def forget(self, table: PointTable) -> None:
        """Drop what was kept for a table that is not read any more."""


@runtime_checkable
class Probes(Protocol):
    """Optional power: a line shared by several units, one of which may be dead. Poll asks it cheaply whether it is back."""

    @property
    def window(self) -> int:
        """How many machines may be read at the same time, one call each; 1: never two, as on a bus. Valid while it is open."""

    async def probe(self, table: PointTable, timeout_s: float | None) -> None:
        """Ask a machine for the cheapest thing there is, in one request; return when it answers, whatever the answer.

        Raises:
            DeviceError: no answer within `timeout_s` seconds; None stands for the timeout that reads have.
            LinkError: the connection is gone.
        """

    def response_s(self, table: PointTable | None) -> float:
        """Return how long answers take, seconds, p99 of the recent ones: of a machine, of the line (None); 0 when unknown."""


class Finding(Struct, frozen=True):
    """What a driver's offline check has to say about one machine: where (point name and key, both may be empty) and what.

    A `warning` is shown and does not stop the gateway.
    """

    message: str
    point: str = ""
    key: str = ""
    level: Literal["error", "warning"] = "error"


class PlannedRequest(Struct, frozen=True, kw_only=True):
    """One request of a scan, as a driver plans it before anything is asked.

    Attributes:
        what: what is asked for, e.g. `holding (function 3)`.
        place: where, as manuals count, e.g. `40001-40125`.
        wire: the same as it goes over the wire, e.g. `0-124`.
        count: number of items asked for, gaps included.
        bytes: bytes on the line, request and answer together.
        seconds: how long it takes, until the next one may go out.
        points: names of the points in its answer.
    """

    what: str
    place: str
    wire: str
    count: int
    bytes: int
    seconds: float
    points: tuple[str, ...]


class LocalFile(Struct, frozen=True):
    """A file on this computer that a connection needs: what it is in words, where, the key that names it, and how to get it.

    A relative `path` starts from the folder of the YAML file; `key` is empty where the file stands in the URL itself.
    """

    what: str
    path: str
    key: str = ""
    cure: str = ""


class Plugin(Struct, frozen=True, kw_only=True):
    """How a driver introduces itself. Importing it must not import the protocol library: `gateway check` runs offline.

    Attributes:
        name: name of the driver, as in `drivers/<name>`.
        schemes: URL schemes it serves.
        link: spec struct of the options of a connection; URL parameters, or keys beside `url:` or `connect:`.
        unit: spec struct of the options of one machine on it; URL parameters or keys of the machine.
        point: spec struct of a point, derived from `PointSpec`.
        create: makes an unopened driver; imports the protocol library only now.
        check_address: returns the normal form of what stands between `scheme://` and `?`, or raises ValueError for the user.
        check: offline check across keys of one machine: (link, unit options, points by name).
        plan: the requests of one scan of such points, in order: (link, unit options, points by name, seconds a device takes to
            begin its answer, None for a usual time). What all machines of a connection need is compared with their periods.
        remarks: what bounds those requests, in words, one sentence each: (link, unit options).
        files: the files on this computer that a connection needs.
        streams: whether its drivers have the power `Streams`; only then a machine may have `vibration:`, and where `unit` has a
            field `waveform`, only a machine that sets it.
        waves: the names of the waveforms of one machine, where it is not one named `vibration`: (link, unit options).
        medium: from the scheme and the checked address: `serial` where the line has one set of options for all machines on it,
            `tcp` where a device may accept a single connection, else empty. Where it is not empty and `unit` has a field
            `unit`, no two machines on a line should have the same.
    """

    name: str
    schemes: tuple[str, ...]
    link: type[Struct]
    unit: type[Struct]
    point: type[Struct]
    create: Callable[[Link, Clock], Driver]
    check_address: Callable[[str, str], str]
    check: Callable[[Link, Any, dict[str, Any]], Iterable[Finding]] | None = None
    plan: Callable[[Link, Any, dict[str, Any], float | None], Iterable[PlannedRequest]] | None = None
    remarks: Callable[[Link, Any], Iterable[str]] | None = None
    files: Callable[[Link], Iterable[LocalFile]] | None = None
    streams: bool = False
    waves: Callable[[Link, Any], tuple[str, ...]] | None = None
    medium: Callable[[str, str], Literal["serial", "tcp", ""]] = lambda scheme, address: ""


_BUILT_IN = {
    "modbus-tcp": "drivers.modbus:PLUGIN",
    "modbus-rtu": "drivers.modbus:PLUGIN",
    "modbus-tls": "drivers.modbus:PLUGIN",
    "modbus-ascii": "drivers.modbus:PLUGIN",
    "modbus-udp": "drivers.modbus:PLUGIN",
    "opc.tcp": "drivers.opcua:PLUGIN",
    "alsa": "drivers.alsa:PLUGIN",
    "iio": "drivers.iio:PLUGIN",
    "replay": "drivers.replay:PLUGIN",
}


class UnknownDriver(LookupError):  # noqa: N818  (a user's mistake, not a fault)
    """No driver serves this URL scheme; the message names the known ones and the nearest."""


def schemes() -> tuple[str, ...]:
    """Return the URL schemes of the built-in drivers and of those that other packages bring."""
    return (*_BUILT_IN, *(entry.name for entry in entry_points(group="gateway.drivers") if entry.name not in _BUILT_IN))


def find(scheme: str) -> Plugin:
    """Return the driver for a URL scheme.

    Raises:
        UnknownDriver: there is none.
    """
    if target := _BUILT_IN.get(scheme):
        module, name = target.split(":")
        plugin = getattr(importlib.import_module(module), name)
    else:
        entries = [entry for entry in entry_points(group="gateway.drivers") if entry.name == scheme]
        if not entries:
            known = schemes()
            near = difflib.get_close_matches(scheme, known, 1)
            guess = f", did you mean '{near[0]}'?" if near else ""
            raise UnknownDriver(f"unknown driver '{scheme}'{guess or ';'} known: {', '.join(sorted(known))}")
        plugin = entries[0].load()
    assert isinstance(plugin, Plugin)
    return plugin
