"""What the running gateway holds: a tool that would disturb it says so instead, and shows what the gateway itself has read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from gateway.config.spec import Link
from gateway.control import NotRunning, request

_ASK_S: Final = 3.0


class Held(Struct, frozen=True):
    """A connection that the running gateway holds: why it must not be opened twice, by which machines, and their latest values."""

    why: str
    machines: list[str]
    latest: dict[str, dict[str, Any]]
    exclusive: bool

    @property
    def sentence(self) -> str:
        """What the technician reads."""
        return f"the running gateway reads {', '.join(self.machines)} on this connection; {self.why}"


CURE: Final = "to read it directly, stop the gateway first: sudo systemctl stop retrofit-gateway"


def held(folder: Path, link: Link) -> Held | None:
    """Ask the gateway that runs on a data folder whether it uses this connection; None when it does not, or none runs."""
    try:
        status = request(folder, "status", timeout_s=_ASK_S)
    except NotRunning:
        return None
    machines = status.get("machines", {})
    users = {name: machine for name, machine in machines.items() if _same(machine.get("connection", ""), link)}
    if not users:
        return None
    latest = {name: machine.get("latest", {}) for name, machine in users.items()}
    if link.address.startswith("/") and link.scheme != "replay":
        why = "a serial port has one reader only, two would disturb each other"
        return Held(why, list(users), latest, exclusive=True)
    if getattr(link.options, "one_connection", False):
        why = "this device takes one connection only, a second one would throw the gateway out"
        return Held(why, list(users), latest, exclusive=True)
    return Held("a second connection is opened beside it", list(users), latest, exclusive=False)


def _same(connection: str, link: Link) -> bool:
    if connection == link.url:
        return True
    port = connection.partition("://")[2]
    if not (port.startswith("/") and link.address.startswith("/")):
        return False
    return Path(port).resolve() == Path(link.address).resolve()  # /dev/serial/by-id/… and /dev/ttyUSB0 are the same port
