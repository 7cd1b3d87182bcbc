"""Durable, ordered, bounded queue of records for one recipient: what `append` returned for survives a power cut.

Here is when the disk is asked and who waits for it; what stands on it is in `gateway.store`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from gateway.clock import Clock
from gateway.model import Log, Record
from gateway.ports import Claim, OutboxError, OutboxStatus
from gateway.store import Store, encode

__all__ = ["OutboxError", "SqliteOutbox"]

T = TypeVar("T")


class SqliteOutbox:
    """The port `Outbox` on one SQLite file; all SQL runs in one thread of its own, so the event loop never waits for a disk.

    Besides the guarantees of the port: a batch is stored as a whole or not at all, also when `append` is cancelled; when it
    raises `OutboxError` nothing was stored, the same batch may be tried again, and the store heals by itself. `claim` returns
    the oldest of urgent, then feature, reading, bulk: claimed again it starts with the same records unless urgent ones have come
    in or records were evicted meanwhile. When bytes or age exceed their limit the oldest of bulk goes first, then reading,
    feature, urgent, and a tombstone in the urgent log tells it. A tombstone that nobody has claimed yet is extended instead of
    adding another (`count` may then be less than its range); one that must go itself is told by the next. A record that
    arrived, but whose acknowledgement did not, may be told as lost. A record that cannot be encoded, or was damaged on disk, is
    claimed as a tombstone of itself under its own number.

    Args:
        path: the database file; its folder is made if missing. A damaged file is renamed to `<path>.broken-<n>` (the newest
            two are kept) and a new store with a new epoch begun.
        max_bytes: what the file may grow to, apart from about 5 MB of write-ahead log; at least 64 KiB.
        max_age_s: how long a record may wait, to within 1/64; judged only while the clock is synchronised.
        clock: gives the wall time.
        commit_every_s: how long an append that is not urgent waits for others to share its commit, in real time.
        commit_records: how many waiting records make a commit start at once.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        max_age_s: float | None = None,
        clock: Clock,
        commit_every_s: float = 1.0,
        commit_records: int = 1000,
    ) -> None:
        self._commit_every_s = commit_every_s
        self._commit_records = commit_records
        # Batches waiting for the next commit, each with the future that its append awaits.
        self._queue: list[tuple[list[tuple[int, bytes]], asyncio.Future[None]]] = []
        self._filled, self._hurry = asyncio.Event(), asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._path = path
        self._store = Store(path, max_bytes, max_age_s, clock)
        self._status = self._store.status()

    async def open(self) -> None:
        """Open the store; never fails: what is wrong stands in the status, and every call tries again."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._committer = asyncio.create_task(self._commit_together(), name="outbox commits")
        with suppress(OutboxError):
            await self._in_thread(self._store.check_in)

    def limit(self, max_bytes: int, max_age_s: float | None) -> None:
        """Set new limits; they are enforced from the next commit on."""
        self._store.limit(max_bytes, max_age_s)

    async def close(self) -> None:
        """Commit what is waiting and close the file; may be called twice."""
        committer, self._committer = self._committer, None
        if committer is None or self._thread is None:
            return
        self._filled.set()
        self._hurry.set()
        await committer
        await self._in_thread(self._store.close)
        self._thread.shutdown()
        self._thread = None

    async def append(self, batch: Sequence[Record], *, urgent: bool = False) -> None:
        """Store the batch durably; concurrent calls share one commit, an urgent one does not wait for company.

        Raises:
            OutboxError: nothing was stored; the message says why and what to do.
        """
        if self._committer is None:
            raise OutboxError(f"{self._path} is closed")
        if not batch:
            return
        done = asyncio.get_running_loop().create_future()
        self._queue.append(([encode(record) for record in batch], done))
        self._filled.set()
        if urgent or sum(len(rows) for rows, _ in self._queue) >= self._commit_records:
            self._hurry.set()
        await done

    async def claim(self, n: int, *, held: Collection[Log] = ()) -> Claim | None:
        """Return up to `n` of the oldest unacknowledged records, urgent ones first, passing over the logs in `held`, or None.

        Raises:
            OutboxError: the store cannot be read.
        """
        return await self._in_thread(lambda: self._store.claim(n, held))

    async def acknowledge(self, token: Any) -> None:
        """Remove the records of that claim, durably; a second time, or after the store was replaced, it does nothing.

        Raises:
            OutboxError: they are still there and will be claimed again.
        """
        await self._in_thread(lambda: self._store.acknowledge(token))

    def status(self) -> OutboxStatus:
        """Return what the store holds and has lost, as of its last turn, without touching the disk."""
        return self._status

    async def _in_thread(self, call: Callable[[], T]) -> T:
        if self._thread is None:
            raise OutboxError(f"{self._path} is closed")

        def call_and_look() -> T:
            try:
                return call()
            finally:
                self._status = self._store.status()

        return await asyncio.get_running_loop().run_in_executor(self._thread, call_and_look)

    async def _commit_together(self) -> None:
        while self._committer is not None or self._queue:
            await self._filled.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._commit_every_s)
            queue, self._queue = self._queue, []
            self._filled.clear()
            self._hurry.clear()
            rows = [row for batch, _ in queue for row in batch]
            failure: Exception | None = None
            try:
                await self._in_thread(lambda rows=rows: self._store.commit(rows))  # type: ignore[misc]
            except Exception as error:  # also a bug of ours: whoever waits must hear of it
                failure = error
            for _, done in queue:
                if not done.done():  # its append may have been cancelled
                    done.set_exception(failure) if failure else done.set_result(None)
