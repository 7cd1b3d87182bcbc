"""Aliases: the number that stands for a metric in data messages, one for each over the whole node, and always the same one."""

from __future__ import annotations

from msgspec import Struct, field

from .datatype import DataType


class Known(Struct, array_like=True):
    """What was last told of a metric: its alias for ever, its datatype (0: not known yet) and its unit."""

    alias: int
    datatype: int = 0
    unit: str = ""


class Names(Struct):
    """What is kept between runs: the next free alias, and what is known by device and metric; device `""` is the node itself."""

    next: int = 1
    metrics: dict[str, dict[str, Known]] = field(default_factory=dict)


class Aliases:
    """Gives every metric a number that no other metric of this node has, had or will have.

    A host that replays old messages, or that missed a birth, can therefore never take one metric for another.

    Attributes:
        names: what is to be kept; a fresh one where what was saved makes no sense.
        changed: whether there is something new to keep; set to False by whoever has kept it.
    """

    def __init__(self, saved: Names | None = None) -> None:
        self.names = saved if saved is not None and _makes_sense(saved) else Names()
        self.changed = False

    def of(self, device: str, metric: str) -> Known:
        """Return what is known of a metric; a new one gets the next number."""
        metrics = self.names.metrics.setdefault(device, {})
        known = metrics.get(metric)
        if known is None:
            known = metrics[metric] = Known(self.names.next)
            self.names.next += 1
            self.changed = True
        return known

    def learn(self, device: str, metric: str, datatype: DataType, unit: str) -> None:
        """Remember what a metric has turned out to be, so that the first birth after the next start says it."""
        known = self.of(device, metric)
        if (known.datatype, known.unit) != (datatype, unit):
            known.datatype, known.unit = datatype, unit
            self.changed = True


def _makes_sense(names: Names) -> bool:
    """Say whether no two metrics share a number and every datatype exists; a file may have been edited by hand."""
    known = [item for metrics in names.metrics.values() for item in metrics.values()]
    aliases = {item.alias for item in known}
    types = {*DataType}
    return len(aliases) == len(known) and all(0 < item.alias < names.next and item.datatype in types for item in known)
