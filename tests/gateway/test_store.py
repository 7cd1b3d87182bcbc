"""The store within its limits: what is lost is counted and told, by examples and against a model."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from gateway.clock import ManualClock
from gateway.model import Event, Feature, Log, Reading, TimeQuality, Tombstone
from gateway.outbox.codec import encode
from gateway.outbox.store import Store
from tests.gateway.outbox.simulated import SimulatedDisk
from tests.gateway.stores import SMALL, account, drain, event, feature, reading

# ── bounds ──


async def test_full_it_thins_out_and_drops_the_oldest_readings_first_and_tells_every_number(make_outbox):
    outbox = await make_outbox(max_bytes=SMALL)
    await outbox.append([event(str(i)) for i in range(20)])
    await outbox.append([feature(i) for i in range(20)])
    for i in range(300):
        await outbox.append([reading(j) for j in range(10 * i, 10 * i + 10)])
        assert outbox.status().used_bytes <= SMALL
    lost = outbox.status().lost
    assert lost > 1500
    rows = await drain(outbox, 7)
    arrived, told = account(rows)
    assert [row.record.after for row in rows if isinstance(row.record, Event)] == [str(i) for i in range(20)]
    assert [row.record.value for row in rows if isinstance(row.record, Feature)] == list(range(20))
    kept = [row.record.value for row in rows if isinstance(row.record, Reading)]
    assert kept == sorted(kept)
    assert kept[-100:] == list(range(2900, 3000)), "the youngest stay, all of them"
    assert arrived[Log.READING] | told[Log.READING] == set(range(1, 3001))
    tombstones = [row.record for row in rows if isinstance(row.record, Tombstone)]
    assert sum(tombstone.count for tombstone in tombstones) == lost == 3000 - len(kept)
    assert outbox.status().lost == lost


async def test_a_claimed_tombstone_does_not_change_any_more(make_outbox):
    outbox = await make_outbox(max_bytes=SMALL)
    await outbox.append([feature(i) for i in range(1000)])  # features are not thinned out
    first = await outbox.claim(1)
    assert isinstance(first.records[0].record, Tombstone)
    await outbox.append([feature(i) for i in range(200)])
    again = await outbox.claim(2)
    assert again.records[0] == first.records[0]
    assert isinstance(again.records[1].record, Tombstone)
    assert again.records[1].record.first == first.records[0].record.last + 1


async def test_even_urgent_records_are_bounded_and_tombstones_outlive_their_own_eviction(make_outbox):
    outbox = await make_outbox(max_bytes=SMALL)
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
    assert [row.record.after for row in rows if isinstance(row.record, Event)][-1] == "99.9"


async def test_a_record_larger_than_the_store_is_told_as_lost(make_outbox):
    outbox = await make_outbox(max_bytes=SMALL)
    await outbox.append([reading(b"x" * 2 * SMALL)])
    (row,) = await drain(outbox)
    assert (row.record.lost, row.record.first, row.record.count) == (Log.READING, 1, 1)


async def test_the_files_stay_within_the_limit(make_outbox, tmp_path):
    limit = 1_000_000
    outbox = await make_outbox(max_bytes=limit, commit_every_s=0)
    for i in range(120):
        await outbox.append([reading(i * 1.5, point=f"point-{j % 7}") for j in range(100)])
        if i % 10 == 0 and (claim := await outbox.claim(20)):
            await outbox.acknowledge(claim.token)
    assert outbox.status().lost > 0
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "outbox").iterdir()}
    assert sizes.pop("cursor") == 8192
    assert 0.8 * limit < sum(sizes.values()) <= limit


async def test_a_clock_that_was_ahead_leaves_nothing_dated_wrongly(make_outbox):
    clock = ManualClock()
    outbox = await make_outbox(clock=clock, max_age_s=6400)
    clock.wall_ns += 10**18  # three decades
    await outbox.append([reading(0)])
    clock.wall_ns -= 10**18
    for i in range(1, 20):
        clock.advance(1)
        await outbox.append([reading(i)])
    clock.advance(6000)
    await outbox.append([reading(20)])
    assert outbox.status().lost == 0, "all are younger than the limit"
    clock.advance(500)
    await outbox.append([reading(21)])
    assert outbox.status().lost > 0, "they are dated by the time after the clock was put right"


async def test_records_too_old_are_dropped_and_told(make_outbox):
    clock = ManualClock()
    outbox = await make_outbox(clock=clock, max_age_s=6400)
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


async def test_age_is_judged_only_by_a_clock_that_is_known_to_be_right(make_outbox):
    clock = ManualClock(wall_ns=1_000_000_000, quality=TimeQuality.UNCERTAIN)  # 1970: no battery, no network yet
    outbox = await make_outbox(clock=clock, max_age_s=6400)
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


# ── against a model ──


class OutboxMachine(RuleBasedStateMachine):
    """The store against four Python lists; what was evicted is taken from the tombstones, never from the store's insides."""

    @initialize()
    def start(self):
        self.disk = SimulatedDisk()
        self.clock = ManualClock()
        self.seen: dict[tuple[Log, int], object] = {}
        self.arrived: dict[tuple[Log, int], object] = {}
        self.lost = {log: set() for log in Log}
        self.offered = {Log.READING: [], Log.FEATURE: [], Log.URGENT: []}
        self.last_claim = None
        self.epoch = None
        self.store = self.make()

    def make(self):
        return Store(self.disk, SMALL, None, self.clock)

    def teardown(self):
        if not hasattr(self, "store"):
            return
        while self.take(50):
            pass
        self.store.close()
        for log, offered in self.offered.items():
            arrived = {seq: record for (kind, seq), record in self.arrived.items() if kind is log}
            numbers = set(arrived) | self.lost[log]
            assert numbers == set(range(1, len(numbers) + 1)), f"a silent gap in {log}"
            assert len(numbers) == len(offered)
            assert all(record == offered[seq - 1] for seq, record in arrived.items())

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
            known = self.seen.setdefault((row.log, row.seq), row.record)
            gone = isinstance(row.record, Tombstone) and not isinstance(known, Tombstone)
            assert known == row.record or gone, "a record changed after it had been seen"
            assert self.epoch in (None, row.epoch)
            self.epoch = row.epoch
            if isinstance(row.record, Tombstone):
                self.lost[row.record.lost] |= set(range(row.record.first, row.record.last + 1))
            else:
                self.arrived[row.log, row.seq] = row.record

    @rule(n=st.integers(1, 80))
    def claim(self, n, held=()):
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
        self.store.open()
        after = self.store.status()
        self.seen = {key: record for key, record in self.seen.items() if not isinstance(record, Tombstone)}
        names = ("used_bytes", "max_bytes", "lost", "oldest_wall_ns", "trouble")
        assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]
        assert after.waiting <= before.waiting, "a loss that was told in pieces may be told in one now"

    @invariant()
    def bounded(self):
        if hasattr(self, "store"):
            assert self.store.status().used_bytes <= SMALL


OutboxMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestOutboxAgainstAModel = OutboxMachine.TestCase
