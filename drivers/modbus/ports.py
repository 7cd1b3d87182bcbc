"""Serial ports by the names that stay: /dev/serial/by-id, else by-path; `ttyUSB0` belongs to whoever was plugged in first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SERIAL: Final = Path("/dev/serial")
_BY_ORDER = re.compile(r"/dev/tty(USB|ACM)\d+")


def stable_names(folder: Path | None = None) -> dict[str, str]:
    """Return the stable name of every port that has one, by the path of its device."""
    names: dict[str, str] = {}
    for kind in ("by-id", "by-path"):
        for link in sorted(((folder or SERIAL) / kind).glob("*")):
            names.setdefault(str(link.resolve()), str(link))
    return names


def unstable(port: str, scheme: str, folder: Path | None = None) -> str:
    """Return a warning when a port is named by the order of plugging in although it has a stable name; else ''."""
    if not _BY_ORDER.fullmatch(port):
        return ""
    name = stable_names(folder).get(str(Path(port).resolve()))
    if name is None:
        return ""
    return f"{port} is named by the order of plugging in and may be another adapter after a restart; write {scheme}://{name}"


def present() -> str:
    """Name the serial ports of this computer, by their stable names where they have one."""
    ports = _ports()
    return f"present: {', '.join(ports)}" if ports else "no serial port is present"


def instead_of(scheme: str) -> str:
    """Return what to do about a port that is not there: which ones are, and what to write."""
    ports = _ports()
    if not ports:
        return "no serial port is present; plug the adapter in"
    if len(ports) == 1:
        return f"present is {ports[0]}; if that is the adapter, write {scheme}://{ports[0]}"
    return f"present: {', '.join(ports)}; plug the adapter in, or write the one that is meant, for example {scheme}://{ports[0]}"


def _ports() -> list[str]:
    from serial.tools import list_ports

    names = stable_names()
    return sorted(names.get(str(Path(port.device).resolve()), port.device) for port in list_ports.comports())
