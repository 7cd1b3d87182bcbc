"""What the running gateway holds: a tool that would disturb it says so instead, and shows what the gateway itself has read."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from gateway.cli.run import data_folder
from gateway.config.spec import Link
from gateway.control import NotRunning, request

_ASK_S: Final = 3.0


SERVICE_DATA: Final = Path("/var/lib/retrofit-gateway")
"""Data folder of the gateway that the service manager runs, see systemd/retrofit-gateway.service."""

CURE: Final = "to read it directly, stop the gateway first: sudo systemctl stop retrofit-gateway"


class Held(Struct, frozen=True):
    """What the running gateway does with a connection.

    Attributes:
        sentence: what the technician reads.
        latest: the latest values of each machine on it, as the status has them.
        exclusive: whether it must not be opened a second time.
    """

    sentence: str
    latest: dict[str, dict[str, Any]]
    exclusive: bool


def folders(args: argparse.Namespace) -> list[Path]:
    """Return the data folders in which a running gateway may be found: the one that is named, else also that of the service."""
    named = data_folder(args)
    return [named] if args.data is not None else [named, SERVICE_DATA]


def held(places: Iterable[Path], link: Link) -> Held | None:
    """Ask the gateways that run on these data folders whether they use this connection; None when none does."""
    doubt: Held | None = None
    for folder in places:
        try:
            users = _users(folder, link)
        except NotRunning as error:
            if isinstance(error.__cause__, PermissionError):
                doubt = Held(f"a gateway may be running, but it could not be asked: {error}", {}, exclusive=False)
            continue
        if users:
            return _held(users, link)
    return doubt


def _users(folder: Path, link: Link) -> dict[str, Any]:
    """Return what the gateway on this data folder says about its machines on this connection, their latest values included."""
    machines = request(folder, "status", timeout_s=_ASK_S).get("machines", {})
    names = [name for name, one in machines.items() if _same(one.get("connection", ""), link)]
    if not names:
        return {}
    machines = request(folder, "status", points=names, timeout_s=_ASK_S).get("machines", {})
    return {name: machines[name] for name in names if name in machines}


def _held(users: dict[str, Any], link: Link) -> Held:
    if link.address.startswith("/") and link.scheme != "replay":
        why, exclusive = "a serial port has one reader only, two would disturb each other", True
    elif getattr(link.options, "one_connection", False):
        why, exclusive = "this device takes one connection only, a second one would throw the gateway out", True
    else:
        why, exclusive = "a second connection is opened beside it", False
    sentence = f"the running gateway reads {', '.join(users)} on this connection; {why}"
    return Held(sentence, {name: machine.get("latest", {}) for name, machine in users.items()}, exclusive)


def _same(connection: str, link: Link) -> bool:
    if connection == link.url:
        return True
    port = connection.partition("://")[2]
    if not (port.startswith("/") and link.address.startswith("/")):
        return False
    return Path(port).resolve() == Path(link.address).resolve()  # /dev/serial/by-id/… and /dev/ttyUSB0 are the same port
