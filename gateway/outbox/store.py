"""The four logs of one outbox on a disk: what is appended, claimed, acknowledged and given up. Used by one thread.

Everything is durable before anything relies on it, in this order: a free file is zero-filled and synchronised; it gets its head
and its name, and the folder is synchronised; frames, each commit with one fdatasync; the cursor at its leisure; a segment is used
again only when both slots of the cursor say that it was acknowledged. Recovery only reads.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Sequence

from gateway.clock import Clock
from gateway.log import get
from gateway.model import Log as Class
from gateway.model import Sequenced, TimeQuality, Tombstone
from gateway.ports import Claim, OutboxError, OutboxStatus

from .chain import Row
from .codec import Stored, decode
from .cursor import Cursor, Marks
from .disk import Disk, words
from .log import Full, Log
from .pool import Pool
from .rate import Rate
from .room import Room
from .segment import END, LOGS, SHARES, SMALLEST, START, Head, Newer, Segment, framed_size
from .spans import Gap

SMALLEST_STORE = SHARES * SMALLEST
LAZY_S = 10.0
"""The cursor is written at most so often, unless there is a reason."""

log = get("outbox")


class StoreError(OutboxError):
    """The disk did not do it, in words; `rest` is what of a commit is not stored."""

    def __init__(self, reason: str, rest: Sequence[Stored] = ()) -> None:
        super().__init__(reason)
        self.rest = list(rest)


class Store:
    """Four logs on one disk.

    Args:
        disk: the folder.
        max_bytes: what all files may take together; at least 64 KiB.
        max_age_s: how long a record may wait; judged only while the clock is synchronised.
        clock: gives the time.

    Attributes:
        trouble: what is wrong with the disk now, in words.
        notice: what was found damaged since the start, in words.
    """

    def __init__(self, disk: Disk, max_bytes: int, max_age_s: float | None, clock: Clock) -> None:
        self._disk = disk
        self._clock = clock
        self._pool = Pool(disk, SMALLEST_STORE)
        self._cursor = Cursor(disk)
        self.logs = [Log(rank, disk, self._pool) for rank in range(len(LOGS))]
        self._room = Room(self.logs, disk, self._pool, self._cursor, self._mark, clock)
        self.limit(max_bytes, max_age_s)
        self.trouble = self.notice = ""
        self._epoch = ""
        self._loaded = self._ready = self._dirty = False
        self._marked_s, self._aged_ns = -LAZY_S, 0
        self._told: dict[tuple[int, int], Tombstone] = {}
        self._oldest: list[tuple[object, int | None]] = [(None, None)] * len(LOGS)
        self._appended, self._written = Rate(clock.monotonic()), Rate(clock.monotonic())
        self._written_before = disk.written

    def limit(self, max_bytes: int, max_age_s: float | None) -> None:
        """Set the limits; the next commit enforces them."""
        self._max_bytes = max(int(max_bytes), SMALLEST_STORE)
        self._max_age_ns = None if max_age_s is None else int(max_age_s * 1e9)
        self._pool.limit(self._max_bytes)

    # ── open and close ──

    def open(self) -> None:
        """See what lies in the folder, and try whether it can be written.

        Raises:
            StoreError: it cannot be read, or not be written; every call tries again what it needs.
        """
        try:
            self._load()
            self._prepare()
        except OSError as error:
            raise self._failed(error) from error

    def _load(self) -> None:
        """Recover, if that has not been done; nothing is written."""
        if self._loaded:
            return
        self._disk.hold()
        names = self._disk.names()
        self._pool.load(names)
        try:
            self._cursor.load(names)
            marks, epoch = self._cursor.marks, os.urandom(8).hex()
            if marks is None and self._cursor.found:
                log.error("cursor_lost", path=self._where)
                self.notice = "how far the outbox had been sent was lost; some records may be sent twice"
            segments = [
                segment for name, size in names.items() if (segment := Segment.of(name, size, marks.epoch if marks else epoch))
            ]
            for kept in self.logs:
                own = [segment for segment in segments if segment.rank == kept.rank]
                first = min((segment.first for segment in own), default=1)
                known = (
                    (marks.acknowledged[kept.rank], marks.last[kept.rank], marks.lost[kept.rank]) if marks else (first - 1, 0, 0)
                )
                kept.recover(own, *known, clean=marks is not None and marks.clean)
        except Newer as error:
            raise OSError(errno.EPROTO, f"{error}; nothing in it is touched: install the newer version again") from error
        self._epoch = marks.epoch if marks else epoch
        self._told.clear()
        self._loaded = True
        log.info("outbox_opened", path=self._where, waiting=self.status().waiting)

    def _prepare(self) -> None:
        """Say durably that the store is open, before anything is appended; find out so whether the disk can be written."""
        if not self._ready:
            self._pool.load(self._disk.names())
            self._mark()
            self._disk.hold()
            self._ready = True

    def close(self) -> None:
        """Write the cursor and close all files; the next call opens them again."""
        if self._loaded:
            try:
                self._mark(clean=True)
                self._room.tidy()
            except OSError as error:
                self._failed(error)
        self._cursor.close()
        for kept in self.logs:
            kept.close()
        self._disk.release()
        self._loaded = self._ready = False

    # ── append, claim, acknowledge ──

    def commit(self, rows: Sequence[Stored]) -> None:
        """Store rows durably, each log's in their order.

        Raises:
            StoreError: `rest` is not stored.
        """
        failure: StoreError | None = None
        rest: list[Stored] = []
        for rank in range(len(LOGS)):
            records = [payload for of, payload in rows if of == rank]
            start = self.logs[rank].last
            try:
                self._load()
                self._prepare()
                start = self.logs[rank].last
                if records:
                    self._append(self.logs[rank], records)
            except OSError as error:
                failure = self._failed(error)
                rest += [(rank, payload) for payload in records[self.logs[rank].last - start :]]
        if failure is not None:
            raise StoreError(str(failure), rest)
        self.tick()

    def _append(self, kept: Log, records: list[bytes]) -> None:
        most = self._pool.size - START - len(END)
        fit = [payload if framed_size(payload) <= most else b"" for payload in records]
        now = self._clock.stamp()
        stamp = now.wall_ns if now.quality is TimeQuality.SYNCED else 0
        start, failures = kept.last, 0
        while rest := fit[kept.last - start :]:
            try:
                kept.append(rest, stamp, self._head)
            except Full:
                if not self._room.make(self._head):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
            except OSError:
                # The file that failed is left behind: synchronised again it would lie. A disk that is full may have room of ours.
                self._room.tidy()
                if not (self._pool.full and self._room.make(self._head)):
                    failures += 1
                    if failures > 1:
                        raise
        kept.lost += sum(not payload for payload in fit)
        self._dirty = True
        self._appended.add(self._clock.monotonic(), sum(map(framed_size, fit)))

    def claim(
        self,
        n: int,
        held: Collection[Class] = (),
        upto: Sequence[int | None] = (None,) * len(LOGS),
        besides: Sequence[int] = (0,) * len(LOGS),
    ) -> Claim | None:
        """Return the oldest records; None when there are none.

        Args:
            n: how many at most.
            held: logs that are passed over.
            upto: by log, the last seq that may be among them.
            besides: by log, how many of the `n` somebody else has, to come behind those of the same log.

        Raises:
            StoreError: the disk cannot be read.
        """
        records: list[Sequenced] = []
        ends = [0] * len(LOGS)
        try:
            self._load()
            self._expire()
            for rank, kept in enumerate(self.logs):
                if LOGS[rank] in held:
                    continue
                for row in kept.read(n - len(records), upto[rank]):
                    records.append(self._sequenced(rank, row))
                    ends[rank] = row[0]
                n -= min(besides[rank], n - len(records))
        except OSError as error:
            raise self._failed(error) from error
        return Claim((self._epoch, tuple(ends)), tuple(records)) if records else None

    def _sequenced(self, rank: int, row: Row) -> Sequenced:
        seq, content, epoch = row
        record = None if isinstance(content, Gap) else decode(content)
        if record is None:
            gap = content if isinstance(content, Gap) else Gap(seq, seq, 1)
            record = self._told.get((rank, seq))
            if record is None:
                stamp = self._clock.stamp()
                record = Tombstone(lost=LOGS[rank], first=gap.first, last=gap.last, count=gap.count, stamp=stamp)
                self._told[rank, seq] = record
        return Sequenced(LOGS[rank], epoch or self._epoch, seq, record)

    def acknowledge(self, token: tuple[str, tuple[int, ...]]) -> None:
        """Forget what a claim returned; durable within some seconds, and until then it may be claimed again after a crash."""
        epoch, ends = token
        if epoch != self._epoch:
            return
        for kept, end in zip(self.logs, ends, strict=True):
            kept.acknowledge(end)
        self._told = {(rank, seq): told for (rank, seq), told in self._told.items() if seq > self.logs[rank].acknowledged}
        self._dirty = True
        self.tick()

    # ── now and then ──

    def tick(self) -> None:
        """Write the cursor when it is time, and give free what it covers; after trouble, try again. Never raises."""
        try:
            self._load()
            self._prepare()
            self._expire()
            if self._dirty and self._clock.monotonic() - self._marked_s >= LAZY_S:
                self._mark()
            self._room.tidy()
        except OSError as error:
            self._failed(error)
        else:
            self._recovered()

    def _mark(self, *, clean: bool = False) -> None:
        by_log = [tuple(getattr(kept, name) for kept in self.logs) for name in ("acknowledged", "last", "lost")]
        self._cursor.write(Marks(self._epoch, by_log[0], by_log[1], by_log[2], clean))
        self._marked_s, self._dirty = self._clock.monotonic(), False

    def _expire(self) -> None:
        now = self._clock.stamp()
        if self._max_age_ns is None or now.quality is not TimeQuality.SYNCED:
            return
        if abs(now.wall_ns - self._aged_ns) < self._max_age_ns // 64:
            return
        self._aged_ns = now.wall_ns
        for kept in self.logs:
            kept.expire(now.wall_ns - self._max_age_ns, now.wall_ns)
            while (oldest := kept.evictable()) is not None and oldest.last <= kept.cut:
                kept.evict()

    # ── status ──

    def status(self) -> OutboxStatus:
        """Return what the store holds and has lost; reads only the record that has become the oldest."""
        now_s = self._clock.monotonic()
        self._written.add(now_s, self._disk.written - self._written_before)
        self._written_before = self._disk.written
        tallies = [kept.tally() for kept in self.logs]
        used_bytes = sum(tally.used_bytes for tally in tallies)
        per_day = self._appended.per_day(now_s)
        damages = [kept.damaged for kept in self.logs if kept.damaged]
        return OutboxStatus(
            waiting=sum(tally.waiting for tally in tallies),
            used_bytes=used_bytes,
            max_bytes=self._max_bytes,
            lost=sum(tally.lost for tally in tallies),
            oldest_wall_ns=self._oldest_wall_ns(),
            trouble=self.trouble or self.notice or (f"{damages[-1]}; what is lost is told" if damages else ""),
            hours_left=round(max(0, self._max_bytes - used_bytes) / per_day * 24, 1) if per_day else None,
            written_per_day=round(self._written.per_day(now_s)),
        )

    def _oldest_wall_ns(self) -> int | None:
        for rank, kept in enumerate(self.logs):
            place = (kept.acknowledged, kept.cut, kept.last == kept.acknowledged, kept.segments[:1])
            if self._oldest[rank][0] != place:
                record = decode(kept.oldest())
                self._oldest[rank] = (place, record.stamp.wall_ns if record else None)
        return min((wall_ns for _, wall_ns in self._oldest if wall_ns), default=None)

    @property
    def _head(self) -> Head:
        return Head(0, self._epoch, 1, self._pool.size, self._clock.boot)

    @property
    def _where(self) -> str:
        return str(getattr(self._disk, "folder", "memory"))

    def _failed(self, error: OSError) -> StoreError:
        reason = f"{self._where}: {words(error)}"
        if not self.trouble:
            log.error("outbox_failed", path=self._where, reason=reason)
        self.trouble, self._ready = reason, False
        return StoreError(reason)

    def _recovered(self) -> None:
        if self.trouble:
            log.info("outbox_recovered", path=self._where)
            self.trouble = ""
