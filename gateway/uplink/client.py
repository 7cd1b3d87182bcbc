"""aiomqtt's Client, made honest: acknowledgements with their reason code, losses told at once, nothing left open.

What aiomqtt 2.5 does instead: it takes every PUBACK for a success, lets a publish wait for its whole timeout when the
connection is gone, waits just as long when a broker hangs up on CONNECT, and keeps the socket of a failed attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

import aiomqtt
import paho.mqtt.client as paho
from msgspec import Struct
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.config.broker import BrokerUrl
from gateway.uplink import reasons
from gateway.uplink.aside import aside
from gateway.uplink.errors import SessionLost
from gateway.uplink.proxy import Proxy
from gateway.uplink.stream import open_stream

OnMessage = Callable[[str, bytes | None, bool], None]
"""Called with topic, payload and whether the message was retained; payload None: it was too large and thrown away."""

MAX_INCOMING = 1 << 20
"""Bytes of a packet that we take in; nobody has a reason to send us more.

MQTT 5 could tell the broker so, but brokers of 3.1.1 exist that hang at a CONNECT with properties instead of refusing its version.
"""

_READ = 16384


class Will(Struct, frozen=True):
    """What the broker publishes when a connection is lost without a farewell.

    `registered` is called, in another thread, right before the CONNECT packet that carries it is sent: an attempt that does not
    come that far has told it to nobody. It may wait for a disk.
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    registered: Callable[[], None] | None = None


T = TypeVar("T")

_ERRNO = re.compile(r"\[Errno -?\d+\] ")


def _broken(detail: object = "") -> SessionLost:
    if isinstance(detail, OSError):
        detail = "the other side cut it" if isinstance(detail, ConnectionError) else (detail.strerror or str(detail)).lower()
    return SessionLost(f"the connection to the broker broke ({detail})" if detail else "the connection to the broker broke")


class _LastError(logging.Handler):
    """Keeps paho's last error text: a TLS alert that arrives after the handshake is found nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error's own words."""
        error = next((argument for argument in record.args or () if isinstance(argument, OSError)), None)
        plain = error is not None and not isinstance(error, ssl.SSLError) and error.strerror
        self.text = plain.lower() if plain else _ERRNO.sub("", record.getMessage())


