"""The notice board without a broker: what is to stand on it, what stands there, and what has to be wiped off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from gateway.model import Feature, Reading, Record, Stamp

from .discovery import announcement, places
from .message import Key, Topics, encode


class Notice(Struct, frozen=True):
    """A retained message about a point; an empty payload wipes the topic."""

    topic: str
    payload: bytes
    key: Key | None = None


class Board:
    """The latest value of every point that is released.

    Attributes:
        standing: topics that hold something at the broker, as far as we know. To be kept over restarts: what has been withdrawn
            meanwhile is then wiped off all the same.
    """

    def __init__(
        self,
        topics: Topics,
        site: str,
        gateway: str,
        *,
        discovery: str | None,
        standing: Iterable[str] = (),
        repair: Callable[[Stamp], Stamp] = lambda stamp: stamp,
    ) -> None:
        self.standing = set(standing)
        self._topics = topics
        self._who = site, gateway
        self._discovery = discovery
        self._repair = repair
        self._releases: Callable[[str, str], bool] = lambda machine, point: False
        self._machines: Mapping[str, frozenset[str]] = {}
        self._expected: set[Key] = set()
        self._latest: dict[Key, Reading | Feature] = {}
        self._announced: dict[Key, str] = {}
        self._changed: set[Key] = set()

    def __len__(self) -> int:
        """Return how many points stand on it."""
        return len(self._latest)

    def define(self, machines: Mapping[str, frozenset[str]], releases: Callable[[str, str], bool]) -> None:
        """Have these machines with these points, of which those are shown that the contract releases; what is not any more goes."""
        self._machines, self._releases = machines, releases
        self._expected = {(machine, point) for machine, points in machines.items() for point in points if releases(machine, point)}
        for key in [key for key in self._latest if key not in self._expected]:
            del self._latest[key]
            self._announced.pop(key, None)
            self._changed.discard(key)

    def offer(self, records: Iterable[Record]) -> bool:
        """Take what was reported; return whether there is something new to show."""
        for record in records:
            if isinstance(record, Reading | Feature) and self._shown(key := (record.machine, record.point)):
                self._latest[key] = record
                self._changed.add(key)
        return bool(self._changed)

    def renew(self) -> None:
        """Show everything again: the broker may have lost it."""
        self._changed |= self._latest.keys()
        self._announced.clear()

    def take(self) -> list[Notice]:
        """Return what is to be published now, announcements before values, and forget that it was new."""
        first: list[Notice] = []
        values: list[Notice] = []
        for key in sorted(self._changed):
            record = self._latest[key]
            first += self._announce(key, record)
            values.append(Notice(self._topics.value(*key), encode(record, self._repair(record.stamp)), key))
        self._changed.clear()
        self.standing |= {notice.topic for notice in (*first, *values) if notice.payload}
        return [*self._withdrawn(), *first, *values]

    def accepted(self, notice: Notice) -> None:
        """Note that the broker has accepted a notice."""
        if not notice.payload:
            self.standing.discard(notice.topic)

    def refused(self, notice: Notice) -> None:
        """Note that the broker did not accept a notice: it is taken again, or what has become of it."""
        if notice.key in self._latest:
            self._changed.add(notice.key)
            self._announced.pop(notice.key, None)

    def _announce(self, key: Key, record: Reading | Feature) -> list[Notice]:
        if self._discovery is None:
            return []
        found = announcement(self._discovery, self._topics, *self._who, record)
        if found is None or self._announced.get(key) == found[0]:
            return []
        self._announced[key] = found[0]
        others = (places(self._discovery, *self._who, key) - {found[0]}) & self.standing  # it was of another kind before
        return [*(Notice(other, b"", key) for other in others), Notice(*found, key)]

    def _withdrawn(self) -> list[Notice]:
        """Return wipes for what stands of points that may not be shown any more; what has only not been reported yet stays."""
        kept = {self._topics.availability}
        for key in self._expected | self._latest.keys():
            kept.add(self._topics.value(*key))
            if self._discovery is not None:
                kept |= places(self._discovery, *self._who, key)
        return [Notice(topic, b"") for topic in sorted(self.standing - kept)]

    def _shown(self, key: Key) -> bool:
        return key[0] in self._machines and self._releases(*key)
