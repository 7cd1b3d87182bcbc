"""Trouble with the disk: told in words, never fatal, healed by itself; damage costs the file, never the start."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.database import _seal
from gateway.model import Reading
from gateway.outbox import OutboxError
from gateway.store import Store, encode
from tests.gateway.stores import SMALL, drain, event, reading

# ── trouble ──


def spoil_header(path):
    path.write_bytes(b"this is no database" * 300)


def truncate(path):
    path.write_bytes(path.read_bytes()[:5000])


def set_version(path, version):
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()


def set_newer_version(path, version):
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {version}")
    db.execute(f"PRAGMA application_id = {_seal(version)}")
    db.close()


def other_tables(path):
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE foreign_thing (x)")
    db.commit()
    db.close()


def nonsense(path):
    db = sqlite3.connect(path)
    db.execute("UPDATE log SET last = 'many'")
    db.commit()
    db.close()


def missing_table(path):
    db = sqlite3.connect(path)
    db.execute("DROP TABLE log")
    db.commit()
    db.close()


@pytest.mark.parametrize("damage", [spoil_header, truncate, other_tables, nonsense, missing_table])
async def test_a_damaged_store_is_set_aside_and_a_new_one_begun(make_outbox, tmp_path, damage):
    outbox = await make_outbox()
    await outbox.append([reading(i) for i in range(100)])
    old = (await outbox.claim(1)).records[0].epoch
    await outbox.close()
    damage(tmp_path / "outbox.db")
    outbox = await make_outbox()
    assert "outbox.db.broken-1" in outbox.status().trouble
    await outbox.append([reading(7)])
    (row,) = (await outbox.claim(9)).records
    assert (row.seq, row.record.value) == (1, 7)
    assert row.epoch != old
    assert (tmp_path / "outbox.db.broken-1").exists()
    assert "broken-1" in outbox.status().trouble, "it stays told"


async def test_a_store_of_a_newer_version_is_refused_in_words_and_kept_whole(make_outbox, tmp_path):
    outbox = await make_outbox()
    await outbox.append([reading(i) for i in range(5)])
    await outbox.close()
    set_newer_version(tmp_path / "outbox.db", 99)
    outbox = await make_outbox()
    for attempt in (outbox.append([reading(7)]), outbox.claim(9), outbox.append([reading(8)])):
        with pytest.raises(OutboxError, match=r"newer version of this program \(format 99, known are up to 1\)"):
            await attempt
    assert "install the newer version again" in outbox.status().trouble
    await outbox.close()
    assert not list(tmp_path.glob("*.broken-*"))
    set_newer_version(tmp_path / "outbox.db", 1)
    outbox = await make_outbox()
    assert [row.record.value for row in (await outbox.claim(9)).records] == [0, 1, 2, 3, 4]
    assert outbox.status().trouble == ""


async def test_a_token_of_the_old_store_deletes_nothing_in_the_new_one(make_outbox, tmp_path):
    outbox = await make_outbox()
    await outbox.append([reading(1)])
    token = (await outbox.claim(1)).token
    await outbox.close()
    spoil_header(tmp_path / "outbox.db")
    outbox = await make_outbox()
    await outbox.append([reading(2)])
    await outbox.acknowledge(token)
    assert outbox.status().waiting == 1


async def test_only_the_two_newest_damaged_files_are_kept(make_outbox, tmp_path):
    for _ in range(4):
        outbox = await make_outbox()
        await outbox.append([reading()])
        await outbox.close()
        spoil_header(tmp_path / "outbox.db")
    outbox = await make_outbox()
    await outbox.append([reading()])
    assert sorted(path.name for path in tmp_path.glob("*broken*")) == ["outbox.db.broken-3", "outbox.db.broken-4"]


async def test_damage_met_while_running_is_set_aside_too(make_outbox, tmp_path):
    outbox = await make_outbox(max_bytes=SMALL * 16)
    await outbox.append([reading(i) for i in range(1000)])
    await outbox.close()
    file = tmp_path / "outbox.db"
    image = bytearray(file.read_bytes())
    for page in range(8, len(image) // 4096):  # leaves of the record tree, not the counters
        image[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    file.write_bytes(image)
    outbox = await make_outbox(max_bytes=SMALL * 16)
    with pytest.raises(OutboxError):
        await outbox.claim(1000)
    await outbox.append([reading("new")])
    assert [row.record.value for row in await drain(outbox)] == ["new"]
    assert "broken-1" in outbox.status().trouble


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_bit_flips_it_starts_and_takes_records(tmp_path, data):
    path, pristine = tmp_path / "flip.db", tmp_path / "pristine.db"
    if not pristine.exists():
        store = Store(pristine, 10_000_000, None, ManualClock())
        store.commit([encode(reading(i)) for i in range(60)] + [encode(event())])
        store.close()
    for old in tmp_path.glob("flip.db*"):
        old.unlink()
    shutil.copy(pristine, path)
    image = bytearray(path.read_bytes())
    image[data.draw(st.integers(0, len(image) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(image)
    store = Store(path, 10_000_000, None, ManualClock())
    for attempt in range(4):
        try:
            store.commit([encode(reading("after"))])
            break
        except OutboxError:
            assert attempt < 3
    taken = []
    for _ in range(10):
        try:
            if not (claim := store.claim(50)):
                break
            taken += claim.records
            store.acknowledge(claim.token)
        except OutboxError:
            store.commit([encode(reading("after"))])
    store.close()
    assert any(isinstance(row.record, Reading) and row.record.value == "after" for row in taken)


async def test_a_second_process_on_the_same_file_is_refused_in_words(make_outbox):
    await (await make_outbox()).append([reading()])
    second = await make_outbox()
    assert "another process" in second.status().trouble
    with pytest.raises(OutboxError, match="another process"):
        await second.append([reading()])


async def test_no_folder_is_trouble_not_a_crash_and_heals(make_outbox, tmp_path):
    (tmp_path / "in-the-way").write_text("")
    outbox = await make_outbox("in-the-way/outbox.db")
    assert str(tmp_path / "in-the-way") in outbox.status().trouble
    with pytest.raises(OutboxError):
        await outbox.append([reading()])
    (tmp_path / "in-the-way").unlink()
    await outbox.append([reading(4)])
    assert outbox.status().trouble == ""
    assert outbox.status().waiting == 1
    assert (tmp_path / "in-the-way").stat().st_mode & 0o77 == 0
    assert (tmp_path / "in-the-way/outbox.db").stat().st_mode & 0o77 == 0


async def test_a_full_disk_refuses_in_words_loses_nothing_and_heals(make_outbox, monkeypatch):
    outbox = await make_outbox()
    await outbox.append([reading(0)])
    # The page limit of SQLite raises the same error as a full disk does.
    await outbox._in_thread(lambda: outbox._store._file._db.execute("PRAGMA max_page_count = 1").fetchall())
    with pytest.raises(OutboxError, match="disk is full"):
        await outbox.append([reading(i) for i in range(1, 200)])
    assert "disk is full" in outbox.status().trouble
    assert outbox.status().waiting == 1
    assert [row.record.value for row in (await outbox.claim(9)).records] == [0], "it can still be emptied"
    await outbox._in_thread(lambda: outbox._store._file._db.execute("PRAGMA max_page_count = 100000").fetchall())
    await outbox.append([reading(i) for i in range(1, 200)])
    assert outbox.status().trouble == ""
    assert [(row.seq, row.record.value) for row in await drain(outbox)] == [(i + 1, i) for i in range(200)]


async def test_a_commit_is_synced_in_full_and_the_file_belongs_to_one_process(make_outbox):
    outbox = await make_outbox()

    def setting(name):
        return outbox._store._file._db.execute(f"PRAGMA {name}").fetchone()[0]

    settings = [
        await outbox._in_thread(lambda name=name: setting(name)) for name in ("synchronous", "journal_mode", "locking_mode")
    ]
    assert settings == [2, "wal", "exclusive"], "below FULL a power cut undoes what append returned for"
