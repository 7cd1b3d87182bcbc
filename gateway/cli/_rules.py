"""What the site file forbids a tool that is only given an address: `allow:` and `deny:` of the machines that stand there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct, field

from drivers.modbus.allowed import ALL, Allowed
from drivers.modbus.spec import BUS_SCHEMES
from gateway.cli._site import Usage, site_path
from gateway.config import ConfigError, load_config
from gateway.config.spec import Machine


class Rules(Struct):
    """The rules of one place, by unit number.

    Attributes:
        units: what each unit that the site file knows there allows.
        machines: the machines that forbid anything.
        path: the site file.
        bus: whether it is a bus, where every number is another device.
    """

    units: dict[int, Allowed] = field(default_factory=dict)
    machines: list[str] = field(default_factory=list)
    path: str = ""
    bus: bool = False

    def of(self, unit: int) -> Allowed:
        """Return what may be asked of a unit; where one alone is known on a TCP host, it may answer under any number."""
        if (own := self.units.get(unit)) is not None:
            return own
        return next(iter(self.units.values())) if len(self.units) == 1 and not self.bus else ALL

    @property
    def whose(self) -> str:
        """Whose rules they are, in words; "" when nothing is forbidden."""
        return f"'allow' and 'deny' of {', '.join(self.machines)} in {self.path}" if self.machines else ""


class RuleBook:
    """The rules of all places in the site file that commands use; without a site file there are none.

    `note` says why they are not known although there is one, in words; "" when they are.
    """

    def __init__(self) -> None:
        self.note = ""
        self._path = ""
        self._machines: Iterable[Machine] = ()
        try:
            path = site_path(None)
            self._path = str(path)
            self._machines = load_config(path).machines.values()
        except (Usage, PermissionError):
            return
        except ConfigError:
            words = "has mistakes, so what its machines 'allow' and 'deny' is not known here"
            self.note = f"{self._path} {words}; see gateway check {self._path}"

    def at(self, address: str) -> Rules:
        """Return the rules at an address: host:port, or a serial port."""
        rules = Rules(path=self._path)
        for machine in self._machines:
            if machine.link.scheme.startswith("modbus") and _same(machine.link.address, address):
                unit, allowed = machine.options.unit, Allowed.of(machine.options)
                rules.bus = rules.bus or machine.link.scheme in BUS_SCHEMES
                rules.units[unit] = rules.units.get(unit, ALL).also(allowed)
                rules.machines += [machine.name] if allowed.restricted else []
        return rules


def _same(one: str, other: str) -> bool:
    if one.startswith("/") and other.startswith("/"):
        return Path(one).resolve() == Path(other).resolve()  # /dev/serial/by-id/… and /dev/ttyUSB0 are the same port
    return one == other
