"""The checks of `gateway doctor` that follow the configuration: serial ports, files, machines, secrets, the running gateway."""

from __future__ import annotations

import asyncio
import errno
import grp
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from gateway.cli._doctor_checks import Finding, user
from gateway.cli.status import troubles
from gateway.config.check import check
from gateway.config.files import of_link, of_tls, trouble
from gateway.config.problem import render
from gateway.config.secrets import SecretMissing, read_secret
from gateway.config.spec import Config, Credentials, Link, SecretRef
from gateway.config.uplink import ProxyCredentials
from gateway.control import NotRunning, request

CONNECT_S = 3.0
_CREDENTIALS = Path("/run/credentials/retrofit-gateway.service")
_ENDPOINT = re.compile(r"(?:tcp://)?(\[[^\]]+\]|[^/:\[\]]+):(\d+)(?:/.*)?")


def configuration(path: Path | None) -> tuple[Config | None, list[Finding]]:
    """Check the site file; what depends on it is left out when it cannot be used."""
    if path is None:
        sentence = "no site.yaml was named and none found; machines, broker and secrets were not looked at"
        return None, [Finding("configuration", "warn", sentence, "name it: gateway doctor site.yaml")]
    checked = check(path)
    errors = [problem for problem in checked.problems if problem.level == "error"]
    if checked.config is None:
        first = render(errors[:1], checked.sources).splitlines()[0]
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        return None, [Finding("configuration", "fail", f"{first}{more}", f"see all of it: gateway check {path}")]
    machines = checked.config.machines.values()
    what = f"{path}: {len(machines)} machines, {sum(len(machine.points) for machine in machines)} points"
    warnings = len(checked.problems)
    if warnings:
        return checked.config, [Finding("configuration", "warn", f"{what}; {warnings} warnings", f"see them: gateway check {path}")]
    return checked.config, [Finding("configuration", "ok", what)]


