"""What a restart finds: a cursor that is lost, files of a newer version, of another process; and what stays within its limits."""

from __future__ import annotations

import struct

import pytest

from cython_ext.frames import crc32c
from gateway.clock import ManualClock
from gateway.model import Log, Reading, Tombstone
from gateway.outbox.codec import encode
from gateway.outbox.cursor import _SLOT
from gateway.outbox.disk import FolderDisk
from gateway.outbox.segment import Head
from gateway.outbox.store import Store, StoreError
from tests.gateway.outbox.simulated import SimulatedDisk
from tests.gateway.stores import SMALL, account, drain, event, feature, reading
from tests.waiting import until


def opened(disk, max_bytes=1_000_000, max_age_s=None, clock=None):
    store = Store(disk, max_bytes, max_age_s, clock or ManualClock())
    store.open()
    return store


def emptied(store, n=200):
    rows = []
    while claim := store.claim(n):
        rows += claim.records
        store.acknowledge(claim.token)
    return rows


def test_recovery_writes_nothing_but_the_cursor():
    disk = SimulatedDisk()
    store = opened(disk)
    store.commit([encode(reading(i)) for i in range(100)] + [encode(event())])
    written = []
    disk.before = lambda op, name: written.append((op, name)) if op in ("write", "create", "rename", "remove") else None
    opened(disk)
    assert {name for _, name in written} <= {"cursor", "cursor.new"}


def test_a_lost_cursor_costs_repeats_and_begins_a_new_epoch_so_that_no_key_comes_twice():
    disk = SimulatedDisk()
    store = opened(disk)
    store.commit([encode(reading(i)) for i in range(50)])
    first = store.claim(20)
    store.acknowledge(first.token)
    store.close()
    disk.remove("cursor")
    store = opened(disk)
    store.commit([encode(reading(i)) for i in range(50, 60)])
    rows = emptied(store)
    assert [row.record.value for row in rows] == list(range(60))
    assert [row.seq for row in rows] == list(range(1, 61)), "the numbers go on"
    assert {row.epoch for row in rows[:50]} == {first.records[0].epoch}, "what was stored keeps its key"


def test_a_damaged_cursor_is_told():
    disk = SimulatedDisk()
    store = opened(disk)
    store.commit([encode(reading(1))])
    store.close()
    disk.open("cursor").write(0, b"\xff" * 8192)
    store = opened(disk)
    assert "may be sent twice" in store.status().trouble
    assert [row.record.value for row in emptied(store)] == [1]


@pytest.mark.parametrize("name", ["cursor", "segment"])
def test_files_of_a_newer_version_are_refused_in_words_and_kept_whole(name):
    disk = SimulatedDisk()
    store = opened(disk)
    store.commit([encode(reading(i)) for i in range(5)])
    store.close()
    name = name if name == "cursor" else next(name for name in disk.names() if name.startswith("reading"))
    size = _SLOT.size if name == "cursor" else 60
    before = disk.state()
    for slot in (0, 4096) if name == "cursor" else (0,):
        head = bytearray(before[name][slot : slot + size])
        struct.pack_into("<H", head, 4, 99)
        disk.open(name).write(slot, bytes(head) + crc32c(bytes(head)).to_bytes(4, "little"))
    newer = disk.state()
    store = Store(disk, 1_000_000, None, ManualClock())
    for attempt in (store.open, lambda: store.claim(9), lambda: store.commit([encode(reading(7))])):
        with pytest.raises(StoreError, match=r"newer version of this program \(format 99, known are up to 1\)"):
            attempt()
    assert "install the newer version again" in store.status().trouble
    store.close()
    assert disk.state() == newer, "nothing was touched"
    assert [row.record.value for row in emptied(opened(SimulatedDisk(before)))] == [0, 1, 2, 3, 4]


def test_a_token_of_the_old_store_deletes_nothing_in_the_new_one():
    old = opened(SimulatedDisk())
    old.commit([encode(reading(1))])
    token = old.claim(1).token
    new = opened(SimulatedDisk())
    new.commit([encode(reading(2))])
    new.acknowledge(token)
    assert new.status().waiting == 1


async def test_a_second_process_on_the_same_folder_is_refused_in_words(make_outbox):
    await (await make_outbox()).append([reading(1)])
    second = await make_outbox()
    assert "another process" in second.status().trouble
    await second.append([reading(2)])
    assert second.status().in_memory == 1


