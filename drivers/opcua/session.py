"""One session with one server, good for one life: a new asyncua client every time, and a limit on every wait.

asyncua's own reconnect stays off: a client that is used again was seen to hang for ever under packet loss. Whoever notices
the loss first (transport, health check, silence of a subscription) ends the session, and poll opens a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors._base import UaError

from drivers.opcua.errors import TRUST, link_error, request_error
from drivers.opcua.security import Identity, offers
from drivers.opcua.spec import OpcuaLink
from gateway.config.spec import Link
from gateway.driver import LinkError
from gateway.model import Reason


def make_node(identifier: int | str | bytes | uuid.UUID, index: int = 0) -> ua.NodeId:
    """Return a node id; its form on the wire follows from the type and size of the identifier."""
    return ua.NodeId(cast("Any", identifier), cast("Any", index))


T = TypeVar("T")
R = TypeVar("R")

_CLOSE_S = 1.5
_LARGEST_CHUNK = 1000
_NAMESPACES, _READ, _MONITOR, _BROWSE = map(make_node, (2255, 11705, 11714, 11710))

logging.getLogger("asyncua").setLevel(logging.WARNING)
# What goes wrong in the client reaches us as an exception and is told once, in words; its own logger adds a traceback a second.
logging.getLogger("asyncua.client").setLevel(logging.CRITICAL)
logging.getLogger("asyncua.crypto").setLevel(logging.CRITICAL)


class Session:
    """An open session: requests with a limit on the wait, the server's namespaces and how much it takes at once."""

    def __init__(self, link: Link) -> None:
        self.options: OpcuaLink = link.options
        self.place = link.address.partition("/")[0]
        self.timeout_s = float(self.options.timeout)
        self.namespaces: list[str] = []
        self.read_limit = self.monitor_limit = self.browse_limit = _LARGEST_CHUNK
        self.lost: LinkError | None = None
        self.on_lost: list[Callable[[LinkError], None]] = []
        self.warnings: list[str] = []
        self._url = f"opc.tcp://{link.address}"
        self._base = Path(link.base)
        self._client: Client | None = None

    async def open(self) -> None:
        """Connect, secure the channel, make a session, learn namespaces and limits.

        Raises:
            LinkError: in words, with what to do; nothing stays open.
        """
        if not self.options.security and not self.options.insecure:
            raise LinkError(
                f"{self.place}: neither 'security' nor 'insecure: true' is written",
                hint="write security: Aes256Sha256RsaPss with certificate and key_file, or insecure: true",
            )
        try:
            # Each step has its own limit inside asyncua; this one also ends a chain of slow steps, or one that forgot it.
            async with asyncio.timeout(3 * self.timeout_s + 1):
                await self._connect()
                await self._learn()
        except BaseException as error:
            await self.close()
            if not isinstance(error, Exception):
                raise
            raise link_error(error, self.place, self.timeout_s) from None

    @property
    def services(self) -> Any:
        """The services of the session; every call goes through `ask`."""
        assert self._client
        return self._client.uaclient.session

    async def ask(self, request: Awaitable[T]) -> T:
        """Wait for the answer to a request.

        Raises:
            LinkError: the session is gone or silent.
            DeviceError: the server refused this one request.
        """
        try:
            async with asyncio.timeout(self.timeout_s + 1):
                return await request
        except Exception as error:
            if self.lost:
                raise self.lost from None
            raise request_error(error, self.place, self.timeout_s) from None

    def lose(self, error: LinkError) -> None:
        """Declare the session lost; whoever waits for something from it is told."""
        if not self.lost:
            self.lost = error
            for tell in list(self.on_lost):
                tell(error)

    async def close(self) -> None:
        """Let go of everything within 2 s; never raises, may be called twice."""
        client, self._client = self._client, None
        self.lose(LinkError(f"{self.place}: the connection is closed"))
        if not client:
            return
        protocol = client.uaclient.protocol
        transport = protocol.transport if protocol else None
        tasks = [getattr(client, name, None) for name in ("_renew_channel_task", "_supervisor_task", "_stale_watchdog_task")]
        tasks.append(getattr(client.uaclient.session, "_publish_task", None))
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_S):
                await client.disconnect()
        with contextlib.suppress(Exception):
            client.disconnect_socket()
        if transport:
            transport.abort()
        running = [task for task in tasks if task and not task.done()]
        for task in running:
            task.cancel()
        if tasks := [task for task in tasks if task]:
            await asyncio.wait(tasks, timeout=0.2)
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.exception()  # seen: it shall not be told again when the task is collected
        await asyncio.sleep(0)

    async def _connect(self) -> None:
        self._client = client = self._make_client()
        if self.options.security:
            identity = await asyncio.to_thread(Identity, self.options, self._base)
            if identity.key_is_open:
                self.warnings.append(f"the private key {self.options.key_file} can be read by others; chmod 600 it")
            if not self.options.server_certificate:
                self.warnings.append(
                    f"OPC UA server {self.place} is not pinned: store its certificate and name it in server_certificate"
                )
            await identity.secure(client, await self._endpoints(), self.place)
            try:
                await client.connect()
            except AssertionError:  # asyncua cannot read a fault in place of a channel; the reason stays in it
                raise LinkError(
                    f"{self.place}: the server refuses the secured channel", hint=TRUST, reason=Reason.REFUSED
                ) from None
            return
        self.warnings.append(f"OPC UA without security to {self.place}: everyone on the network can read and forge values")
        try:
            await client.connect()
        except TimeoutError:
            raise
        except (UaError, ConnectionError) as error:
            if isinstance(error, ConnectionRefusedError):
                raise
            await self._without_security(error)

    async def _without_security(self, error: Exception) -> None:
        """A connection without security failed: when the server just does not offer that, say what it offers."""
        try:
            endpoints = await self._endpoints()
        except Exception:
            raise error from None
        if any(endpoint.SecurityMode == ua.MessageSecurityMode.None_ for endpoint in endpoints):
            raise error
        raise LinkError(
            f"{self.place} does not talk without security",
            hint=f"write security: …, it offers: {offers(endpoints)}",
            reason=Reason.REFUSED,
        )

    async def _endpoints(self) -> list[ua.EndpointDescription]:
        return list(await self._make_client().connect_and_get_server_endpoints())

    def _make_client(self) -> Client:
        client = Client(self._url, timeout=self.timeout_s, watchdog_intervall=float(self.options.keepalive), auto_reconnect=False)
        client.name = client.description = "retrofit-gateway"
        client.application_uri = "urn:retrofit-gateway"
        client.product_uri = "urn:retrofit-gateway"
        client.session_timeout = round(self.options.session * 1000)
        client.connection_lost_callback = self._cut
        return client

    async def _cut(self, error: Exception) -> None:
        self.lose(link_error(error, self.place, float(self.options.keepalive)))

    async def _learn(self) -> None:
        nodes = [_NAMESPACES, _READ, _MONITOR, _BROWSE]
        values = await self.ask(self.services.read_attributes(nodes, AttributeIds.Value))
        namespaces, *limits = [value.Value.Value if value.Value and value.StatusCode.is_good() else None for value in values]
        if not isinstance(namespaces, list):
            raise LinkError(f"{self.place} does not tell its namespaces", reason=Reason.BAD_ANSWER)
        self.namespaces = [str(uri) for uri in namespaces]
        self.read_limit, self.monitor_limit, self.browse_limit = (
            min(limit, _LARGEST_CHUNK) if isinstance(limit, int) and limit > 0 else _LARGEST_CHUNK for limit in limits
        )


def chunks(items: Sequence[R], size: int) -> Iterator[Sequence[R]]:
    """Cut a sequence into pieces the server takes."""
    for at in range(0, len(items), size):
        yield items[at : at + size]
