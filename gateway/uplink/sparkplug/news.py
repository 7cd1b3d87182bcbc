"""What the live lane says about itself, beside what every uplink does: births, hosts, commands that are refused."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.clock import Clock
from gateway.log import get
from gateway.uplink.errors import UplinkError
from gateway.uplink.report import Report

from .node import Node, Outgoing


class News(Report):
    """Counts and remembers; every change is logged once, and nothing that a stranger sends makes it grow.

    Attributes:
        refused: commands that were refused, as nothing is written.
        historical: values that were sent flagged as historical.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        super().__init__(name, clock)
        self.refused = self.historical = 0
        self._live = get("uplink", uplink=name)
        self._deaf: tuple[str, ...] = ()
        self._storming = self._unkept = False

    def connected(self, broker: str, protocol: str, warnings: tuple[str, ...]) -> None:
        """Note a new connection; what MQTT 3.1.1 cannot acknowledge makes no difference at QoS 0."""
        super().connected(broker, protocol, ())

    def unheard(self, refusals: Sequence[UplinkError]) -> None:
        """Note which subscriptions the broker refused: commands and hosts that are not heard."""
        self._deaf = tuple(str(refusal) for refusal in refusals)
        for refusal in refusals:
            self._tell("uplink_refused", f"subscribe {refusal.code}", refusal, broker=self._broker)

    def sent(self, message: Outgoing) -> None:
        """Count a message that was handed over."""
        self.count(message.count, len(message.payload))
        self.historical += message.count if message.historical else 0
        if message.kind == "NBIRTH":
            self.accepted()
            self._live.info("sparkplug_born", broker=self._broker)

    def asked(self, storm: int) -> None:
        """Note a request for births, and whether those are too many."""
        if storm and not self._storming:
            self._live.warning("rebirth_storm", count=storm, hint=_STORM)
        self._storming = bool(storm)

    def refuse(self, topic: str) -> None:
        """Count a command that is not served; the first one is logged."""
        self.refused += 1
        if self.refused == 1:
            self._live.warning("command_refused", topic=topic[:200], hint="this gateway reads machines and writes to none")

    def host(self, name: str, *, online: bool) -> None:
        """Note that the primary host came or went."""
        self._live.info("host_online" if online else "host_offline", host=name, broker=self._broker)

    def not_kept(self, error: OSError) -> None:
        """Note that something could not be kept over a restart; told once."""
        if not self._unkept:
            self._live.error("state_failed", reason=error.strerror or str(error))
        self._unkept = True

    def warnings(self, node: Node, now_s: float) -> list[str]:
        """Return what a person should know, a sentence each."""
        storm = node.rebirths.storm(now_s)
        self._storming &= bool(storm)
        return [
            *self.status()["warnings"],
            *self._deaf,
            *([f"hosts asked {storm} times within an hour for births; {_STORM}"] if storm else []),
            *(f"the birth of {name} is larger than the broker takes; share fewer of its points" for name in sorted(node.too_large)),
        ]


_STORM = "see that no two gateways have one name, and that the link loses nothing"