async def test_no_folder_is_trouble_not_a_crash_and_heals(make_outbox, tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.outbox.outbox._PAUSE_S", 0.02)
    monkeypatch.setattr("gateway.outbox.outbox._LONGEST_PAUSE_S", 0.02)
    (tmp_path / "in-the-way").write_text("")
    outbox = await make_outbox("in-the-way/outbox")
    assert str(tmp_path / "in-the-way") in outbox.status().trouble
    await outbox.append([reading(4)])
    assert outbox.status().in_memory == 1
    (tmp_path / "in-the-way").unlink()
    await until(lambda: not outbox.status().trouble)
    assert [row.record.value for row in await drain(outbox)] == [4]
    assert outbox.status().waiting == 0
    assert (tmp_path / "in-the-way").stat().st_mode & 0o77 == 0
    for file in (tmp_path / "in-the-way/outbox").iterdir():
        assert file.stat().st_mode & 0o77 == 0


def test_only_the_two_newest_damaged_segments_are_kept():
    disk, clock = SimulatedDisk(), ManualClock()
    for i in range(5):
        store = opened(disk, clock=clock)
        store.commit([encode(reading("x" * 40_000)), encode(reading("x" * 40_000)), encode(reading(float(i)))])
        store.close()
        names = sorted(name for name in disk.names() if name.startswith("reading"))
        disk.open(names[-2]).write(100, b"\xff" * 30)
        store = opened(disk, clock=clock)
        emptied(store)
        assert "was damaged" in store.status().trouble
        for _ in range(3):  # until both slots of the cursor know that it is used up
            clock.advance(11)
            store.commit([encode(event())])
        store.close()
    assert len([name for name in disk.names() if name.startswith("bad-")]) == 2


def test_age_is_judged_by_what_stands_on_the_disk_also_after_a_restart():
    disk, clock = SimulatedDisk(), ManualClock()
    store = opened(disk, max_age_s=6400, clock=clock)
    store.commit([encode(reading(1)), encode(feature(2))])
    clock.advance(3000)
    store.commit([encode(reading(3))])
    store.close()
    clock.advance(4000)
    store = opened(disk, max_age_s=6400, clock=clock)
    rows = emptied(store)
    assert [row.record.value for row in rows if isinstance(row.record, Reading)] == [3]
    assert account(rows)[1] == {Log.URGENT: set(), Log.FEATURE: {1}, Log.READING: {1}, Log.BULK: set()}
    assert store.status().lost == 2


def test_whole_segments_that_are_too_old_are_free_for_what_comes():
    disk, clock = SimulatedDisk(), ManualClock()
    store = opened(disk, SMALL, 6400, clock)
    for i in range(30):
        store.commit([encode(feature(10 * i + j)) for j in range(5)])
    segments = len([name for name in disk.names() if name.startswith("feature")])
    assert segments > 4
    clock.advance(7000)
    store.commit([encode(feature(-1.0))])
    assert len([name for name in disk.names() if name.startswith("feature")]) <= 2
    rows = emptied(store)
    assert [row.record.value for row in rows if not isinstance(row.record, Tombstone)] == [-1.0]
    assert account(rows)[1][Log.FEATURE] >= set(range(1, 151))


def test_a_smaller_limit_is_kept_as_segments_are_filled():
    disk = SimulatedDisk()
    store = opened(disk, SMALL * 16)
    for i in range(400):
        store.commit([encode(reading(10 * i + j)) for j in range(10)])
    assert sum(size for name, size in disk.names().items() if name != "cursor") > SMALL * 8
    store.limit(SMALL, None)
    for i in range(400, 900):
        store.commit([encode(reading(10 * i + j)) for j in range(10)])
    assert sum(size for name, size in disk.names().items() if name != "cursor") <= SMALL
    rows = emptied(store)
    arrived, told = account(rows)
    assert arrived[Log.READING] | told[Log.READING] == set(range(1, 9001))


def test_a_head_says_what_it_was_given_and_nothing_when_a_bit_is_flipped():
    head = Head(2, "0123456789abcdef", 77, 1 << 20, "ab" * 16, 3, 99, 5)
    assert Head.unpack(head.pack()) == head
    for bit in range(8 * 64):
        packed = bytearray(head.pack())
        packed[bit // 8] ^= 1 << bit % 8
        assert Head.unpack(bytes(packed)) in ((None, head) if bit // 8 >= 60 + 4 else (None,))


def test_a_folder_is_made_with_everything_above_it(tmp_path):
    disk = FolderDisk(tmp_path / "a" / "b")
    assert disk.names() == {}
    disk.create("x").write(3, b"yz")
    assert disk.names() == {"x": 5}
    assert disk.open("x").read(0, 9) == b"\0\0\0yz"
    disk.rename("x", "y")
    disk.remove("y")
    disk.remove("y")
    disk.sync()
    assert disk.names() == {}
