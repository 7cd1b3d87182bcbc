"""Pace, stamps, loop and gaps of a file; all on a clock that only moves when told."""

import asyncio
import struct

import pytest

from gateway.clock import ManualClock
from gateway.config.quantity import Duration, Rate
from gateway.driver import Driver, LinkError, Streams, Subscribes
from gateway.model import PointTable, Reason

from .conftest import TABLE, joined, take


@pytest.fixture
def ramp(tmp_path):
    (tmp_path / "ramp.f32").write_bytes(struct.pack("<250f", *range(250)))
    return "ramp.f32"


async def test_it_is_a_driver_that_streams(replay, ramp):
    driver = replay(ramp, rate=Rate(1000))
    assert isinstance(driver, Driver)
    assert isinstance(driver, Streams)
    assert not isinstance(driver, Subscribes)


async def test_once_ends_after_the_last_sample(replay, ramp):
    blocks = await take(replay(ramp, rate=Rate(1000), loop=False, speed="fast"))
    assert [len(block.samples) for block in blocks] == [100, 100, 50]
    assert joined(blocks) == list(range(250))
    assert [block.gap for block in blocks] == [True, False, False]
    assert {(block.machine, block.point, block.unit) for block in blocks} == {("spindle", "vibration", "m/s²")}


async def test_fast_stamps_follow_the_count_of_samples(replay, ramp):
    clock = ManualClock()
    begin = clock.stamp()
    blocks = await take(replay(ramp, clock, rate=Rate(1000), speed="fast"), 7)
    steps = [0, 100, 200, 250, 350, 450, 500]
    assert [block.start.wall_ns - begin.wall_ns for block in blocks] == [step * 1_000_000 for step in steps]
    assert [block.start.mono_ns - begin.mono_ns for block in blocks] == [step * 1_000_000 for step in steps]


async def test_the_seam_of_a_loop_is_a_gap(replay, ramp):
    blocks = await take(replay(ramp, rate=Rate(1000), speed="fast"), 7)
    assert [block.gap for block in blocks] == [True, False, False, True, False, False, True]
    assert list(blocks[3].samples) == list(blocks[0].samples)


class Paced(ManualClock):
    """A manual clock that jumps to whatever moment is slept for, and keeps what was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    async def sleep_until(self, moment):
        self.asked.append(round(moment - 1.0, 6))
        await asyncio.sleep(0)
        if moment > self.monotonic():
            self.advance(moment - self.monotonic())


async def test_in_real_time_a_block_comes_when_its_last_sample_was_taken(replay, ramp):
    clock = Paced()
    blocks = await take(replay(ramp, clock, rate=Rate(1000)), 5)
    assert clock.asked == [0.1, 0.2, 0.25, 0.35, 0.45]
    assert [round(block.start.mono_ns / 1e9 - 1.0, 6) for block in blocks] == [0, 0.1, 0.2, 0.25, 0.35]


async def test_wall_time_follows_a_clock_that_is_set_while_it_plays(replay, ramp):
    clock = Paced()
    driver = replay(ramp, clock, rate=Rate(1000))
    await driver.open()
    stream = driver.stream(TABLE)
    first = await anext(stream)
    clock.wall_ns += 3_600_000_000_000
    second = await anext(stream)
    assert second.start.wall_ns - first.start.wall_ns == 3_600_100_000_000
    assert second.start.mono_ns - first.start.mono_ns == 100_000_000
    await stream.aclose()
    await driver.close()


async def test_being_held_up_is_a_gap_and_not_a_burst(replay, ramp):
    clock = Paced()
    driver = replay(ramp, clock, rate=Rate(1000))
    await driver.open()
    stream = driver.stream(TABLE)
    await anext(stream)
    clock.advance(30)
    now = clock.monotonic()
    late = await anext(stream)
    assert late.gap
    assert late.start.mono_ns / 1e9 == pytest.approx(now)
    assert not (await anext(stream)).gap
    await stream.aclose()
    await driver.close()


async def test_two_streams_of_one_driver_do_not_share_their_place(replay, ramp):
    driver = replay(ramp, rate=Rate(1000), speed="fast")
    await driver.open()
    one, two = driver.stream(TABLE), driver.stream(TABLE)
    await anext(one)
    assert (await anext(one)).samples[0] == 100
    assert (await anext(two)).samples[0] == 0
    await one.aclose()
    await two.aclose()
    await driver.close()


async def test_close_twice_and_before_open(replay, ramp):
    driver = replay(ramp, rate=Rate(1000))
    await driver.close()
    await driver.open()
    await driver.close()
    await driver.close()


async def test_closing_while_it_plays_ends_in_words_not_in_a_traceback(replay, ramp):
    driver = replay(ramp, rate=Rate(1000), speed="fast", block=Duration(0.01))
    await driver.open()
    stream = driver.stream(TABLE)
    await anext(stream)
    await driver.close()
    with pytest.raises(LinkError):
        await anext(stream)


async def test_read_has_nothing(replay, ramp):
    driver = replay(ramp, rate=Rate(1000))
    assert len(await driver.read(TABLE)) == 0
    scan = await driver.read(PointTable("spindle", ("a",), ("",), (None,)))
    assert list(scan.reason) == [Reason.NO_SUCH_ADDRESS]
