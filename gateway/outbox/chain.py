"""The segments of a log in order, and what of them is to be read: records, and the gaps, each told when it is read over.

A gap is never written down: it is what the numbers skip. What is evicted, damaged or too old is told in its own place, between
the records before and behind it, and it is told again until that is acknowledged, also after a crash. Numbers are missing on
purpose only in a segment that was thinned out, which tells them all in one record of its own (see `gateway.outbox.thinning`).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat

from msgspec import Struct

from gateway.log import get

from .disk import Disk
from .segment import START, Segment
from .spans import Gap, Run, damage, spans, told_lost

log = get("outbox")

Row = tuple[int, bytes | Gap | None, str]
"""Seq up to which it goes; the payload, None when it is damaged, or the gap that ends there; epoch, empty for the present one."""


class Tally(Struct, frozen=True):
    """What a log holds: rows that are to be read, bytes they take, records lost of those and of all before."""

    waiting: int
    used_bytes: int
    lost: int


class Chain:
    """The segments of one log.

    Attributes:
        segments: those that hold records not yet acknowledged, or will; in order.
        bad: those that are to be set aside.
        damaged: what was found damaged last, in words.
        acknowledged: everything up to this seq has been accepted, or told as lost.
        last: the highest seq that was given.
        lost: how many records were lost of those up to `acknowledged`, or could not be stored as they were.
        seen: the highest seq that was read since the start.
        cut: everything up to this seq is too old.
    """

    def __init__(self, rank: int, disk: Disk) -> None:
        self.rank = rank
        self._disk = disk
        self._begin_at(0, 0)

    def _begin_at(self, acknowledged: int, lost: int) -> None:
        """Begin with no segments."""
        self.segments: list[Segment] = []
        self.bad: list[Segment] = []
        self.damaged = ""
        self._active: Segment | None = None
        self._shown: list[int] = []  # where gaps ended when they were read: what has been seen must not change any more
        self._stored = 0  # the highest seq that was stored; numbers above it were skipped, and of these `_tail_lost` records lost
        self._tail_lost = 0
        self.acknowledged, self.last, self.lost, self.seen, self.cut = acknowledged, acknowledged, lost, 0, 0

    def load(self, segment: Segment, *, torn: bool = False) -> bool:
        """Find the frames of a segment; return False, and leave it out, when nothing of it can be read.

        Args:
            segment: one of this log.
            torn: whether holes in it need not be damage, as a commit was under way when the power went.

        Raises:
            OSError: nothing on this disk can be read.
            Newer: a newer version wrote it.
        """
        if segment.loaded:
            return True
        place = self.segments.index(segment)
        follower = self.segments[place + 1] if place + 1 < len(self.segments) else None
        below = follower.first if follower else 1 << 63
        try:
            segment.load(self._disk, below)
        except OSError as error:
            if not self._disk.alive():
                raise
            log.error("segment_unreadable", name=segment.name, reason=str(error.strerror))
            self.segments.remove(segment)
            self.bad.append(segment)
            self.damaged = f"{segment.name} could not be read ({error.strerror})"
            return False
        whole = not damage(segment) if segment.level else len(segment.seqs) == segment.last - segment.first + 1
        # what is missing at its end was torn off by a power cut if the segment behind it says so
        if whole and follower and segment.last + 1 < below:
            whole = follower.follows_a_loss(self._disk)
        if segment.short or not (whole or torn):
            log.error("segment_damaged", name=segment.name, records=len(segment.seqs))
            self.damaged = f"{segment.name} was damaged"
        segment.suspect = segment.short or not whole or segment.damaged > 0
        return True

    def close(self) -> None:
        """Close all files; the log goes on opening them when it needs them."""
        for segment in self.segments:
            segment.close()

    def spans(self, at: int) -> Iterator[Gap | Run]:
        """Yield everything from the seq `at` on, in order: runs of frames and the gaps between them.

        Raises:
            OSError: nothing on this disk can be read.
        """
        for segment in list(self.segments):
            if segment.last < at or not self.load(segment):
                continue
            for span in spans(segment, at, self.cut):
                at = span.last + 1
                if isinstance(span, Gap):
                    yield from self._pieces(span)
                else:
                    yield span
            if segment.tells and self.cut < segment.last:
                at = max(at, segment.last + 1)
        if at <= self.last:
            yield from self._pieces(self._tail_gap(at))

    def _tail_gap(self, at: int) -> Gap:
        skipped = self.last - max(at - 1, self._stored)
        return Gap(at, self.last, max(0, self._stored - at + 1) + min(skipped, self._tail_lost or skipped))

    def _pieces(self, gap: Gap) -> Iterator[Gap]:
        """Yield a gap as it was seen before, and what has been added to it since."""
        first, count = gap.first, gap.count
        for last in self._shown:
            if first <= last < gap.last:
                part = min(count, last - first + 1)
                yield Gap(first, last, part)
                first, count = last + 1, count - part
        yield Gap(first, gap.last, count)

    def read(self, n: int, upto: int | None = None) -> list[Row]:
        """Return up to `n` rows that are not acknowledged, the oldest first, none beyond seq `upto`.

        Raises:
            OSError: nothing on this disk can be read.
        """
        rows: list[Row] = []
        for span in self.spans(self.acknowledged + 1) if n > 0 else ():
            if upto is not None and span.last > upto and isinstance(span, Gap):
                break
            if isinstance(span, Gap):
                if span.last not in self._shown:
                    insort(self._shown, span.last)
                rows.append((span.last, span, ""))
            else:
                seqs = span.segment.seqs[span.start : min(span.stop, span.start + n - len(rows))]
                while upto is not None and seqs and seqs[-1] > upto:
                    seqs.pop()
                payloads = span.segment.read(self._disk, span.start, span.start + len(seqs))
                rows += zip(seqs, payloads, repeat(span.segment.epoch), strict=False)
            if len(rows) >= n or (upto is not None and span.last >= upto):
                break
        if rows:
            self.seen = max(self.seen, rows[-1][0])
        return rows

    def tally(self) -> Tally:
        """Count what is there, without touching the disk."""
        at, waiting, used_bytes, lost = self.acknowledged + 1, 0, 0, self.lost
        for segment in self.segments:
            if segment.last < at:
                continue
            if segment.loaded:
                begin = segment.end
                for span in spans(segment, at, self.cut):
                    at = span.last + 1
                    if isinstance(span, Gap):
                        waiting += sum(1 for _ in self._pieces(span))
                        lost += span.count
                    else:
                        waiting += span.stop - span.start
                        begin = min(begin, segment.offsets[span.start])
                        lost += told_lost(segment, segment.seqs[span.start], span.last)
                used_bytes += (segment.end if segment is self._active else segment.size) - begin
            else:
                if segment.first > at:
                    gap = Gap(at, segment.first - 1, segment.first - at)
                    waiting += sum(1 for _ in self._pieces(gap))
                    lost += gap.count
                waiting += segment.told or segment.last - segment.first + 1
                lost += told_lost(segment, segment.first, segment.last)
                used_bytes += segment.size - START
                at = segment.last + 1
            if segment.tells and self.cut < segment.last:
                at = max(at, segment.last + 1)
        if at <= self.last:
            gap = self._tail_gap(at)
            waiting += sum(1 for _ in self._pieces(gap))
            lost += gap.count
        return Tally(waiting, used_bytes, lost)

    def oldest(self) -> bytes | None:
        """Return the payload of the oldest record that waits, None when there is none or it is damaged."""
        with suppress(OSError):
            for span in self.spans(self.acknowledged + 1):
                if isinstance(span, Run):
                    segment: Segment = span.segment
                    return segment.read(self._disk, span.start, span.start + 1)[0]
        return None
