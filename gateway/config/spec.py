"""What stands in `site.yaml` and `share.yaml`, as structs: one declaration gives check, defaults, JSON Schema and documentation.

Conventions the checker follows:

- A field's type is a scalar (str, int, float, bool, Literal, an Annotated with `msgspec.Meta`), a struct, `list[...]`,
  `dict[...]`, a union with None, or a type with a `parse` classmethod (see `quantity`).
- The docstring of a struct describes it, `Meta(description=…, examples=[…])` a field; both go into the schema.
- A struct may have `problems() -> Iterable[tuple[str, str]]`: pairs of a key and a sentence about what does not fit together.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from gateway.config.alarm import Alarm
from gateway.config.base import Name, SecretRef, Spec
from gateway.config.bearing import Bearing
from gateway.config.broker import BrokerUrl
from gateway.config.host import LoopbackAddress
from gateway.config.kpi import Kpis
from gateway.config.learning import Baseline, Trend
from gateway.config.often import too_often
from gateway.config.quantity import Duration, Rate, Resolution, Size
from gateway.config.running import Running
from gateway.config.temperature import Temperature
from gateway.config.uplink import Credentials, Keep, Tls, Uplink
from gateway.config.vibration import Vibration, VibrationFeature
from gateway.config.zones import Boundaries

__all__ = [
    "COOPERATIVE",
    "LIVE",
    "Alarm",
    "Baseline",
    "Boundaries",
    "BrokerUrl",
    "Config",
    "Connection",
    "Contract",
    "Credentials",
    "Duration",
    "Keep",
    "Kpis",
    "Limits",
    "Link",
    "Machine",
    "MachineSpec",
    "Name",
    "PointSpec",
    "Rate",
    "Resolution",
    "Running",
    "SecretRef",
    "ShareFile",
    "ShareRule",
    "Site",
    "Size",
    "Spec",
    "Temperature",
    "Tls",
    "Trend",
    "Uplink",
    "Vibration",
    "VibrationFeature",
]

COOPERATIVE = "cooperative"
"""The recipient that `uplink:` stands for."""

LIVE = "live"
"""No name for a recipient: `<site>:<gateway>:live` is the client id of the cooperative's live lane."""


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
    resolution: (
        Annotated[
            Resolution,
            Meta(
                description="how far a value that is sent may be off: of itself (0.5%), or a number in its unit; saves bytes on "
                "the way, the history here stays exact; default: exact"
            ),
        ]
        | None
    ) = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.every is not None and self.every <= 0:
            yield "every", "must be longer than 0s"
        if self.scale == 0:
            yield "scale", "a scale of 0 makes every value equal to the offset; leave it out for 1"
        if self.states and (self.scale != 1 or self.offset != 0):
            yield "states", "a point with states has no scale or offset"
        if self.states and self.resolution:
            yield "resolution", "a point with states is sent by name, which has no resolution"


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
    state: Running | None = None
    alarms: Annotated[
        dict[Name, Alarm],
        Meta(
            description="name of a point or feature: which values are not right",
            examples=[{"oil_temp": {"warning": 70, "alarm": 80, "hysteresis": 2, "delay": "10s", "latch": True}}],
        ),
    ] = field(default_factory=dict)
    baseline: Baseline | None = None
    trend: Trend | None = None
    kpis: Kpis | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        yield from too_often(self.every)


class Connection(Spec, frozen=True, kw_only=True):
    """A line that several machines share; the options of the driver's link may stand beside as keys or in the URL."""

    url: Annotated[str, Meta(min_length=1, examples=["modbus-rtu:///dev/rs485-a?baud=19200&parity=E"])]


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
    metrics: Annotated[LoopbackAddress, Meta(description="where a collector on this computer reads OpenMetrics")] | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        live = {name: spec for name, spec in self.uplinks.items() if spec.sparkplug is not None}
        if self.uplink is not None and self.uplink.sparkplug is not None:
            live[COOPERATIVE] = self.uplink
        if live and self.site == "STATE":
            yield "site", "cannot be STATE with 'sparkplug', which announces hosts under that name; take another one"
        boards = [spec for spec in [self.uplink, *self.uplinks.values()] if spec is not None and spec.plain is not None]
        for mine, theirs in combinations(boards, 2):
            if mine.plain and theirs.plain and mine.plain.topic == theirs.plain.topic and {*mine.broker} & {*theirs.broker}:
                yield (
                    "uplinks",
                    f"have two with 'plain' and the topic '{mine.plain.topic}' at one broker; give each a topic of its own",
                )
        for one, other in combinations(sorted(live), 2):
            if same := {(url.host, url.port) for url in live[one].broker} & {(url.host, url.port) for url in live[other].broker}:
                where = ", ".join(f"{host}:{port}" for host, port in sorted(same))
                yield "uplinks", f"make '{one}' and '{other}' one Sparkplug node twice at {where}; leave it out of one of them"


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
    """One machine, checked: equal Machines behave the same, so an unchanged one is not restarted.

    `waves` are the names of its waveforms, the points of its Blocks, where it has any.
    """

    name: str
    link: Link
    options: Any
    every_s: float
    points: dict[str, Any]
    vibration: Vibration | None = None
    temperature: Temperature | None = None
    state: Running | None = None
    alarms: dict[str, Alarm] = {}
    by_baseline: frozenset[str] = frozenset()
    waves: tuple[str, ...] = ("vibration",)
    baseline: Baseline | None = None
    trend: Trend | None = None
    kpis: Kpis | None = None
    zones: Boundaries | None = None
    bearings: dict[str, Bearing] = {}


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
    metrics: LoopbackAddress | None = None
