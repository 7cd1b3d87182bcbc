"""The outbox at the block device, beside SQLite and a log that grows; its throughput, and its recovery of 1 GB.

Bytes are read from /sys/block/loopX/stat, journal and cursor included, since what a process counts as written is not what
reaches a card. Each store has an ext4 of its own (blocks of 4 KB) and commits ten records of 200 bytes a second, and what it
stored is acknowledged. Run alone: `python -m tests.bench.bench_outbox`.
"""

from __future__ import annotations

import asyncio
import math
import os
import sqlite3
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr
from pathlib import Path

from gateway.clock import Clock
from gateway.model import Reading
from gateway.outbox import SegmentedOutbox
from gateway.outbox.codec import encode
from gateway.outbox.disk import FolderDisk
from gateway.outbox.segment import framed_size
from gateway.outbox.store import Store
from tests.bench import Row
from tests.campaign.power.disk import loop_disk, possible

BYTES = 200
PER_COMMIT = 10
COMMITS = 40
EVERY_S = 1.0
LAZY_S = 10

# ours / theirs at most
BUDGET_DEVICE = 1.0
DEVICE_BYTES = 8192
BUDGET_SQLITE = 1 / 3
RECORDS_PER_S = 20_000
RECOVERY_BYTES, RECOVERY_S = 1_000_000_000, 1.0

Step = Callable[[int], None]
"""Stores one commit, durably, and acknowledges the one before."""

Made = tuple[Step, Callable[[], None]]
"""A step, and what closes its store."""


def reading(clock: Clock, i: int, size: int = 0) -> Reading:
    """Return a reading; of that many bytes as it is stored, if a size is given."""
    made = Reading(machine="press-1", point="oil_temp", value=i * 1.5, stamp=clock.stamp(), unit="°C")
    spare = size - len(encode(made)[1])
    return (
        made
        if spare <= 0
        else Reading(machine="press-1" + "x" * spare, point="oil_temp", value=i * 1.5, stamp=made.stamp, unit="°C")
    )


def ours(folder: Path) -> Made:
    """Return a step of the outbox."""
    clock = Clock()
    store = Store(FolderDisk(folder / "outbox"), 64_000_000, None, clock)
    store.open()

    def step(i: int) -> None:
        store.commit([encode(reading(clock, PER_COMMIT * i + j, BYTES)) for j in range(PER_COMMIT)])
        if claim := store.claim(1000):
            store.acknowledge(claim.token)

    return step, store.close


def sqlite(folder: Path) -> Made:
    """Return a step of a queue in SQLite, WAL and synchronous FULL; rows are deleted every 10 s."""
    db = sqlite3.connect(folder / "queue.db", isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, payload BLOB)")

    def step(i: int) -> None:
        db.execute("BEGIN")
        rows = [(PER_COMMIT * i + j, os.urandom(BYTES)) for j in range(PER_COMMIT)]
        db.executemany("INSERT INTO record VALUES (?, ?)", rows)
        if i % LAZY_S == 0:
            db.execute("DELETE FROM record WHERE seq < ?", (PER_COMMIT * i,))
        db.execute("COMMIT")

    return step, db.close


def growing(folder: Path) -> Made:
    """Return a step of a log file that grows, one fdatasync a commit, with a cursor file every 10 s."""
    log = os.open(folder / "log", os.O_CREAT | os.O_RDWR | os.O_APPEND)
    cursor = os.open(folder / "cursor", os.O_CREAT | os.O_RDWR)

    def step(i: int) -> None:
        rows = [os.urandom(BYTES) for _ in range(PER_COMMIT)]
        os.write(log, b"".join(zlib.crc32(row).to_bytes(4, "little") + row for row in rows))
        os.fdatasync(log)
        if i % LAZY_S == 0:
            os.pwrite(cursor, i.to_bytes(8, "little"), 0)
            os.fdatasync(cursor)

    def close() -> None:
        os.close(log)
        os.close(cursor)

    return step, close


STORES = {"ours": ours, "SQLite WAL FULL": sqlite, "growing log": growing}


def device_bytes(folder: Path) -> int:
    """Return how many bytes have been written to the device below a folder."""
    number = folder.stat().st_dev
    fields = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/stat").read_text(encoding="ascii").split()
    return 512 * int(fields[6])


