"""One log: numbers are given, records appended and acknowledged, and what is too old or too much is given up."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

from .chain import Chain
from .disk import PAGE, Disk
from .pool import Pool
from .segment import END, Head, Segment, framed_size, name_of
from .spans import Gap, told_lost

_SHORTEST = framed_size(b"x")
_ROOMY, _FEW = 16 * PAGE, 2


class Full(Exception):  # noqa: N818  (a state, not a fault)
    """No file is left for another segment."""


class Log(Chain):
    """The records of one class.

    Attributes:
        spent: segments that are acknowledged; they may be used again when the cursor says so durably.
        obsolete: those that may be used again at once.
    """

    def __init__(self, rank: int, disk: Disk, pool: Pool) -> None:
        super().__init__(rank, disk)
        self._pool = pool
        self.spent: list[Segment] = []
        self.obsolete: list[Segment] = []

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
        self._begin_at(acknowledged, lost)
        self.spent, self.obsolete = [], []
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
