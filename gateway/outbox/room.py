"""Making room in a full store: what is acknowledged first, then old readings thinned out, then the oldest of the lowest class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.clock import Clock
from gateway.log import get
from gateway.model import Log as Class
from gateway.model import Tombstone

from .codec import decode, encode
from .cursor import Cursor
from .disk import Disk
from .log import Full, Log
from .pool import Pool
from .segment import LOGS, Head, Segment
from .thinning import Thinner

log = get("outbox")

_URGENT = LOGS.index(Class.URGENT)
_READING = LOGS.index(Class.READING)


class Room:
    """Gives up what is needed least, a segment at a time.

    Args:
        logs: in the order of claims.
        disk: where they lie.
        pool: gets the files.
        cursor: says what was acknowledged for sure.
        mark: writes the cursor.
        clock: dates what is told.
    """

    def __init__(self, logs: Sequence[Log], disk: Disk, pool: Pool, cursor: Cursor, mark: Callable[[], None], clock: Clock) -> None:
        self._logs = logs
        self._disk = disk
        self._clock = clock
        self._pool = pool
        self._cursor = cursor
        self._mark = mark
        self._thinner = Thinner(logs[_READING], disk, pool)

    def make(self, head: Head) -> bool:
        """Free at least one file, if that can be done at all; return whether it was.

        Raises:
            OSError: the disk cannot be read or written.
        """
        if self.tidy():
            return True
        if any(log.spent for log in self._logs):
            self._mark()
            self._mark()  # both slots, so that a damaged one does not bring back what is gone
            if self.tidy():
                return True
        for kept in reversed(self._logs):
            if kept.rank == _READING and self._thinner.thin(head, self._clock.stamp()):
                log.info("outbox_thinned", log=LOGS[kept.rank].value)
                return self.tidy()
            if (oldest := kept.evictable()) is not None:
                self._mark()  # else what was acknowledged since would be told as lost after a crash
                notices = self._notices(kept, oldest)
                told = not notices or self._tell(notices, head)
                log.warning("outbox_evicted", log=LOGS[kept.rank].value, first=oldest.first, last=oldest.last)
                kept.evict()
                self.tidy()
                if not told:
                    self._tell(notices, head)
                return True
        return False

    def _notices(self, kept: Log, segment: Segment) -> list[Tombstone]:
        """Return what an urgent segment tells of losses before the outbox, which have no numbers and so leave no gap."""
        counts: dict[Class, int] = {}
        if kept.rank == _URGENT and kept.load(segment):
            for payload in segment.read(self._disk, segment.index(kept.acknowledged + 1), len(segment.seqs)):
                if isinstance(record := decode(payload), Tombstone) and not record.last:
                    counts[record.lost] = counts.get(record.lost, 0) + record.count
        return [Tombstone(lost=lost, first=0, last=0, count=count, stamp=self._clock.stamp()) for lost, count in counts.items()]

    def _tell(self, notices: list[Tombstone], head: Head) -> bool:
        try:
            self._logs[_URGENT].append([encode(notice)[1] for notice in notices], 0, head)
        except Full:
            return False
        return True

    def tidy(self) -> bool:
        """Give free what is not needed any more, and set aside what is damaged; return whether anything came free.

        Raises:
            OSError: the folder cannot be written.
        """
        came_free = False
        for kept in self._logs:
            surely = self._cursor.surely[kept.rank]
            while kept.bad:
                self._pool.set_aside(kept.bad[0].name)
                kept.bad.pop(0)
            done = [segment for segment in kept.spent if segment.last <= surely]
            for queue, segments in ((kept.obsolete, list(kept.obsolete)), (kept.spent, done)):
                for segment in segments:
                    if segment.suspect:
                        self._pool.set_aside(segment.name)
                    else:
                        self._pool.give(segment.name)
                    queue.remove(segment)
                    came_free = True
        return came_free
