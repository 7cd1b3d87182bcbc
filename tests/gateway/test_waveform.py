"""One source for several listeners, and stamps by the count of samples."""

import asyncio
import contextlib
import itertools
from array import array

import pytest

from gateway.clock import ManualClock
from gateway.driver import DeviceError, LinkError
from gateway.waveform import MOST_WAITING, Piece, SampleClock, SharedSource
from tests.waiting import until


class Source:
    """A device that can be opened once, and gives a piece when told."""

    def __init__(self):
        self.runs = []
        self.open = 0
        self.error = None
        self.pieces = asyncio.Queue()
        self.slow_to_close = asyncio.Event()
        self.slow_to_close.set()

    async def capture(self, channels):
        assert self.open == 0, "opened twice"
        self.open += 1
        self.runs.append(channels)
        try:
            for gap in (True, *[False] * 1000):
                number = await self.pieces.get()
                if self.error:
                    raise self.error
                samples = {name: array("f", [number]) for name in channels}
                yield Piece(ManualClock().stamp(), 1000.0, gap, samples)
        finally:
            await self.slow_to_close.wait()
            self.open -= 1


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def shared(source):
    return SharedSource(source.capture)


async def test_a_source_runs_while_somebody_listens(source, shared):
    async with contextlib.aclosing(shared.listen(("x",))) as pieces:
        source.pieces.put_nowait(1)
        assert list((await anext(pieces)).samples) == ["x"]
        assert source.open == 1
    assert source.open == 0
    async with contextlib.aclosing(shared.listen(("y",))) as pieces:
        source.pieces.put_nowait(2)
        assert (await anext(pieces)).gap
    assert source.runs == [("x",), ("y",)]


async def test_machines_that_begin_together_are_one_run_and_each_gets_its_own_channels(source, shared):
    one, two = shared.listen(("x",)), shared.listen(("y", "z"))
    tasks = [asyncio.create_task(anext(one)), asyncio.create_task(anext(two))]
    source.pieces.put_nowait(1)
    first, second = await asyncio.gather(*tasks)
    assert (list(first.samples), list(second.samples)) == (["x"], ["y", "z"])
    assert source.runs == [("x", "y", "z")]
    await one.aclose()
    assert source.open == 1
    await two.aclose()
    assert source.open == 0


async def test_a_channel_that_is_new_begins_a_run_with_all(source, shared):
    one = shared.listen(("x",))
    source.pieces.put_nowait(1)
    await anext(one)
    two = shared.listen(("y",))
    second = asyncio.create_task(anext(two))
    await asyncio.sleep(0)
    source.pieces.put_nowait(2)
    source.pieces.put_nowait(3)
    assert (await second).samples["y"][0] == 3
    assert [((await anext(one)).samples["x"][0], piece_gap) for piece_gap in (False, True)] == [(2, False), (3, True)]
    assert source.runs == [("x",), ("x", "y")]
    await one.aclose()
    await two.aclose()


async def test_a_channel_that_runs_already_is_joined_with_a_gap(source, shared):
    one = shared.listen(("x",))
    source.pieces.put_nowait(1)
    await anext(one)
    two = shared.listen(("x",))
    second = asyncio.create_task(anext(two))
    await asyncio.sleep(0)
    source.pieces.put_nowait(2)
    assert (await second).gap
    assert not (await anext(one)).gap
    await one.aclose()
    await two.aclose()
    assert source.runs == [("x",)]


async def test_an_error_reaches_everybody_after_what_was_there_and_the_next_listener_tries_again(source, shared):
    one, two = shared.listen(("x",)), shared.listen(("x",))
    tasks = [asyncio.create_task(anext(pieces)) for pieces in (one, two)]
    source.pieces.put_nowait(1)
    await asyncio.gather(*tasks)
    source.error = DeviceError("gone")
    source.pieces.put_nowait(2)
    for pieces in (one, two):
        with pytest.raises(DeviceError, match="gone"):
            await anext(pieces)
    source.error = None
    again = shared.listen(("x",))
    source.pieces.put_nowait(3)
    assert (await anext(again)).samples["x"][0] == 3
    await again.aclose()


async def test_a_listener_that_does_not_take_loses_pieces_and_is_told_by_a_gap(source, shared):
    one, two = shared.listen(("x",)), shared.listen(("x",))
    tasks = [asyncio.create_task(anext(pieces)) for pieces in (one, two)]
    source.pieces.put_nowait(0)
    await asyncio.gather(*tasks)
    for number in range(1, MOST_WAITING + 4):
        source.pieces.put_nowait(number)
        await anext(two)
    assert shared.dropped == 3
    taken = [(await anext(one)) for _ in range(MOST_WAITING)]
    assert not any(piece.gap for piece in taken)
    source.pieces.put_nowait(99)
    late = await anext(one)
    assert (late.samples["x"][0], late.gap) == (99, True)
    await one.aclose()
    await two.aclose()


async def test_a_new_run_waits_until_the_one_before_has_let_go(source, shared):
    one = shared.listen(("x",))
    source.pieces.put_nowait(1)
    await anext(one)
    source.slow_to_close.clear()
    leaving = asyncio.create_task(one.aclose())
    await until(lambda: shared._task is None)
    two = shared.listen(("x",))
    second = asyncio.create_task(anext(two))
    source.pieces.put_nowait(2)
    await asyncio.sleep(0.01)
    assert not second.done()
    source.slow_to_close.set()
    assert (await second).samples["x"][0] == 2
    await leaving
    await two.aclose()


async def test_closing_waits_for_a_run_that_is_ending_already(source, shared):
    one = shared.listen(("x",))
    source.pieces.put_nowait(1)
    await anext(one)
    source.slow_to_close.clear()
    leaving = asyncio.create_task(one.aclose())
    await until(lambda: shared._task is None)
    closing = asyncio.create_task(shared.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    source.slow_to_close.set()
    await closing
    assert source.open == 0
    await leaving


async def test_closing_ends_listeners_in_words(source, shared):
    one = shared.listen(("x",))
    waiting = asyncio.create_task(anext(one))
    await until(lambda: source.open)
    await shared.close()
    with pytest.raises(LinkError, match="the source was closed"):
        await waiting
    await shared.close()
    assert source.open == 0


def test_stamps_follow_the_count_and_not_when_pieces_happen_to_come():
    clock, count = ManualClock(), SampleClock(1000)
    starts = []
    for late_s in (0.0, 0.03, 0.0, 0.05):
        clock.advance(0.1 + late_s)
        starts.append(count.stamp(100, clock.stamp()).mono_ns)
        clock.advance(-late_s)
    steps = [round((after - before) / 1e6, 1) for before, after in itertools.pairwise(starts)]
    assert steps == [100.3, 99.7, 100.5]


def test_a_piece_that_came_together_with_later_ones_was_taken_before_them():
    clock, count = ManualClock(), SampleClock(1000)
    now = clock.stamp()
    assert now.mono_ns - count.stamp(100, now, behind=50).mono_ns == 150_000_000
    assert now.mono_ns - count.stamp(50, now).mono_ns == 50_000_000


def test_a_source_that_was_held_up_or_restarted_begins_anew():
    clock, count = ManualClock(), SampleClock(1000)
    count.stamp(100, clock.stamp())
    assert not count.jumped
    clock.advance(30)
    assert clock.stamp().mono_ns - count.stamp(100, clock.stamp()).mono_ns == 100_000_000
    assert count.jumped
    clock.advance(0.5)
    count.restart()
    assert clock.stamp().mono_ns - count.stamp(100, clock.stamp()).mono_ns == 100_000_000
