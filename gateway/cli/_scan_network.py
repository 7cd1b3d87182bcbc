"""Who takes connections in a network: tried side by side but throttled; OPC UA servers are asked for their endpoints."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from msgspec import Struct

MODBUS_PORT = 502
OPCUA_PORT = 4840
TLS_PORT = 802
"""Modbus/TCP Security; such a device is told of, not asked, since it wants to be verified."""

_AT_ONCE = 24
_CONNECT_S = 1.0
_BETWEEN_S = 0.005
_ENDPOINTS_S = 5.0


async def open_ports(
    hosts: Sequence[str], ports: Sequence[int], done: Callable[[], None], *, pause: float = _BETWEEN_S, limit: float = _CONNECT_S
) -> list[tuple[str, int]]:
    """Return the (host, port) pairs that take a connection, in order; every connection is ended at once."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def takes(host: str, port: int) -> bool:
        try:
            async with asyncio.timeout(limit):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    async def attempt(host: str, port: int) -> bool:
        try:
            return await takes(host, port)
        finally:
            at_once.release()
            done()

    places = [(host, port) for host in hosts for port in ports]
    async with asyncio.TaskGroup() as group:
        tasks = []
        for host, port in places:
            await at_once.acquire()
            tasks.append(group.create_task(attempt(host, port)))
            await asyncio.sleep(pause)
    return [place for place, task in zip(places, tasks, strict=True) if task.result()]


class OpcUaServer(Struct, frozen=True):
    """What an OPC UA server says of itself: where to connect, its name, and how it may be reached."""

    url: str
    name: str
    security: tuple[str, ...]

    @property
    def words(self) -> str:
        """All of it in one line."""
        return f"OPC UA {self.name or 'server'} ({', '.join(self.security)})"


async def opcua_server(host: str, port: int = OPCUA_PORT) -> OpcUaServer | None:
    """Ask for the endpoints; None when what listens there is no OPC UA server."""
    from asyncua.client.client import Client

    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    shown = f"[{host}]" if ":" in host else host
    url = f"opc.tcp://{shown}:{port}"
    try:
        async with asyncio.timeout(_ENDPOINTS_S):
            endpoints = await Client(url, timeout=_ENDPOINTS_S).connect_and_get_server_endpoints()
    except Exception:  # whatever else speaks there may break asyncua in any way
        return None
    if not endpoints:
        return None
    ways = {f"{e.SecurityPolicyUri.rpartition('#')[2]}/{e.SecurityMode.name.rstrip('_')}": None for e in endpoints}
    return OpcUaServer(url, str(endpoints[0].Server.ApplicationName.Text or ""), tuple(ways))
