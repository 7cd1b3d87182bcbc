"""What stands below `uplink:` and `uplinks:`: a broker, who we are there, and what is kept while it is away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, field

from gateway.config.base import Name, SecretRef, Spec
from gateway.config.broker import BrokerUrl, Pin, ProxyUrl
from gateway.config.host import is_loopback
from gateway.config.quantity import Duration, LongDuration, Size


class Credentials(Spec, frozen=True, kw_only=True):
    """Who the gateway is at the broker: user and password, where the password is a secret."""

    secret: Annotated[Name, Meta(description="name of the secret that holds the password", examples=["mqtt"])]
    user: Annotated[str, Meta(description="user name; default: the name of the site")] = ""


class ProxyCredentials(Spec, frozen=True, kw_only=True):
    """Who the gateway is at a proxy."""

    user: Annotated[str, Meta(min_length=1, max_length=255, description="user name")]
    secret: Annotated[Name, Meta(description="name of the secret that holds the password", examples=["proxy"])]


class Tls(Spec, frozen=True, kw_only=True):
    """Certificates for an encrypted connection; paths are relative to the file."""

    ca: Annotated[str, Meta(description="file with the certificate authority; default: the system's")] = ""
    certificate: Annotated[str, Meta(description="file with the client certificate")] = ""
    key: Annotated[SecretRef | None, Meta(description="secret that holds the private key of the client certificate (PEM)")] = None
    pin: Annotated[
        list[Pin],
        Meta(
            description="public keys the broker may have, besides a certificate that holds; name the next one before it is changed",
            examples=[["sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]],
        ),
    ] = field(default_factory=list)

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


class Sparkplug(Spec, frozen=True, kw_only=True):
    """The live lane: Sparkplug B 3.0 over a connection of its own, the gateway as an edge node, its machines as the devices."""

    primary_host: (
        Annotated[
            str,
            Meta(
                pattern="^[^+/#]+$",
                min_length=1,
                max_length=200,
                description="host id of the primary host: the lane waits until it is online; default: no host is waited for",
                examples=["scada"],
            ),
        ]
        | None
    ) = None
    history: Annotated[
        bool,
        Meta(
            description="after the lane was away, also send what was measured meanwhile, flagged as historical; for hosts that "
            "take nothing but Sparkplug. No acknowledgement proves that it arrived: the batches are what is promised"
        ),
    ] = False
    datatype_in_data: Annotated[
        Literal["always", "never"],
        Meta(description="whether data messages repeat the datatype; the standard would rather not, common decoders fail without"),
    ] = "always"


class Plain(Spec, frozen=True, kw_only=True):
    """Plain messages for a broker in the shop: the latest value of each point as retained JSON, for Home Assistant or Node-RED."""

    topic: Annotated[
        str,
        Meta(
            pattern=r"^[^+#$/\s]([^+#\s]*[^+#/\s])?$",
            max_length=200,
            description="what the topics begin with; values stand at TOPIC/MACHINE/POINT",
            examples=["shop"],
        ),
    ] = "retrofit"
    every: Annotated[Duration, Meta(description="shortest time between two messages of a point")] = Duration(1)
    discovery: Annotated[
        str | None,
        Meta(
            pattern=r"^[^+#$/\s]([^+#\s]*[^+#/\s])?$",
            description="announce the points to Home Assistant under its prefix: 'homeassistant', unless it was changed there",
            examples=["homeassistant"],
        ),
    ] = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.every > 3600:
            yield "every", "must be at most 1h"


class Uplink(Spec, frozen=True, kw_only=True):
    """A broker and how records go there."""

    broker: Annotated[list[BrokerUrl], Meta(min_length=1, description="brokers, tried in this order")]
    credentials: Credentials | None = None
    tls: Tls = field(default_factory=Tls)
    batch: Annotated[Duration, Meta(description="time between two messages; urgent records do not wait")] = Duration(300)
    format: Annotated[
        Literal["json", "cbor"], Meta(description="how messages are written: json for everybody, cbor for few bytes")
    ] = "json"
    compress: Annotated[
        Literal["zstd", "zstd-dictionary"] | None,
        Meta(description="zstd: any zstd reads it; zstd-dictionary: smaller, the receiver needs the published dictionary"),
    ] = None
    keep: Keep = field(default_factory=Keep)
    drain: Annotated[
        Size, Meta(description="bytes per second at which a backlog is sent, beside fresh data", examples=["50kB"])
    ] = Size(1e6)
    budget: (
        Annotated[
            Size,
            Meta(
                description="bytes a day on the wire; when they run short, bulk waits first, then live data and readings, then "
                "features; alarms never",
                examples=["10MB"],
            ),
        ]
        | None
    ) = None
    sparkplug: Annotated[Sparkplug | None, Meta(description="send live values as Sparkplug too; {} for the defaults")] = None
    plain: Annotated[
        Plain | None,
        Meta(description="instead of batches: plain messages for a broker in the shop, live only; {} for the defaults"),
    ] = None
    keepalive: Annotated[
        Duration,
        Meta(description="silence after which the broker is asked for a sign of life; a dead line is known after twice that"),
    ] = Duration(60)
    first_within: (
        Annotated[
            Duration,
            Meta(
                description="after a start or a loss the broker is called at a random moment within this time, so that "
                "gateways do not all come back at once; default: 30s, and 0s for a broker on this computer"
            ),
        ]
        | None
    ) = None
    proxy: Annotated[ProxyUrl | None, Meta(description="proxy on the way to the broker")] = None
    proxy_credentials: ProxyCredentials | None = None

    @property
    def local(self) -> bool:
        """Whether all brokers run on this computer; nobody else storms them."""
        return all(is_loopback(url.host) for url in self.broker)

    @property
    def spread_s(self) -> float:
        """Within how many seconds the first try to connect is made."""
        if self.first_within is not None:
            return float(self.first_within)
        return 0.0 if self.local else 30.0

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.batch <= 0:
            yield "batch", "must be longer than 0s"
        if not 1 <= self.keepalive <= 65535:
            yield "keepalive", "must be from 1s to 18h"
        if self.first_within is not None and self.first_within > 3600:
            yield "first_within", "must be at most 1h"
        if self.drain < 1000:
            yield "drain", "must be at least 1kB: slower than that a backlog grows older than it is worth"
        if self.budget is not None and self.budget < 10_000:
            yield "budget", "must be at least 10kB: the connection alone takes as much"
        if self.tls != Tls() and not any(url.tls for url in self.broker):
            yield "tls", "certificates are given but no broker uses mqtts:// or wss://"
        if self.plain is not None and self.sparkplug is not None:
            yield "plain", "stands beside 'sparkplug'; they are two recipients, so give each a name of its own under 'uplinks'"
        if self.proxy_credentials is not None and self.proxy is None:
            yield "proxy_credentials", "are given but there is no 'proxy'"
