"""The outbox: durable, ordered, bounded, and every number accounted for."""

from __future__ import annotations

import asyncio
import math
import shutil
import sqlite3
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from gateway.clock import ManualClock
from gateway.model import Event, Feature, Log, Quality, Reading, Reason, Severity, Stamp, TimeQuality, Tombstone
from gateway.outbox import OutboxError, SqliteOutbox
from gateway.store import Store, encode

SMALL = 64 * 1024
STAMP = Stamp(1_700_000_000_000_000_000, 1, "b" * 32)


def reading(value=1.0, point="p", stamp=STAMP):
    return Reading(machine="m", point=point, value=value, stamp=stamp, unit="°C")


def event(after="alarm", stamp=STAMP):
    return Event(machine="m", point="p", kind="limit", severity=Severity.ALARM, before="ok", after=after, stamp=stamp)


def feature(value=1.0):
    return Feature(machine="m", point="vibration.rms", value=value, stamp=STAMP, unit="mm/s", window_s=1.0, band_hz=(10.0, 1000.0))


@pytest.fixture
async def make(tmp_path):
    made = []

    async def make(name="outbox.db", **options):
        options = {"max_bytes": 10_000_000, "clock": ManualClock(), "commit_every_s": 0.01} | options
        outbox = SqliteOutbox(tmp_path / name, **options)
        await outbox.open()
        made.append(outbox)
        return outbox

    yield make
    for outbox in made:
        await outbox.close()


async def drain(outbox, n=100):
    """Take everything out and return it."""
    taken = []
    while claim := await outbox.claim(n):
        taken += claim.records
        await outbox.acknowledge(claim.token)
    return taken


def account(records):
    """Return by log the numbers that arrived and those told as lost, expanded."""
    arrived = {log: set() for log in Log}
    lost = {log: set() for log in Log}
    for row in records:
        assert row.seq not in arrived[row.log], "a number twice"
        arrived[row.log].add(row.seq)
        if isinstance(row.record, Tombstone):
            lost[row.record.lost] |= set(range(row.record.first, row.record.last + 1))
    return arrived, lost


# ── append, claim, acknowledge ──


async def test_records_come_out_as_they_went_in_urgent_first_in_order(make):
    outbox = await make()
    await outbox.append([reading(1), feature(2), reading(3), event("a"), feature(4), event("b")])
    claim = await outbox.claim(10)
    assert [(row.log, row.seq, row.record) for row in claim.records] == [
        (Log.URGENT, 1, event("a")),
        (Log.URGENT, 2, event("b")),
        (Log.FEATURE, 1, feature(2)),
        (Log.FEATURE, 2, feature(4)),
        (Log.READING, 1, reading(1)),
        (Log.READING, 2, reading(3)),
    ]
    assert len({row.epoch for row in claim.records}) == 1


async def test_an_unacknowledged_claim_is_repeated_and_an_acknowledged_one_is_gone(make):
    outbox = await make()
    assert await outbox.claim(5) is None
    await outbox.append([reading(i) for i in range(10)])
    first = await outbox.claim(4)
    assert [row.record.value for row in first.records] == [0, 1, 2, 3]
    assert await outbox.claim(4) == first
    await outbox.append([event()], urgent=True)
    second = await outbox.claim(4)
    assert [row.record for row in second.records] == [event(), reading(0), reading(1), reading(2)]
    await outbox.acknowledge(first.token)  # the first claim, not the second: the event stays
    await outbox.acknowledge(first.token)
    third = await outbox.claim(4)
    assert [row.record for row in third.records] == [event(), reading(4), reading(5), reading(6)]
    assert outbox.status().waiting == 7
    assert await outbox.claim(0) is None


async def test_numbers_go_on_after_everything_was_acknowledged_and_after_a_restart(make):
    outbox = await make()
    await outbox.append([reading(1), reading(2)])
    claim = await outbox.claim(9)
    await outbox.acknowledge(claim.token)
    assert await outbox.claim(9) is None
    await outbox.close()
    outbox = await make()
    await outbox.append([reading(3)])
    (row,) = (await outbox.claim(9)).records
    assert (row.seq, row.epoch, row.record.value) == (3, claim.records[0].epoch, 3)


