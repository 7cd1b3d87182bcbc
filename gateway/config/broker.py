"""Where a broker is and how it is reached: its URL, that of a proxy on the way, and the fingerprint of its key; a leaf."""

from __future__ import annotations

import base64
import re
from typing import Any, ClassVar, Self

from gateway.config.host import check_host


class _Url(str):
    """`scheme://host[:port]` and nothing that belongs into a secret."""

    __slots__ = ()

    ports: ClassVar[dict[str, int]]
    """Scheme: the port it has when none is written."""
    meant: ClassVar[dict[str, str]]
    """What people write for a scheme."""
    what: ClassVar[str]
    how: ClassVar[str]
    login: ClassVar[str]

    @property
    def scheme(self) -> str:
        """What stands before `://`."""
        return self.split("://", 1)[0]

    @property
    def _address(self) -> str:
        return self.split("://", 1)[1].split("/", 1)[0]

    @property
    def host(self) -> str:
        """Host name or address, without the brackets of IPv6."""
        rest = self._address
        if rest.startswith("["):
            return rest[1 : rest.index("]")]
        return rest.rsplit(":", 1)[0] if ":" in rest else rest

    @property
    def port(self) -> int:
        """TCP port."""
        rest = self._address.rsplit("]", 1)[-1]
        return int(rest.rsplit(":", 1)[1]) if ":" in rest else self.ports[self.scheme]

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read such a URL.

        Raises:
            ValueError: it is none, or it carries user or password.
        """
        if not isinstance(value, str) or "://" not in value:
            raise ValueError(f"'{value}' is not {cls.what}; write {cls.how}")
        scheme, rest = value.split("://", 1)
        if scheme not in cls.ports:
            guess = cls.meant.get(scheme, cls.meant[""])
            raise ValueError(f"unknown scheme '{scheme}' in {cls.what}; did you mean '{guess}://{rest.rsplit('@', 1)[-1]}'?")
        if "@" in rest:
            raise ValueError(f"user and password do not stand in the URL; write {cls.login}: {{user: …, secret: NAME}}")
        url = cls(value)
        try:
            good = bool(url.host) and 0 < url.port < 65536 and url._good_path()
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"'{value}' is not {cls.what}; write {cls.how}")
        check_host(url.host)
        return url

    def _good_path(self) -> bool:
        return not set("/?#") & set(self.split("://", 1)[1].rstrip("/"))


class BrokerUrl(_Url):
    """`mqtt://host`, `mqtts://host` (TLS), `ws://host/path`, `wss://host/path` (WebSocket); never with a password in it."""

    __slots__ = ()

    ports: ClassVar[dict[str, int]] = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
    meant: ClassVar[dict[str, str]] = {
        "": "mqtts",
        "tcp": "mqtt",
        **dict.fromkeys(("mqtt+tls", "ssl", "tls"), "mqtts"),
        **dict.fromkeys(("http", "mqtt+ws"), "ws"),
        **dict.fromkeys(("https", "mqtts+ws", "mqtt+wss"), "wss"),
    }
    what: ClassVar[str] = "a broker URL"
    how: ClassVar[str] = "'mqtts://host', 'mqtt://host:1883' or 'wss://host/mqtt'"
    login: ClassVar[str] = "credentials"

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in {"mqtts", "wss"}

    @property
    def websocket(self) -> bool:
        """Whether MQTT runs inside a WebSocket."""
        return self.scheme in {"ws", "wss"}

    @property
    def path(self) -> str:
        """Path of the WebSocket; `/mqtt` where none is written, as brokers have it."""
        path = self.split("://", 1)[1].partition("/")[2]
        return f"/{path}" if path else "/mqtt"

    @property
    def encrypted(self) -> str:
        """This URL as it would be with TLS."""
        return self if self.tls else f"{self.scheme}s://{self.split('://', 1)[1]}"

    def _good_path(self) -> bool:
        if not self.websocket:
            return super()._good_path()
        return re.fullmatch(r"/[A-Za-z0-9._~!$&'()*+,;=:/%-]*", self.path) is not None

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {
            "type": "string",
            "pattern": "^(mqtts?://[^@/?#]+/?|wss?://[^@/?#]+(/[^@?#]*)?)$",
            "examples": ["mqtts://hub.coop.example", "wss://hub.coop.example/mqtt"],
        }


class ProxyUrl(_Url):
    """`http://host:port` (CONNECT) or `socks5://host[:1080]`; the proxy looks the broker's name up."""

    __slots__ = ()

    ports: ClassVar[dict[str, int]] = {"http": 0, "socks5": 1080}
    meant: ClassVar[dict[str, str]] = {"": "http", "https": "http", **dict.fromkeys(("socks", "socks5h", "socks4"), "socks5")}
    what: ClassVar[str] = "the URL of a proxy"
    how: ClassVar[str] = "'http://host:3128' or 'socks5://host:1080'"
    login: ClassVar[str] = "proxy_credentials"

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {
            "type": "string",
            "pattern": "^(http://[^@/?#]+:[0-9]+|socks5://[^@/?#]+)/?$",
            "examples": ["http://proxy.shop.example:3128", "socks5://10.0.0.1:1080"],
        }


class Pin(str):
    """`sha256/` and the SHA-256 of a public key in base64, as browsers and `curl --pinnedpubkey` write it."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Pin:
        """Read a pin.

        Raises:
            ValueError: it is none.
        """
        how = "write 'sha256/' and 44 characters of base64; gateway doctor shows the one the broker has"
        if not isinstance(value, str):
            raise ValueError(f"'{value}' is not a pin; {how}")
        kind, _, digest = value.partition("/")
        if len(digest) == 45:  # curl writes two slashes; a digest of 44 may begin with one of its own
            digest = digest.removeprefix("/")
        try:
            length = len(base64.b64decode(digest, validate=True))
        except ValueError:
            length = 0
        if kind != "sha256" or length != 32:
            raise ValueError(f"'{value}' is not a pin; {how}")
        return cls(f"sha256/{digest}")

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {"type": "string", "pattern": "^sha256//?[A-Za-z0-9+/]{43}=$"}
