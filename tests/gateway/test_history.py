"""The history: latest values in memory, a bounded ring on disk, and never a reason to stop."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from itertools import pairwise

import pytest
import structlog

from gateway.clock import ManualClock
from gateway.history import History
from gateway.model import Event, Feature, Log, Reading, Severity, Stamp, Tombstone
from tests.waiting import until

T0 = 1_700_000_000_000_000_000


def stamp(second=0):
    return Stamp(T0 + second * 1_000_000_000, 1, "b" * 32)


def reading(value, second=0, point="p", machine="m"):
    return Reading(machine=machine, point=point, value=value, stamp=stamp(second))


@pytest.fixture
async def make(tmp_path):
    made = []

    def make(name="history.db", **options):
        history = History(tmp_path / name, **{"clock": ManualClock()} | options)
        made.append(history)
        return history

    yield make
    for history in made:
        await history.close()


async def values(history, *args, **options):
    return [record.value for record in await history.query("m", "p", *args, **options)]


async def test_the_latest_value_of_every_point_is_at_hand(make):
    history = make()
    feature = Feature(machine="m", point="vibration.rms", value=2.0, stamp=stamp())
    event = Event(machine="m", point="p", kind="limit", severity=Severity.ALARM, before="ok", after="high", stamp=stamp())
    tombstone = Tombstone(lost=Log.READING, first=1, last=2, count=2, stamp=stamp())
    history.add([reading(1), reading(7, machine="n"), feature, reading(3), event, tombstone])
    assert history.latest() == [reading(3), feature, reading(7, machine="n")]
    assert history.events() == [event]
    history.forget("n")
    assert history.latest() == [reading(3), feature]
    history.add([reading(9, machine="n")])
    assert len(history.latest()) == 3


def limit(before, after, *, point="p", machine="m", value=1.0, kind="limit"):
    severity = Severity.INFO if after == "normal" else Severity.ALARM
    what = {"machine": machine, "point": point, "kind": kind, "value": value, "unit": "bar"}
    return Event(**what, severity=severity, before=before, after=after, stamp=stamp())


async def test_points_beyond_a_limit_stand_as_alarms_until_they_return(make):
    history = make()
    history.add([limit("normal", "high"), reading(1), limit("normal", "low", point="q"), limit("a", "b", point="r", kind="other")])
    assert [(alarm.point, alarm.after) for alarm in history.alarms()] == [("p", "high"), ("q", "low")]
    history.add([limit("high", "low")])
    assert [(alarm.point, alarm.after) for alarm in history.alarms()] == [("q", "low"), ("p", "low")], "it stands since it turned"
    history.add([limit("low", "normal", point="q")])
    history.add([limit("normal", "high", point=f"{n}", machine="n") for n in range(300)])
    assert len(history.alarms()) == 301, "they stand also when the list of events has moved on"
    history.forget("n")
    assert [(alarm.machine, alarm.point) for alarm in history.alarms()] == [("m", "p")]


async def test_alarms_stand_beside_limits_until_they_are_normal_or_put_aside(make):
    history = make()
    raised, low = limit("normal", "high alarm unacknowledged", kind="alarm"), limit("normal", "low")
    history.add([raised, low])
    assert history.alarms() == [raised, low], "one point may have both"
    seen = limit("high alarm unacknowledged", "high alarm acknowledged", kind="alarm")
    history.add([seen])
    assert history.alarms() == [low, seen]
    for aside in ("shelved", "suppressed", "out-of-service", "normal"):
        history.add([raised, limit("high alarm unacknowledged", aside, kind="alarm")])
        assert history.alarms() == [low], aside
    history.add([limit("good", "stale", kind="stale"), limit("steady", "chattering", kind="chatter")])
    assert history.alarms() == [low], "these say how well it is watched"


async def test_what_became_of_an_alarm_is_in_the_log(make):
    seen = limit("high alarm unacknowledged", "normal", kind="alarm")
    with structlog.testing.capture_logs() as logs:
        make().add([limit("normal", "high alarm unacknowledged", kind="alarm"), seen])
    assert [(line["event"], line["log_level"], line["now"]) for line in logs] == [
        ("alarm_raised", "warning", "high alarm unacknowledged"),
        ("alarm_changed", "info", "normal"),
    ]


async def test_every_crossing_of_a_limit_is_one_line_in_the_log(make):
    with structlog.testing.capture_logs() as logs:
        make().add([limit("normal", "high", value=231.5), reading(1), limit("high", "normal", value=180.0)])
    assert logs == [
        {
            "event": "limit_crossed",
            "log_level": "warning",
            "machine": "m",
            "point": "p",
            "value": 231.5,
            "unit": "bar",
            "limit": "high",
        },
        {
            "event": "limit_returned",
            "log_level": "info",
            "machine": "m",
            "point": "p",
            "value": 180.0,
            "unit": "bar",
            "was": "high",
        },
    ]


async def test_a_query_joins_disk_and_memory_in_order_without_doubles(make):
    history = make()
    for batch in range(5):
        history.add([reading(10 * batch + i, second=10 * batch + i) for i in range(10)])
        history.add([reading("other", point="q")])
        if batch < 4:
            await history.flush()
    assert await values(history) == list(range(50))
    assert await values(history, limit=15) == list(range(35, 50))
    assert await values(history, T0 + 25 * 1_000_000_000) == list(range(25, 50))
    assert await values(history, T0 + 25 * 1_000_000_000, limit=3) == [47, 48, 49]
    assert await values(history, limit=0) == []
    assert await history.query("m", "unknown") == []


async def test_a_query_while_a_batch_is_being_written_sees_every_record_once(make):
    history = make()
    for i in range(30):
        history.add([reading(i, second=i)])
        got, _ = await asyncio.gather(values(history), history.flush())
        assert got == list(range(i + 1))


async def test_it_writes_in_batches_on_time_and_beats_all_the_while(make):
    clock = ManualClock()
    beats = []
    history = make(clock=clock, commit_every_s=30)
    task = asyncio.create_task(history.run(lambda: beats.append(clock.monotonic())))
    history.add([reading(1)])
    await until(lambda: (clock.advance(0.5), len(beats) >= 10)[1])
    assert history.status()["pending"] == 1, "spares the flash"
    await until(lambda: (clock.advance(0.5), history.status()["pending"] == 0)[1])
    assert max(after - before for before, after in pairwise(beats)) < 5
    task.cancel()
    await asyncio.wait({task})


async def test_many_records_do_not_wait_for_their_time(make):
    clock = ManualClock()
    history = make(clock=clock, commit_every_s=3600, pending=500)
    task = asyncio.create_task(history.run(lambda: None))
    history.add([reading(i) for i in range(500)])
    await until(lambda: (clock.advance(0.5), history.status()["pending"] == 0)[1])
    task.cancel()
    await asyncio.wait({task})
    assert len(await values(history)) == 500


async def test_it_is_there_after_a_restart(make):
    history = make()
    history.add([reading(i, second=i) for i in range(5)])
    await history.close()
    history = make()
    history.add([reading(5, second=5)])
    assert await values(history) == [0, 1, 2, 3, 4, 5]
    assert history.latest() == [reading(5, second=5)], "only what was measured since the start is a latest value"


async def test_the_ring_is_bounded_and_keeps_the_youngest(make, tmp_path):
    limit = 300_000
    noise = random.Random(5)  # does not compress
    history = make(max_bytes=limit)
    for batch in range(60):
        history.add([reading([60 * batch + i, noise.randbytes(100)], second=batch) for i in range(60)])
        await history.flush()
        assert history.status()["used_bytes"] <= limit
    await history.close()
    assert (tmp_path / "history.db").stat().st_size < 1.3 * limit
    history = make(max_bytes=limit)
    kept = [number for number, _ in await values(history, limit=100_000)]
    assert 1000 < len(kept) < 3000
    assert kept == list(range(3600 - len(kept), 3600)), "the youngest, in order, without a hole"


async def test_trouble_on_the_disk_keeps_memory_says_so_once_and_heals(make, tmp_path):
    (tmp_path / "in-the-way").write_text("")
    with structlog.testing.capture_logs() as logs:
        history = make("in-the-way/history.db", pending=10)
        for i in range(25):
            history.add([reading(i, second=i)])
            await history.flush()
        assert "in-the-way" in history.status()["trouble"]
        assert await values(history) == list(range(15, 25))
        assert history.latest() == [reading(24, second=24)]
        (tmp_path / "in-the-way").unlink()
        await history.flush()
        assert history.status()["trouble"] == ""
        assert history.status()["pending"] == 0
    assert [line["event"] for line in logs] == ["history_failed", "history_recovered"]
    assert await values(history) == list(range(15, 25))


async def test_a_damaged_file_is_set_aside(make, tmp_path):
    (tmp_path / "history.db").write_bytes(b"no database" * 1000)
    history = make()
    history.add([reading(1)])
    await history.flush()
    assert await values(history) == [1]
    assert "history.db.broken-1" in history.status()["trouble"]


async def test_a_damaged_chunk_costs_only_itself(make):
    history = make()
    for i in range(3):
        history.add([reading(i)])
        await history.flush()
    await history._in_thread(lambda: history._file._db.execute("UPDATE chunk SET payload = x'00' WHERE id = 2"))
    assert await values(history) == [0, 2]


async def test_a_value_without_stored_form_costs_only_itself(make):
    history = make()
    history.add([reading(1), reading(2**70), reading(3)])
    await history.flush()
    assert history.status()["trouble"] == ""
    assert await values(history) == [1, 3]


async def test_closing_twice_is_fine_and_unused_it_makes_no_file(make, tmp_path):
    history = make()
    await history.close()
    await history.close()
    assert not (tmp_path / "history.db").exists()


async def test_few_records_are_stored_as_they_are_and_many_compressed(make, tmp_path):
    history = make()
    history.add([reading(1), *(reading(n, second=n, machine="n") for n in range(50))])
    await history.flush()
    assert await history.query("m", "p") == [reading(1)]
    assert len(await history.query("n", "p")) == 50
    await history.close()
    (path,) = tmp_path.rglob("*.db")
    with sqlite3.connect(path) as db:
        short, long = (payload for (payload,) in db.execute("SELECT payload FROM chunk ORDER BY id"))
    db.close()
    assert short[:1] != b"\x78" == long[:1]
    assert len(long) < 50 * len(short) / 4


def moment(second, boot="b" * 32, wall_s=None):
    return Stamp(T0 + (second if wall_s is None else wall_s) * 1_000_000_000, second * 1_000_000_000, boot)


async def recalled(history, machine="m", since=0, until=10_000):
    """Return what all pages give, and how many there were."""
    found, after, pages = [], 0, 0
    while after is not None:
        page = await history.recall(machine, T0 + since * 1_000_000_000, T0 + until * 1_000_000_000, after)
        found += page.records
        after = page.following
        pages += 1
    return found, pages


async def test_the_past_of_a_machine_is_recalled_page_by_page_in_order_for_every_point(make):
    history = make()
    records = [
        Reading(machine=machine, point=point, value=second, stamp=moment(second))
        for second in range(900)
        for machine in ("m", "n")
        for point in ("p", "q")
    ]
    for first in range(0, len(records), 400):  # a commit every 100 s
        history.add(records[first : first + 400])
        await history.flush()
    history.add([Reading(machine="m", point="p", value=900, stamp=moment(900))])  # is not yet on disk
    found, pages = await recalled(history, since=50, until=901)
    assert pages > 1
    assert len(found) == 2 * 850 + 1
    assert {record.machine for record in found} == {"m"}
    for point in ("p", "q"):
        seconds = [record.value for record in found if record.point == point]
        assert seconds == list(range(50, 901 if point == "p" else 900))


async def test_a_step_of_the_clock_does_not_mix_up_what_is_recalled(make):
    history = make()
    steps = [moment(1), moment(2), moment(3, wall_s=1), moment(4, wall_s=2), moment(1, boot="c" * 32, wall_s=5)]
    history.add([Reading(machine="m", point="p", value=number, stamp=when) for number, when in enumerate(steps)])
    found, _ = await recalled(history)
    assert [record.value for record in found] == [0, 1, 2, 3, 4]


async def test_of_a_machine_that_nobody_knows_nothing_is_recalled(make):
    history = make()
    history.add([reading(1)])
    assert await recalled(history, machine="unknown") == ([], 1)


async def test_with_trouble_on_the_disk_nothing_is_recalled_and_nothing_breaks(make, tmp_path):
    (tmp_path / "history.db").mkdir()
    history = make()
    history.add([reading(1)])
    assert await recalled(history) == ([], 1)
