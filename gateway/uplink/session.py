"""A session with a broker: one connection, MQTT 5 where the broker speaks it, every publish really acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from gateway.config.spec import BrokerUrl
from gateway.uplink import reasons, tls
from gateway.uplink.client import MAX_INCOMING, AckClient, OnMessage, Will
from gateway.uplink.errors import (
    DroppedEarly,
    NeverAnswered,
    PublishRefused,
    SessionLost,
    SubscribeRefused,
    UplinkError,
    VersionRefused,
)
from gateway.uplink.proxy import Proxy
from gateway.uplink.stream import in_words

__all__ = ["MAX_INCOMING", "Dialer", "MqttSession", "OnMessage", "PublishRefused", "SessionLost", "Version", "Will"]

Version = Literal["5", "3.1.1"]
"""The versions of MQTT we speak."""

WARNING_311 = (
    "broker speaks MQTT 3.1.1: its acknowledgement cannot carry a refusal, so a message it does not accept is lost without notice; "
    "use a broker that speaks MQTT 5"
)

_VERSIONS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
_CLOSE_S = 2.0

T = TypeVar("T")


class MqttSession:
    """One connection to one broker, good for one life: `publish` returns only after the broker has accepted the message.

    Implements `ports.Session`. Made by `connect`, ended by `close` or by a loss; never used again. Half-open connections are
    found by MQTT's keepalive and by a publish that is not acknowledged in time.

    Attributes:
        broker: where it is connected to.
        protocol: version of MQTT that is spoken.
        warnings: what a person should know as long as this session stands.
        max_payload: largest payload in bytes that the broker takes, None when it set no limit.
        will: what the broker publishes when the connection is lost, None for nothing.
    """

    def __init__(
        self, client: AckClient, broker: BrokerUrl, protocol: Version, *, will: Will | None, timeout_s: float, window: int
    ) -> None:
        self.broker = broker
        self.will = will
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
        proxy: Proxy | None = None,
        keepalive_s: float = 60,
        timeout_s: float = 30,
        connect_timeout_s: float = 15,
        window: int = 20,
        will: Will | None = None,
        on_message: OnMessage | None = None,
        version: Version = "5",
    ) -> MqttSession:
        """Connect once, in one version of MQTT; see `Dialer` for one that finds the version.

        Args:
            url: the broker; one with TLS needs `tls`.
            client_id: client id, unique at the broker.
            user: user name, None for none.
            password: its password; never shown anywhere.
            tls: context for an encrypted connection.
            proxy: proxy on the way.
            keepalive_s: silence after which the broker is asked for a sign of life; a loss is known after twice that.
            timeout_s: how long a publish may wait for its acknowledgement.
            connect_timeout_s: how long name lookup, TCP, TLS and MQTT may take together.
            window: publishes under way at the same time; less when the broker's Receive Maximum is less.
            will: what the broker shall publish when the connection is lost.
            on_message: called in the loop with topic, payload and whether it was retained, for every message that arrives.
            version: version of MQTT.

        Raises:
            SessionLost: nobody is there, or it refuses; `VersionRefused`, `DroppedEarly` and `TlsProblem` are special cases.
        """
        client = AckClient(
            url,
            version=_VERSIONS[version],
            client_id=client_id,
            user=user,
            password=password,
            tls=tls if url.tls else None,
            proxy=proxy,
            keepalive_s=max(1, round(keepalive_s)),
            connect_timeout_s=connect_timeout_s,
            window=window,
            will=will,
            on_message=on_message,
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
        return cls(client, url, version, will=will, timeout_s=timeout_s, window=window)

    @property
    def ended(self) -> asyncio.Future[SessionLost]:
        """Done, with the reason, as soon as the connection is gone; not to be cancelled."""
        return self._client.ended

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish at QoS 1 and return when the broker has accepted it; any number of callers, `window` of them under way.

        At QoS 0 it returns when the message has been written out; whether it arrived, nobody knows.

        Raises:
            PublishRefused: the broker answered with a reason code >= 0x80.
            SessionLost: the connection went away or the acknowledgement did not come in time; the session has ended.
        """
        if self.max_payload is not None and len(payload) > self.max_payload:  # it would cost the connection
            raise PublishRefused(reasons.PACKET_TOO_LARGE, *reasons.words(reasons.PACKET_TOO_LARGE))
        async with self._window if qos else contextlib.nullcontext():
            code = await self._in_time(self._client.publish_acked(topic, payload, qos, retain), "acknowledge a message")
        if code >= 0x80:
            raise PublishRefused(code, *reasons.words(code))

    async def ask(self, topic: str, payload: bytes) -> None:
        """Ask whether a topic may be published to, with a message that says nothing and that no broker keeps for who is away.

        MQTT 3.1.1 has no answer to that, so it is not asked.

        Raises:
            PublishRefused: it may not.
            SessionLost: as `publish`.
        """
        if self.protocol == "3.1.1":
            return
        code = await self._in_time(self._client.publish_acked(topic, payload, expiry_s=1), "acknowledge a message")
        if code >= 0x80:
            raise PublishRefused(code, *reasons.words(code))

    async def subscribe(self, topics: list[tuple[str, int]]) -> tuple[SubscribeRefused, ...]:
        """Subscribe to topics, each with the highest QoS wanted, in one packet; return those the broker refused.

        Raises:
            SessionLost: the connection went away or the answer did not come in time; the session has ended.
        """
        codes = await self._in_time(self._client.subscribe_acked(topics), "answer a subscription")
        answers = zip(topics, codes, strict=False)  # a broker that answers too few is not refusing
        return tuple(SubscribeRefused(topic, code, *reasons.words(code)) for (topic, _), code in answers if code >= 0x80)

    async def close(self, *, death: bool = False) -> None:
        """Disconnect, within two seconds; never raises, may be called twice.

        Args:
            death: see to it that the will is published, as if the connection were lost: the session does it itself, and in MQTT 5
                it asks the broker to do it, too. Sparkplug wants both.
        """
        if death and self.will is not None and not self.ended.done():
            with contextlib.suppress(UplinkError, TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await self.publish(self.will.topic, self.will.payload, qos=self.will.qos, retain=self.will.retain)
        await self._client.close(_CLOSE_S, with_will=death)

    async def _in_time(self, answer: Awaitable[T], what: str) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await answer
        except TimeoutError:
            lost = SessionLost(
                f"the broker did not {what} within {self._timeout_s:g} s",
                "the network between is broken or too slow, or the broker hangs",
            )
            self._client.abandon(lost)
            raise lost from None


class Dialer:
    """Connects with MQTT 5, falls back to 3.1.1 where the broker speaks nothing newer, and remembers that for an hour.

    A broker that just hangs up is asked twice before the fallback is tried: one broken connection must not cost the
    acknowledgements that only MQTT 5 has. What one lane has found out, the others of a recipient share with its Dialer.

    Attributes:
        met: set when a broker has accepted a connection for the first time.
    """

    REMEMBER_S = 3600.0

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._old: dict[BrokerUrl, float] = {}
        self.met = asyncio.Event()

    async def connect(self, url: BrokerUrl, *, will: Callable[[], Will | None] = lambda: None, **options: Any) -> MqttSession:
        """Connect; the options are those of `MqttSession.connect`, without `version`.

        Args:
            url: the broker.
            will: asked at every CONNECT, of which one call may need several.
            options: see `MqttSession.connect`.

        Raises:
            SessionLost: nobody is there, or it refuses.
        """
        session = await self._connect(url, will, options)
        self.met.set()
        return session

    async def _connect(self, url: BrokerUrl, will: Callable[[], Will | None], options: dict[str, Any]) -> MqttSession:
        if self._monotonic() < self._old.get(url, 0.0):
            return await self._connect_old(url, will, options)
        death = will()
        try:
            return await MqttSession.connect(url, **options, will=death)
        except VersionRefused:
            return await self._connect_old(url, will, options)
        except NeverAnswered:
            if death is None:  # without one every broker answers that is well
                raise
            return await self._connect_old(url, will, options)
        except DroppedEarly:
            pass
        try:
            return await MqttSession.connect(url, **options, will=will())
        except (VersionRefused, DroppedEarly):
            return await self._connect_old(url, will, options)

    async def _connect_old(self, url: BrokerUrl, will: Callable[[], Will | None], options: dict[str, Any]) -> MqttSession:
        try:
            session = await MqttSession.connect(url, **options, will=will(), version="3.1.1")
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
        return kind(*reasons.at_connect(code, user), code=code, server=getattr(client.connack, "ServerReference", ""))
    cause = client.cause
    if isinstance(cause, ssl.SSLError):
        return tls.describe(cause) or SessionLost(str(cause))
    if isinstance(cause, ConnectionError) and url.tls and not isinstance(cause, ConnectionRefusedError):
        return tls.hung_up()
    if isinstance(cause, OSError):
        return in_words(cause, url.host, url.port, timeout_s)
    if isinstance(exc, TimeoutError) or "timed out" in str(exc):
        silent = in_words(TimeoutError(), url.host, url.port, timeout_s)
        return NeverAnswered(silent.words, silent.hint) if client.asked else silent
    if client.dropped:
        hint = "it may want a client certificate" if url.tls else "if this port expects TLS, write mqtts://"
        return tls.describe(client.error_text) or DroppedEarly(f"the broker at {where} hung up without an answer", hint)
    return SessionLost(f"cannot connect to {where}: {exc}")
