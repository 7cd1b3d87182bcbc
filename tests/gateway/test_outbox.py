"""The outbox: what comes out is what went in, in order, until acknowledged; and its values, byte for byte."""

from __future__ import annotations

import asyncio
import math
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.model import Event, Feature, Log, Quality, Reading, Reason, Severity, Stamp, TimeQuality, Tombstone
from gateway.outbox import OutboxError
from gateway.outbox.codec import encode
from gateway.outbox.store import Store
from tests.gateway.outbox.simulated import SimulatedDisk
from tests.gateway.stores import STAMP, drain, event, feature, reading

# ── append, claim, acknowledge ──


async def test_records_come_out_as_they_went_in_urgent_first_in_order(make_outbox):
    outbox = await make_outbox()
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


async def test_an_unacknowledged_claim_is_repeated_and_an_acknowledged_one_is_gone(make_outbox):
    outbox = await make_outbox()
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


async def test_numbers_go_on_after_everything_was_acknowledged_and_after_a_restart(make_outbox):
    outbox = await make_outbox()
    await outbox.append([reading(1), reading(2)])
    claim = await outbox.claim(9)
    await outbox.acknowledge(claim.token)
    assert await outbox.claim(9) is None
    await outbox.close()
    outbox = await make_outbox()
    await outbox.append([reading(3)])
    (row,) = (await outbox.claim(9)).records
    assert (row.seq, row.epoch, row.record.value) == (3, claim.records[0].epoch, 3)


async def test_what_was_claimed_before_a_restart_comes_again(make_outbox):
    outbox = await make_outbox()
    await outbox.append([reading(i) for i in range(5)])
    claim = await outbox.claim(3)
    await outbox.close()
    outbox = await make_outbox()
    assert await outbox.claim(3) == claim
    assert outbox.status().waiting == 5


async def test_concurrent_appends_share_one_commit(make_outbox, monkeypatch):
    commits = []
    commit = Store.commit
    monkeypatch.setattr(Store, "commit", lambda self, rows: (commits.append(len(rows)), commit(self, rows)))
    outbox = await make_outbox(commit_every_s=0.2)
    await asyncio.gather(*(outbox.append([reading(i)]) for i in range(50)))
    assert commits == [50]
    assert [row.record.value for row in (await outbox.claim(99)).records] == list(range(50))


async def test_an_urgent_append_does_not_wait_for_company_and_takes_the_others_along(make_outbox):
    outbox = await make_outbox(commit_every_s=3600)
    slow = asyncio.create_task(outbox.append([reading()]))
    await asyncio.sleep(0)
    await outbox.append([event()], urgent=True)
    await slow
    assert outbox.status().waiting == 2


async def test_many_waiting_records_start_a_commit(make_outbox):
    outbox = await make_outbox(commit_every_s=3600, commit_records=20)
    await asyncio.gather(outbox.append([reading()] * 15), outbox.append([reading()] * 5))
    assert outbox.status().waiting == 20


async def test_a_cancelled_append_is_stored_whole_or_not_at_all_and_harms_no_other(make_outbox):
    outbox = await make_outbox(commit_every_s=0.05)
    cancelled = asyncio.create_task(outbox.append([reading(1), reading(2)]))
    other = asyncio.create_task(outbox.append([reading(3)]))
    await asyncio.sleep(0)
    cancelled.cancel()
    await other
    values = [row.record.value for row in await drain(outbox)]
    assert values in ([1, 2, 3], [3])


async def test_closing_commits_what_waits_and_then_refuses(make_outbox):
    outbox = await make_outbox(commit_every_s=3600)
    waiting = asyncio.create_task(outbox.append([reading(7)]))
    await asyncio.sleep(0)
    await outbox.close()
    await waiting
    await outbox.close()
    for call in (outbox.append([reading()]), outbox.claim(1), outbox.acknowledge(("", ()))):
        with pytest.raises(OutboxError, match="closed"):
            await call
    outbox = await make_outbox()
    assert outbox.status().waiting == 1


async def test_the_event_loop_turns_while_the_disk_is_slow(make_outbox, monkeypatch):
    release = threading.Event()
    commit = Store.commit
    monkeypatch.setattr(Store, "commit", lambda self, rows: (release.wait(10), commit(self, rows)))
    outbox = await make_outbox()
    slow = asyncio.create_task(outbox.append([event()], urgent=True))
    for _ in range(100):
        await asyncio.sleep(0.001)
        outbox.status()
    assert not slow.done()
    release.set()
    await slow


async def test_status_counts_without_the_disk(make_outbox):
    clock = ManualClock()
    outbox = await make_outbox(clock=clock)
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


@settings(max_examples=40, deadline=None)
@given(st.lists(records, min_size=1, max_size=20))
def test_every_record_comes_back_equal_and_of_the_same_types(batch):
    store = Store(SimulatedDisk(), 1_000_000, None, ManualClock())
    store.commit([encode(record) for record in batch])
    claim = store.claim(100)
    store.acknowledge(claim.token)
    store.close()
    by_log = [record for log in (Log.URGENT, Log.FEATURE, Log.READING) for record in batch if record.log is log]
    back = [row.record for row in claim.records]
    assert back == by_log
    assert [type(getattr(record, "value", None)) for record in back] == [type(getattr(record, "value", None)) for record in by_log]


async def test_not_a_number_stays_so(make_outbox):
    outbox = await make_outbox()
    await outbox.append([reading(math.nan), feature(math.inf), feature(-math.inf)])
    high, low, nan = [row.record.value for row in (await outbox.claim(9)).records]
    assert math.isnan(nan)
    assert (high, low) == (math.inf, -math.inf)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, object(), "\ud800"])
async def test_a_value_without_stored_form_becomes_a_tombstone_under_its_own_number(make_outbox, value):
    outbox = await make_outbox()
    await outbox.append([reading(1), reading(value), reading(3)])
    first, second, third = (await outbox.claim(9)).records
    assert (first.record.value, third.record.value) == (1, 3)
    assert (second.log, second.seq) == (Log.READING, 2)
    assert isinstance(second.record, Tombstone)
    assert (second.record.lost, second.record.first, second.record.last, second.record.count) == (Log.READING, 2, 2, 1)
    assert outbox.status().lost == 1


async def test_a_record_damaged_on_disk_is_told_in_its_place(make_outbox, tmp_path):
    outbox = await make_outbox()
    await outbox.append([reading(i, point=f"point-{i}") for i in range(4)])
    await outbox.close()
    (file,) = (tmp_path / "outbox").glob("reading-*.seg")
    image = bytearray(file.read_bytes())
    for point in (b"point-1", b"point-2"):
        image[image.index(point)] ^= 0x20
    file.write_bytes(image)
    outbox = await make_outbox()
    assert outbox.status().lost == 2
    rows = await drain(outbox)
    assert [row.record.value for row in rows if isinstance(row.record, Reading)] == [0, 3]
    (told,) = [row for row in rows if isinstance(row.record, Tombstone)]
    assert (told.log, told.seq, told.record.first, told.record.last, told.record.count) == (Log.READING, 3, 2, 3, 2)
    assert (outbox.status().lost, outbox.status().waiting) == (2, 0)
    assert "damaged" in outbox.status().trouble