async def test_what_was_claimed_before_a_restart_comes_again(make):
    outbox = await make()
    await outbox.append([reading(i) for i in range(5)])
    claim = await outbox.claim(3)
    await outbox.close()
    outbox = await make()
    assert await outbox.claim(3) == claim
    assert outbox.status().waiting == 5


async def test_concurrent_appends_share_one_commit(make, monkeypatch):
    commits = []
    commit = Store.commit
    monkeypatch.setattr(Store, "commit", lambda self, rows: (commits.append(len(rows)), commit(self, rows)))
    outbox = await make(commit_every_s=0.2)
    await asyncio.gather(*(outbox.append([reading(i)]) for i in range(50)))
    assert commits == [50]
    assert [row.record.value for row in (await outbox.claim(99)).records] == list(range(50))


async def test_an_urgent_append_does_not_wait_for_company_and_takes_the_others_along(make):
    outbox = await make(commit_every_s=3600)
    slow = asyncio.create_task(outbox.append([reading()]))
    await asyncio.sleep(0)
    await outbox.append([event()], urgent=True)
    await slow
    assert outbox.status().waiting == 2


async def test_many_waiting_records_start_a_commit(make):
    outbox = await make(commit_every_s=3600, commit_records=20)
    await asyncio.gather(outbox.append([reading()] * 15), outbox.append([reading()] * 5))
    assert outbox.status().waiting == 20


async def test_a_cancelled_append_is_stored_whole_or_not_at_all_and_harms_no_other(make):
    outbox = await make(commit_every_s=0.05)
    cancelled = asyncio.create_task(outbox.append([reading(1), reading(2)]))
    other = asyncio.create_task(outbox.append([reading(3)]))
    await asyncio.sleep(0)
    cancelled.cancel()
    await other
    values = [row.record.value for row in await drain(outbox)]
    assert values in ([1, 2, 3], [3])


async def test_closing_commits_what_waits_and_then_refuses(make):
    outbox = await make(commit_every_s=3600)
    waiting = asyncio.create_task(outbox.append([reading(7)]))
    await asyncio.sleep(0)
    await outbox.close()
    await waiting
    await outbox.close()
    for call in (outbox.append([reading()]), outbox.claim(1), outbox.acknowledge(("", ()))):
        with pytest.raises(OutboxError, match="closed"):
            await call
    outbox = await make()
    assert outbox.status().waiting == 1


async def test_the_event_loop_turns_while_the_disk_is_slow(make, monkeypatch):
    release = threading.Event()
    commit = Store.commit
    monkeypatch.setattr(Store, "commit", lambda self, rows: (release.wait(10), commit(self, rows)))
    outbox = await make()
    slow = asyncio.create_task(outbox.append([event()], urgent=True))
    for _ in range(100):
        await asyncio.sleep(0.001)
        outbox.status()
    assert not slow.done()
    release.set()
    await slow


async def test_status_counts_without_sql(make):
    clock = ManualClock()
    outbox = await make(clock=clock)
    assert outbox.status().oldest_wall_ns is None
    later = Stamp(STAMP.wall_ns + 5, 6, STAMP.boot)
    await outbox.append([reading(1, stamp=later), event(stamp=STAMP)])
    status = outbox.status()
    assert (status.waiting, status.lost, status.trouble, status.max_bytes) == (2, 0, "", 10_000_000)
    assert status.oldest_wall_ns == STAMP.wall_ns
    assert status.used_bytes > 300
    claim = await outbox.claim(1)
    await outbox.acknowledge(claim.token)
    assert outbox.status().oldest_wall_ns == later.wall_ns
    await drain(outbox)
    assert outbox.status().used_bytes == 0
    assert outbox.status().oldest_wall_ns is None


# ── values ──

