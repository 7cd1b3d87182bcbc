"""The contract and the door: nothing that is not released is ever handed to the outbox, nothing released is lost or doubled."""

from __future__ import annotations

import asyncio
import re

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.config.spec import Contract, ShareRule
from gateway.model import Event, Feature, Log, Reading, Severity, Stamp, Tombstone
from gateway.outbox import SegmentedOutbox
from gateway.ports import OutboxError
from gateway.share import Door, Share
from tests.waiting import until

STAMP = Stamp(1_700_000_000_000_000_000, 1, "b" * 32)


def contract(*rules):
    return Contract(tuple(ShareRule(to=to, machines=machines, points=points) for to, machines, points in rules))


ALL = contract(("coop", ["*"], ["*"]))


def reading(value, machine="press-1", point="oil_temp"):
    return Reading(machine=machine, point=point, value=value, stamp=STAMP)


def feature(value, machine="press-1", point="vibration.rms"):
    return Feature(machine=machine, point=point, value=value, stamp=STAMP)


def event(after, machine="press-1", point="oil_temp", value=None):
    return Event(
        machine=machine, point=point, kind="limit", severity=Severity.ALARM, before="ok", after=after, stamp=STAMP, value=value
    )


class FakeOutbox:
    """Keeps what it is given; refuses or hangs when told."""

    def __init__(self):
        self.stored = []
        self.calls = []
        self.refuse = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def append(self, batch, *, urgent=False):
        self.calls.append((tuple(batch), urgent))
        await self.gate.wait()
        if self.refuse:
            raise OutboxError("the disk is full; free some space")
        self.stored += batch


@pytest.fixture
def outbox():
    return FakeOutbox()


@pytest.fixture
async def make(outbox):
    """Make running doors; each has a `clock` that the test advances and a list of what was called."""
    tasks = []

    def make(rules=ALL, store=None, run=True, **options):
        clock = ManualClock()
        calls = []
        door = Door(
            Share(rules, "coop"),
            store or outbox,
            clock=clock,
            beat=lambda: calls.append("beat"),
            on_urgent=lambda: calls.append("urgent"),
            on_stored=lambda: calls.append("stored"),
            **options,
        )
        door.clock, door.calls = clock, calls
        door.task = asyncio.create_task(door.run()) if run else None
        tasks.append(door.task)
        return door

    yield make
    for task in filter(None, tasks):
        task.cancel()
    await asyncio.gather(*filter(None, tasks), return_exceptions=True)


async def stop(door):
    door.task.cancel()
    await asyncio.wait({door.task})
    await door.drain()


# ── the contract ──


@pytest.mark.parametrize(
    ("rules", "machine", "point", "released"),
    [
        (Contract(), "press-1", "oil_temp", False),
        (contract(("coop", ["press-1"], ["oil_temp"])), "press-1", "oil_temp", True),
        (contract(("coop", ["press-1"], ["oil_temp"])), "press-1", "oil_temp.slope", False),
        (contract(("coop", ["press-1"], ["oil_temp"])), "press-1", "Oil_temp", False),
        (contract(("coop", ["press-1"], ["oil_temp"])), "press-10", "oil_temp", False),
        (contract(("coop", ["press-1"], ["oil_temp"])), "press-1", "", False),
        (contract(("other", ["*"], ["*"])), "press-1", "oil_temp", False),
        (contract(("coop", ["press-*"], ["vibration.*"])), "press-10", "vibration.rms", True),
        (contract(("coop", ["press-*"], ["vibration.*"])), "press-10", "vibrationXrms", False),
        (contract(("coop", ["press-?"], ["*"])), "press-1", "", True),
        (contract(("coop", ["press-?"], ["*"])), "press-10", "x", False),
        (contract(("coop", ["[p]ress-1"], ["*"])), "press-1", "x", False),
        (contract(("coop", ["[p]ress-1"], ["*"])), "[p]ress-1", "x", True),
        (contract(("coop", ["a.b"], ["*"])), "axb", "x", False),
        (contract(("coop", ["a*"], ["?"])), "a\nb", "\n", True),
        (contract(("coop", [""], [""])), "press-1", "x", False),
        (contract(("coop", ["a"], ["x"]), ("coop", ["b"], ["y"])), "a", "y", False),
        (contract(("coop", ["a"], ["x"]), ("coop", ["b"], ["y"])), "b", "y", True),
    ],
)
def test_only_what_a_rule_for_this_recipient_names_is_released(rules, machine, point, released):
    share = Share(rules, "coop")
    assert share.releases(machine, point) is released
    assert share.releases(machine, point) is released, "also from the cache"


