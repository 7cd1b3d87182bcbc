"""The way to a broker, made in the order it is needed: TCP, through a proxy, TLS, WebSocket. All of it blocks; for a thread."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from collections.abc import Iterable

from gateway.config.broker import BrokerUrl
from gateway.uplink.errors import SessionLost
from gateway.uplink.proxy import Proxy, pass_through
from gateway.uplink.websocket import WebSocket, shake_hands

SocketOption = tuple[int, int, int]

Stream = socket.socket | WebSocket
"""What MQTT is spoken over; a TLS socket is one of the first."""


def open_stream(
    url: BrokerUrl,
    *,
    context: ssl.SSLContext | None,
    proxy: Proxy | None = None,
    timeout_s: float,
    options: Iterable[SocketOption] = (),
) -> Stream:
    """Connect to a broker; on any failure nothing stays open.

    Args:
        url: the broker.
        context: for a broker with TLS.
        proxy: on the way, None for none.
        timeout_s: for everything together, but for the lookup of a name.
        options: level, name and value of socket options.

    Raises:
        SessionLost: it did not work, in words.
        ssl.SSLError: the handshake failed; `tls.describe` has the words.
        OSError: the broker could not be reached; `in_words` has the words.
    """
    deadline = time.monotonic() + timeout_s
    sock = _connect(url, proxy, timeout_s)
    try:
        for option in options:
            sock.setsockopt(*option)
        if proxy is not None:
            _limit(sock, deadline)
            pass_through(sock, proxy, url.host, url.port)
        if context is not None:
            _limit(sock, deadline)
            sock = context.wrap_socket(sock, server_hostname=url.host, do_handshake_on_connect=False)
            sock.do_handshake()
        if not url.websocket:
            return sock
        _limit(sock, deadline)
        return shake_hands(sock, url)
    except BaseException:
        sock.close()
        raise


def _connect(url: BrokerUrl, proxy: Proxy | None, timeout_s: float) -> socket.socket:
    if proxy is None:
        return socket.create_connection((url.host, url.port), timeout_s)
    try:
        return socket.create_connection((proxy.url.host, proxy.url.port), timeout_s)
    except OSError as exc:
        raise in_words(exc, proxy.url.host, proxy.url.port, timeout_s, "proxy") from None


def _limit(sock: socket.socket, deadline: float) -> None:
    sock.settimeout(max(0.01, deadline - time.monotonic()))


def in_words(error: OSError, host: str, port: int, timeout_s: float, key: str = "broker") -> SessionLost:
    """Say in words why a computer could not be reached; `key` is where its name stands in the configuration."""
    where = f"{host}:{port}" if key == "broker" else f"the proxy at {host}:{port}"
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return SessionLost(f"no name server answers for '{host}'", "check the network and its DNS server")
        return SessionLost(f"the host '{host}' is not known", f"check its name in '{key}' and the DNS server of this network")
    if isinstance(error, ConnectionRefusedError):
        return SessionLost(f"nobody listens at {where}", f"check the port and that the {key} runs")
    if isinstance(error, TimeoutError):
        return SessionLost(f"no answer from {where} within {timeout_s:g} s", "check the address, and that no firewall is between")
    if isinstance(error, ConnectionError):
        return SessionLost(f"{where} hung up", f"check that it is a {key}")
    hint = "check the network" if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH} else ""
    return SessionLost(f"cannot reach {where}: {(error.strerror or str(error)).lower()}", hint)