def running(folder: Path) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Ask the running gateway how it is."""
    try:
        status = request(folder, "status", timeout_s=CONNECT_S)
    except NotRunning as error:
        sentence, _, cure = str(error).partition("; ")
        return None, [Finding("gateway", "warn", sentence, cure)]
    if found := troubles(status):
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return status, [Finding("gateway", "warn", f"it runs, but: {found[0]}{more}", "see everything: gateway status")]
    return status, [Finding("gateway", "ok", f"version {status['version']} runs and all is well")]


# ── serial ports ──


def serial_ports(config: Config, devices: Path = Path("/dev")) -> Iterator[Finding]:
    """Look whether the serial ports of the configuration exist and may be opened by this user."""
    ports: dict[str, list[str]] = {}
    for machine in config.machines.values():
        if machine.link.scheme in {"modbus-rtu", "modbus-ascii"} and machine.link.address.startswith("/"):
            ports.setdefault(machine.link.address, []).append(machine.name)
    for port, names in ports.items():
        path = Path(port)
        try:
            status = path.stat()
        except OSError:
            there = [str(item) for pattern in _PORT_NAMES for item in sorted(devices.glob(pattern))]
            cure = f"these are there: {', '.join(there)}" if there else "no adapter is plugged in; see dmesg | grep tty"
            yield Finding("serial port", "fail", f"{port} ({', '.join(names)}) does not exist", cure)
            continue
        if not stat.S_ISCHR(status.st_mode):
            yield Finding("serial port", "fail", f"{port} is not a serial port", "name a device such as /dev/ttyUSB0")
        elif not os.access(path, os.R_OK | os.W_OK):
            group = _group(status.st_gid)
            sentence = f"user {user()} may not open {port}: it belongs to group {group}"
            yield Finding("serial port", "fail", sentence, f"sudo usermod -aG {group} {user()}, then log out and in again")
        else:
            yield Finding("serial port", "ok", f"{port} is there ({', '.join(names)})")


_PORT_NAMES = ("serial/by-id/*", "rs485*", "ttyUSB*", "ttyACM*", "ttyAMA*")


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


# ── files ──


def files(config: Config) -> Iterator[Finding]:
    """Look whether the recordings, certificates and keys that the configuration names are there and may be read."""
    base = Path(config.path).parent
    wanted = {(file.what, file.path): file for machine in config.machines.values() for file in of_link(machine.link)}
    wanted |= {(file.what, file.path): file for uplink in config.uplinks.values() for file in of_tls(uplink.tls)}
    bad = [(words, cure) for file in wanted.values() for words, cure in [trouble(file, base)] if words]
    for words, cure in bad:
        yield Finding("file", "fail", words, cure)
    if wanted and not bad:
        yield Finding("file", "ok", f"all that the configuration names are there: {', '.join(path for _, path in wanted)}")


# ── machines ──


def endpoint(link: Link) -> tuple[str, int] | None:
    """Return host and port of a link over TCP, None for anything else."""
    if link.scheme == "modbus-udp":
        return None
    match = _ENDPOINT.fullmatch(link.address)
    return (match[1].strip("[]"), int(match[2])) if match and not link.address.startswith("/") else None


async def machines(config: Config, status: dict[str, Any] | None) -> list[Finding]:
    """Connect to every TCP endpoint once, all at the same time; a machine that the running gateway reads is taken as reached.

    Only the connection is tried: a question of ours could disturb a machine at work.
    """
    names: dict[tuple[str, int], list[str]] = {}
    found = []
    known = (status or {}).get("machines", {})
    for machine in config.machines.values():
        place = endpoint(machine.link)
        if place is None:
            continue
        if known.get(machine.name, {}).get("state") == "good":
            found.append(Finding("machine", "ok", f"{machine.name} is read by the running gateway"))
        else:
            names.setdefault(place, []).append(machine.name)
    return found + list(await asyncio.gather(*(_reach(*place, ", ".join(who)) for place, who in names.items())))


async def _reach(host: str, port: int, who: str) -> Finding:
    started = time.monotonic()
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        return Finding("machine", "fail", *unreachable(f"{who} at {host}:{port}", host, port, error))
    writer.close()
    took_ms = (time.monotonic() - started) * 1000
    sentence = f"{who} at {host}:{port} takes connections ({took_ms:.0f} ms); `gateway status` says whether it answers"
    return Finding("machine", "ok", sentence)


def unreachable(what: str, host: str, port: int, error: Exception) -> tuple[str, str]:
    """Say why a connection over TCP did not come about, and what to do."""
    if isinstance(error, socket.gaierror):
        return f"{what}: the name {host} is not known", "write its IP address, or check the name server"
    if isinstance(error, ConnectionRefusedError):
        return (
            f"{what}: the computer is there but nothing listens on port {port}",
            "check the port, and whether the server is enabled",
        )
    if isinstance(error, TimeoutError) or getattr(error, "errno", None) in {errno.ETIMEDOUT, errno.EHOSTUNREACH}:
        return f"{what} does not answer", f"check power, cable and address; ping {host}"
    if getattr(error, "errno", None) == errno.ENETUNREACH:
        return f"{what}: no way leads there", "check the network address of this computer: ip address; ip route"
    return f"{what}: {getattr(error, 'strerror', '') or error}", f"check power, cable and address; ping {host}"


# ── secrets ──


def secret_value(name: str, base: Path) -> str:
    """Return a secret as the gateway would get it: what systemd handed to the service counts, too, where this user may see it.

    Raises:
        SecretMissing: it is nowhere, or others may read it.
    """
    handed = _CREDENTIALS / name
    if os.access(handed, os.R_OK):
        return handed.read_text(encoding="utf-8")
    return read_secret(name, base)


def secrets(config: Config) -> Iterator[Finding]:
    """Look whether every secret that the configuration names is there and belongs to its owner alone."""
    base = Path(config.path).parent
    for name in sorted(set(_named(config))):
        try:
            secret_value(name, base)
        except SecretMissing as missing:
            yield Finding("secret", "fail", missing.message, missing.hint)
        else:
            yield Finding("secret", "ok", f"'{name}' is there and only its owner may read it")


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, SecretRef | Credentials | ProxyCredentials):
        yield value.secret
    elif isinstance(value, Struct):
        for field in value.__struct_fields__:
            yield from _named(getattr(value, field))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _named(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _named(item)