stamps = st.builds(
    Stamp,
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.sampled_from(TimeQuality),
)
floats = st.floats(allow_nan=False)
texts = st.text(max_size=30)
leaves = st.none() | st.booleans() | floats | st.integers(-(2**63), 2**64 - 1) | texts | st.binary(max_size=30)
values = leaves | st.lists(leaves, max_size=5)
records = st.one_of(
    st.builds(
        Reading, machine=texts, point=texts, value=values, stamp=stamps, unit=texts, quality=st.sampled_from(Quality),
        reason=st.sampled_from(Reason),
    ),
    st.builds(
        Feature, machine=texts, point=texts, value=st.none() | floats, stamp=stamps, unit=texts, quality=st.sampled_from(Quality),
        reason=st.sampled_from(Reason), window_s=floats, band_hz=st.none() | st.tuples(floats, floats),
    ),
    st.builds(
        Event, machine=texts, point=texts, kind=texts, severity=st.sampled_from(Severity), before=texts, after=texts, stamp=stamps,
        value=st.none() | floats, unit=texts, acknowledged=st.booleans(),
    ),
    st.builds(
        Tombstone, lost=st.sampled_from(Log), first=st.integers(0, 2**48), last=st.integers(0, 2**48), count=st.integers(0, 2**48),
        stamp=stamps,
    ),
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(records, min_size=1, max_size=20))
def test_every_record_comes_back_equal_and_of_the_same_types(tmp_path, batch):
    store = Store(tmp_path / "round.db", 10_000_000, None, ManualClock())
    store.commit([encode(record) for record in batch])
    claim = store.claim(100)
    store.acknowledge(claim.token)
    store.close()
    by_log = [record for log in (Log.URGENT, Log.FEATURE, Log.READING) for record in batch if record.log is log]
    back = [row.record for row in claim.records]
    assert back == by_log
    assert [type(getattr(record, "value", None)) for record in back] == [type(getattr(record, "value", None)) for record in by_log]


async def test_not_a_number_stays_so(make):
    outbox = await make()
    await outbox.append([reading(math.nan), feature(math.inf), feature(-math.inf)])
    high, low, nan = [row.record.value for row in (await outbox.claim(9)).records]
    assert math.isnan(nan)
    assert (high, low) == (math.inf, -math.inf)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, object(), "\ud800"])
async def test_a_value_without_stored_form_becomes_a_tombstone_under_its_own_number(make, value):
    outbox = await make()
    await outbox.append([reading(1), reading(value), reading(3)])
    first, second, third = (await outbox.claim(9)).records
    assert (first.record.value, third.record.value) == (1, 3)
    assert (second.log, second.seq) == (Log.READING, 2)
    assert isinstance(second.record, Tombstone)
    assert (second.record.lost, second.record.first, second.record.last, second.record.count) == (Log.READING, 2, 2, 1)
    assert outbox.status().lost == 1


async def test_a_record_damaged_or_missing_on_disk_is_told_in_its_place(make, tmp_path):
    outbox = await make()
    await outbox.append([reading(i) for i in range(4)])
    await outbox.close()
    with sqlite3.connect(tmp_path / "outbox.db") as db:
        db.execute("UPDATE record SET payload = ? WHERE key & 255 = 2", (b"\xc1garbage",))
        db.execute("DELETE FROM record WHERE key & 255 = 3")
    db.close()
    outbox = await make()
    rows = await drain(outbox)
    assert [row.seq for row in rows] == [1, 2, 3, 4]
    assert [row.record.value for row in rows if isinstance(row.record, Reading)] == [0, 3]
    assert [row.record.first for row in rows if isinstance(row.record, Tombstone)] == [2, 3]


# ── bounds ──


