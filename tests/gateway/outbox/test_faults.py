"""A disk that fails: everything goes on in memory, is told, leaves all the same, and is stored when the disk is well."""

from __future__ import annotations

import asyncio
import errno
import os
import threading

import pytest

from gateway.clock import ManualClock
from gateway.model import Event, Log, Reading, Tombstone
from gateway.outbox import OutboxError, SegmentedOutbox
from gateway.outbox import outbox as port
from gateway.outbox.codec import encode
from gateway.outbox.store import Store, StoreError
from tests.gateway.outbox.simulated import SimulatedDisk
from tests.gateway.stores import SMALL, account, drain, event, feature, reading
from tests.waiting import until


def failing(code, *ops):
    """Return what makes these operations fail (all that write, when none are named)."""
    wanted = ops or ("create", "rename", "remove", "write", "sync", "sync folder")

    def fail(op, name):
        if op in wanted:
            raise OSError(code, os.strerror(code))

    return fail


def well(op, name):
    pass


@pytest.fixture
async def make(monkeypatch):
    """Open outboxes on a simulated disk; all are closed at the end, on a disk that is well."""
    monkeypatch.setattr(port, "_PAUSE_S", 0.02)
    monkeypatch.setattr(port, "_LONGEST_PAUSE_S", 0.02)
    made = []

    async def make(disk, **options):
        troubles = []
        options = {"max_bytes": 1_000_000, "clock": ManualClock(), "commit_every_s": 0.001, "on_trouble": troubles.append} | options
        outbox = SegmentedOutbox(disk, **options)
        outbox.troubles = troubles
        await outbox.open()
        made.append((outbox, disk))
        return outbox

    yield make
    for outbox, disk in made:
        disk.before = well
        await outbox.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.EROFS, "read-only"), (errno.ENOSPC, "disk is full"), (errno.EIO, "disk fails"), (errno.EACCES, "permission")],
)
async def test_with_a_disk_that_fails_all_goes_on_in_memory_and_is_stored_when_it_is_well(make, code, words):
    disk = SimulatedDisk()
    outbox = await make(disk)
    await outbox.append([reading(0)])
    disk.before = failing(code)
    await outbox.append([reading(i) for i in range(1, 1000)])  # more than the segment has room for
    await outbox.append([event("high")], urgent=True)
    status = outbox.status()
    assert words in status.trouble
    assert (status.waiting, status.lost) == (1001, 0)
    assert status.in_memory > 0
    assert outbox.troubles == [outbox.troubles[0]]
    assert words in outbox.troubles[0]
    claim = await outbox.claim(2)
    assert claim.records[0].record == event("high"), "an alarm leaves all the same"
    disk.before = well
    await until(lambda: outbox.troubles[1:] == [""], what="what was not claimed is stored")
    assert (outbox.status().trouble, outbox.status().in_memory) == ("", 1)
    rows = await drain(outbox)
    assert [row.record.value for row in rows if isinstance(row.record, Reading)] == list(range(1000)), "in order"
    assert [row.record for row in rows if isinstance(row.record, Event)] == [event("high")]
    assert (outbox.status().waiting, outbox.status().lost) == (0, 0)


async def test_what_was_claimed_from_memory_keeps_its_key_and_its_place_until_it_is_acknowledged(make):
    disk = SimulatedDisk()
    outbox = await make(disk)
    await outbox.append([reading(i) for i in range(3)])
    epoch = (await outbox.claim(1)).records[0].epoch
    disk.before = failing(errno.EIO)
    await outbox.append([reading(i) for i in range(3, 6)])
    claim = await outbox.claim(5)
    assert [row.record.value for row in claim.records] == [0, 1, 2, 3, 4]
    assert [row.epoch == epoch for row in claim.records] == [True, True, True, False, False]
    disk.before = well
    await outbox.append([reading(i) for i in range(6, 9)])
    await until(lambda: outbox.status().in_memory == 2)
    again = await outbox.claim(9)
    assert again.records[:5] == claim.records
    assert [row.record.value for row in again.records] == [0, 1, 2, 3, 4], "what is younger waits"
    await outbox.acknowledge(claim.token)
    rows = await drain(outbox)
    assert [row.record.value for row in rows] == [5, 6, 7, 8]
    assert {row.epoch for row in rows} == {epoch}
    assert len({(row.epoch, row.seq) for row in (*claim.records, *rows)}) == 9, "no key twice"


async def test_memory_is_bounded_and_tells_what_it_drops_oldest_readings_first(make):
    disk = SimulatedDisk()
    disk.before = failing(errno.EROFS)
    outbox = await make(disk, memory_bytes=20_000)
    for i in range(100):
        await outbox.append([reading(10 * i + j) for j in range(10)])
    await outbox.append([event("high"), feature(1.0)])
    lost = outbox.status().lost
    assert lost > 700
    claim = await outbox.claim(2000)
    values = [row.record.value for row in claim.records if isinstance(row.record, Reading)]
    assert values == list(range(lost, 1000))
    (told,) = [row.record for row in claim.records if isinstance(row.record, Tombstone)]
    assert (told.lost, told.first, told.last, told.count) == (Log.READING, 0, 0, lost)
    assert {row.log for row in claim.records} == {Log.URGENT, Log.FEATURE, Log.READING}
    assert outbox.status().lost == lost


async def test_a_disk_that_cannot_even_be_read_leaves_the_memory(make):
    disk = SimulatedDisk()
    outbox = await make(disk)
    await outbox.append([reading(0)])
    disk.before = failing(errno.EIO, "names", "open", "read", "write", "sync", "create", "rename", "sync folder")
    with pytest.raises(OutboxError, match="disk fails"):
        await outbox.claim(1)
    await outbox.append([event("high")], urgent=True)
    claim = await outbox.claim(9)
    assert [row.record for row in claim.records] == [event("high")]
    disk.before = well
    await outbox.acknowledge(claim.token)
    await until(lambda: not outbox.status().trouble)
    assert [row.record.value for row in await drain(outbox)] == [0]


