"""What stands in `site.yaml` and `share.yaml`, as structs: one declaration gives check, defaults, JSON Schema and documentation.

Conventions the checker follows:

- A field's type is a scalar (str, int, float, bool, Literal, an Annotated with `msgspec.Meta`), a struct, `list[...]`,
  `dict[...]`, a union with None, or a type with a `parse` classmethod (see `quantity`).
- The docstring of a struct describes it, `Meta(description=…, examples=[…])` a field; both go into the schema.
- A struct may have `problems() -> Iterable[tuple[str, str]]`: pairs of a key and a sentence about what does not fit together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from gateway.config.host import check_host
from gateway.config.quantity import Duration, LongDuration, Rate, Size

__all__ = [
    "COOPERATIVE",
    "LIVE",
    "BrokerUrl",
    "Config",
    "Connection",
    "Contract",
    "Credentials",
    "Duration",
    "Keep",
    "Limits",
    "Link",
    "Machine",
    "MachineSpec",
    "Name",
    "PointSpec",
    "Rate",
    "SecretRef",
    "ShareFile",
    "ShareRule",
    "Site",
    "Size",
    "Temperature",
    "Uplink",
    "Vibration",
]

Name = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_.-]+$", min_length=1, max_length=64, description="letters, digits, '-', '_' and '.'"),
]


COOPERATIVE = "cooperative"
"""The recipient that `uplink:` stands for."""

SHORTEST_S = 0.01
"""Shortest time between two scans, windows or slopes."""

LIVE = "live"
"""No name for a recipient: `<site>:<gateway>:live` is the client id of the cooperative's live lane."""


class Spec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything that is written in YAML."""


class SecretRef(Spec, frozen=True, kw_only=True):
    """A reference to a secret: a systemd credential, else a file with mode 0600, else an environment variable of that name."""

    secret: Annotated[Name, Meta(description="name of the secret; the value never stands in a YAML file", examples=["mqtt"])]


def _too_often(every: Duration) -> Iterable[tuple[str, str]]:
    if every <= 0:
        yield "every", "must be longer than 0s"
    elif every < SHORTEST_S:
        yield "every", f"must be at least {Duration(SHORTEST_S).written}; what changes faster is no point but a waveform"


class Limits(Spec, frozen=True, kw_only=True):
    """Limits of a point; crossing one makes an Event that goes out at once."""

    low: float | None = None
    high: float | None = None
    hysteresis: Annotated[float, Meta(ge=0, description="how far the value must come back, in the unit of the point")] = 0.0

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.low is None and self.high is None:
            yield "", "limits need 'low' or 'high'"
        elif self.low is not None and self.high is not None and self.low >= self.high:
            yield "low", f"low ({self.low:g}) must be below high ({self.high:g})"


class PointSpec(Spec, frozen=True, kw_only=True):
    """What every point can have, whatever the driver; drivers derive theirs from it and add the address."""

    unit: Annotated[str, Meta(description="unit of measure of the scaled value", examples=["°C", "bar", "kWh"])] = ""
    scale: Annotated[float, Meta(description="value = raw * scale + offset")] = 1.0
    offset: float = 0.0
    states: Annotated[dict[int, str] | None, Meta(description="names of the raw values", examples=[{0: "off", 1: "run"}])] = None
    report: Annotated[
        Literal["change", "always"], Meta(description="report a value when it changed (see deadband), or at every scan")
    ] = "change"
    deadband: Annotated[
        float, Meta(ge=0, description="report when the value moved by more than this since it was last reported, in its unit")
    ] = 0.0
    heartbeat: Annotated[Duration, Meta(description="report at the latest after this time, also without a change")] = Duration(600)
    limits: Limits | None = None
    every: Annotated[Duration, Meta(description="time between two reads of this point; default: that of the machine")] | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.every is not None and self.every <= 0:
            yield "every", "must be longer than 0s"
        if self.scale == 0:
            yield "scale", "a scale of 0 makes every value equal to the offset; leave it out for 1"
        if self.states and (self.scale != 1 or self.offset != 0):
            yield "states", "a point with states has no scale or offset"


VibrationFeature = Literal["rms", "peak", "peak_to_peak", "crest", "kurtosis", "skewness", "velocity_rms"]


class Vibration(Spec, frozen=True, kw_only=True):
    """Windows of a waveform and the features taken from each; features are points named `vibration.<feature>`."""

    window: Annotated[Duration, Meta(description="length of a window")] = Duration(1)
    every: Annotated[Duration, Meta(description="time from the start of one window to the start of the next")] = Duration(10)
    features: Annotated[list[VibrationFeature], Meta(description="features to compute; empty: all")] = field(default_factory=list)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if not 0 < self.window <= 600:
            yield "window", "a window lasts more than 0s and at most 10min"
        yield from _too_often(self.every)


class Temperature(Spec, frozen=True, kw_only=True):
    """Slopes of temperature points; features are points named `<point>.slope` in K/min."""

    points: Annotated[list[Name], Meta(description="names of points; empty: all points whose unit is °C, K or °F")] = field(
        default_factory=list
    )
    window: Annotated[Duration, Meta(description="length of the sliding window the slope is taken over")] = Duration(600)
    every: Annotated[Duration, Meta(description="time between two slopes")] = Duration(60)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.window <= 0:
            yield "window", "must be longer than 0s"
        yield from _too_often(self.every)


class MachineSpec(Spec, frozen=True, kw_only=True):
    """What every machine can have, whatever the driver; the options of its driver may stand beside as keys or in the URL."""

    name: Annotated[Name, Meta(description="name of the machine", examples=["press-1"])]
    connect: Annotated[
        str,
        Meta(
            min_length=1,
            description="URL of the device, with options as parameters, or the name of a connection above",
            examples=["modbus-tcp://10.0.0.21:502?unit=1", "opc.tcp://10.0.0.30:4840", "bus-a"],
        ),
    ]
    every: Annotated[Duration, Meta(description="time between two scans")] = Duration(1)
    profile: Annotated[str, Meta(description="vendor/model in configs/profiles; points here add to it or override it")] | None = (
        None
    )
    points: Annotated[dict[Name, Any], Meta(description="name of the point: where it is and what it means")] = field(
        default_factory=dict
    )
    vibration: Vibration | None = None
    temperature: Temperature | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        yield from _too_often(self.every)


class Connection(Spec, frozen=True, kw_only=True):
    """A line that several machines share; the options of the driver's link may stand beside as keys or in the URL."""

    url: Annotated[str, Meta(min_length=1, examples=["modbus-rtu:///dev/rs485-a?baud=19200&parity=E"])]


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