async def test_full_it_drops_the_oldest_reading_first_and_tells_every_number(make, tmp_path):
    outbox = await make(max_bytes=SMALL)
    await outbox.append([event(str(i)) for i in range(20)])
    await outbox.append([feature(i) for i in range(20)])
    for i in range(60):
        await outbox.append([reading(j) for j in range(10 * i, 10 * i + 10)])
        assert outbox.status().used_bytes <= SMALL
    lost = outbox.status().lost
    assert lost > 100
    rows = await drain(outbox, 7)
    arrived, told = account(rows)
    assert [row.record.after for row in rows if isinstance(row.record, Event)] == [str(i) for i in range(20)]
    assert [row.record.value for row in rows if isinstance(row.record, Feature)] == list(range(20))
    kept = [row.record.value for row in rows if isinstance(row.record, Reading)]
    assert kept == list(range(lost, 600)), "the youngest stay, in order"
    assert told[Log.READING] == set(range(1, lost + 1))
    assert arrived[Log.READING] | told[Log.READING] == set(range(1, 601))
    tombstones = [row.record for row in rows if isinstance(row.record, Tombstone)]
    assert len(tombstones) == 1, "nobody had seen it, so one tombstone was extended"
    assert sum(tombstone.count for tombstone in tombstones) == lost


async def test_a_claimed_tombstone_does_not_change_any_more(make):
    outbox = await make(max_bytes=SMALL)
    await outbox.append([reading(i) for i in range(500)])
    first = await outbox.claim(1)
    await outbox.append([reading(i) for i in range(100)])
    again = await outbox.claim(2)
    assert again.records[0] == first.records[0]
    assert isinstance(again.records[1].record, Tombstone)
    assert again.records[1].record.first == first.records[0].record.last + 1


async def test_even_urgent_records_are_bounded_and_tombstones_outlive_their_own_eviction(make):
    outbox = await make(max_bytes=SMALL)
    await outbox.append([reading(i) for i in range(600)])
    for i in range(100):
        await outbox.append([event(f"{i}.{j}") for j in range(10)], urgent=True)
        await outbox.claim(5)  # closes the tombstones in front, so that new ones are added and old ones evicted
        assert outbox.status().used_bytes <= SMALL
    rows = await drain(outbox)
    arrived, told = account(rows)
    assert arrived[Log.READING] | told[Log.READING] >= set(range(1, 601))
    top = max(arrived[Log.URGENT])
    assert arrived[Log.URGENT] | told[Log.URGENT] == set(range(1, top + 1))
    assert rows[-1].record.after == "99.9" or any(row.record.after == "99.9" for row in rows if isinstance(row.record, Event))


async def test_a_record_larger_than_the_store_is_told_as_lost(make):
    outbox = await make(max_bytes=SMALL)
    await outbox.append([reading(b"x" * 2 * SMALL)])
    (row,) = await drain(outbox)
    assert (row.record.lost, row.record.first, row.record.count) == (Log.READING, 1, 1)


async def test_the_file_stays_near_its_limit(make, tmp_path):
    limit = 1_000_000
    outbox = await make(max_bytes=limit, commit_every_s=0)
    for i in range(120):
        await outbox.append([reading(i * 1.5, point=f"point-{j % 7}") for j in range(100)])
        if i % 10 == 0 and (claim := await outbox.claim(20)):
            await outbox.acknowledge(claim.token)
    assert outbox.status().lost > 0
    assert (tmp_path / "outbox.db").stat().st_size < 1.15 * limit
    assert (tmp_path / "outbox.db-wal").stat().st_size < 9_000_000


async def test_records_too_old_are_dropped_and_told(make):
    clock = ManualClock()
    outbox = await make(clock=clock, max_age_s=6400)
    await outbox.append([reading(1), feature(2)])
    clock.advance(6300)
    await outbox.append([reading(3)])
    assert outbox.status().lost == 0
    clock.advance(200)
    rows = await drain(outbox)
    assert [row.record.value for row in rows if not isinstance(row.record, Tombstone)] == [3]
    _, told = account(rows)
    assert told[Log.READING] == {1}
    assert told[Log.FEATURE] == {1}
    assert outbox.status().lost == 2


