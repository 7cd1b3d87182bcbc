"""One log: its segments in order, what of it is still to be claimed, and the gaps, each of which is told when it is read over.

A gap is never written down: it is what the numbers skip. What is evicted, damaged or too old is told in its own place, between
the records before and behind it, and it is told again until that is acknowledged, also after a crash. Numbers are missing on
purpose only in a segment that was thinned out, which tells them all in one record of its own (see `gateway.outbox.thinning`).
"""

from __future__ import annotations

from array import array
from bisect import insort
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise, repeat

from msgspec import Struct

from gateway import log as logs

from .disk import PAGE, Disk
from .pool import Pool
from .segment import END, START, Head, Segment, framed_size, name_of
from .spans import Gap, Run, damage, spans, told_lost

log = logs.get("outbox")

_SHORTEST = framed_size(b"x")
_ROOMY, _FEW = 16 * PAGE, 2

Row = tuple[int, bytes | Gap | None, str]
"""Seq up to which it goes; the payload, None when it is damaged, or the gap that ends there; epoch, empty for the present one."""


class Full(Exception):  # noqa: N818  (a state, not a fault)
    """No file is left for another segment."""


class Tally(Struct, frozen=True):
    """What a log holds: rows that are to be read, bytes they take, records lost of those and of all before."""

    waiting: int
    used_bytes: int
    lost: int


