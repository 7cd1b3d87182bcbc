"""What is written into births, deaths and data: metrics with their timestamps, qualities and units, in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.model import Stamp, TimeQuality

from .command import REBIRTH
from .datatype import DataType
from .device import BAD, GOOD, STALE, Device, Slot, Update, Value
from .payload import Metric, Payload, Property

BDSEQ = "bdSeq"

QUALITY, UNIT, TIME_QUALITY = "Quality", "engUnit", "timeQuality"
"""Keys of properties. The unit's is the one that common hosts show as the engineering unit of a tag; the last one is ours."""

_UNCERTAIN = Property(DataType.STRING, TimeQuality.UNCERTAIN.value)
_QUALITIES = {code: Property(DataType.INT32, code) for code in (BAD, GOOD, STALE)}


def ms(stamp: Stamp) -> int:
    """Return a moment as Sparkplug writes it, in ms since 1970 UTC."""
    return stamp.wall_ns // 1_000_000


def death(bdseq: int) -> Payload:
    """Return the NDEATH, which is also the will: no seq, and one metric, by which it belongs to its birth.

    It has no time: the will is written when the node connects, and who gets it knows better when the node died.
    """
    return Payload(metrics=(Metric(name=BDSEQ, datatype=DataType.INT64, value=bdseq),))


class Writer:
    """Writes metrics; `repair` gives a stamp from before the clock was known its time (see `gateway.timeline`).

    Args:
        repair: the repair.
        bare: leave the datatype out of data.
    """

    def __init__(self, repair: Callable[[Stamp], Stamp], *, bare: bool) -> None:
        self._repair = repair
        self._bare = bare

    def node_birth(self, node: Device, bdseq: int, now: Stamp) -> Payload:
        """Return the NBIRTH; its seq is always 0, as hosts take any other for a gap."""
        control = Metric(name=REBIRTH, timestamp=ms(now), datatype=DataType.BOOLEAN, value=False)
        number = Metric(name=BDSEQ, timestamp=ms(now), datatype=DataType.INT64, value=bdseq)
        metrics = [*self.born(node, now), number, control]
        metrics.sort(key=_time)
        return Payload(timestamp=ms(now), seq=0, metrics=tuple(metrics))

    def born(self, device: Device, now: Stamp) -> tuple[Metric, ...]:
        """Return every metric of a device with its current value, and take note that the host knows them by that."""
        metrics = []
        for slot in device.slots.values():
            value = slot.now or Value(slot.initial, STALE if slot.initial is None else GOOD, now)
            slot.claimed, slot.told, slot.quality = slot.claim, value, value.quality
            properties = {QUALITY: _QUALITIES[value.quality]}
            if slot.unit:
                properties[UNIT] = Property(DataType.STRING, slot.unit)
            metrics.append(self._metric(slot, slot.claimed[0], value, properties, name=slot.name))
        device.pending.clear()
        device.outdated = False
        metrics.sort(key=_time)
        return tuple(metrics)

    def data(self, updates: Sequence[Update], *, historical: bool = False) -> tuple[Metric, ...]:
        """Return changes by alias; the quality stands with those that are not good, or were not before."""
        before: dict[int, int] = {}
        metrics = []
        for slot, value in updates:
            plain = value.quality == GOOD and (historical or before.get(slot.alias, slot.quality) == GOOD)
            before[slot.alias] = value.quality
            properties = {} if plain else {QUALITY: _QUALITIES[value.quality]}
            told_as = slot.claim if slot.claimed is None else slot.claimed
            metrics.append(self._metric(slot, told_as[0], value, properties, bare=self._bare, historical=historical))
        return tuple(metrics)

    def in_order(self, updates: list[Update], most: int) -> int:
        """Sort changes by the time that only runs forward; return how many from the first on are in order by wall time, too.

        A payload must be chronological, and after a step of the wall clock the next value is earlier by it: a new message begins.
        """
        updates.sort(key=lambda update: update[1].stamp.mono_ns)
        last_ms = 0
        for count, (_, value) in enumerate(updates[:most]):
            now_ms = self._repair(value.stamp).wall_ns // 1_000_000
            if now_ms < last_ms:
                return count
            last_ms = now_ms
        return min(len(updates), most)

    def _metric(
        self,
        slot: Slot,
        datatype: DataType,
        value: Value,
        properties: dict[str, Property],
        *,
        name: str | None = None,
        bare: bool = False,
        historical: bool = False,
    ) -> Metric:
        stamp = self._repair(value.stamp)
        if stamp.quality is TimeQuality.UNCERTAIN:
            properties[TIME_QUALITY] = _UNCERTAIN
        return Metric(
            name=name,
            alias=slot.alias,
            timestamp=ms(stamp),
            datatype=datatype,
            bare=bare,
            historical=historical,
            value=value.value,
            properties=properties,
        )


def _time(metric: Metric) -> int:
    return metric.timestamp or 0