async def test_age_is_judged_only_by_a_clock_that_is_known_to_be_right(make):
    clock = ManualClock(wall_ns=1_000_000_000, quality=TimeQuality.UNCERTAIN)  # 1970: no battery, no network yet
    outbox = await make(clock=clock, max_age_s=6400)
    await outbox.append([reading(1)])
    clock.advance(9999)
    await outbox.append([reading(2)])
    clock.wall_ns, clock.time_quality = 1_800_000_000_000_000_000, TimeQuality.SYNCED
    await outbox.append([reading(3)])
    assert outbox.status().lost == 0
    clock.advance(6401)
    rows = await drain(outbox)
    assert outbox.status().lost == 3
    assert account(rows)[1][Log.READING] == {1, 2, 3}


# ── trouble ──


def spoil_header(path):
    path.write_bytes(b"this is no database" * 300)


def truncate(path):
    path.write_bytes(path.read_bytes()[:5000])


def other_version(path):
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
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


@pytest.mark.parametrize("damage", [spoil_header, truncate, other_version, other_tables, nonsense, missing_table])
async def test_a_damaged_store_is_set_aside_and_a_new_one_begun(make, tmp_path, damage):
    outbox = await make()
    await outbox.append([reading(i) for i in range(100)])
    old = (await outbox.claim(1)).records[0].epoch
    await outbox.close()
    damage(tmp_path / "outbox.db")
    outbox = await make()
    assert "outbox.db.broken-1" in outbox.status().trouble
    await outbox.append([reading(7)])
    (row,) = (await outbox.claim(9)).records
    assert (row.seq, row.record.value) == (1, 7)
    assert row.epoch != old
    assert (tmp_path / "outbox.db.broken-1").exists()
    assert "broken-1" in outbox.status().trouble, "it stays told"


async def test_a_token_of_the_old_store_deletes_nothing_in_the_new_one(make, tmp_path):
    outbox = await make()
    await outbox.append([reading(1)])
    token = (await outbox.claim(1)).token
    await outbox.close()
    spoil_header(tmp_path / "outbox.db")
    outbox = await make()
    await outbox.append([reading(2)])
    await outbox.acknowledge(token)
    assert outbox.status().waiting == 1


async def test_only_the_two_newest_damaged_files_are_kept(make, tmp_path):
    for _ in range(4):
        outbox = await make()
        await outbox.append([reading()])
        await outbox.close()
        spoil_header(tmp_path / "outbox.db")
    outbox = await make()
    await outbox.append([reading()])
    assert sorted(path.name for path in tmp_path.glob("*broken*")) == ["outbox.db.broken-3", "outbox.db.broken-4"]


