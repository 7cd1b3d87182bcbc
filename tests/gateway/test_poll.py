"""Polling: the grid, failures that stay with their machine, reconnect, and calls that are never cancelled."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator

import pytest
from msgspec import Struct

from gateway.clock import Clock, ManualClock
from gateway.config.spec import Link, Machine
from gateway.driver import DeviceError, LinkError
from gateway.model import Block, Quality, Reason, Scan
from gateway.poll import LONGEST_BACKOFF_S, READ_S, Poller
from gateway.poll.watched import phase_s
from gateway.supervise import Pulse
from tests.gateway.fake_driver import Collector, World, machine
from tests.waiting import until

LINK = Link("fake", "bus", None)


def good(sink: Collector) -> bool:
    return sink.last is not None and sink.last.quality[0] == Quality.GOOD


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def poller(world: World) -> AsyncIterator[Poller]:
    poller = Poller(LINK, world.create, Clock(), lambda *_: None)
    poller.start()
    yield poller
    await poller.stop()
    assert world.closed >= world.opened


async def test_reads_every_machine_on_the_connection(poller: Poller, world: World) -> None:
    sinks = {name: Collector() for name in ("a", "b")}
    for name, sink in sinks.items():
        poller.add(machine(name, link=LINK), sink)
    await until(lambda: all(len(sink.scans) >= 5 for sink in sinks.values()))
    assert world.opened == 1
    assert poller.watched["a"].health.state == "good"


async def test_a_machine_that_fails_is_bad_with_its_reason_and_left_alone_while_the_other_goes_on(
    poller: Poller, world: World
) -> None:
    world.errors["a"] = DeviceError("no answer within 1 s", hint="is it on?", reason=Reason.TIMEOUT)
    a, b = Collector(), Collector()
    poller.add(machine("a", link=LINK), a)
    poller.add(machine("b", link=LINK), b)
    await until(lambda: len(b.scans) >= 40)
    assert all(scan.quality[0] == Quality.BAD and scan.reason[0] == Reason.TIMEOUT for scan in a.scans)
    assert all(scan.quality[0] == Quality.GOOD for scan in b.scans)
    assert world.reads["a"] < world.reads["b"] / 3, "a machine that fails is not read at its full rate"
    assert poller.watched["a"].health.error == "no answer within 1 s"
    del world.errors["a"]
    await until(lambda: good(a))
    assert poller.watched["a"].health.state == "good"
    assert poller.watched["a"].health.error == ""
    assert (a.turns, b.turns) == (["bad", "good"], ["good"]), "every turn is told, and told once"


async def test_absent_at_start_then_there_then_gone_then_back(world: World) -> None:
    world.reachable = False
    poller = Poller(LINK, world.create, Clock(), lambda *_: None)
    sink = Collector()
    poller.add(machine("a", link=LINK), sink)
    poller.start()
    await until(lambda: sink.last)
    assert sink.last is not None
    assert sink.last.reason[0] == Reason.NOT_CONNECTED
    world.reachable = True
    await until(lambda: good(sink))
    world.reachable = False
    await until(lambda: not good(sink))
    world.reachable = True
    await until(lambda: good(sink), timeout=LONGEST_BACKOFF_S + 2)
    await poller.stop()
    assert world.closed >= 3, "every driver that was made is closed"


async def test_a_call_in_flight_is_waited_for_and_never_cancelled(world: World) -> None:
    world.read_takes_s = 0.2
    poller = Poller(LINK, world.create, Clock(), lambda *_: None)
    poller.add(machine("a", link=LINK), Collector())
    poller.start()
    await until(lambda: world.in_flight)
    poller.remove("a")
    await poller.stop()
    assert (world.in_flight, world.cancelled) == (0, 0)


async def test_what_arrives_for_a_removed_machine_is_thrown_away(world: World) -> None:
    world.read_takes_s = 0.1
    sink = Collector()
    poller = Poller(LINK, world.create, Clock(), lambda *_: None)
    poller.add(machine("a", link=LINK), sink)
    poller.start()
    await until(lambda: world.in_flight)
    poller.remove("a")
    await poller.stop()
    assert not sink.scans


async def test_a_driver_that_raises_nonsense_does_not_end_polling(poller: Poller, world: World) -> None:
    world.errors["a"] = ZeroDivisionError("oops")
    a, b = Collector(), Collector()
    poller.add(machine("a", link=LINK), a)
    poller.add(machine("b", link=LINK), b)
    await until(lambda: len(b.scans) >= 5)
    assert a.scans
    assert "fault of the driver" in poller.watched["a"].health.hint


async def test_the_grid_is_kept_and_missed_points_of_it_are_counted_not_made_up() -> None:
    clock = ManualClock()
    world = World()
    poller = Poller(LINK, world.create, clock, lambda *_: None)
    sink = Collector()
    poller.add(machine("a", link=LINK, every_s=1.0), sink)
    poller.start()
    await until(lambda: len(sink.scans) == 1)
    assert clock.monotonic() == 1.0, "the first read does not wait for the grid"
    await asyncio.sleep(0.01)
    clock.advance(poller.watched["a"].groups[0].due_s - clock.monotonic() + 1e-6)
    await until(lambda: len(sink.scans) == 2)
    first = sink.scans[1].stamp.mono_ns
    assert first / 1e9 % 1.0 == pytest.approx(phase_s("a", 1.0), abs=1e-5)
    for n in range(3, 6):
        await asyncio.sleep(0.01)
        clock.advance(1.0)
        await until(lambda n=n: len(sink.scans) == n)
    clock.advance(3.4)
    await until(lambda: len(sink.scans) == 6)
    await asyncio.sleep(0.01)
    clock.advance(0.6)
    await until(lambda: len(sink.scans) == 7)
    offsets = [(scan.stamp.mono_ns - first) / 1e9 for scan in sink.scans[1:]]
    assert offsets == pytest.approx([0, 1, 2, 3, 6.4, 7.0])
    assert poller.watched["a"].health.missed == 2
    stop = asyncio.create_task(poller.stop())
    clock.advance(10)
    await stop


async def test_blocks_of_a_waveform_are_handed_on_and_a_broken_source_is_opened_again(poller: Poller, world: World) -> None:
    world.streams["s"] = asyncio.Queue()
    sink = Collector()
    poller.add(machine("s", link=LINK, points=0), sink)
    block = Block("s", "vibration", Clock().stamp(), 100.0, array("f", [1.0]), "m/s²")
    await world.streams["s"].put(block)
    await until(lambda: sink.blocks == [block])
    await world.streams["s"].put(LinkError("the sensor was pulled"))
    await until(lambda: poller.watched["s"].health.state == "bad")
    await world.streams["s"].put(block)
    await until(lambda: len(sink.blocks) == 2)
    assert world.opened == 2


class Wave(Struct):
    """The options of a machine that has a waveform besides its points."""

    waveform: str = "here"


async def test_points_are_read_on_their_grid_while_the_waveform_of_the_same_machine_comes_by_itself(
    poller: Poller, world: World
) -> None:
    world.streams["s"] = asyncio.Queue()
    sink = Collector()
    both = machine("s", link=LINK)
    poller.add(Machine(both.name, both.link, Wave(), both.every_s, both.points), sink)
    block = Block("s", "vibration", Clock().stamp(), 100.0, array("f", [1.0]), "m/s²")
    await until(lambda: len(sink.scans) > 3)
    await world.streams["s"].put(block)
    await until(lambda: sink.blocks == [block])
    seen = len(sink.scans)
    await until(lambda: len(sink.scans) > seen + 3)
    assert all(len(scan) == 2 for scan in sink.scans)
    poller.remove("s")
    await until(lambda: not poller._flows._tasks)


async def test_a_recording_that_is_played_once_ends_and_is_not_opened_again(poller: Poller, world: World) -> None:
    world.streams["s"] = asyncio.Queue()
    beside = Collector()
    source = Collector()
    poller.add(machine("s", link=LINK, points=0), source)
    poller.add(machine("a", link=LINK), beside)
    await world.streams["s"].put(None)
    await until(lambda: poller.watched["s"].health.state == "ended")
    seen = len(beside.scans)
    await until(lambda: len(beside.scans) > seen + 5)
    assert (world.opened, poller.watched["s"].health.errors) == (1, 0)
    assert source.turns == ["ended"]


async def test_what_is_subscribed_is_not_polled(poller: Poller, world: World) -> None:
    world.publishes["a"] = asyncio.Queue()
    sink = Collector()
    poller.add(machine("a", link=LINK), sink)
    table = poller.watched["a"].table
    scan = Scan(table, array("d", [5.0]), bytearray([192]), bytearray(1), Clock().stamp(), rows=array("i", [1]))
    await world.publishes["a"].put(scan)
    await until(lambda: sink.scans == [scan])
    await world.publishes["a"].put(DeviceError("subscription refused"))
    await until(lambda: poller.watched["a"].health.state == "bad")
    await world.publishes["a"].put(scan)
    await until(lambda: poller.watched["a"].health.state == "good")
    assert world.reads["a"] == 0
    assert world.opened == 1, "a subscription that fails alone does not cost the connection"


async def test_a_poller_with_nothing_to_do_still_beats() -> None:
    beats = []
    clock = ManualClock()
    poller = Poller(LINK, World().create, clock, lambda *_: beats.append(clock.monotonic()))
    poller.start()
    for _ in range(5):
        await asyncio.sleep(0.01)
        clock.advance(2.0)
    await until(lambda: len(beats) >= 4)
    stop = asyncio.create_task(poller.stop())
    await asyncio.sleep(0.01)
    clock.advance(10)
    await stop


async def test_a_stop_does_not_wait_long_for_a_device_that_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.poll.poller.GRACE_S", 0.05)
    world.read_takes_s = 3600
    world.close_ends_reads = True
    poller = Poller(LINK, world.create, Clock(), lambda *_: None)
    poller.add(machine("a", link=LINK), Collector())
    poller.start()
    await until(lambda: world.in_flight)
    async with asyncio.timeout(5):
        await poller.stop()
    assert (world.in_flight, world.cancelled) == (0, 0), "the driver ended the call itself when it was closed"


async def test_a_read_that_takes_long_is_promised_to_the_pulse_and_one_that_never_returns_is_found(world: World) -> None:
    clock = ManualClock()
    pulse = Pulse(clock)
    world.read_takes_s = 3600
    poller = Poller(LINK, world.create, clock, pulse.register("poll"))
    poller.add(machine("a", link=LINK), Collector())
    poller.start()
    await until(lambda: world.in_flight)
    clock.advance(READ_S - 1)
    assert pulse.stuck() == [], "30 requests that are answered late are slow, not stuck"
    clock.advance(2)
    assert pulse.stuck() == ["poll"]
    poller._task.cancel()  # type: ignore[union-attr]
    await asyncio.wait({poller._task})  # type: ignore[arg-type]


async def test_a_driver_that_cannot_even_be_closed_does_not_end_polling(poller: Poller, world: World) -> None:
    world.close_fails = True
    world.errors["a"] = LinkError("gone")
    sink = Collector()
    poller.add(machine("a", link=LINK), sink)
    await until(lambda: sink.last)
    del world.errors["a"]
    await until(lambda: good(sink))
    world.close_fails = False


async def test_a_driver_whose_library_cancels_its_own_call_is_opened_again(poller: Poller, world: World) -> None:
    world.errors["a"] = asyncio.CancelledError()  # type: ignore[assignment]
    sink = Collector()
    poller.add(machine("a", link=LINK), sink)
    await until(lambda: sink.last)
    assert "fault of the driver" in poller.watched["a"].health.hint
    del world.errors["a"]
    await until(lambda: good(sink))


async def test_what_a_driver_keeps_for_a_machine_goes_with_the_machine(poller: Poller, world: World) -> None:
    poller.add(machine("a", link=LINK), Collector())
    await until(lambda: world.reads["a"])
    poller.remove("a")
    assert world.forgotten == ["a"]
