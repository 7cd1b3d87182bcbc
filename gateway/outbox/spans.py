"""What is to be read of a segment from some seq on: runs of frames, and the gaps between them.

In a segment that was thinned out numbers are missing on purpose, and its first record tells them; there a gap is only what is
damaged as well. When that record is damaged itself, every hole is a gap.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from .segment import Segment


class Gap(Struct, frozen=True):
    """Numbers `first`..`last` will not come: `count` records are lost."""

    first: int
    last: int
    count: int


class Run(Struct, frozen=True):
    """Frames `start` to `stop` - 1 of a segment; behind them everything up to seq `last` has been told."""

    segment: Any
    start: int
    stop: int
    last: int


def spans(segment: Segment, at: int, cut: int) -> Iterator[Gap | Run]:
    """Yield what a loaded segment has from seq `at` on, in order, beginning with the gap before it.

    Args:
        segment: the segment.
        at: the lowest seq that is wanted.
        cut: records up to this seq do not count.
    """
    seqs = segment.seqs
    i, stop = bisect_left(seqs, max(at, cut + 1)), len(seqs)
    if segment.tells:
        yield from _thinned(segment, at, cut, i)
        return
    while i < stop:
        seq = seqs[i]
        if seq > at:
            yield Gap(at, seq - 1, min(seq - at, segment.missing or seq - at) if i == 0 else seq - at)
        end = _run_end(seqs, i)
        at = seqs[end - 1] + 1
        yield Run(segment, i, end, at - 1)
        i = end


def _thinned(segment: Segment, at: int, cut: int, i: int) -> Iterator[Gap | Run]:
    seqs, hole = segment.seqs, damage(segment)
    if cut >= max(at, segment.first):
        if i < len(seqs):
            yield Gap(at, seqs[i] - 1, seqs[i] - at)
    elif at < segment.first:
        yield Gap(at, segment.first - 1, segment.first - at)
        at = segment.first
    if hole is not None and hole.first >= max(at, cut + 1):
        before = bisect_left(seqs, hole.first)
        if i < before:
            yield Run(segment, i, before, hole.first - 1)
        yield hole
        i = before
    if i < len(seqs):
        yield Run(segment, i, len(seqs), segment.last)


def damage(segment: Segment) -> Gap | None:
    """Return what of a loaded segment that was thinned out is lost beyond what it tells, as its first hole; None for nothing."""
    seqs = segment.seqs
    if len(seqs) >= segment.told:
        return None
    place = _run_end(seqs, 0) if seqs else 0
    first = seqs[place - 1] + 1 if place else segment.first
    return Gap(first, seqs[place] - 1 if place < len(seqs) else segment.last, segment.told - len(seqs))


def told_lost(segment: Segment, first: int, last: int) -> int:
    """Return how many records are told as lost by one with a seq in `first`..`last`, which a thinned-out segment begins with."""
    return segment.last - segment.first + 2 - segment.told if segment.tells and first <= segment.first <= last else 0


def _run_end(seqs: Any, i: int) -> int:
    """Return the index behind the last of the numbers that follow each other from index `i` on."""
    low, high = i + 1, len(seqs)
    while low < high:  # numbers rise, so a stretch is without holes exactly when its ends are as far apart as its indices
        middle = (low + high + 1) // 2
        if seqs[middle - 1] - seqs[i] == middle - 1 - i:
            low = middle
        else:
            high = middle - 1
    return low
