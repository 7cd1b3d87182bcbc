"""Time: monotonic schedules, both stamp, and a manual clock for tests."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from gateway import clock as clocks
from gateway.clock import Clock, ManualClock, kernel_time_quality, read_boot_id
from gateway.model import TimeQuality


def test_the_boot_id_is_32_hex_digits_and_stays():
    boot = read_boot_id()
    assert len(boot) == 32
    int(boot, 16)
    assert boot == read_boot_id()


def test_a_stamp_is_now_on_both_clocks():
    clock = Clock()
    before = time.time_ns(), time.monotonic_ns()
    stamp = clock.stamp()
    after = time.time_ns(), time.monotonic_ns()
    assert before[0] <= stamp.wall_ns <= after[0]
    assert before[1] <= stamp.mono_ns <= after[1]
    assert stamp.boot == clock.boot
    assert isinstance(stamp.quality, TimeQuality)


def test_the_kernel_is_asked_for_the_quality():
    assert kernel_time_quality() in TimeQuality


@pytest.mark.parametrize(
    ("state", "status", "quality"),
    [
        (0, 0, TimeQuality.SYNCED),
        (0, 0x2001, TimeQuality.SYNCED),  # PLL running, nanoseconds
        (0, 0x0040, TimeQuality.UNCERTAIN),  # STA_UNSYNC
        (5, 0x0040, TimeQuality.UNCERTAIN),  # TIME_ERROR
        (5, 0, TimeQuality.UNCERTAIN),
        (-1, 0, TimeQuality.UNCERTAIN),  # the call itself failed
        (1, 0, TimeQuality.SYNCED),  # a leap second is announced
    ],
)
def test_unsynchronised_is_what_adjtimex_calls_so(monkeypatch, state, status, quality):
    def adjtimex(pointer):
        pointer._obj.status = status
        assert pointer._obj.modes == 0, "only asks, never sets"
        return state

    monkeypatch.setattr(clocks.ctypes, "CDLL", lambda name: SimpleNamespace(adjtimex=adjtimex))
    assert kernel_time_quality() is quality


def test_the_quality_is_asked_at_most_every_ten_seconds(monkeypatch):
    answers = [TimeQuality.UNCERTAIN, TimeQuality.SYNCED]
    monkeypatch.setattr(clocks, "kernel_time_quality", lambda: answers.pop(0))
    now = [0]
    monkeypatch.setattr(clocks.time, "monotonic_ns", lambda: now[0])
    monkeypatch.setattr(clocks.time, "time_ns", lambda: now[0] + 10**18)
    clock = Clock()
    now[0] = 9_000_000_000
    assert clock.quality is TimeQuality.UNCERTAIN
    now[0] = 11_000_000_000
    assert clock.quality is TimeQuality.SYNCED
    now[0] = 12_000_000_000
    assert clock.stamp().quality is TimeQuality.SYNCED


def test_after_a_step_of_the_wall_clock_the_quality_is_asked_at_once(monkeypatch):
    answers = [TimeQuality.SYNCED, TimeQuality.UNCERTAIN]
    monkeypatch.setattr(clocks, "kernel_time_quality", lambda: answers.pop(0))
    wall = [10**18]
    monkeypatch.setattr(clocks.time, "monotonic_ns", lambda: wall[0] % 10**9 + 1)
    monkeypatch.setattr(clocks.time, "time_ns", lambda: wall[0])
    clock = Clock()
    assert clock.stamp().quality is TimeQuality.SYNCED
    wall[0] += 63_072_000 * 10**9  # two years
    assert clock.stamp().quality is TimeQuality.UNCERTAIN, "a clock set by hand is not called in step, not even for a moment"


async def test_a_moment_that_is_past_lets_the_loop_turn_once():
    clock = Clock()
    turned = []
    asyncio.get_running_loop().call_soon(turned.append, 1)
    await clock.sleep_until(clock.monotonic() - 100)
    assert turned


async def test_sleep_until_wakes_not_before_its_moment():
    clock = Clock()
    moment = clock.monotonic() + 0.02
    await clock.sleep_until(moment)
    assert clock.monotonic() >= moment - 0.001  # the loop's own resolution


async def test_the_manual_clock_moves_only_when_told():
    clock = ManualClock(wall_ns=1000, quality=TimeQuality.UNCERTAIN)
    before = clock.stamp()
    assert clock.stamp() == before
    assert (before.wall_ns, before.quality) == (1000, TimeQuality.UNCERTAIN)
    clock.advance(1.5)
    after = clock.stamp()
    assert after.wall_ns - before.wall_ns == after.mono_ns - before.mono_ns == 1_500_000_000
    assert clock.monotonic() == after.mono_ns / 1e9
    clock.wall_ns -= 500  # a step of the wall clock leaves monotonic time alone
    assert clock.stamp().mono_ns == after.mono_ns
    assert len(clock.boot) == 32


async def test_the_manual_clock_wakes_each_sleeper_in_its_turn():
    clock = ManualClock()
    woken = []

    async def sleeper(seconds):
        await clock.sleep_until(start + seconds)
        woken.append(seconds)

    start = clock.monotonic()
    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2, 0, -1)]

    async def settle():
        for _ in range(5):
            await asyncio.sleep(0)

    await settle()
    assert woken == [0, -1]
    clock.advance(1)
    await settle()
    assert woken == [0, -1, 1]
    clock.advance(0.5)
    await settle()
    assert woken == [0, -1, 1]
    clock.advance(10)
    await asyncio.gather(*tasks)
    assert sorted(woken) == [-1, 0, 1, 2, 3]