def per_commit() -> dict[str, float]:
    """Return the bytes a commit writes to the device, by store; all run side by side."""
    found: dict[str, float] = {}

    def run(name: str, folder: Path, step: Step) -> None:
        step(0)
        os.sync()
        before, begin_s = device_bytes(folder), time.monotonic()
        for i in range(1, COMMITS + 1):
            time.sleep(max(0.0, begin_s + i * EVERY_S - time.monotonic()))
            step(i)
        os.sync()
        found[name] = (device_bytes(folder) - before) / COMMITS

    with tempfile.TemporaryDirectory() as base, ExitStack() as kept:
        threads = []
        for name, make in STORES.items():
            folder = Path(base) / name.split()[0]
            folder.mkdir()
            disk = kept.enter_context(loop_disk(folder, 4096))
            step, close = make(disk.folder)
            kept.callback(close)
            threads.append(threading.Thread(target=run, args=(name, disk.folder, step)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


async def throughput(folder: Path) -> tuple[float, float, float]:
    """Return records a second: appended; claimed and acknowledged; all three."""
    clock = Clock()
    outbox = SegmentedOutbox(folder, max_bytes=512_000_000, max_age_s=30 * 86400.0, clock=clock)
    await outbox.open()
    batch = [reading(clock, i, BYTES) for i in range(1000)]

    async def rate(turns: int, *, append: bool, take: bool) -> float:
        begin = time.perf_counter()
        for _ in range(turns):
            if append:
                await outbox.append(batch, urgent=True)
            if take and (claim := await outbox.claim(1000)):
                await outbox.acknowledge(claim.token)
        return 1000 * turns / (time.perf_counter() - begin)

    appended = await rate(100, append=True, take=False)
    taken = await rate(100, append=False, take=True)
    both = await rate(100, append=True, take=True)
    await outbox.close()
    return appended, taken, both


class Hasty(FolderDisk):
    """A disk that synchronises nothing: good for filling a store whose recovery is measured."""

    def open(self, name: str) -> object:  # type: ignore[override]
        """Return a file whose `sync` does nothing."""
        file = super().open(name)
        file.sync = lambda: None  # type: ignore[method-assign]
        return file

    def sync(self) -> None:
        """Do nothing."""


def recovery(folder: Path) -> tuple[float, int]:
    """Fill a store of 1 GB, forget it, and return the seconds until the first records are claimed from it again, and how many."""
    clock = Clock()
    store = Store(Hasty(folder), int(1.2 * RECOVERY_BYTES), None, clock)
    rows = [encode(reading(clock, i, BYTES)) for i in range(20_000)]
    size = sum(framed_size(payload) for _, payload in rows)
    for _ in range(-(-RECOVERY_BYTES // size)):
        store.commit(rows)
    store._disk.release()  # as when it is killed
    if os.geteuid() == 0:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
    begin = time.perf_counter()
    store = Store(FolderDisk(folder), int(1.2 * RECOVERY_BYTES), None, clock)
    store.open()
    claim = store.claim(1000)
    took = time.perf_counter() - begin
    assert claim is not None
    assert len(claim.records) == 1000
    waiting = store.status().waiting
    store.close()
    return took, waiting


def rows() -> list[Row]:
    """Measure everything."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        return [*_device(), *_speed()]


def _device() -> list[Row]:
    what = f"device bytes of a commit of {PER_COMMIT} x {BYTES} B, one a second"
    if why := possible():
        return [Row(what, math.nan, None, f"left out: {why}")]
    found = per_commit()
    mine, sql, log = found["ours"], found["SQLite WAL FULL"], found["growing log"]
    note = f"{mine:,.0f} B of {DEVICE_BYTES:,}, cursor and journal included: {mine * 86400 / 1e9:.2f} GB a day"
    return [
        Row(f"{what}, against 8 KB", mine / DEVICE_BYTES, BUDGET_DEVICE, note),
        Row(f"{what}, against SQLite WAL FULL", mine / sql, BUDGET_SQLITE, f"{mine:,.0f} / {sql:,.0f} B"),
        Row(f"{what}, against a log that grows", mine / log, None, f"{mine:,.0f} / {log:,.0f} B"),
    ]


def _speed() -> list[Row]:
    with tempfile.TemporaryDirectory() as base:
        appended, taken, both = asyncio.run(throughput(Path(base) / "speed"))
        took, waiting = recovery(Path(base) / "large")
    cold = "read from the disk" if os.geteuid() == 0 else "in the kernel's cache"
    return [
        Row(
            f"append, claim and acknowledge, against {RECORDS_PER_S:,} records/s",
            RECORDS_PER_S / both,
            1.0,
            f"{both:,.0f} records/s; append alone {appended:,.0f}, claim and acknowledge {taken:,.0f}",
        ),
        Row(
            "start on 1 GB and first claim, against 1 s",
            took / RECOVERY_S,
            1.0,
            f"{1000 * took:.0f} ms, {waiting:,} records wait, {cold}",
        ),
    ]


if __name__ == "__main__":
    for row in rows():
        print(f"{row.name}: {row.ratio:.3g} {row.verdict}  {row.note}")