async def test_a_disk_that_hangs_stops_nobody_and_what_it_was_given_is_stored_once(make):
    disk = SimulatedDisk()
    outbox = await make(disk, patience_s=0.05)
    release = threading.Event()
    disk.before = lambda op, name: op == "sync" and release.wait(20)
    await outbox.append([reading(0)])
    assert "does not answer" in outbox.status().trouble
    await outbox.append([reading(1)])
    await outbox.append([event("high")], urgent=True)
    claim = await outbox.claim(9)
    assert {row.record.after for row in claim.records if isinstance(row.record, Event)} == {"high"}
    await outbox.acknowledge(claim.token)
    release.set()
    await until(lambda: len(outbox.troubles) == 2)
    assert [row.record.value for row in await drain(outbox)] == [0]
    assert outbox.status().trouble == ""


async def test_a_disk_that_hangs_for_good_makes_append_wait(make, monkeypatch):
    monkeypatch.setattr(port, "GIVEN_UP_S", 0.1)
    disk = SimulatedDisk()
    outbox = await make(disk, patience_s=0.05)
    release = threading.Event()
    disk.before = lambda op, name: op == "sync" and release.wait(20)
    await outbox.append([reading(0)])
    await asyncio.sleep(0.1)
    late = asyncio.create_task(outbox.append([reading(1)]))
    for _ in range(30):
        await asyncio.sleep(0.01)
    assert not late.done(), "the watchdog is to notice"
    release.set()
    await late
    assert [row.record.value for row in await drain(outbox)] == [0, 1]


async def test_closing_stores_what_is_in_memory_or_says_that_it_is_lost(make):
    disk = SimulatedDisk()
    outbox = await make(disk)
    disk.before = failing(errno.EIO)
    await outbox.append([reading(1), reading(2)])
    await outbox.claim(1)
    disk.before = well
    await outbox.close()
    outbox = await make(disk)
    assert [row.record.value for row in await drain(outbox)] == [1, 2]
    disk.before = failing(errno.EIO)
    waiting = asyncio.create_task(outbox.append([reading(3)]))
    await asyncio.sleep(0)
    await outbox.close()
    with pytest.raises(OutboxError, match="disk fails"):
        await waiting


# ── one error, and the file it happened to ──


@pytest.mark.parametrize("seed", range(8))
def test_an_fsync_that_failed_is_not_trusted_again_and_costs_nothing(seed):
    disk = SimulatedDisk()
    disk.random.seed(seed)
    store = Store(disk, 1_000_000, None, ManualClock())
    store.open()
    store.commit([encode(reading(i)) for i in range(5)])
    failed = []

    def fail_once(op, name):
        if op == "sync" and name.startswith("reading") and not failed:
            failed.append(name)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        assert not (op in ("write", "sync") and name in failed), "it was used again"

    disk.before = fail_once
    store.commit([encode(reading(i)) for i in range(5, 9)])
    store.commit([encode(reading(9))])
    assert failed
    assert store.trouble == ""
    cut = next(disk.cuts(disk.random))
    after = Store(SimulatedDisk(cut), 1_000_000, None, ManualClock())
    claim = after.claim(99)
    assert [(row.seq, row.record.value) for row in claim.records] == [(i + 1, i) for i in range(10)]


def test_a_full_disk_takes_room_from_old_readings_not_from_new_ones():
    disk = SimulatedDisk()
    store = Store(disk, SMALL, None, ManualClock())
    store.open()
    store.commit([encode(reading(i)) for i in range(100)])
    disk.before = failing(errno.ENOSPC, "create")
    for i in range(20):
        store.commit([encode(reading(100 + 10 * i + j)) for j in range(10)])
    assert store.trouble == ""
    assert store.status().lost > 50
    rows = []
    while claim := store.claim(100):
        rows += claim.records
        store.acknowledge(claim.token)
    arrived, told = account(rows)
    assert arrived[Log.READING] | told[Log.READING] == set(range(1, 301))
    assert rows[-1].record.value == 299


def test_a_disk_that_is_full_from_the_start_says_so():
    disk = SimulatedDisk()
    disk.before = failing(errno.ENOSPC, "create", "write")
    store = Store(disk, SMALL, None, ManualClock())
    with pytest.raises(StoreError, match="disk is full"):
        store.open()
    with pytest.raises(StoreError, match="disk is full") as caught:
        store.commit([encode(reading(1)), encode(event())])
    assert len(caught.value.rest) == 2


def test_a_segment_that_cannot_be_read_is_set_aside_and_told():
    disk = SimulatedDisk()
    store = Store(disk, SMALL * 4, None, ManualClock())
    store.open()
    for i in range(60):
        store.commit([encode(reading(10 * i + j)) for j in range(10)])
    store.close()
    victim = sorted(name for name in disk.names() if name.startswith("reading"))[1]

    def fail(op, name):
        if op == "read" and name == victim:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk.before = fail
    store = Store(disk, SMALL * 4, None, ManualClock())
    store.open()
    rows = []
    while claim := store.claim(100):
        rows += claim.records
        store.acknowledge(claim.token)
    arrived, told = account(rows)
    assert arrived[Log.READING] | told[Log.READING] == set(range(1, 601))
    assert 0 < len(told[Log.READING]) < 200
    assert store.status().lost == len(told[Log.READING])
    assert victim in store.status().trouble
    store.commit([encode(reading(-1.0))])
    assert any(name.startswith("bad-") and name.endswith(victim) for name in disk.names())