async def test_damage_met_while_running_is_set_aside_too(make, tmp_path):
    outbox = await make(max_bytes=SMALL * 16)
    await outbox.append([reading(i) for i in range(1000)])
    await outbox.close()
    file = tmp_path / "outbox.db"
    image = bytearray(file.read_bytes())
    for page in range(8, len(image) // 4096):  # leaves of the record tree, not the counters
        image[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    file.write_bytes(image)
    outbox = await make(max_bytes=SMALL * 16)
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


async def test_a_second_process_on_the_same_file_is_refused_in_words(make):
    await (await make()).append([reading()])
    second = await make()
    assert "another process" in second.status().trouble
    with pytest.raises(OutboxError, match="another process"):
        await second.append([reading()])


async def test_no_folder_is_trouble_not_a_crash_and_heals(make, tmp_path):
    (tmp_path / "in-the-way").write_text("")
    outbox = await make("in-the-way/outbox.db")
    assert str(tmp_path / "in-the-way") in outbox.status().trouble
    with pytest.raises(OutboxError):
        await outbox.append([reading()])
    (tmp_path / "in-the-way").unlink()
    await outbox.append([reading(4)])
    assert outbox.status().trouble == ""
    assert outbox.status().waiting == 1
    assert (tmp_path / "in-the-way").stat().st_mode & 0o77 == 0
    assert (tmp_path / "in-the-way/outbox.db").stat().st_mode & 0o77 == 0


async def test_a_full_disk_refuses_in_words_loses_nothing_and_heals(make, monkeypatch):
    outbox = await make()
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


# ── against a model ──


class OutboxMachine(RuleBasedStateMachine):
    """The store against four Python lists; what was evicted is taken from the tombstones, never from the store's insides."""

    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="outbox-"))
        self.clock = ManualClock()
        self.arrived: dict[tuple[Log, int], object] = {}
        self.lost = {log: set() for log in Log}
        self.offered = {Log.READING: [], Log.FEATURE: [], Log.URGENT: []}
        self.last_claim = None
        self.epoch = None
        self.store = self.make()

    def make(self):
        return Store(self.folder / "o.db", SMALL, None, self.clock)

    def teardown(self):
        if not hasattr(self, "store"):
            return
        while self.take(50):
            pass
        self.store.close()
        shutil.rmtree(self.folder)
        for log, offered in self.offered.items():
            arrived = {seq: record for (kind, seq), record in self.arrived.items() if kind is log}
            numbers = set(arrived) | self.lost[log]
            assert numbers == set(range(1, len(numbers) + 1)), f"a silent gap in {log}"
            if log is not Log.URGENT:
                assert len(numbers) == len(offered)
                assert all(record == offered[seq - 1] for seq, record in arrived.items())
        events = [record for (_, _), record in sorted(self.arrived.items()) if isinstance(record, Event)]
        assert events == [record for record in self.offered[Log.URGENT] if record in events], "out of order"

    @rule(
        n=st.integers(1, 60), size=st.sampled_from([1, 10, 2000]), make=st.sampled_from([reading, reading, reading, feature, event])
    )
    def append(self, n, size, make):
        batch = []
        for _ in range(n):
            number = sum(map(len, self.offered.values())) + len(batch)
            batch.append(replace(make(str(number) if make is event else float(number)), machine="m" * size))
        self.store.commit([encode(record) for record in batch])
        self.offered[batch[0].log] += batch
        self.last_claim = None

    def note(self, claim):
        for row in claim.records:
            known = self.arrived.setdefault((row.log, row.seq), row.record)
            assert known == row.record, "a record changed after it had been seen"
            assert self.epoch in (None, row.epoch)
            self.epoch = row.epoch
            if isinstance(row.record, Tombstone):
                self.lost[row.record.lost] |= set(range(row.record.first, row.record.last + 1))

    @rule(n=st.integers(1, 80))
    def claim(self, n):
        claim = self.store.claim(n)
        waiting = self.store.status().waiting
        assert (claim is None) == (waiting == 0)
        if claim:
            assert len(claim.records) == min(n, waiting)
            ranks = [(("urgent", "feature", "reading", "bulk").index(row.log.value), row.seq) for row in claim.records]
            assert ranks == sorted(ranks)
            self.note(claim)
        if self.last_claim and self.last_claim[0] == n:
            assert claim == self.last_claim[1]
        self.last_claim = (n, claim)

    def take(self, n):
        claim = self.store.claim(n)
        if claim:
            self.note(claim)
            before = self.store.status().waiting
            self.store.acknowledge(claim.token)
            assert self.store.status().waiting == before - len(claim.records)
            self.store.acknowledge(claim.token)
            assert self.store.status().waiting == before - len(claim.records)
        self.last_claim = None
        return claim

    @rule(n=st.integers(1, 80))
    def acknowledge(self, n):
        self.take(n)

    @precondition(lambda self: self.last_claim and self.last_claim[1])
    @rule()
    def acknowledge_the_last_claim(self):
        self.store.acknowledge(self.last_claim[1].token)
        self.last_claim = None

    @rule()
    def reopen(self):
        before = self.store.status()
        self.store.close()
        self.store = self.make()
        self.store.check_in()
        after = self.store.status()
        assert after == before

    @invariant()
    def bounded(self):
        if hasattr(self, "store"):
            assert self.store.status().used_bytes <= SMALL


OutboxMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestOutboxAgainstAModel = OutboxMachine.TestCase
