"""A host that believes nothing: it takes the messages of a node and fails on the first one that is not valid Sparkplug."""

from __future__ import annotations

from typing import Any

from gateway.model import Stamp, TimeQuality
from gateway.uplink.sparkplug.datatype import DataType
from gateway.uplink.sparkplug.decode import decode
from gateway.uplink.sparkplug.node import Node, Outgoing
from gateway.uplink.sparkplug.payload import Metric, Payload

START_NS = 1_700_000_000_000_000_000


def stamp(seconds: float, wall_step_s: float = 0.0, quality: TimeQuality = TimeQuality.SYNCED) -> Stamp:
    """Return a moment so many seconds after the beginning, by a wall clock that is off by `wall_step_s`."""
    return Stamp(START_NS + round((seconds + wall_step_s) * 1e9), round(seconds * 1e9), "0" * 32, quality)


class Host:
    """What a host makes of the messages.

    Attributes:
        bdseq: bdSeq of the will of the connection, set by the test at every connection.
        alive: name, datatype and unit by alias, for the node (`""`) and every device whose birth was the last of its life.
        values: value and quality by device and metric, as the host shows them.
        kinds: the messages so far.
        past: historical values, in the order of arrival.
        dying: devices that are lost, and of whose death was not heard yet.
    """

    def __init__(self, group: str = "muster", node: str = "hall-1") -> None:
        self.bdseq = 0
        self.alive: dict[str, dict[int, tuple[str, DataType, str]]] = {}
        self.values: dict[tuple[str, str], tuple[Any, int]] = {}
        self.kinds: list[str] = []
        self.dying: set[str] = set()
        self.past: list[tuple[str, str, Any, int]] = []
        self._head = f"spBv1.0/{group}", node
        self._seq: int | None = None
        self._aliases: dict[int, tuple[str, str]] = {}

    def disconnected(self) -> None:
        """Take note that the will has been published."""
        self.alive.clear()
        self.dying.clear()
        self._seq = None

    def lost(self, device: str) -> None:
        """Take note that the machine fell silent: its death must be heard before its next birth."""
        if device in self.alive:
            self.dying.add(device)

    def take(self, message: Outgoing) -> None:
        """Take the next message; AssertionError: it must not be."""
        kind, device = message.kind, message.device
        assert message.topic == "/".join(filter(None, [self._head[0], kind, self._head[1], device]))
        payload = decode(message.payload)
        assert payload.timestamp is not None
        assert payload.seq == (0 if kind == "NBIRTH" else self._following()), (kind, payload.seq, self._seq)
        self._seq = payload.seq
        assert bool(device) == kind.startswith("D")
        self.kinds.append(kind)
        if kind == "NBIRTH":
            self._node_birth(payload)
        elif kind == "DBIRTH":
            assert "" in self.alive, "a device before its node"
            self._birth(device, payload.metrics)
        elif kind == "DDEATH":
            assert not payload.metrics
            del self.alive[device]
            self.dying.discard(device)
        else:
            self._data(device, payload.metrics)

    def _following(self) -> int:
        assert self._seq is not None, "no NBIRTH first"
        return (self._seq + 1) % 256

    def _node_birth(self, payload: Payload) -> None:
        assert not self.dying
        self.alive.clear()
        named = {metric.name: metric for metric in payload.metrics}
        bdseq, rebirth = named.pop("bdSeq"), named.pop("Node Control/Rebirth")
        assert (bdseq.datatype, bdseq.value) == (DataType.INT64, self.bdseq)
        assert (rebirth.datatype, rebirth.value, rebirth.alias) == (DataType.BOOLEAN, False, None)
        assert None not in (bdseq.timestamp, rebirth.timestamp)
        self._birth("", tuple(metric for metric in payload.metrics if metric.name in named))

    def _birth(self, device: str, metrics: tuple[Metric, ...]) -> None:
        assert device not in self.dying, "born again without a death"
        names = [metric.name for metric in metrics]
        assert len(set(names)) == len(names)
        known = self.alive[device] = {}
        for key in [key for key in self.values if key[0] == device]:
            del self.values[key]
        for metric in metrics:
            assert metric.name
            assert metric.alias
            assert metric.timestamp is not None
            assert not metric.bare
            assert not metric.historical
            first = self._aliases.setdefault(metric.alias, (device, metric.name))
            assert first == (device, metric.name), "an alias means two things"
            unit = metric.properties["engUnit"].value if "engUnit" in metric.properties else ""
            known[metric.alias] = (metric.name, metric.datatype, unit)
            quality = metric.properties["Quality"]
            assert quality.datatype is DataType.INT32
            self._set(device, metric.name, metric, quality.value)
        assert len(set(self._aliases.values())) == len(self._aliases), "a metric has two aliases"
        in_order(metrics)

    def _data(self, device: str, metrics: tuple[Metric, ...]) -> None:
        known = self.alive[device]
        assert device not in self.dying, "data of a machine that is lost"
        assert metrics, "a message without a value"
        assert len({metric.historical for metric in metrics}) == 1
        for metric in metrics:
            assert metric.name is None
            name, datatype, _ = known[metric.alias or 0]
            assert metric.timestamp is not None
            assert metric.bare or metric.datatype is datatype, "another datatype than at birth"
            quality = metric.properties["Quality"].value if "Quality" in metric.properties else 192
            if metric.historical:
                self.past.append((device, name, metric.value, metric.timestamp))
            else:
                self._set(device, name, metric, quality)
        if not metrics[0].historical:
            in_order(metrics)

    def _set(self, device: str, name: str, metric: Metric, quality: int) -> None:
        assert quality in {0, 192, 500}
        assert (metric.value is None) <= (quality != 192), "null and good"
        self.values[device, name] = (metric.value, quality)


def in_order(metrics: tuple[Metric, ...]) -> None:
    """Fail when the metrics are not in the order of time."""
    times = [metric.timestamp or 0 for metric in metrics]
    assert times == sorted(times)


def drain(node: Node, host: Host, now: Stamp, most: int = 100_000) -> int:
    """Hand the host everything that is due, at most so many messages; return how many."""
    for count in range(most):
        message = node.next(now)
        if message is None:
            return count
        host.take(message)
        node.sent(message, now)
    return most
