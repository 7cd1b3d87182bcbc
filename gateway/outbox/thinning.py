"""Thinning out old readings: two neighbouring segments become one, which keeps the extremes and tells what it left out.

Of every four readings of a point the lowest and the highest stay, so a curve keeps its outline and a spike is never lost; of
what is no number, only changes stay. Only the older half of a log is thinned out; when it is as thin as it gets, the oldest goes.
The new segment stands for all numbers of the two. What stays keeps its number, and the
first number is given to a tombstone that tells how many are gone: the loss is told in its place, in the same file, and becomes
true in the same moment, when the file gets its name. So nothing that is contiguous is ever rewritten: contiguity is a promise
about numbers that are not told, and here they are told.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from gateway.model import Quality, Reading, Stamp, Tombstone

from .codec import decode, encode
from .disk import Disk
from .log import Log
from .pool import Pool
from .segment import END, LOGS, START, Head, Segment, framed_size

MOST = 4
"""So often a reading is thinned out at most: one of sixteen is left."""

_GROUP = 4
_NOTHING = object()
_TOLD_BYTES = 256  # more than the record that tells of the others takes
_PASSES = 3


class Thinner:
    """Thins out one log."""

    def __init__(self, log: Log, disk: Disk, pool: Pool) -> None:
        self._log = log
        self._disk = disk
        self._pool = pool
        self._stubborn: set[str] = set()  # names of segments of which nothing can be left out

    def thin(self, head: Head, stamp: Stamp) -> bool:
        """Turn two segments into one, and count the two as obsolete; return whether that could be done.

        Raises:
            OSError: the disk cannot be read or written.
        """
        while not self._pool.dry and (pair := self._pair()) is not None:
            if self._join(*pair, head, stamp):
                return True
            self._stubborn.update(segment.name for segment in pair)
        return False

    def _pair(self) -> tuple[Segment, Segment] | None:
        """Return the two that are next: in the older half of the log, equally often thinned out, and least; of these the oldest.

        Two that are not would both have to give, and the older one has given already.
        """
        log = self._log
        old = [segment for segment in log.segments[:-1] if segment.first > max(log.seen, log.acknowledged, log.cut)]
        pairs = [
            (one, two)
            for one, two in pairwise(old[: len(old) // 2 + 1])
            if one.level == two.level < MOST and not {one.name, two.name} & self._stubborn
        ]
        return min(pairs, key=lambda pair: pair[0].level, default=None)

    def _join(self, one: Segment, two: Segment, head: Head, stamp: Stamp) -> bool:
        log, level = self._log, one.level + 1
        if not (log.load(one) and log.load(two)) or two.first != one.last + 1 or two.missing or one.suspect or two.suspect:
            return False
        records: list[bytes] = []
        seqs, stamps = array("Q"), array("q")
        for segment in (one, two):
            for i, payload in enumerate(segment.read(self._disk, 0, len(segment.seqs))):
                if payload is None:
                    return False
                if segment.seqs[i] != one.first and not (segment.level and i == 0):
                    records.append(payload)
                    seqs.append(segment.seqs[i])
                    stamps.append(segment.stamps[i])
        for segment in (one, two):
            segment.forget()
        kept = _fitting(records, self._pool.size - START - len(END) - _TOLD_BYTES)
        if kept is None or (file := self._pool.take()) is None:
            return False
        count = two.last - one.first + 1 - len(kept)
        told = Tombstone(lost=LOGS[log.rank], first=one.first, last=two.last, count=count, stamp=stamp)
        head = replace(head.at(log.rank, one.first, self._pool.size, 0), level=level, last=two.last)
        joined = Segment.made(file, head, 1 + len(kept))
        try:
            joined.rehead(self._disk, head)
            joined.add(
                self._disk,
                [encode(told)[1], *(records[i] for i in kept)],
                array("Q", [one.first, *(seqs[i] for i in kept)]),
                array("q", [0, *(stamps[i] for i in kept)]),
            )
            log.enter(joined)
        except OSError:
            joined.close()
            self._pool.discard(file)
            raise
        joined.forget()
        place = log.segments.index(one)
        log.segments[place : place + 2] = [joined]
        log.obsolete += [one, two]
        return True


def _fitting(records: list[bytes], room: int) -> list[int] | None:
    """Return the indices of those that stay so that they fit into `room` bytes; None when that cannot be done.

    What is a little too much is taken from the oldest, which are thinned out once more.
    """
    kept = pick(records)
    size = sum(framed_size(records[i]) for i in kept)
    for _ in range(_PASSES):
        again = {kept[i] for i in pick([records[i] for i in kept])}
        fewer = []
        for i in kept:
            if size > room and i not in again:
                size -= framed_size(records[i])
            else:
                fewer.append(i)
        kept = fewer
        if size <= room:
            return kept if len(kept) < len(records) else None
    return None


def pick(records: Sequence[bytes]) -> list[int]:
    """Return the indices, in order, of the records that stay.

    Of every four readings of a point in a row with a number, the lowest and the highest stay; of a rest of three these two, of a
    rest of two the younger. Of readings without a number (a state, a text, a bad one) those stay that differ from the one before.
    """
    kept: list[int] = []
    groups: dict[tuple[str, str], list[tuple[Any, int]]] = {}
    before: dict[tuple[str, str], tuple[Any, Quality]] = {}
    for i, payload in enumerate(records):
        record = decode(payload)
        if not isinstance(record, Reading):
            kept.append(i)
            continue
        key = (record.machine, record.point)
        value = record.value
        group = groups.setdefault(key, [])
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value and record.quality is Quality.GOOD:
            before.pop(key, None)
            group.append((value, i))
            if len(group) == _GROUP:
                kept += _extremes(group)
                group.clear()
            continue
        kept += _extremes(group)
        group.clear()
        if before.get(key, _NOTHING) != (value, record.quality):
            before[key] = (value, record.quality)
            kept.append(i)
    for group in groups.values():
        kept += _extremes(group)
    return sorted(kept)


def _extremes(group: list[tuple[Any, int]]) -> set[int]:
    if len(group) < 3:
        return {i for _, i in group[-1:]}
    return {min(group)[1], max(group)[1]}
