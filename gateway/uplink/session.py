"""A session with a broker: one connection, MQTT 5 where the broker speaks it, every publish really acknowledged."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Literal

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from gateway.config.spec import BrokerUrl
from gateway.uplink import reasons, tls
from gateway.uplink.client import AckClient
from gateway.uplink.errors import DroppedEarly, PublishRefused, SessionLost, VersionRefused

__all__ = ["Dialer", "MqttSession", "PublishRefused", "SessionLost", "Version"]

Version = Literal["5", "3.1.1"]
"""The versions of MQTT we speak."""

WARNING_311 = (
    "broker speaks MQTT 3.1.1: its acknowledgement cannot carry a refusal, so a message it does not accept is lost without notice; "
    "use a broker that speaks MQTT 5"
)

_VERSIONS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
_CLOSE_S = 2.0


class MqttSession:
    """One connection to one broker, good for one life: `publish` returns only after the broker has accepted the message.

    Implements `ports.Session`. Made by `connect`, ended by `close` or by a loss; never used again. Half-open connections are
    found by MQTT's keepalive and by a publish that is not acknowledged in time.

    Attributes:
        broker: where it is connected to.
        protocol: version of MQTT that is spoken.
        warnings: what a person should know as long as this session stands.
        max_payload: largest payload in bytes that the broker takes, None when it set no limit.
    """

    def __init__(self, client: AckClient, broker: BrokerUrl, protocol: Version, *, timeout_s: float, window: int) -> None:
        self.broker = broker
        self.protocol: Version = protocol
        self.warnings: tuple[str, ...] = () if protocol == "5" else (WARNING_311,)
        packet = getattr(client.connack, "MaximumPacketSize", None)
        self.max_payload: int | None = None if packet is None else max(1, packet - 1024)  # leaves room for topic and header
        self._client = client
        self._timeout_s = timeout_s
        self._window = asyncio.Semaphore(min(window, getattr(client.connack, "ReceiveMaximum", window)))

    @classmethod
    async def connect(
        cls,
        url: BrokerUrl,
        *,
        client_id: str,
        user: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        keepalive_s: float = 60,
        timeout_s: float = 30,
        connect_timeout_s: float = 15,
        window: int = 20,
        version: Version = "5",
    ) -> MqttSession:
        """Connect once, in one version of MQTT; see `Dialer` for one that finds the version.

        Args:
            url: the broker; `mqtts://` needs `tls`.
            client_id: client id, unique at the broker.
            user: user name, None for none.
            password: its password; never shown anywhere.
            tls: context for an encrypted connection.
            keepalive_s: silence after which the broker is asked for a sign of life; a loss is known after twice that.
            timeout_s: how long a publish may wait for its acknowledgement.
            connect_timeout_s: how long name lookup, TCP, TLS and MQTT may take together.
            window: publishes under way at the same time; less when the broker's Receive Maximum is less.
            version: version of MQTT.

        Raises:
            SessionLost: nobody is there, or it refuses; `VersionRefused`, `DroppedEarly` and `TlsProblem` are special cases.
        """
        client = AckClient(
            url.host,
            url.port,
            version=_VERSIONS[version],
            client_id=client_id,
            user=user,
            password=password,
            tls=tls if url.tls else None,
            keepalive_s=max(1, round(keepalive_s)),
            connect_timeout_s=connect_timeout_s,
            window=window,
        )
        try:
            async with asyncio.timeout(connect_timeout_s):
                await client.open()
        except (aiomqtt.MqttError, TimeoutError) as exc:
            raise _why(exc, client, url, connect_timeout_s, user) from None
        except UnicodeError:  # what asks the name server cannot even write down such a name
            raise SessionLost(f"'{url.host}' is not a host name", "check its name in 'broker'") from None
        if getattr(client.connack, "MaximumQoS", 1) < 1:
            await client.close(_CLOSE_S)
            raise SessionLost(*reasons.words(0x9B), code=0x9B)
        return cls(client, url, version, timeout_s=timeout_s, window=window)

    @property
    def ended(self) -> asyncio.Future[SessionLost]:
        """Done, with the reason, as soon as the connection is gone; not to be cancelled."""
        return self._client.ended

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1 and return when the broker has accepted it; any number of callers, `window` of them under way.

        Raises:
            PublishRefused: the broker answered with a reason code >= 0x80.
            SessionLost: the connection went away or the acknowledgement did not come in time; the session has ended.
        """
        if self.max_payload is not None and len(payload) > self.max_payload:  # it would cost the connection
            raise PublishRefused(reasons.PACKET_TOO_LARGE, *reasons.words(reasons.PACKET_TOO_LARGE))
        async with self._window:
            try:
                async with asyncio.timeout(self._timeout_s):
                    code = await self._client.publish_acked(topic, payload)
            except TimeoutError:
                lost = SessionLost(
                    f"the broker did not acknowledge a message within {self._timeout_s:g} s",
                    "the network between is broken or too slow, or the broker hangs",
                )
                self._client.abandon(lost)
                raise lost from None
        if code >= 0x80:
            raise PublishRefused(code, *reasons.words(code))

    async def close(self) -> None:
        """Disconnect cleanly, within two seconds; never raises, may be called twice."""
        await self._client.close(_CLOSE_S)