class Site(Spec, frozen=True, kw_only=True):
    """`site.yaml`: one gateway, the machines it reads, and where released results go."""

    site: Annotated[
        Name, Meta(description="name of the member (the company), the same for all its gateways", examples=["muster-metallbau"])
    ]
    gateway: Annotated[Name, Meta(description="name of this gateway, another one for each", examples=["hall-1"])]
    connections: Annotated[dict[Name, Any], Meta(description="only where several machines share one line")] = field(
        default_factory=dict
    )
    machines: Annotated[list[Any], Meta(description="the machines this gateway reads")] = field(default_factory=list)
    uplink: Annotated[Uplink | None, Meta(description="the recipient 'cooperative'")] = None
    uplinks: Annotated[dict[Name, Uplink], Meta(description="further recipients by name")] = field(default_factory=dict)


class ShareRule(Spec, frozen=True, kw_only=True):
    """What one recipient may get; patterns use * and ?, and everything not named stays in the shop."""

    to: Annotated[Name, Meta(description="name of the recipient: 'cooperative' or a name under uplinks")]
    machines: Annotated[list[str], Meta(min_length=1, description="names or patterns", examples=[["press-*"]])]
    points: Annotated[list[str], Meta(min_length=1, description="names or patterns", examples=[["oil_temp", "vibration.*"]])]


class ShareFile(Spec, frozen=True, kw_only=True):
    """`share.yaml`: the member's own contract; only this leaves the shop."""

    shares: list[ShareRule] = field(default_factory=list)


# ── what remains after the check: nothing is optional, nothing is text any more ──


class Link(Struct, frozen=True):
    """One connection: which driver, where to, and the driver's options for it. Two machines with an equal Link share it.

    `address` is what stands between `scheme://` and `?` in the URL: `10.0.0.21:502`, `/dev/rs485-a`; `base` is the folder
    that relative paths in it start from.
    """

    scheme: str
    address: str
    options: Any
    base: str = ""

    @property
    def url(self) -> str:
        """The URL without options, for people; it holds no secret."""
        return f"{self.scheme}:{self.address}" if self.scheme == "replay" else f"{self.scheme}://{self.address}"


class Machine(Struct, frozen=True):
    """One machine, checked: equal Machines behave the same, so an unchanged one is not restarted."""

    name: str
    link: Link
    options: Any
    every_s: float
    points: dict[str, Any]
    vibration: Vibration | None = None
    temperature: Temperature | None = None


class Contract(Struct, frozen=True):
    """The rules of `share.yaml`; none at all is the default and releases nothing."""

    rules: tuple[ShareRule, ...] = ()


class Config(Struct, frozen=True):
    """A whole configuration, checked. `path` is the file it came from, `uplinks` holds `uplink` under the name `cooperative`."""

    site: str
    gateway: str
    path: str
    machines: dict[str, Machine]
    uplinks: dict[str, Uplink] = {}
    contract: Contract = Contract()
