"""Supervise: only what changed restarts; loops that stand still are found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from gateway import driver
from gateway.clock import Clock, ManualClock
from gateway.config.spec import Link, PointSpec
from gateway.driver import Plugin
from gateway.model import Record
from gateway.supervise import Machines, Pulse
from gateway.supervise.pulse import LONGEST_S
from tests.gateway.fake_driver import World, machine
from tests.waiting import until


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()

    class Options(msgspec.Struct):
        pass

    plugin = Plugin(
        name="fake",
        schemes=("fake",),
        link=Options,
        unit=Options,
        point=PointSpec,
        create=world.create,
        check_address=lambda _, a: a,
    )
    monkeypatch.setattr(driver, "find", lambda scheme: {"fake": plugin}[scheme])
    return world


@pytest.fixture
async def running(world: World) -> AsyncIterator[tuple[Machines, list[Record]]]:
    records: list[Record] = []
    machines = Machines(Clock(), Pulse(Clock()), records.extend)
    yield machines, records
    await machines.stop()
    assert world.closed >= world.opened


async def test_scans_become_records(running: tuple[Machines, list[Record]]) -> None:
    machines, records = running
    await machines.apply({"a": machine("a")})
    await until(lambda: len(records) >= 2)
    assert {(r.machine, r.point) for r in records if hasattr(r, "machine")} == {("a", "p0"), ("a", "p1")}
    assert machines.status()["a"]["state"] == "good"


async def test_only_what_changed_restarts_and_the_others_lose_not_one_scan(
    running: tuple[Machines, list[Record]], world: World
) -> None:
    machines, _ = running
    bus = Link("fake", "bus", None)
    entries = {name: machine(name, link=bus if name in "ab" else None, every_s=0.3) for name in "abcd"}
    await machines.apply(entries)
    await until(lambda: all(world.reads[name] > 1 for name in entries))
    changed = {k: v for k, v in entries.items() if k != "d"} | {"a": machine("a", link=bus, every_s=0.2), "e": machine("e")}
    opened = world.opened
    change = await machines.apply(changed)
    assert (change.started, change.stopped, change.restarted, change.kept) == (["e"], ["d"], ["a"], ["b", "c"])
    await until(lambda: world.reads["e"] > 3)
    status = machines.status()
    assert set(status) == {"a", "b", "c", "e"}
    assert (status["b"]["missed"], status["c"]["missed"]) == (0, 0)
    assert world.opened == opened + 1, "only e made a connection; the bus of a and b stayed open"


async def test_the_same_configuration_again_changes_nothing(running: tuple[Machines, list[Record]], world: World) -> None:
    machines, _ = running
    await machines.apply({"a": machine("a")})
    await until(lambda: world.reads["a"] > 1)
    change = await machines.apply({"a": machine("a")})
    assert change.kept == ["a"]
    assert world.opened == 1


async def test_a_machine_that_moves_to_another_connection_leaves_the_old_one_closed(
    running: tuple[Machines, list[Record]], world: World
) -> None:
    machines, _ = running
    await machines.apply({"a": machine("a", link=Link("fake", "one", None))})
    await until(lambda: world.reads["a"] > 1)
    await machines.apply({"a": machine("a", link=Link("fake", "two", None))})
    await until(lambda: world.opened == 2)
    assert world.closed == 1


def test_pulse_names_the_loops_that_stand_still() -> None:
    clock = ManualClock()
    pulse = Pulse(clock)
    quick = pulse.register("quick")
    pulse.register("stuck")
    clock.advance(LONGEST_S + 1)
    quick()
    assert pulse.stuck() == ["stuck"]
    pulse.forget("stuck")
    assert pulse.stuck() == []


async def test_the_watchdog_is_fed_only_while_everything_moves() -> None:
    clock = ManualClock()
    pulse = Pulse(clock)
    beat = pulse.register("poll")
    fed: list[int] = []
    found: list[list[str]] = []
    import asyncio

    task = asyncio.create_task(pulse.feed(0.001, lambda: fed.append(1), found.append))
    await until(lambda: len(fed) > 2)
    assert not found
    clock.advance(LONGEST_S + 1)
    await until(lambda: found)
    assert found[-1] == ["poll"]
    count, seen = len(fed), len(found)
    await until(lambda: len(found) > seen + 3)
    assert len(fed) == count
    beat()
    await until(lambda: len(fed) > count)
    task.cancel()
