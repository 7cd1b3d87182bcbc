"""The wall clock may do what it likes: polling runs on monotonic time, and what is recorded keeps its order."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from gateway.clock import ManualClock
from gateway.config.spec import Link
from gateway.model import TimeQuality
from gateway.poll import Poller
from gateway.timeline import Timeline
from tests.gateway.fake_driver import Collector, World, machine
from tests.gateway.test_timeline import Memory

YEAR_S = 365 * 86400.0
LINK = Link("fake", "bus", None)
HOURS = 72


@pytest.mark.parametrize("step_s", [2 * YEAR_S, -2 * YEAR_S])
async def test_steps_of_two_years_and_72_hours_without_a_time_server_miss_no_poll_and_reorder_nothing(step_s: float) -> None:
    clock = ManualClock()
    world, sink, timeline = World(), Collector(), Timeline(clock, Memory())
    poller = Poller(LINK, world.create, clock, lambda *_: None)
    poller.add(machine("a", link=LINK, every_s=60.0), sink)
    poller.start()
    for minute in range(HOURS * 60):
        if minute == 60:
            clock.time_quality = TimeQuality.UNCERTAIN  # the time server is gone
        if minute in {100, 2000}:
            clock.step(step_s)  # and somebody sets the clock
        if minute == HOURS * 60 - 60:
            clock.step(-2 * step_s)
            clock.time_quality = TimeQuality.SYNCED
        timeline.look()
        before = world.reads["a"]
        clock.advance(60)
        for _ in range(50):
            await asyncio.sleep(0)
        if minute > 2:  # the first reads come at once, then on the grid
            assert world.reads["a"] == before + 1, f"minute {minute} was missed"
    await poller.stop()
    assert poller.watched["a"].health.missed == 0
    repaired = [timeline.repair(scan.stamp) for scan in sink.scans]
    assert len(repaired) >= HOURS * 60 - 2
    assert [stamp.wall_ns for stamp in repaired] == sorted(stamp.wall_ns for stamp in repaired)
    assert all(stamp.quality is not TimeQuality.UNCERTAIN for stamp in repaired)
    steps_s = {round((two.wall_ns - one.wall_ns) / 1e9) for one, two in pairwise(repaired[1:])}
    assert steps_s == {60}, "all of it is on one time scale again"
