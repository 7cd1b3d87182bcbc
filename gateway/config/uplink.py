"""What stands below `uplink:` and `uplinks:`: a broker, who we are there, and what is kept while it is away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta, field

from gateway.config.base import Name, SecretRef, Spec
from gateway.config.host import check_host
from gateway.config.quantity import Duration, LongDuration, Size


class BrokerUrl(str):
    """`mqtt://host[:1883]` or `mqtts://host[:8883]`; never with a password in it."""

    __slots__ = ()

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.startswith("mqtts://")

    @property
    def host(self) -> str:
        """Host name or address, without the brackets of IPv6."""
        rest = self.split("://", 1)[1].rstrip("/")
        if rest.startswith("["):
            return rest[1 : rest.index("]")]
        return rest.rsplit(":", 1)[0] if ":" in rest else rest

    @property
    def port(self) -> int:
        """TCP port."""
        rest = self.split("://", 1)[1].rstrip("/").rsplit("]", 1)[-1]
        return int(rest.rsplit(":", 1)[1]) if ":" in rest else (8883 if self.tls else 1883)

    @classmethod
    def parse(cls, value: object) -> BrokerUrl:
        """Read a broker URL.

        Raises:
            ValueError: it is none, or it carries user or password.
        """
        if not isinstance(value, str) or "://" not in value:
            raise ValueError(f"'{value}' is not a broker URL; write 'mqtts://host' or 'mqtt://host:1883'")
        scheme, rest = value.split("://", 1)
        if scheme not in {"mqtt", "mqtts"}:
            guess = {"mqtt+tls": "mqtts", "ssl": "mqtts", "tls": "mqtts", "tcp": "mqtt"}.get(scheme, "mqtts")
            raise ValueError(f"unknown scheme '{scheme}' in a broker URL; did you mean '{guess}://{rest.rsplit('@', 1)[-1]}'?")
        if "@" in rest:
            raise ValueError("user and password do not stand in the URL; write credentials: {user: …, secret: NAME}")
        url = cls(value)
        try:
            good = bool(url.host) and 0 < url.port < 65536 and not set("/?#") & set(rest.rstrip("/"))
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"'{value}' is not a broker URL; write 'mqtts://host' or 'mqtt://host:1883'")
        check_host(url.host)
        return url

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {"type": "string", "pattern": "^mqtts?://[^@/?#]+/?$", "examples": ["mqtts://hub.coop.example"]}


class Credentials(Spec, frozen=True, kw_only=True):
    """Who the gateway is at the broker: user and password, where the password is a secret."""

    secret: Annotated[Name, Meta(description="name of the secret that holds the password", examples=["mqtt"])]
    user: Annotated[str, Meta(description="user name; default: the name of the site")] = ""


class Tls(Spec, frozen=True, kw_only=True):
    """Certificates for an encrypted connection; paths are relative to the file."""

    ca: Annotated[str, Meta(description="file with the certificate authority; default: the system's")] = ""
    certificate: Annotated[str, Meta(description="file with the client certificate")] = ""
    key: Annotated[SecretRef | None, Meta(description="secret that holds the private key of the client certificate (PEM)")] = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if bool(self.certificate) != (self.key is not None):
            yield "", "a client certificate needs both 'certificate' and 'key'"


class Keep(Spec, frozen=True, kw_only=True):
    """How much is kept while the recipient is away."""

    max: Annotated[Size, Meta(description="bytes on disk")] = Size(512e6)
    at_most: Annotated[LongDuration, Meta(description="older records are dropped, counted and told")] = LongDuration(30 * 86400)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.max < 1e6:
            yield "max", "must be at least 1MB"
        if self.at_most <= 0:
            yield "at_most", "must be longer than 0s"


class Uplink(Spec, frozen=True, kw_only=True):
    """A broker and how records go there."""

    broker: Annotated[list[BrokerUrl], Meta(min_length=1, description="brokers, tried in this order")]
    credentials: Credentials | None = None
    tls: Tls = field(default_factory=Tls)
    batch: Annotated[Duration, Meta(description="time between two messages; urgent records do not wait")] = Duration(300)
    keep: Keep = field(default_factory=Keep)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.batch <= 0:
            yield "batch", "must be longer than 0s"
        if self.tls != Tls() and not any(url.tls for url in self.broker):
            yield "tls", "certificates are given but no broker uses mqtts://"