class Dialer:
    """Connects with MQTT 5, falls back to 3.1.1 where the broker speaks nothing newer, and remembers that for an hour.

    A broker that just hangs up is asked twice before the fallback is tried: one broken connection must not cost the
    acknowledgements that only MQTT 5 has.
    """

    REMEMBER_S = 3600.0

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._old: dict[BrokerUrl, float] = {}

    async def connect(self, url: BrokerUrl, **options: Any) -> MqttSession:
        """Connect; the options are those of `MqttSession.connect`, without `version`.

        Raises:
            SessionLost: nobody is there, or it refuses.
        """
        if self._monotonic() < self._old.get(url, 0.0):
            return await self._connect_old(url, options)
        try:
            return await MqttSession.connect(url, **options)
        except VersionRefused:
            return await self._connect_old(url, options)
        except DroppedEarly:
            pass
        try:
            return await MqttSession.connect(url, **options)
        except (VersionRefused, DroppedEarly):
            return await self._connect_old(url, options)

    async def _connect_old(self, url: BrokerUrl, options: dict[str, Any]) -> MqttSession:
        try:
            session = await MqttSession.connect(url, **options, version="3.1.1")
        except VersionRefused:
            self._old.pop(url, None)
            raise
        if self._monotonic() >= self._old.get(url, 0.0):
            self._old[url] = self._monotonic() + self.REMEMBER_S
        return session


def _why(exc: Exception, client: AckClient, url: BrokerUrl, timeout_s: float, user: str | None) -> SessionLost:
    """Say in words why a connection did not come about."""
    where = f"{url.host}:{url.port}"
    if isinstance(exc, MqttConnectError) and isinstance(exc.rc, ReasonCode):
        code = exc.rc.value
        kind = VersionRefused if code == reasons.UNSUPPORTED_VERSION else SessionLost
        return kind(*reasons.at_connect(code, user), code=code)
    cause = client.cause
    if isinstance(cause, ssl.SSLError):
        return tls.describe(cause) or SessionLost(str(cause))
    if isinstance(cause, socket.gaierror):
        if cause.errno == socket.EAI_AGAIN:
            return SessionLost(f"no name server answers for '{url.host}'", "check the network and its DNS server")
        return SessionLost(f"the host '{url.host}' is not known", "check its name in 'broker' and the DNS server of this network")
    if isinstance(cause, ConnectionRefusedError):
        return SessionLost(f"nobody listens at {where}", "check the port and that the broker runs")
    if isinstance(exc, TimeoutError) or isinstance(cause, TimeoutError) or "timed out" in str(exc):
        return SessionLost(f"no answer from {where} within {timeout_s:g} s", "check the address, and that no firewall is between")
    if isinstance(cause, ConnectionError) and url.tls:
        return tls.hung_up()
    if isinstance(cause, OSError):
        hint = "check the network" if cause.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH} else ""
        return SessionLost(f"cannot reach {where}: {(cause.strerror or str(cause)).lower()}", hint)
    if client.dropped:
        hint = "it may want a client certificate" if url.tls else "if this port expects TLS, write mqtts://"
        return tls.describe(client.error_text) or DroppedEarly(f"the broker at {where} hung up without an answer", hint)
    return SessionLost(f"cannot connect to {where}: {exc}")
