"""The way through a proxy: HTTP CONNECT (RFC 9110, 9.3.6) and SOCKS 5 (RFC 1928, 1929). The proxy looks names up."""

from __future__ import annotations

import base64
import ipaddress
import socket

from msgspec import Struct

from gateway.config.broker import ProxyUrl
from gateway.uplink.errors import SessionLost
from gateway.uplink.head import read_head

_CREDENTIALS = "give them with proxy_credentials: {user: …, secret: NAME}"
_WRONG = "check proxy_credentials, and the secret they name"
_ASK = "ask who runs the proxy to allow this broker and its port"

_SOCKS = {
    1: ("fails", "ask who runs the proxy"),
    2: ("does not allow a connection to {where}", _ASK),
    3: ("has no way to the network of {where}", "check the name of the broker and the proxy's network"),
    4: ("cannot reach {where}", "check the name of the broker; the proxy looks it up"),
    5: ("says that nobody listens at {where}", "check the port and that the broker runs"),
    6: ("gave up on {where}", "check the address of the broker"),
    7: ("does not make connections for others", _ASK),
    8: ("does not take this kind of address", "write the name of the broker instead of its address"),
}

_HTTP = {
    400: ("does not understand the request", "check that this is an HTTP proxy"),
    403: ("does not allow a connection to {where}", _ASK),
    404: ("cannot find {where}", "check the name of the broker; the proxy looks it up"),
    405: ("does not make connections for others", _ASK),
    500: ("cannot reach {where}", "check name and port of the broker; the proxy looks it up"),
    502: ("cannot reach {where}", "check name and port of the broker; the proxy looks it up"),
    503: ("cannot reach {where}", "check name and port of the broker; the proxy looks it up"),
    504: ("gave up on {where}", "check the address of the broker"),
}


class Proxy(Struct, frozen=True):
    """A proxy and who we are there."""

    url: ProxyUrl
    user: str | None = None
    password: str | None = None

    @property
    def where(self) -> str:
        """Host and port."""
        return f"{self.url.host}:{self.url.port}"


def pass_through(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Ask the proxy at the other end of `sock` for a connection to host and port; afterwards the socket is that connection.

    Blocks, as long as the socket's timeout lets it.

    Raises:
        SessionLost: it refuses, in words.
        OSError: the connection to it broke, or the time is up.
    """
    try:
        _socks(sock, proxy, host, port) if proxy.url.scheme == "socks5" else _connect(sock, proxy, host, port)
    except TimeoutError:
        raise SessionLost(
            f"the proxy at {proxy.where} does not answer",
            f"check that it speaks {proxy.url.scheme.upper()}, and the broker's address",
        ) from None
    except ConnectionError:
        raise SessionLost(f"the proxy at {proxy.where} hung up", f"check that it speaks {proxy.url.scheme.upper()}") from None
    except ValueError as exc:
        raise SessionLost(f"what answers at {proxy.where} is no such proxy: {exc}", "check scheme and port of 'proxy'") from None


def _refused(proxy: Proxy) -> SessionLost:
    if proxy.user is None:
        return SessionLost(f"the proxy at {proxy.where} admits nobody without user and password", _CREDENTIALS)
    return SessionLost(f"the proxy at {proxy.where} refuses user '{proxy.user}'", _WRONG)


def _connect(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if proxy.user is not None:
        token = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {token}")
    sock.sendall("\r\n".join([*lines, "", ""]).encode("idna" if not where.isascii() else "ascii"))
    head = read_head(sock)
    if 200 <= head.status < 300:
        return
    if head.status in {401, 407}:  # the first is wrong here, but said
        raise _refused(proxy)
    words, hint = _HTTP.get(head.status, (f"answers {head.status} {head.reason}", _ASK))
    raise SessionLost(f"the proxy at {proxy.where} {words.format(where=where)}", hint)


def _socks(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    methods = b"\x00\x02" if proxy.user is not None else b"\x00"
    sock.sendall(bytes([5, len(methods)]) + methods)
    version, method = _exactly(sock, 2)
    if version != 5:
        raise ValueError("it does not speak SOCKS 5")
    if method == 2 and proxy.user is not None:
        user, password = proxy.user.encode(), (proxy.password or "").encode()
        if not 0 < len(user) < 256 or not 0 < len(password) < 256:
            raise SessionLost("user and password of a SOCKS proxy have 1 to 255 bytes each", _WRONG)
        sock.sendall(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        if _exactly(sock, 2)[1] != 0:
            raise _refused(proxy)
    elif method != 0:
        raise _refused(proxy)
    sock.sendall(b"\x05\x01\x00" + _address(host) + port.to_bytes(2))
    version, reply, _, kind = _exactly(sock, 4)
    if version != 5:
        raise ValueError("it does not speak SOCKS 5")
    if reply != 0:
        words, hint = _SOCKS.get(reply, (f"answers {reply}", _ASK))
        raise SessionLost(f"the proxy at {proxy.where} {words.format(where=f'{host}:{port}')}", hint)
    length = {1: 4, 4: 16}.get(kind)
    _exactly(sock, (_exactly(sock, 1)[0] if length is None else length) + 2)  # the address it uses; nobody needs it


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        return bytes([3, len(name)]) + name
    return bytes([1 if address.version == 4 else 4]) + address.packed


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise ConnectionError("it hung up")
        data += part
    return data
