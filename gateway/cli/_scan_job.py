"""The scan of one target from beginning to end; what was found so far always stands in `Outcome`, also after Ctrl-C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from drivers.modbus.framing import FRAMINGS, RTU
from drivers.modbus.probe import BusProbe, MbapProbe
from drivers.modbus.scan import Found, Report, Sweep
from drivers.modbus.scan_bus import BusSweep
from drivers.modbus.scan_host import UNITS as HOST_UNITS
from drivers.modbus.scan_host import HostSweep
from drivers.modbus.spec import ModbusLink
from drivers.modbus.wire import SerialWire, Settings, Wire
from drivers.modbus.wire_network import connect
from gateway.cli._rules import RuleBook
from gateway.cli._scan_network import MODBUS_PORT, OPCUA_PORT, TLS_PORT, OpcUaServer, opcua_server, open_ports
from gateway.cli._scan_profiles import profile_for, type_registers
from gateway.cli._scan_screen import Screen
from gateway.cli._scan_target import Host, Network, Serial, Target
from gateway.cli._scan_yaml import Item, Place, items_of, site_yaml, slug, stable_port
from gateway.config.spec import Link
from gateway.driver import LinkError

ASK_FROM = 1000
FIRST_UNITS = 12
"""Unit numbers that are tried on every host of a network."""

_SERIAL_TIMEOUT_S = 0.5
_TCP_TIMEOUT_S = 1.0
_SERIAL_PAUSE_S = 0.05
_TCP_PAUSE_S = 0.02


class Options(Struct, frozen=True, kw_only=True):
    """What the user may choose; None: the default of the target."""

    settings: tuple[Settings, ...] = ()
    units: tuple[int, ...] | None = None
    timeout: float | None = None
    pause: float | None = None
    port: int | None = None
    listen_s: float = 2.0
    tls: dict[str, Any] = {}

    def link(self, host: Host) -> Link:
        """Return the connection to a host, as a driver would be given it."""
        return Link(host.scheme, host.address, ModbusLink(**self.tls) if host.scheme == "modbus-tls" else ModbusLink())


class Section(Struct):
    """What was found at one place."""

    target: Serial | Host
    report: Report = field(default_factory=Report)
    tls: dict[str, Any] = field(default_factory=dict)

    def place(self) -> Place:
        """Return where it is, with the settings that worked."""
        if isinstance(self.target, Serial):
            options: list[tuple[str, str]] = []
            framing = self.target.framings[0]
            settings = self.report.found[0].settings if self.report.found else None
            if settings:
                framing = settings.framing
                options = [("baud", str(settings.baud)), ("parity", settings.parity)]
                options += [("stop", str(settings.stop))] if settings.stop != 1 else []
                options += [("data", str(settings.data))] if settings.data != (7 if framing == "ascii" else 8) else []
            options += [("echo", "true")] if self.report.echo else []
            return Place(url=f"modbus-{framing}://{stable_port(self.target.path)}", options=tuple(options), shared=True)
        shared = len(self.report.found) > 1 or self.target.bus
        tls = tuple((key, "true" if value is True else value) for key, value in self.tls.items())
        return Place(url=f"{self.target.scheme}://{self.target.address}", options=tls, shared=shared)


class Outcome(Struct):
    """Everything that was found, and why it ended if it ended early."""

    sections: list[Section] = field(default_factory=list)
    opcua: list[OpcUaServer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: LinkError | None = None
    interrupted: bool = False
    book: RuleBook | None = None

    def profiles(self, found: Sequence[Found]) -> list[str]:
        """Return the profile that fits each unit, "" where none does."""
        return [profile_for(unit.identity) for unit in found]

    def yaml(self) -> str:
        """Return the site file, "" when nothing was found."""
        items: list[Item] = []
        for section in self.sections:
            items += items_of(section.place(), section.report.found, self.profiles(section.report.found))
        for server in self.opcua:
            name = slug(server.name) or "opcua"
            items.append(Item(place=Place(url=server.url), name=name, comment=server.words))
        return site_yaml(items)

    def as_json(self) -> dict[str, Any]:
        """Return all of it for programs."""
        places = []
        for section in self.sections:
            report = section.report
            place = section.place()
            units = [
                {
                    "unit": unit.unit,
                    "settings": str(unit.settings) if unit.settings else None,
                    "identity": {key: value for key in unit.identity.__struct_fields__ if (value := getattr(unit.identity, key))},
                    "proof": unit.proof,
                    "first": {"at": unit.at, "value": unit.value} if unit.at else None,
                    "profile": profile or None,
                }
                for unit, profile in zip(report.found, self.profiles(report.found), strict=True)
            ]
            verdicts = [{"code": v.code, "sentence": v.sentence, "cure": v.cure} for v in report.verdicts]
            places.append(
                {
                    "connect": place.url,
                    "options": dict(place.options),
                    "units": units,
                    "verdicts": verdicts,
                    "notes": report.notes,
                    "requests": report.requests,
                    "stopped": report.stopped or None,
                }
            )
        servers = [{"connect": s.url, "name": s.name, "security": list(s.security)} for s in self.opcua]
        error = {"message": self.error.message, "hint": self.error.hint} if self.error else None
        return {
            "places": places,
            "opcua": servers,
            "notes": self.notes,
            "error": error,
            "interrupted": self.interrupted,
            "yaml": self.yaml() or None,
        }


async def scan(target: Target, options: Options, screen: Screen, outcome: Outcome) -> None:
    """Scan; a line that cannot be opened or goes away becomes `outcome.error`."""
    outcome.book = RuleBook()
    outcome.notes += [outcome.book.note] if outcome.book.note else []
    try:
        if isinstance(target, Serial):
            await _bus(target, options, screen, outcome)
        elif isinstance(target, Network):
            await _network(target, options, screen, outcome)
        else:
            await _one_host(target, options, screen, outcome)
    except LinkError as error:
        outcome.error = error


async def _bus(target: Serial | Host, options: Options, screen: Screen, outcome: Outcome) -> None:
    """Scan a serial port, or the bus behind a serial server."""
    wire: Wire = SerialWire(target.path) if isinstance(target, Serial) else await connect(options.link(target))
    framing = RTU if isinstance(target, Serial) else FRAMINGS[target.scheme.removeprefix("modbus-")]
    section = Section(target)
    outcome.sections.append(section)
    timeout = _SERIAL_TIMEOUT_S if isinstance(target, Serial) else _TCP_TIMEOUT_S
    probe = BusProbe(wire, options.timeout or timeout, _SERIAL_PAUSE_S if options.pause is None else options.pause, framing)
    settings = options.settings if isinstance(target, Serial) else ()
    try:
        screen.stage(f"listening on {wire.place}")
        sweep = BusSweep(probe, settings, options.units, screen, section.report, options.listen_s)
        _prepare(sweep, wire.place, screen, outcome)
        await sweep.run()
    finally:
        probe.close()


def _prepare(sweep: Sweep, address: str, screen: Screen, outcome: Outcome) -> None:
    """Tell a sweep what is worth a look, and what the site file does not allow."""
    sweep.types = type_registers()
    if outcome.book is not None:
        rules = outcome.book.at(address)
        sweep.allowed = rules.of
        if rules.whose:
            screen.say(f"! {rules.whose} hold here too: nothing else is asked for")


async def _one_host(target: Host, options: Options, screen: Screen, outcome: Outcome) -> None:
    if target.bus:
        await _bus(target, options, screen, outcome)
        return
    if not target.given and target.scheme == "modbus-tcp":
        await _opcua([target.host], screen, outcome)
    try:
        await _host(target, options, screen, outcome, options.units, chosen=options.units is not None)
    except LinkError:
        if not outcome.opcua:
            raise


async def _host(
    target: Host, options: Options, screen: Screen, outcome: Outcome, units: Sequence[int] | None, *, chosen: bool
) -> None:
    pause = _TCP_PAUSE_S if options.pause is None else options.pause
    link = options.link(target)
    probe = MbapProbe(target.address, lambda: connect(link), options.timeout or _TCP_TIMEOUT_S, pause)
    try:
        await probe.open()
        section = Section(target, tls=options.tls)
        outcome.sections.append(section)
        sweep = HostSweep(probe, units, screen, section.report, chosen=chosen)
        _prepare(sweep, probe.wire.place, screen, outcome)
        await sweep.run()
    finally:
        probe.close()


async def _opcua(hosts: Sequence[str], screen: Screen, outcome: Outcome) -> None:
    screen.stage("looking for OPC UA", len(hosts))
    for host, port in await open_ports(hosts, [OPCUA_PORT], screen.step):
        if server := await opcua_server(host, port):
            outcome.opcua.append(server)
            screen.say(f"● {server.url}: {server.words}")


async def _network(target: Network, options: Options, screen: Screen, outcome: Outcome) -> None:
    port = options.port or MODBUS_PORT
    ports = [port] if options.port else [MODBUS_PORT, TLS_PORT]
    screen.stage(f"looking for port {port} in {target.text}", len(target.hosts) * len(ports))
    places = await open_ports(target.hosts, ports, screen.step)
    if options.port is None:
        await _opcua(target.hosts, screen, outcome)
    for host, _ in (place for place in places if place[1] != port):
        how = f"gateway scan tls://{host} --ca FILE"
        outcome.notes.append(f"{host} listens on port {TLS_PORT}: Modbus with TLS, which was not asked; {how} does")
    hosts = [Host(host, number) for host, number in places if number == port]
    if not hosts:
        outcome.notes.append(f"none of the {len(target.hosts)} addresses of {target.text} takes connections on port {port}")
        return
    units = options.units or HOST_UNITS[:FIRST_UNITS]
    asked = len(hosts) * len(units)
    if asked > ASK_FROM and not await screen.confirm(asked, asked * (options.timeout or _TCP_TIMEOUT_S)):
        outcome.notes.append(f"{len(hosts)} hosts take connections; {asked} requests to them were not allowed, --yes allows them")
        return
    for found in hosts:
        try:
            await _host(found, options, screen, outcome, units, chosen=options.units is not None)
        except LinkError as error:
            outcome.notes.append(str(error))
    if options.units is None:
        outcome.notes.append(f"only units 0 to 10 and 255 were asked; gateway scan tcp://{hosts[0].host} asks all of one host")