class Log:
    """The records of one class.

    Attributes:
        segments: those that hold records not yet acknowledged, or will; in order.
        spent: those that are acknowledged; they may be used again when the cursor says so durably.
        obsolete: those that may be used again at once.
        bad: those that are to be set aside.
        damaged: what was found damaged last, in words.
        acknowledged: everything up to this seq has been accepted, or told as lost.
        last: the highest seq that was given.
        lost: how many records were lost of those up to `acknowledged`, or could not be stored as they were.
        seen: the highest seq that was read since the start.
        cut: everything up to this seq is too old.
    """

    def __init__(self, rank: int, disk: Disk, pool: Pool) -> None:
        self.rank = rank
        self._disk = disk
        self._pool = pool
        self.recover([], 0, 0, 0, clean=True)

    # ── recover ──

    def recover(self, segments: list[Segment], acknowledged: int, last: int, lost: int, *, clean: bool) -> None:
        """Take over the segments that lie in the folder; nothing is written.

        Args:
            segments: all that belong to this log.
            acknowledged: as the cursor says it.
            last: the highest seq that the cursor knows of.
            lost: as the cursor says it.
            clean: whether `last` is exact.

        Raises:
            OSError: the disk cannot be read.
            Newer: a newer version wrote one of them.
        """
        self.segments: list[Segment] = []
        self.spent: list[Segment] = []
        self.obsolete: list[Segment] = []
        self.bad: list[Segment] = []
        self.damaged = ""
        self._active: Segment | None = None
        self._shown: list[int] = []  # where gaps ended when they were read: what has been seen must not change any more
        self._stored = 0  # the highest seq that was stored; numbers above it were skipped, and of these `_tail_lost` records lost
        self._tail_lost = 0
        self.acknowledged, self.last, self.lost, self.seen, self.cut = acknowledged, acknowledged, lost, 0, 0
        for segment in sorted(segments, key=lambda segment: (segment.first, -segment.level)):
            before = self.segments[-1] if self.segments else None
            if before is not None and before.level > segment.level and segment.first <= before.last:
                self.obsolete.append(segment)  # it was thinned out, and the power went before it was put away
            else:
                self.segments.append(segment)
        for before, segment in pairwise(self.segments):
            before.last = before.last or segment.first - 1
        tail = self.segments[-1] if self.segments else None
        whole = tail is None or self.load(tail, torn=not clean)
        found = 0 if tail is None else tail.last if whole else tail.last or tail.first - 1
        self._stored = found
        skipped = self._tail_lost = max(0, last - max(found, acknowledged))
        if tail is not None and not clean:
            # numbers may have been given that are nowhere to be found; they must not be given again
            cut_off = 0 if whole and not tail.short else self._pool.size // _SHORTEST
            skipped = max(skipped, tail.damaged, cut_off)
            self._tail_lost = max(skipped and 1, self._tail_lost, tail.damaged)
        self.last = max(found + skipped, last, acknowledged)
        if tail is not None and whole and not tail.short and not tail.level and self.last == found:
            self._active = tail
        self._put_away()
        for segment in self.segments[:1]:
            self.load(segment)

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
        below = self.segments[place + 1].first if place + 1 < len(self.segments) else 1 << 63
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
        if segment.short or not (whole or torn):
            log.error("segment_damaged", name=segment.name, records=len(segment.seqs))
            self.damaged = f"{segment.name} was damaged"
        segment.suspect = segment.short or not whole or segment.damaged > 0
        return True

    def close(self) -> None:
        """Close all files; the log goes on opening them when it needs them."""
        for segment in self.segments:
            segment.close()

    # ── append ──

    def append(self, records: Sequence[bytes], stamp: int, head: Head) -> None:
        """Store records durably, in order, under the numbers that follow `last`.

        Args:
            records: payloads that fit into a segment.
            stamp: when, wall time in ns; 0: not known.
            head: what new segments begin with; rank, first and size are filled in.

        Raises:
            OSError: not all of them; `last` says how far it came, and the next call leaves the file that failed behind.
            Full: not all of them, since there is no room for another segment.
        """
        at = 0
        try:
            while at < len(records):
                active = self._active or self._begin(head)
                if active.headless:
                    active.rehead(self._disk, head.at(self.rank, active.first, active.size, 0))
                room, stop = active.size - active.end, at
                while stop < len(records) and (room := room - framed_size(records[stop])) >= 0:
                    stop += 1
                if stop > at:
                    count = stop - at
                    seqs = array("Q", range(self.last + 1, self.last + 1 + count))
                    # while little waits, space is worth less than the pages of a card
                    roomy = active.size >= _ROOMY and len(self.segments) <= _FEW
                    active.add(self._disk, list(records[at:stop]), seqs, array("q", [stamp]) * count, roomy=roomy)
                    self.last = self._stored = active.last
                    at = stop
                if at < len(records):
                    self._seal(active)
        except OSError:
            self._give_up()
            raise

    def _begin(self, head: Head) -> Segment:
        file = self._pool.take(reserve=1)
        if file is None:
            raise Full
        head = head.at(self.rank, self.last + 1, self._pool.size, self._tail_lost)
        begun = Segment.made(file, head)
        try:
            begun.open(self._disk).write(0, head.pack() + END)
            self.enter(begun)
        except OSError:
            begun.close()
            self._pool.discard(file)
            raise
        for replaced in [segment for segment in (*self.segments[-1:], *self.bad) if segment.name == begun.name]:
            replaced.close()  # nothing was stored in it
            (self.bad if replaced in self.bad else self.segments).remove(replaced)
        self.segments.append(begun)
        self._active, self._tail_lost = begun, 0
        return begun

    def enter(self, segment: Segment) -> None:
        """Give the file of a segment the name that makes it one of this log, durably."""
        name = name_of(segment.rank, segment.first, segment.last if segment.level else 0, segment.told, segment.level)
        self._pool.use(segment.name, name)
        segment.name = name

    def _seal(self, segment: Segment) -> None:
        self._active = None
        if segment is not self.segments[0]:
            segment.forget()

    def _give_up(self) -> None:
        """Leave the file behind in which something failed; what had become durable there stays."""
        active, self._active = self._active, None
        if active is not None:
            active.close()
            if not active.seqs:
                self.segments.remove(active)
                self.bad.append(active)

    # ── read ──

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

    def acknowledge(self, upto: int) -> None:
        """Forget everything up to `upto`."""
        upto = min(upto, self.last)
        if upto <= self.acknowledged:
            return
        with suppress(OSError):  # then it is not known how much of it was lost
            for span in self.spans(self.acknowledged + 1):
                if span.last > upto and (isinstance(span, Gap) or span.segment.seqs[span.start] > upto):
                    break
                self.lost += span.count if isinstance(span, Gap) else told_lost(span.segment, self.acknowledged + 1, upto)
                if span.last >= upto:
                    break
        self.acknowledged = upto
        self._shown = [last for last in self._shown if last > upto]
        self._put_away()

    def _put_away(self) -> None:
        while self.segments and self.segments[0] is not self._active and self.segments[0].last <= self.acknowledged:
            segment = self.segments.pop(0)
            segment.forget()
            self.spent.append(segment)

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

    # ── give room ──

    def expire(self, before_ns: int, now_ns: int) -> None:
        """Move `cut` behind the last record that was stored before `before_ns`; a stamp beyond `now_ns` says nothing.

        Raises:
            OSError: nothing on this disk can be read.
        """
        for segment in list(self.segments):
            if segment.last <= max(self.acknowledged, self.cut) or not self.load(segment):
                continue
            i = len(segment.seqs) - 1
            while i >= 0 and not 0 < segment.stamps[i] <= before_ns:
                i -= 1
            if i >= 0:
                self.cut = max(self.cut, segment.seqs[i])
            if any(before_ns < stamp <= now_ns for stamp in segment.stamps[i + 1 :]):
                return

    def evictable(self) -> Segment | None:
        """Return the oldest segment that could be given up, None when there is only the one that is being filled."""
        oldest = self.segments[0] if self.segments else None
        return None if oldest is self._active else oldest

    def evict(self) -> None:
        """Give up the oldest segment: its numbers become a gap."""
        segment = self.segments.pop(0)
        segment.forget()
        self.obsolete.append(segment)