def fits(pattern, text):
    """Match the slow, obvious way."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return fits(pattern[1:], text) or bool(text and fits(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and fits(pattern[1:], text[1:])


@given(st.text("ab.*?[]\n", max_size=6), st.text("ab.[]\n", max_size=6))
def test_patterns_match_as_defined(pattern, text):
    assert Share(contract(("coop", [pattern], ["*"])), "coop").releases(text, "p") is fits(pattern, text)


def test_a_flood_of_names_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("gateway.share._CACHE", 10)
    share = Share(ALL, "coop")
    assert all(share.releases("m", str(i)) for i in range(50))
    assert len(share._known) <= 10


# ── the door ──


async def test_canaries_never_reach_the_outbox(make, tmp_path):
    store = SegmentedOutbox(tmp_path / "o", max_bytes=10_000_000, clock=ManualClock(), commit_every_s=0.01)
    await store.open()
    door = make(contract(("coop", ["press-1"], ["oil_temp", "vibration.*"])), store)
    canary = "CANARY"
    door.offer([
        reading(canary, point="recipe"),
        reading(canary, machine="press-2"),
        reading(canary, point="oil_temp.raw"),
        feature(47.11, machine="lathe"),
        feature(47.11, point="current.rms"),
        event(canary, point="recipe"),
        event(canary, machine=canary),
        Event(machine="press-2", point="oil_temp", kind=canary, severity=Severity.INFO, before=canary, after="", stamp=STAMP),
        Tombstone(lost=Log.READING, first=4711, last=4711, count=4711, stamp=STAMP),
        reading(1.5),
        feature(2.5),
        event("high"),
    ])  # fmt: skip
    await until(lambda: door.status()["stored"] == 3)
    records = [row.record for row in (await store.claim(99)).records]
    assert records == [event("high"), feature(2.5), reading(1.5)]
    await stop(door)
    await store.close()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"press-1" in written
    assert canary.encode() not in written
    assert msgspec.msgpack.encode(47.11) not in written
    assert msgspec.msgpack.encode(4711) not in written
    assert door.status()["withheld"] == 9


async def test_order_is_kept_and_events_do_not_wait_behind_readings(make, outbox):
    outbox.gate.clear()
    door = make()
    door.offer([reading(i) for i in range(2500)])
    await until(lambda: len(outbox.calls) == 1)
    door.offer([event("a")])
    await until(lambda: len(outbox.calls) == 2)
    assert outbox.calls[1] == ((event("a"),), True)
    assert outbox.calls[0][1] is False
    outbox.gate.set()
    await until(lambda: door.status()["stored"] == 2501)
    assert [record.value for record in outbox.stored if isinstance(record, Reading)] == list(range(2500))
    assert max(len(batch) for batch, _ in outbox.calls) <= 1000
    assert "urgent" in door.calls
    assert door.calls.count("urgent") == 1
    assert door.calls.count("stored") == 4
    assert door.status() == {"pending": 0, "stored": 2501, "withheld": 0, "dropped": 0, "trouble": ""}


async def test_trouble_is_told_once_retried_in_order_and_its_end_told_once(make, outbox):
    with structlog.testing.capture_logs() as logs:
        outbox.refuse = True
        door = make()
        door.offer([reading(i) for i in range(3)])
        await until(lambda: len(outbox.calls) == 1)
        door.offer([reading(3)])
        for n in range(2, 6):
            await until(lambda: door.task.done() or door.status()["trouble"])
            await until(lambda n=n: (door.clock.advance(1), len(outbox.calls) >= n)[1])
        assert door.status()["trouble"] == "the disk is full; free some space"
        assert all(batch == outbox.calls[0][0] for batch, _ in outbox.calls), "the same batch, again and again"
        outbox.refuse = False
        await until(lambda: (door.clock.advance(1), len(outbox.stored) == 4)[1])
    assert [record.value for record in outbox.stored] == [0, 1, 2, 3]
    assert [line["event"] for line in logs] == ["outbox_failed", "outbox_recovered"]
    assert door.status()["trouble"] == ""


async def test_memory_is_bounded_and_what_it_forgot_is_told(make, outbox):
    with structlog.testing.capture_logs() as logs:
        outbox.refuse = True
        door = make(limit=100)
        door.offer([event("a")])
        await until(lambda: door.status()["trouble"])
        door.offer([feature(i) for i in range(30)])
        for i in range(50):
            door.offer([reading(j) for j in range(10 * i, 10 * i + 10)])
        status = door.status()
        assert status["pending"] == 100
        assert status["dropped"] == 431
        outbox.refuse = False
        await until(lambda: (door.clock.advance(1), any(isinstance(record, Tombstone) for record in outbox.stored))[1])
    assert [line["event"] for line in logs].count("records_dropped") == 1
    assert [record.value for record in outbox.stored if isinstance(record, Feature)] == list(range(30))
    assert [record.value for record in outbox.stored if isinstance(record, Reading)] == list(range(431, 500))
    (told,) = [record for record in outbox.stored if isinstance(record, Tombstone)]
    assert (told.lost, told.first, told.last, told.count) == (Log.READING, 0, 0, 431)


async def test_cancelled_in_the_middle_of_an_append_drain_doubles_nothing(make, outbox):
    outbox.gate.clear()
    door = make()
    door.offer([reading(1), event("a")])
    await until(lambda: len(outbox.calls) == 2)
    door.offer([reading(2)])
    door.task.cancel()
    await asyncio.wait({door.task})
    outbox.gate.set()
    await door.drain()
    assert sorted(map(str, outbox.stored)) == sorted(map(str, [reading(1), event("a"), reading(2)]))


async def test_drain_gives_up_with_a_word_when_the_outbox_refuses(make, outbox):
    with structlog.testing.capture_logs() as logs:
        outbox.refuse = True
        door = make(run=False)
        door.offer([reading(1)])
        await door.drain()
    assert {"event": "records_dropped", "count": 1} .items() <= logs[-1].items()  # fmt: skip


async def test_it_beats_while_idle_and_in_trouble_but_not_while_the_disk_hangs(make, outbox):
    door = make()
    await until(lambda: (door.clock.advance(1), door.calls.count("beat") >= 3)[1])
    outbox.refuse = True
    door.offer([reading(1)])
    await until(lambda: outbox.calls)
    del door.calls[:]
    await until(lambda: (door.clock.advance(1), door.calls.count("beat") >= 3)[1])
    outbox.gate.clear()
    called = len(outbox.calls)
    await until(lambda: (door.clock.advance(1), len(outbox.calls) > called)[1])
    for _ in range(12):
        door.clock.advance(1)
        await asyncio.sleep(0)
    del door.calls[:]
    for _ in range(30):
        door.clock.advance(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert "beat" not in door.calls


async def test_a_new_contract_holds_at_once_also_for_what_was_refused(make, outbox):
    outbox.refuse = True
    door = make()
    door.offer([reading(1), reading(2, point="secret")])
    await until(lambda: door.status()["trouble"])
    door.offer([reading(3, point="secret"), feature(4)])
    door.replace(Share(contract(("coop", ["*"], ["oil_temp"])), "coop"))
    door.offer([reading(5, point="secret"), reading(6)])
    outbox.refuse = False
    await until(lambda: (door.clock.advance(1), len(outbox.stored) == 2)[1])
    await stop(door)
    assert outbox.stored == [reading(1), reading(6)]


async def test_a_contract_changed_while_a_refused_batch_is_under_way_holds_for_its_retry(make, outbox):
    outbox.gate.clear()
    outbox.refuse = True
    door = make()
    door.offer([reading(1), reading(2, point="secret")])
    await until(lambda: outbox.calls)
    door.replace(Share(contract(("coop", ["*"], ["oil_temp"])), "coop"))
    outbox.gate.set()
    await until(lambda: door.status()["trouble"])
    outbox.refuse = False
    await until(lambda: (door.clock.advance(1), outbox.stored)[1])
    assert outbox.stored == [reading(1)]


async def test_run_again_after_a_cancel_goes_on(make, outbox):
    outbox.refuse = True
    door = make()
    door.offer([reading(1)])
    await until(lambda: door.status()["trouble"])
    door.task.cancel()
    await asyncio.wait({door.task})
    outbox.refuse = False
    door.task = asyncio.create_task(door.run())
    await until(lambda: outbox.stored == [reading(1)])
    await stop(door)


def test_the_words_of_a_pattern_are_not_a_regular_expression():
    assert re.fullmatch("a.c", "abc")
    assert not Share(contract(("coop", ["a.c", "(", "+"], ["*"])), "coop").releases("abc", "x")
