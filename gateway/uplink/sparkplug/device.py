"""One device, or the node itself: its metrics with their current values, and the changes that are still to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from gateway.model import Event, Feature, Quality, Reading, Reason, Stamp

from .alias import Aliases
from .datatype import OF_FORM, DataType, fitted, joined

BAD, GOOD, STALE = 0, 192, 500
"""The quality codes of Sparkplug (payloads-propertyset-quality-value-value)."""


class Point(Struct, frozen=True):
    """A metric that may be told of a machine.

    Attributes:
        name: its name.
        unit: its unit of measure, empty where it shows with the first value.
        form: what its configuration promises of its values, see `datatype.OF_FORM`; empty for nothing.
        of: the point whose release covers it, where that is not the name.
        initial: its value before anything was reported: the side of a limit on which a machine begins.
    """

    name: str
    unit: str = ""
    form: str = ""
    of: str = ""
    initial: str | None = None


class Value(Struct, frozen=True, gc=False):
    """What a metric was at a moment."""

    value: Any
    quality: int
    stamp: Stamp


class Slot(Struct, eq=False):
    """One metric of a device.

    Attributes:
        declared: the datatype its configuration promises; `datatype` is the one it has turned out to need, None: not known yet.
        found: nobody announced it, a record brought it.
        claimed: datatype and unit that the last birth told, None when it was not in it.
        now: its current value, None before the first.
        told: the value the host has, or has when all that is pending was sent; what is equal to it is not told again.
        quality: the quality the host has.
    """

    name: str
    alias: int
    datatype: DataType | None
    unit: str
    declared: DataType | None = None
    found: bool = False
    initial: str | None = None
    claimed: tuple[DataType, str] | None = None
    now: Value | None = None
    told: Value | None = None
    quality: int = GOOD

    @property
    def claim(self) -> tuple[DataType, str]:
        """What a birth tells of it now; it is a number where nothing is known yet."""
        return self.datatype or DataType.DOUBLE, self.unit

    @property
    def open(self) -> bool:
        """Whether a value can be told: the host knows the metric, and by the datatype the value needs."""
        return self.claimed is not None and self.claimed[0] is (self.datatype or DataType.DOUBLE)


Update = tuple[Slot, Value]


class Device:
    """A device of the node, or with the name `""` the node itself.

    Attributes:
        up: whether its machine answers.
        born: whether its birth is the last thing the host heard of its life.
        lost: it did not answer since then, even if it does again; the host must hear of a death first.
        outdated: whether the last birth says something else than a birth would now.
        pending: changes the host has not been told yet, in the order in which they came.
    """

    def __init__(self, name: str, aliases: Aliases) -> None:
        self.name = name
        self.slots: dict[str, Slot] = {}
        self.up = False
        self.born = False
        self.lost = False
        self.outdated = False
        self.pending: list[Update] = []
        self._aliases = aliases

    def define(self, points: Iterable[Point], released: Callable[[str], bool] = lambda point: False) -> None:
        """Have these metrics, and of those that records brought the ones whose point is still released.

        Those that stay keep their values and what was found out about them.
        """
        wanted = {point.name: point for point in points}
        for name, slot in list(self.slots.items()):
            if name not in wanted and not (slot.found and released(name.partition("/")[0])):
                del self.slots[name]
                self.outdated = True
        for point in wanted.values():
            slot = self.slots.get(point.name) or self._slot(point.name)
            declared = OF_FORM.get(point.form)
            if declared is not slot.declared:
                slot.declared = slot.datatype = declared
                slot.now = None  # of another type
            slot.unit = point.unit or slot.unit
            slot.initial = point.initial
            slot.found = False
            self.outdated |= slot.claimed != slot.claim
        self.pending = [(slot, value) for slot, value in self.pending if self.slots.get(slot.name) is slot]

    def forget(self) -> None:
        """Forget all values, and what only records brought: the machine begins anew."""
        self.outdated |= any(slot.found for slot in self.slots.values())
        self.slots = {name: slot for name, slot in self.slots.items() if not slot.found}
        for slot in self.slots.values():
            slot.now = slot.told = None
        self.pending.clear()

    def take(self, record: Reading | Feature | Event) -> bool:
        """Take what was reported; return whether that is a change to be told."""
        name, content, unit = _content(record)
        slot = self.slots.get(name) or self._slot(name, found=True)
        slot.datatype = joined(slot.datatype, content)
        slot.unit = unit or slot.unit
        self.outdated |= slot.claimed != slot.claim
        slot.now = value = _value(record, fitted(slot.claim[0], content))
        if not (self.born and self.up and slot.open) or self.lost:
            return False
        if slot.told is not None and (slot.told.value, slot.told.quality) == (value.value, value.quality):
            return False
        slot.told = value
        self.pending.append((slot, value))
        return True

    def past(self, record: Reading | Feature | Event) -> Update | None:
        """Return what is told of a record that was missed; None when the host does not know its metric, or as something else."""
        name, content, _ = _content(record)
        slot = self.slots.get(name)
        if slot is None or not slot.open or joined(slot.datatype, content) is not slot.datatype:
            return None
        return slot, _value(record, fitted(slot.claim[0], content))

    def thin(self) -> int:
        """Keep of the pending changes only the last of every metric; return how many were left out."""
        last = {slot.name: (slot, value) for slot, value in self.pending}
        left_out = len(self.pending) - len(last)
        self.pending = list(last.values())
        return left_out

    def _slot(self, name: str, *, found: bool = False) -> Slot:
        known = self._aliases.of(self.name, name)
        datatype = DataType(known.datatype)
        slot = self.slots[name] = Slot(name, known.alias, datatype or None, known.unit, found=found)
        return slot


def _content(record: Reading | Feature | Event) -> tuple[str, Any, str]:
    """Return metric, value and unit of a record; an event is a metric of its own beside its point, the state it has led to."""
    if isinstance(record, Event):
        return f"{record.point}/{record.kind}", record.after, ""
    return record.point, record.value, record.unit


def _value(record: Reading | Feature | Event, value: Any) -> Value:
    quality = GOOD if isinstance(record, Event) else _code(record.quality, record.reason)
    if value is None and quality == GOOD:
        quality = BAD
    return Value(value, quality, record.stamp)


def _code(quality: Quality, reason: Reason) -> int:
    """Return the quality in Sparkplug's three codes: what is not to be trusted, or was, or is not there yet, is stale."""
    if quality is Quality.GOOD:
        return GOOD
    return STALE if quality is Quality.UNCERTAIN or reason in {Reason.STALE, Reason.NO_DATA} else BAD