class AckClient(aiomqtt.Client):
    """One connection, used once. `ended` is done, with the reason, as soon as an open connection is gone.

    Attributes:
        ended: resolves to the `SessionLost` that says why the connection ended; a clean `close` resolves it too.
        cause: what `connect` in the other thread raised (socket and TLS errors), else None.
        connack: properties of the broker's CONNACK (MQTT 5), None before it and in MQTT 3.1.1.
        dropped: the broker closed the connection before it answered CONNECT.
        asked: CONNECT was sent.
    """

    def __init__(
        self,
        url: BrokerUrl,
        *,
        version: aiomqtt.ProtocolVersion,
        client_id: str,
        user: str | None,
        password: str | None,
        tls: ssl.SSLContext | None,
        proxy: Proxy | None,
        keepalive_s: int,
        connect_timeout_s: float,
        window: int,
        will: Will | None,
        on_message: OnMessage | None,
    ) -> None:
        self._is_5 = version is aiomqtt.ProtocolVersion.V5
        self._errors = _LastError()
        logger = logging.Logger("mqtt", logging.ERROR)  # noqa: LOG001  (of this connection alone, below no root logger)
        logger.addHandler(self._errors)
        super().__init__(
            url.host,
            url.port,
            username=user,
            password=password,
            logger=logger,
            identifier=client_id,
            protocol=version,
            clean_session=None if self._is_5 else True,
            timeout=connect_timeout_s,
            keepalive=keepalive_s,
            max_inflight_messages=window,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None,
        )
        options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000 * keepalive_s)]
        early_s = 0.9 * connect_timeout_s  # before the time is up for everything, so that who did not answer is told
        way = functools.partial(open_stream, url, context=tls, proxy=proxy, timeout_s=early_s, options=options)
        self._client._create_socket = lambda: self._introduced(way(), will)  # type: ignore[method-assign]  # paho tells less
        receive = self._client._sock_recv
        self._client._sock_recv = lambda bufsize: receive(min(bufsize, _READ))  # type: ignore[method-assign]  # paho makes room for all
        self.ended: asyncio.Future[SessionLost] = self._loop.create_future()
        self.cause: Exception | None = None
        self.connack: Properties | None = None
        self.dropped = self.asked = False
        self._on_incoming = on_message
        self._to_skip = 0
        self._acks: dict[int, asyncio.Future[Any]] = {}
        self._in_thread = False
        self._abandoned = False

    @property
    def error_text(self) -> str:
        """The last error paho met on the socket, as it words it; empty when there was none."""
        return self._errors.text

    async def open(self) -> None:
        """Connect; on any failure, cancellation included, nothing stays open.

        Raises:
            aiomqtt.MqttError: it did not work; `cause`, `dropped` and `error_text` tell more.
        """
        try:
            await aside(self._client_connect)
            await self._connected
        except OSError as exc:
            self.abandon()
            raise aiomqtt.MqttError(str(exc)) from None
        except BaseException:
            self.abandon()
            raise
        self._disconnected.add_done_callback(self._socket_failed)

    async def publish_acked(
        self, topic: str, payload: bytes, qos: int = 1, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Publish and return the reason code of the PUBACK (0 always in MQTT 3.1.1); at QoS 0, return 0 when it is written out.

        Raises:
            SessionLost: the connection ended before the acknowledgement came.
        """
        if self.ended.done():
            raise self._loss()
        properties = None
        if expiry_s is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = expiry_s
        info = self._client.publish(topic, payload, qos, retain, properties)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise _broken(paho.error_string(info.rc))
        if info.is_published():  # at QoS 0 mostly at once
            return 0
        code: int = await self._answer(info.mid)
        return code

    async def subscribe_acked(self, topics: list[tuple[str, int]]) -> list[int]:
        """Subscribe and return the reason code of each topic: the QoS granted, or 0x80 and more.

        Raises:
            SessionLost: the connection ended before the answer came.
        """
        if self.ended.done():
            raise self._loss()
        wanted: Any = [(topic, SubscribeOptions(qos) if self._is_5 else qos) for topic, qos in topics]
        rc, mid = self._client.subscribe(wanted)
        if rc != paho.MQTT_ERR_SUCCESS or mid is None:
            raise _broken(paho.error_string(rc))
        codes: list[int] = await self._answer(mid)
        return codes

    async def _answer(self, mid: int) -> Any:
        ack = self._acks[mid] = self._loop.create_future()
        try:
            return await ack
        finally:
            self._acks.pop(mid, None)

    async def close(self, within_s: float, *, with_will: bool = False) -> None:
        """Disconnect cleanly if that works within so many seconds, else just close; never raises.

        Args:
            within_s: time for the farewell.
            with_will: let the broker publish the will (MQTT 5; in 3.1.1 there is no such word).
        """
        reason = ReasonCode(PacketTypes.DISCONNECT, identifier=0x04) if with_will and self._is_5 else None
        if not self.ended.done() and self._client.disconnect(reason) == paho.MQTT_ERR_SUCCESS:
            await asyncio.wait({self.ended}, timeout=within_s)
        self.abandon()

    def abandon(self, loss: SessionLost | None = None) -> None:
        """Close the socket without a farewell and fail what is under way with `loss`; may be called twice."""
        self._abandoned = True
        self._end(loss or SessionLost("the connection was closed"))
        if not self._in_thread:
            # Not at once: aiomqtt may have an add_reader for this socket in the loop's queue, which must find it open.
            self._loop.call_soon(self._close_socket)

    def _close_socket(self) -> None:
        self._client._sock_close()  # paho has no public way to close without a packet; this one unregisters the socket as well

    def _loss(self) -> SessionLost:
        loss = self.ended.result()
        return SessionLost(loss.words, loss.hint, code=loss.code, server=loss.server)

    def _end(self, loss: SessionLost) -> None:
        if self.ended.done():
            return
        self.ended.set_result(loss)
        for ack in self._acks.values():
            if not ack.done():
                ack.set_exception(self._loss())
                ack.exception()  # a publisher that is being cancelled does not look any more

    # ── aiomqtt's own hooks ──

    def _client_connect(self) -> None:
        """Connect, in a thread."""
        self._in_thread = True
        try:
            super()._client_connect()
        except Exception as exc:
            self.cause = exc
            raise
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended while a name was looked up
                self._loop.call_soon_threadsafe(self._thread_ended)

    def _introduced(self, sock: T, will: Will | None) -> T:
        """Note, in the worker thread, that paho sends CONNECT over this socket next."""
        self.asked = True
        if will is not None and will.registered is not None:
            will.registered()
        return sock

    def _thread_ended(self) -> None:
        self._in_thread = False
        sock = self._client.socket()
        if self._abandoned:
            self._close_socket()
        elif sock is not None:
            self._loop.add_reader(sock.fileno(), self._readable)
            if self._client.want_write():
                self._on_socket_register_write(self._client, None, sock)

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        """Do nothing yet: the loop takes over when the thread has left, so that the two never meet on the socket."""

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        """Watch the socket at once; aiomqtt does it a turn of the loop later, when the socket may be closed already."""
        if not self._in_thread:
            self._loop.add_writer(sock.fileno(), self._writable)

    def _readable(self) -> None:
        """Read what has come, also what TLS has decrypted already and the loop therefore does not see."""
        try:
            while True:
                if self._to_skip:
                    self._skip()
                else:
                    self._client.loop_read()
                    self._refuse_too_large()
                sock: Any = self._client.socket()
                if sock is None or not getattr(sock, "pending", int)():
                    return
        except BlockingIOError:
            return
        except Exception as exc:
            self.abandon(_broken(exc))

    def _refuse_too_large(self) -> None:
        """Let a packet that would fill the memory pass by; acknowledge it, else the broker waits for that before it sends more."""
        packet: Any = self._client._in_packet  # paho has no public limit
        if packet["remaining_length"] <= MAX_INCOMING or not packet["to_process"]:
            return
        head, qos = bytes(packet["packet"]), packet["command"] >> 1 & 3
        at = 2 + int.from_bytes(head[:2])
        if packet["command"] & 0xF0 != 0x30 or len(head) < at + 2:
            raise OSError(f"it sends {packet['remaining_length'] >> 20} MiB at once")
        self._to_skip = packet["to_process"]
        packet |= {"command": 0, "have_remaining": 0, "remaining_count": [], "remaining_mult": 1, "remaining_length": 0}
        packet |= {"packet": bytearray(), "to_process": 0}
        if qos == 1:
            self._client._send_puback(int.from_bytes(head[at : at + 2]))
        if self._on_incoming is not None:
            self._on_incoming(head[2:at].decode(errors="replace"), None, False)

    def _skip(self) -> None:
        data = self._client._sock_recv(self._to_skip)
        if not data:
            raise ConnectionError("the other side closed it")
        self._to_skip -= len(data)

    def _writable(self) -> None:
        try:
            self._client.loop_write()
        except Exception as exc:
            self.abandon(_broken(exc))

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if properties is not None:
            self.connack = properties
        super()._on_connect(client, userdata, flags, reason_code, properties)
        if self._misc_task is None:  # not before: paho takes a broker that is slow to answer for one that has hung up
            self._misc_task = self._loop.create_task(self._misc_loop())

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if not self._connected.done():
            self.dropped = True
            self._connected.set_exception(aiomqtt.MqttError("the broker closed the connection"))
            self._connected.exception()  # nobody looks when the attempt has been cancelled
        if flags.is_disconnect_packet_from_server and reason_code.value >= 0x80:
            server = getattr(properties, "ServerReference", "")
            self._end(SessionLost(*reasons.words(reason_code.value), code=reason_code.value, server=server))
        elif reason_code.getName() == "Keep alive timeout":
            self._end(SessionLost("the broker does not answer any more", "the network between is broken or the broker hangs"))
        else:
            self._end(_broken(self.error_text))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        if self._disconnected.done():
            self._disconnected.exception()  # told through `ended`

    def _socket_failed(self, disconnected: asyncio.Future[None]) -> None:
        """Tell what aiomqtt's socket callbacks caught; they put it into `_disconnected` and nowhere else."""
        failure = disconnected.exception()
        if not self.ended.done():
            self.abandon(_broken(failure or ""))

    def _on_publish(self, client: paho.Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties) -> None:
        self._answered(mid, reason_code.value)

    def _on_subscribe(
        self, client: paho.Client, userdata: Any, mid: int, reason_codes: list[ReasonCode], properties: Properties | None = None
    ) -> None:
        self._answered(mid, [code.value for code in reason_codes])

    def _answered(self, mid: int, answer: Any) -> None:
        ack = self._acks.get(mid)
        if ack is not None and not ack.done():
            ack.set_result(answer)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        """Hand a message on at once: nothing waits in a queue that could overflow."""
        if self._on_incoming is None or self._abandoned:
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # no broker may let such a topic pass; nobody can have subscribed to it
        self._on_incoming(topic, bytes(message.payload), message.retain)
