"""Trouble with the disk: told in words, never fatal, healed by itself; damage costs the file, never the start."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.database import Database, _seal


class LedgerError(Exception):
    """What a ledger raises."""


class Ledger:
    """The least that uses a database: numbers, and how many they are."""

    def __init__(self, path, synchronous="FULL"):
        schema = ("CREATE TABLE entry (number INTEGER)", "CREATE TABLE total (entries INTEGER)", "INSERT INTO total VALUES (0)")
        self.file = Database(path, schema=schema, version=1, synchronous=synchronous, load=self._load, error=LedgerError)
        self.count = 0

    def _load(self, db):
        (self.count,) = db.execute("SELECT entries FROM total").fetchone()
        if not isinstance(self.count, int):
            raise TypeError

    def add(self, *numbers):
        with self.file.transaction() as db:
            db.executemany("INSERT INTO entry VALUES (?)", [(number,) for number in numbers])
            db.execute("UPDATE total SET entries = entries + ?", (len(numbers),))
            self.count += len(numbers)

    def numbers(self):
        with self.file.transaction() as db:
            return [number for (number,) in db.execute("SELECT number FROM entry ORDER BY rowid")]

    def close(self):
        self.file.close()


@pytest.fixture
def make_ledger(tmp_path):
    """Open ledgers below `tmp_path`; all are closed at the end."""
    made = []

    def make(name="ledger.db", **options):
        made.append(Ledger(tmp_path / name, **options))
        return made[-1]

    yield make
    for ledger in made:
        ledger.close()


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
    db.execute("UPDATE total SET entries = 'many'")
    db.commit()
    db.close()


def missing_table(path):
    db = sqlite3.connect(path)
    db.execute("DROP TABLE total")
    db.close()


@pytest.mark.parametrize("damage", [spoil_header, truncate, other_tables, nonsense, missing_table])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(make_ledger, tmp_path, damage):
    ledger = make_ledger()
    ledger.add(*range(100))
    ledger.close()
    damage(tmp_path / "ledger.db")
    ledger = make_ledger()
    ledger.add(7)
    assert "ledger.db.broken-1" in ledger.file.notice
    assert (ledger.numbers(), ledger.count) == ([7], 1)
    assert (tmp_path / "ledger.db.broken-1").exists()
    assert "broken-1" in ledger.file.notice, "it stays told"


def test_a_file_of_a_newer_version_is_refused_in_words_and_kept_whole(make_ledger, tmp_path):
    ledger = make_ledger()
    ledger.add(*range(5))
    ledger.close()
    set_newer_version(tmp_path / "ledger.db", 99)
    ledger = make_ledger()
    for attempt in (lambda: ledger.add(7), ledger.numbers, lambda: ledger.add(8)):
        with pytest.raises(LedgerError, match=r"newer version of this program \(format 99, known are up to 1\)"):
            attempt()
    assert "install the newer version again" in ledger.file.trouble
    ledger.close()
    assert not list(tmp_path.glob("*.broken-*"))
    set_newer_version(tmp_path / "ledger.db", 1)
    ledger = make_ledger()
    assert ledger.numbers() == [0, 1, 2, 3, 4]
    assert ledger.file.trouble == ""


def test_a_version_that_is_only_damaged_is_not_taken_for_a_newer_one(make_ledger, tmp_path):
    ledger = make_ledger()
    ledger.add(1)
    ledger.close()
    set_version(tmp_path / "ledger.db", 99)
    ledger = make_ledger()
    ledger.add(2)
    assert ledger.numbers() == [2]
    assert "broken-1" in ledger.file.notice


def test_only_the_two_newest_damaged_files_are_kept(make_ledger, tmp_path):
    for _ in range(4):
        ledger = make_ledger()
        ledger.add(1)
        ledger.close()
        spoil_header(tmp_path / "ledger.db")
    make_ledger().add(1)
    assert sorted(path.name for path in tmp_path.glob("*broken*")) == ["ledger.db.broken-3", "ledger.db.broken-4"]


def test_damage_met_while_running_is_set_aside_too(make_ledger, tmp_path):
    ledger = make_ledger()
    ledger.add(*range(10_000))
    ledger.close()
    file = tmp_path / "ledger.db"
    image = bytearray(file.read_bytes())
    for page in range(4, len(image) // 4096):  # leaves of the tree, not the total
        image[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    file.write_bytes(image)
    ledger = make_ledger()
    with pytest.raises(LedgerError):
        ledger.numbers()
    ledger.add(5)
    assert ledger.numbers() == [5]
    assert "broken-1" in ledger.file.notice


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_bit_flips_it_starts_and_takes_entries(tmp_path, data):
    path, pristine = tmp_path / "flip.db", tmp_path / "pristine.db"
    if not pristine.exists():
        ledger = Ledger(pristine)
        ledger.add(*range(1500))
        ledger.close()
    for old in tmp_path.glob("flip.db*"):
        old.unlink()
    shutil.copy(pristine, path)
    image = bytearray(path.read_bytes())
    image[data.draw(st.integers(0, len(image) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(image)
    ledger = Ledger(path)
    for attempt in range(4):
        try:
            ledger.add(-1)
            if -1 in ledger.numbers():
                break
        except LedgerError:
            assert attempt < 3
    ledger.close()


def test_a_second_process_on_the_same_file_is_refused_in_words(make_ledger):
    make_ledger().add(1)
    second = make_ledger()
    with pytest.raises(LedgerError, match="another process"):
        second.add(1)
    assert "another process" in second.file.trouble


def test_no_folder_is_trouble_not_a_crash_and_heals(make_ledger, tmp_path):
    (tmp_path / "in-the-way").write_text("")
    ledger = make_ledger("in-the-way/ledger.db")
    with pytest.raises(LedgerError):
        ledger.add(1)
    assert str(tmp_path / "in-the-way") in ledger.file.trouble
    (tmp_path / "in-the-way").unlink()
    ledger.add(4)
    assert ledger.file.trouble == ""
    assert (tmp_path / "in-the-way").stat().st_mode & 0o77 == 0
    assert (tmp_path / "in-the-way/ledger.db").stat().st_mode & 0o77 == 0


def test_a_full_disk_refuses_in_words_loses_nothing_and_heals(make_ledger):
    ledger = make_ledger()
    ledger.add(0)
    # The page limit of SQLite raises the same error as a full disk does.
    ledger.file._db.execute("PRAGMA max_page_count = 1").fetchall()
    with pytest.raises(LedgerError, match="disk is full"):
        ledger.add(*range(1, 5000))
    assert "disk is full" in ledger.file.trouble
    assert (ledger.count, ledger.numbers()) == (1, [0])
    ledger.file._db.execute("PRAGMA max_page_count = 100000").fetchall()
    ledger.add(*range(1, 200))
    assert ledger.file.trouble == ""
    assert ledger.numbers() == list(range(200))


def test_the_file_belongs_to_one_process_and_is_synced_as_asked(make_ledger):
    ledger = make_ledger()
    ledger.add(1)
    settings = [ledger.file._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode", "locking_mode")]
    assert settings == [2, "wal", "exclusive"]
