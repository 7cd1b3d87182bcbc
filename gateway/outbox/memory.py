"""What waits in memory while the disk fails: bounded, sent like everything else, and written as soon as the disk is well.

What is claimed from here gets numbers of an epoch of its own, since the store's numbers are given by what is stored, and would
be given again after a crash. It stays here until it is acknowledged; what was not claimed goes into the store.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable

from gateway.clock import Clock
from gateway.log import get
from gateway.model import Log as Class
from gateway.model import Sequenced, Tombstone

from .codec import Stored, decode, encode
from .segment import LOGS, framed_size

_URGENT = LOGS.index(Class.URGENT)

log = get("outbox")


class Memory:
    """Records by class; above the limit the oldest of bulk goes first, then reading, feature, urgent, and is counted and told.

    Args:
        most_bytes: what the records may take.
        clock: dates what is told.

    Attributes:
        lost: how many records were dropped.
        epoch: identity of the numbers given here.
    """

    def __init__(self, most_bytes: int, clock: Clock) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._bytes = 0
        self._waiting: list[deque[bytes]] = [deque() for _ in LOGS]
        self._claimed: list[deque[tuple[int, bytes]]] = [deque() for _ in LOGS]
        self._next = [1] * len(LOGS)
        self._untold = [0] * len(LOGS)
        self._notices: dict[bytes, tuple[int, int]] = {}  # what was made of `_untold` and may come back: rank and count
        self.lost = 0
        self.epoch = os.urandom(8).hex()

    def __len__(self) -> int:
        return sum(map(len, self._waiting)) + sum(map(len, self._claimed)) + sum(map(bool, self._untold))

    def take(self, rows: Iterable[Stored]) -> None:
        """Keep rows, behind those that are here."""
        for rank, payload in rows:
            self._waiting[rank].append(payload)
            self._bytes += framed_size(payload)
        for rank in reversed(range(len(LOGS))):
            waiting = self._waiting[rank]
            while self._bytes > self._most_bytes and waiting:
                payload = waiting.popleft()
                self._bytes -= framed_size(payload)
                self._drop(rank, payload)

    def _drop(self, rank: int, payload: bytes) -> None:
        record = decode(payload)
        if isinstance(record, Tombstone) and not record.last:
            self._untold[LOGS.index(record.lost)] += record.count  # it told of others, which must still be told
            return
        if not any(self._untold):
            log.error("records_dropped", count=1, reason="the disk fails and there is no more room in memory")
        self._untold[rank] += 1
        self.lost += 1

    def _tell(self) -> None:
        for rank, count in enumerate(self._untold):
            if count:
                notice = Tombstone(lost=LOGS[rank], first=0, last=0, count=count, stamp=self._clock.stamp())
                self._waiting[_URGENT].append(payload := encode(notice)[1])
                self._notices[payload] = (rank, count)
                self._bytes += framed_size(payload)
                self._untold[rank] = 0

    @property
    def waits(self) -> bool:
        """Whether anything here is to be stored."""
        return any(self._waiting) or any(self._untold)

    def put_back(self, rows: Iterable[Stored]) -> None:
        """Keep rows, before those that came meanwhile."""
        younger = self.leave()
        kept = []
        for row in (*rows, *younger):
            if (notice := self._notices.get(row[1])) is None:
                kept.append(row)
            else:
                self._untold[notice[0]] += notice[1]
        self._notices.clear()
        self.take(kept)

    def leave(self, *, everything: bool = False) -> list[Stored]:
        """Hand over what is to be stored: what was not claimed, or everything."""
        self._tell()
        rows = []
        for rank, waiting in enumerate(self._waiting):
            if everything:
                rows += [(rank, payload) for _, payload in self._claimed[rank]]
                self._claimed[rank].clear()
            rows += [(rank, payload) for payload in waiting]
            waiting.clear()
        self._bytes -= sum(framed_size(payload) for _, payload in rows)
        return rows

    def counts(self) -> list[int]:
        """Return by class how many can be claimed."""
        self._tell()
        return [len(claimed) + len(waiting) for claimed, waiting in zip(self._claimed, self._waiting, strict=True)]

    def claimed(self, rank: int) -> bool:
        """Say whether some of this class have been claimed: the store must not be read beyond what was older."""
        return bool(self._claimed[rank])

    def claim(self, rank: int, n: int) -> list[Sequenced]:
        """Return up to `n` of a class, first those that were claimed before."""
        claimed, waiting = self._claimed[rank], self._waiting[rank]
        while len(claimed) < n and waiting:
            claimed.append((self._next[rank], waiting.popleft()))
            self._next[rank] += 1
        rows = []
        for seq, payload in list(claimed)[:n]:
            record = decode(payload)
            if record is None:
                record = Tombstone(lost=LOGS[rank], first=seq, last=seq, count=1, stamp=self._clock.stamp())
            rows.append(Sequenced(LOGS[rank], self.epoch, seq, record))
        return rows

    def acknowledge(self, ends: Iterable[int]) -> None:
        """Forget by class what was claimed up to these numbers."""
        for claimed, end in zip(self._claimed, ends, strict=True):
            while claimed and claimed[0][0] <= end:
                self._bytes -= framed_size(claimed.popleft()[1])
