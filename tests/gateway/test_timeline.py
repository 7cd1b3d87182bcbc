"""A time from before the clock was known gets its time afterwards, or stays uncertain; never another time under a good name."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.model import Stamp, TimeQuality
from gateway.state import State
from gateway.timeline import MOST_BOOTS, Timeline, has_rtc
from tests.waiting import until

YEAR_S = 365 * 86400.0
TRUE_NS = 1_800_000_000_000_000_000


class Memory:
    """A store without a disk."""

    def __init__(self) -> None:
        self.kept = {}
        self.writes = 0
        self.fails = False

    def get(self, name, kind, default):
        return self.kept.get(name, default)

    async def aput(self, name, value):
        if self.fails:
            raise OSError(28, "no space left on device")
        self.writes += 1
        self.kept[name] = value


def boot(number: int, wall_ns: int = 0, quality: TimeQuality = TimeQuality.UNCERTAIN) -> ManualClock:
    clock = ManualClock(wall_ns, quality)
    clock.boot = f"{number:032x}"
    return clock


async def run_on(timeline: Timeline) -> None:
    """Do what `run` does at a turn that learned something."""
    timeline.look()
    await timeline._keep()


def test_a_stamp_of_a_clock_in_step_stays_as_it_is() -> None:
    clock = boot(1, TRUE_NS, TimeQuality.SYNCED)
    timeline = Timeline(clock, Memory())
    stamp = clock.stamp()
    clock.step(5)
    timeline.look()
    assert timeline.repair(stamp) is stamp


def test_before_the_clock_was_known_is_repaired_as_soon_as_it_is() -> None:
    clock = boot(1, wall_ns=0)  # 1970, as a board without a clock chip starts
    timeline = Timeline(clock, Memory())
    early = clock.stamp()
    clock.advance(90)
    late = clock.stamp()
    assert timeline.repair(early).quality is TimeQuality.UNCERTAIN
    clock.wall_ns, clock.time_quality = TRUE_NS, TimeQuality.SYNCED
    timeline.look()
    assert timeline.repair(late) == Stamp(TRUE_NS, late.mono_ns, late.boot, TimeQuality.REPAIRED)
    assert timeline.repair(early).wall_ns == TRUE_NS - 90_000_000_000


def test_an_unknown_boot_stays_uncertain() -> None:
    timeline = Timeline(boot(1, TRUE_NS, TimeQuality.SYNCED), Memory())
    stamp = boot(2, 7).stamp()
    assert timeline.repair(stamp) is stamp


async def test_the_table_survives_the_reboot_between_recording_and_sending() -> None:
    store, clock = Memory(), boot(1, 0)
    timeline = Timeline(clock, store)
    early = clock.stamp()
    clock.advance(60)
    clock.wall_ns, clock.time_quality = TRUE_NS, TimeQuality.SYNCED
    await run_on(timeline)
    again = Timeline(boot(2, 0), store)  # the next boot does not know the time itself
    assert again.repair(early) == Stamp(TRUE_NS - 60_000_000_000, early.mono_ns, early.boot, TimeQuality.REPAIRED)


async def test_a_boot_that_never_knew_the_time_stays_uncertain_without_a_clock_chip() -> None:
    store, clock = Memory(), boot(1, 0)
    await run_on(Timeline(clock, store, rtc=False))
    stamp = clock.stamp()
    later = boot(2, 100_000_000_000)
    timeline = Timeline(later, store, rtc=False)
    later.wall_ns, later.time_quality = TRUE_NS, TimeQuality.SYNCED
    timeline.look()
    assert timeline.repair(stamp).quality is TimeQuality.UNCERTAIN
    assert timeline.status()["undated_boots"] == 1


async def test_a_clock_chip_carries_the_time_over_to_the_boot_that_finds_out_its_error() -> None:
    store = Memory()
    wrong_ns = TRUE_NS - round(3 * YEAR_S * 1e9)  # the chip is three years behind, and runs
    first = boot(1, wrong_ns)
    await run_on(Timeline(first, store, rtc=True))
    stamp = first.stamp()
    second = boot(2, wrong_ns + 500_000_000_000)  # switched off for 500 s
    await run_on(Timeline(second, store, rtc=True))
    third = boot(3, wrong_ns + 900_000_000_000)
    timeline = Timeline(third, store, rtc=True)
    third.wall_ns, third.time_quality = TRUE_NS + 900_000_000_000, TimeQuality.SYNCED
    timeline.look()
    repaired = timeline.repair(stamp)
    assert (repaired.wall_ns, repaired.quality) == (TRUE_NS, TimeQuality.REPAIRED)
    assert timeline.status()["undated_boots"] == 0


async def test_a_clock_chip_that_began_anew_carries_nothing_over() -> None:
    store, first = Memory(), boot(1, TRUE_NS)
    await run_on(Timeline(first, store, rtc=True))
    stamp = first.stamp()
    second = boot(2, 0)  # its battery is empty
    timeline = Timeline(second, store, rtc=True)
    second.wall_ns, second.time_quality = TRUE_NS, TimeQuality.SYNCED
    timeline.look()
    assert timeline.repair(stamp).quality is TimeQuality.UNCERTAIN


def test_three_days_without_a_time_server_are_interpolated() -> None:
    clock = boot(1, TRUE_NS, TimeQuality.SYNCED)
    timeline = Timeline(clock, Memory())
    clock.time_quality = TimeQuality.UNCERTAIN
    clock.advance(36 * 3600)
    middle = clock.stamp()
    timeline.look()
    clock.advance(36 * 3600)
    end = clock.stamp()
    assert timeline.repair(middle).quality is TimeQuality.UNCERTAIN, "nobody knows yet how far the clock has drifted"
    clock.step(20)  # it was 20 s behind after 72 h
    clock.time_quality = TimeQuality.SYNCED
    timeline.look()
    assert timeline.repair(middle).wall_ns == middle.wall_ns + 10_000_000_000
    assert timeline.repair(end).wall_ns == end.wall_ns + 20_000_000_000
    assert timeline.repair(end).quality is TimeQuality.REPAIRED


@given(
    st.lists(
        st.tuples(st.floats(1, 40_000), st.floats(-2 * YEAR_S, 2 * YEAR_S), st.booleans(), st.floats(-1e-4, 1e-4), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_whatever_the_wall_clock_does_no_repair_reorders_and_a_known_time_is_true(turns) -> None:
    """The wall clock is set by hand, drifts, is in step at times; true time is known to the test only."""
    clock, true_ns = boot(1, 0), TRUE_NS
    timeline = Timeline(clock, Memory())
    stamps: list[tuple[Stamp, int]] = []
    for seconds, jump_s, synced, drift, look in turns:
        clock.advance(seconds)
        true_ns += round(seconds * 1e9)
        clock.step(seconds * drift)
        clock.time_quality = TimeQuality.SYNCED if synced else TimeQuality.UNCERTAIN
        if synced:
            clock.wall_ns = true_ns
        else:
            clock.step(jump_s if look else 0)
        timeline.look()
        stamps.append((clock.stamp(), true_ns))
    repaired = [timeline.repair(stamp) for stamp, _ in stamps]
    assert all(one.wall_ns <= two.wall_ns for one, two in pairwise(repaired))
    for now, (_, true) in zip(repaired, stamps, strict=True):
        if now.quality is not TimeQuality.UNCERTAIN:
            assert abs(now.wall_ns - true) < 1000, "the monotonic clock of this test does not drift"


async def test_it_writes_when_something_is_learned_and_else_once_an_hour() -> None:
    clock, store = boot(1, TRUE_NS, TimeQuality.SYNCED), Memory()
    timeline = Timeline(clock, store)
    beats = []
    task = asyncio.create_task(timeline.run(beats.append))
    await until(lambda: store.writes == 1)
    for _ in range(359):
        turn = len(beats)
        clock.advance(10)
        await until(lambda turn=turn: len(beats) > turn)
    assert store.writes == 1
    clock.advance(10)
    await until(lambda: store.writes == 2)
    clock.time_quality = TimeQuality.UNCERTAIN
    clock.advance(10)
    await until(lambda: store.writes == 3)
    task.cancel()
    await asyncio.wait({task})


async def test_a_store_that_fails_costs_nothing_but_the_repair_after_a_restart() -> None:
    clock, store = boot(1, 0), Memory()
    store.fails = True
    timeline = Timeline(clock, store)
    stamp = clock.stamp()
    clock.wall_ns, clock.time_quality = TRUE_NS, TimeQuality.SYNCED
    await run_on(timeline)
    assert timeline.repair(stamp).quality is TimeQuality.REPAIRED
    store.fails = False
    assert timeline.look(), "it is tried again"


async def test_it_lives_in_a_real_state_folder_and_is_bounded(tmp_path) -> None:
    state = State(tmp_path)
    for number in range(MOST_BOOTS + 5):
        await run_on(Timeline(boot(number, number), state))
    assert len(Timeline(boot(0, 0), state)._boots) == MOST_BOOTS
    (tmp_path / "clock.json").write_text('[{"boot": 7}]')
    assert Timeline(boot(1, 0), State(tmp_path)).status()["boots"] == 1


@pytest.mark.parametrize(("text", "found"), [("1\n", True), ("0\n", False), (None, False)])
def test_a_clock_chip_is_one_that_set_the_clock_at_start(tmp_path, text, found) -> None:
    chip = tmp_path / "rtc0"
    chip.mkdir()
    if text is not None:
        (chip / "hctosys").write_text(text)
    assert has_rtc(tmp_path) is found
