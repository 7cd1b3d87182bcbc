"""The port `Outbox`: who waits for the disk and for how long; what lies on it is in `gateway.outbox.store`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from gateway.clock import Clock
from gateway.log import get
from gateway.model import Log, Record, Sequenced
from gateway.ports import Claim, OutboxError, OutboxStatus

from .codec import Stored, encode
from .disk import Disk, FolderDisk
from .memory import Memory
from .segment import LOGS
from .store import LAZY_S, Store, StoreError

T = TypeVar("T")

PATIENCE_S = 5.0
"""A disk that has not answered for so long counts as failed."""

GIVEN_UP_S = 120.0
"""When it has not answered for so long `append` waits for it, and who watches over progress will start the program anew."""

_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 10.0
_MEMORY_BYTES = 8_000_000

log = get("outbox")


class SegmentedOutbox:
    """The port `Outbox` on a folder of segments; the disk is used by one thread of its own, so the event loop never waits for it.

    Besides the guarantees of the port: a batch is stored as a whole or not at all when `append` is cancelled. `claim` returns the
    oldest of urgent, then feature, reading, bulk: claimed again it starts with the same records unless urgent ones have come in
    or records were given up meanwhile. When bytes exceed their limit the oldest of bulk goes first, then readings are thinned
    out, then the oldest of reading, feature, urgent goes; what exceeds its age goes first of all. Each loss is told in its place by
    a tombstone. A record that arrived, but whose acknowledgement did not, may be told as lost. A record that cannot be encoded,
    is larger than a segment (1 MB, or 1/16 of a smaller store), or was damaged on disk, is claimed as a tombstone of itself
    under its own number. A crash brings back what was acknowledged in the last 10 seconds.

    While the disk fails, `append` returns when its records are in memory, and `claim` hands them out from there, under another
    epoch. The status says so, and they are stored as soon as the disk is well.

    Args:
        place: the folder, made if missing; or a disk.
        max_bytes: what its files may take together; at least 64 KiB.
        max_age_s: how long a record may wait; judged only while the clock is synchronised, in steps of 1/64.
        clock: gives the time.
        commit_every_s: how long an append that is not urgent waits for others to share its commit, in real time.
        commit_records: how many waiting records make a commit start at once.
        commit_bytes: how many waiting bytes do.
        memory_bytes: what may wait in memory while the disk fails.
        patience_s: after so long a disk that does not answer counts as failed.
        on_trouble: called with words when the disk fails, and with none when it is well again.
    """

    def __init__(
        self,
        place: Path | Disk,
        *,
        max_bytes: int,
        max_age_s: float | None = None,
        clock: Clock,
        commit_every_s: float = 1.0,
        commit_records: int = 1000,
        commit_bytes: int = 256 * 1024,
        memory_bytes: int = _MEMORY_BYTES,
        patience_s: float = PATIENCE_S,
        on_trouble: Callable[[str], None] | None = None,
    ) -> None:
        self._commit_every_s = commit_every_s
        self._commit_records = commit_records
        self._commit_bytes = commit_bytes
        self._patience_s = patience_s
        self._on_trouble = on_trouble
        # Batches waiting for the next commit, each with the future that its append awaits.
        self._queue: list[tuple[list[Stored], asyncio.Future[None]]] = []
        self._queued, self._queued_bytes = 0, 0
        self._filled, self._hurry = asyncio.Event(), asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._place = place if isinstance(place, Path) else Path("memory")
        self._store = Store(FolderDisk(place) if isinstance(place, Path) else place, max_bytes, max_age_s, clock)
        self._memory = Memory(memory_bytes, clock)
        self._behind = [0] * len(LOGS)  # by class, the seq in the store behind which what is claimed from memory comes
        self._status = self._store.status()
        self._hanging: asyncio.Future[Any] | None = None
        self._hanging_since_s = 0.0
        self._pause_s, self._again_s = _PAUSE_S, 0.0
        self._told_trouble = ""

    async def open(self) -> None:
        """Open the store; never fails: what is wrong stands in the status, and it is tried again."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        with suppress(OutboxError):
            await self._in_thread(self._store.open)
        self._committer = asyncio.create_task(self._commit_together(), name="outbox commits")

    def limit(self, max_bytes: int, max_age_s: float | None) -> None:
        """Set new limits; they are enforced as segments are filled."""
        self._store.limit(max_bytes, max_age_s)

    async def close(self) -> None:
        """Commit what is waiting and close the files; may be called twice."""
        committer, self._committer = self._committer, None
        if committer is None or self._thread is None:
            return
        self._filled.set()
        self._hurry.set()
        await committer
        if self._memory:
            log.error("records_dropped", path=str(self._place), count=len(self._memory), reason=self._told_trouble)
        with suppress(OutboxError):
            await self._in_thread(self._store.close)
        self._thread.shutdown(wait=self._hanging is None)
        self._thread = None

    async def append(self, batch: Sequence[Record], *, urgent: bool = False) -> None:
        """Store the batch durably; concurrent calls share one commit, an urgent one does not wait for company.

        Raises:
            OutboxError: the outbox is closed, or is being closed while the disk fails; nothing was stored.
        """
        if self._committer is None:
            raise OutboxError(f"{self._place} is closed")
        if not batch:
            return
        rows = [encode(record) for record in batch]
        done = asyncio.get_running_loop().create_future()
        self._queue.append((rows, done))
        self._queued += len(rows)
        self._queued_bytes += sum(len(payload) for _, payload in rows)
        self._filled.set()
        if urgent or self._queued >= self._commit_records or self._queued_bytes >= self._commit_bytes:
            self._hurry.set()
        await done

    async def claim(self, n: int, *, held: Collection[Log] = ()) -> Claim | None:
        """Return up to `n` of the oldest unacknowledged records, urgent ones first, passing over the logs in `held`, or None.

        Raises:
            OutboxError: the store cannot be read, and nothing is in memory.
        """
        counts = [0 if LOGS[rank] in held else count for rank, count in enumerate(self._memory.counts())]
        upto = [self._behind[rank] if self._memory.claimed(rank) else None for rank in range(len(LOGS))]
        stored: Claim | None = None
        if self._hanging is None:
            try:
                stored = await self._in_thread(lambda: self._store.claim(n, held, upto, counts))
            except OutboxError:
                if not self._memory:
                    raise
        records: list[Sequenced] = []
        ends = [0] * len(LOGS)
        for rank, of in enumerate(LOGS):
            records += [row for row in stored.records if row.log is of] if stored else ()
            if not counts[rank]:
                continue
            if not self._memory.claimed(rank):
                self._behind[rank] = self._store.logs[rank].last
            for row in self._memory.claim(rank, n - len(records)):
                records.append(row)
                ends[rank] = row.seq
        token = (stored.token if stored else None, tuple(ends))
        return Claim(token, tuple(records)) if records else None

    async def acknowledge(self, token: Any) -> None:
        """Remove the records of that claim; a second time, or after the store was replaced, it does nothing.

        Raises:
            OutboxError: they are still there and will be claimed again.
        """
        stored, ends = token
        if self._thread is None:
            raise OutboxError(f"{self._place} is closed")
        self._memory.acknowledge(ends)
        if stored is not None:
            await self._in_thread(lambda: self._store.acknowledge(stored))

    def status(self) -> OutboxStatus:
        """Return what the outbox holds and has lost, as of the last turn of the disk, without touching it."""
        status, trouble = self._status, self._trouble()
        count = len(self._memory)
        if trouble and count:
            trouble += f"; {count} records are in memory only"
        return replace(
            status,
            waiting=status.waiting + count,
            lost=status.lost + self._memory.lost,
            trouble=trouble or status.trouble,
            in_memory=count,
        )

    # ── the disk ──

    def _trouble(self) -> str:
        return f"{self._place}: the disk does not answer" if self._hanging is not None else self._store.trouble

    async def _in_thread(self, call: Callable[[], T], on_late: Callable[[asyncio.Future[T]], None] | None = None) -> T:
        """Run a call in the thread, and wait for it as long as patience lasts.

        Raises:
            OutboxError: the outbox is closed, or the disk does not answer; then `on_late` gets the future when it does.
        """
        if self._thread is None:
            raise OutboxError(f"{self._place} is closed")
        if self._hanging is not None:
            raise OutboxError(self._trouble())

        def call_and_look() -> T:
            try:
                return call()
            finally:
                self._status = self._store.status()

        future = asyncio.get_running_loop().run_in_executor(self._thread, call_and_look)
        try:
            done, _ = await asyncio.wait({future}, timeout=self._patience_s)
        finally:
            future.add_done_callback(_seen)
        if not done and self._hanging is None:
            self._hanging, self._hanging_since_s = future, asyncio.get_running_loop().time()
            future.add_done_callback(self._answered)
            if on_late is not None:
                future.add_done_callback(on_late)
        self._look()
        if not done:
            raise OutboxError(self._trouble())
        return future.result()

    def _answered(self, _: asyncio.Future[Any]) -> None:
        self._hanging = None
        self._look()

    def _look(self) -> None:
        """Tell when the disk begins or ceases to fail."""
        trouble = self._trouble()
        if bool(trouble) != bool(self._told_trouble):
            self._told_trouble = trouble
            if self._on_trouble is not None:
                self._on_trouble(trouble)

    # ── commits ──

    async def _commit_together(self) -> None:
        while True:
            await self._company()
            last = self._committer is None  # then nothing is appended any more
            queue, self._queue = self._queue, []
            self._queued = self._queued_bytes = 0
            self._filled.clear()
            self._hurry.clear()
            failure: Exception | None = None
            try:
                await self._commit([row for batch, _ in queue for row in batch], last=last)
            except Exception as error:  # also a bug of ours: whoever waits must hear of it
                failure = error
            for _, done in queue:
                if not done.done():  # its append may have been cancelled
                    done.set_exception(failure) if failure else done.set_result(None)
            if last:
                return

    async def _company(self) -> None:
        """Wait for something to be committed, for others to share the commit, or until it is time to look after the store."""
        if self._committer is None:
            return
        if not self._queue:
            wait_s = max(0.0, self._again_s - asyncio.get_running_loop().time()) if self._memory.waits else LAZY_S
            with suppress(TimeoutError):
                await asyncio.wait_for(self._filled.wait(), wait_s)
        if self._queue:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._commit_every_s)

    async def _commit(self, new: list[Stored], *, last: bool) -> None:
        """Store rows, and before them what waits in memory; keep in memory what the disk does not take."""
        loop = asyncio.get_running_loop()
        if self._hanging is not None and loop.time() - self._hanging_since_s > GIVEN_UP_S:
            await asyncio.wait({self._hanging})
        if self._hanging is not None or (self._told_trouble and loop.time() < self._again_s and not last):
            self._memory.take(new)
        elif not new and not self._memory.waits:
            with suppress(OutboxError):
                await self._in_thread(self._store.tick)
        else:
            rows = [*self._memory.leave(everything=last), *new]

            def late(future: asyncio.Future[None]) -> None:
                if error := future.exception():
                    self._memory.put_back(error.rest if isinstance(error, StoreError) else rows)

            try:
                await self._in_thread(lambda: self._store.commit(rows), late)
            except StoreError as error:
                self._memory.put_back(error.rest)
                self._again_s = loop.time() + self._pause_s
                self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            except OutboxError:
                pass  # it does not answer; what comes of it is seen when it does
            else:
                self._pause_s = _PAUSE_S
        if last and (self._memory or self._hanging is not None):
            raise OutboxError(self._trouble() or "the outbox is closed")


def _seen(future: asyncio.Future[Any]) -> None:
    """Take note of an error that nobody waits for any more."""
    if not future.cancelled():
        future.exception()
