"""From points and waveforms to state, hours and baseline, through everything that runs a machine; and after a kill."""

from __future__ import annotations

import asyncio
import random
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway import driver
from gateway.clock import ManualClock
from gateway.config.learning import Baseline, Learn
from gateway.config.quantity import Duration
from gateway.config.running import Running
from gateway.config.spec import PointSpec, Vibration
from gateway.driver import Plugin
from gateway.model import Block, Feature, Reading, Record
from gateway.state import State
from gateway.supervise import Machines, Pulse
from tests.gateway.fake_driver import World, machine
from tests.waiting import until

RATE = 2560.0
SENSOR = machine("sensor", every_s=1.0, points=0, state=Running(by="press/p0", run=2.0, dwell=Duration(0)))
PRESS = machine("press", every_s=1.0, points=1, state=Running(by="p0", idle=0.5, run=2.0))
FAN = machine(
    "fan",
    every_s=1.0,
    points=0,
    state=Running(by="vibration.rms", idle=0.1, run=0.5, dwell=Duration(2)),
    vibration=Vibration(window=Duration(0.1), every=Duration(0.1), features=["rms", "crest"]),
    baseline=Baseline(learn=Learn(30, 0.0)),
)


class Shop:
    """The gateway's rooms about one machine, under a clock that the test moves."""

    def __init__(self, world: World, folder: Path, clock: ManualClock) -> None:
        self.world, self.folder, self.clock = world, folder, clock
        self.records: list[Record] = []
        self.draw = random.Random(1)
        self.begin()

    def begin(self) -> None:
        self.machines = Machines(self.clock, Pulse(self.clock), self.records.extend, keeps=State(self.folder))

    async def start(self) -> None:
        self.world.streams["fan"] = asyncio.Queue()
        self.world.streams["sensor"] = asyncio.Queue()
        await self.machines.apply({"press": PRESS, "fan": FAN, "sensor": SENSOR})

    async def run(self, seconds: int, current: float, level: float | None = None) -> None:
        """Let so many seconds pass, each with a scan, a tick, and a window of vibration at this level."""
        self.world.values["press"] = current
        for _ in range(seconds):
            reads = self.world.reads["press"]
            self.clock.advance(1.0)
            await until(lambda reads=reads: self.world.reads["press"] > reads, step_s=0.0005)
            if level is not None:
                samples = array("f", [self.draw.gauss(0, level) for _ in range(round(0.1 * RATE))])
                block = Block("fan", "vibration", self.clock.stamp(), RATE, samples, "m/s²", gap=True)
                self.world.streams["fan"].put_nowait(block)
                told = len(self.told("vibration.rms"))
                await until(lambda told=told: len(self.told("vibration.rms")) > told, step_s=0.0005)

    async def settle(self) -> None:
        """Let what the last tick began come to its end."""
        for _ in range(50):
            await asyncio.sleep(0.002)

    async def kill(self) -> None:
        """End everything as a power cut does: nothing gets to say good-bye, no state is kept at the end."""
        for line in self.machines._lines.values():
            line.condition._kept = None
        await self.machines.stop()

    def told(self, point: str, machine: str = "") -> list[Any]:
        """Return the values of a point: of the fan what comes of its waveform, else of the press."""
        machine = machine or ("fan" if point.startswith("vibration.") else "press")
        return [r.value for r in self.records if isinstance(r, Reading | Feature) and (r.machine, r.point) == (machine, point)]

    def changes(self, point: str, machine: str = "") -> list[Any]:
        told = self.told(point, machine)
        return [value for i, value in enumerate(told) if i == 0 or value != told[i - 1]]


@pytest.fixture
async def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Shop]:
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
        streams=True,
    )
    monkeypatch.setattr(driver, "find", lambda scheme: plugin)
    shop = Shop(world, tmp_path / "state", ManualClock())
    await shop.start()
    yield shop
    await shop.machines.stop()


async def test_a_machine_goes_from_off_over_idle_into_run_by_its_points_and_is_counted(shop: Shop) -> None:
    for current in (0.0, 1.0, 5.0, 1.0):
        await shop.run(10, current)
    assert shop.changes("state") == [None, "off", "idle", "run", "idle"]
    await shop.run(620, 1.0)
    await shop.settle()
    assert (shop.told("starts")[-1], shop.told("cycles")[-1]) == (1.0, 1.0)
    assert shop.told("hours")[-1] == pytest.approx(10 / 3600, abs=3 / 3600)
    assert shop.machines.status()["press"]["condition"] == ["idle for 10 min; 0.0 h in run, 1 starts, 1 cycles"]


async def test_a_machine_goes_from_off_over_idle_into_run_by_its_waveform_and_learns(shop: Shop) -> None:
    await shop.run(5, 0.0, level=0.01)
    await shop.run(5, 0.0, level=0.2)
    await shop.run(20, 0.0, level=1.0)
    assert list(dict.fromkeys(shop.told("state", "fan"))) == [None, "off", "idle", "run"]
    notes = shop.machines.status()["fan"]["condition"]
    assert notes[0].startswith("run for 0 min; ")
    assert "of 30 windows in run" in notes[1]
    assert 30 <= shop.told("vibration.baseline")[-1] < 70
    await shop.run(40, 0.0, level=1.0)
    assert shop.told("vibration.baseline")[-1] == 100.0
    assert max(map(abs, shop.told("vibration.rms.z"))) < 20
    await shop.run(2, 0.0, level=3.0)
    assert shop.told("vibration.novelty")[-1] > 10


async def test_a_kill_loses_at_most_five_minutes_of_hours_and_nothing_of_what_was_learned(shop: Shop) -> None:
    await shop.run(10, 0.0, level=1.0)
    await shop.run(60, 5.0, level=1.0)
    await shop.run(700, 5.0)
    await shop.settle()
    before = shop.told("hours")
    await shop.kill()
    shop.begin()
    await shop.start()
    await shop.run(20, 5.0)
    await shop.settle()
    hours = shop.told("hours")
    assert len(before) >= 2
    assert hours == sorted(hours)
    assert hours[-1] >= (755 - 300) / 3600
    assert shop.told("starts")[-1] == 1.0, "it ran before and after: no start"
    assert shop.machines.status()["fan"]["condition"][1] == "baseline learned"


async def test_what_was_learned_is_forgotten_at_the_desk(shop: Shop) -> None:
    await shop.run(60, 0.0, level=1.0)
    assert shop.machines.status()["fan"]["condition"][1] != "baseline: none yet, it is learned while the machine runs"
    assert await shop.machines.desk.forget("fan", by="me") == {"forgot": ["baseline"]}
    assert shop.machines.status()["fan"]["condition"][1] == "baseline: none yet, it is learned while the machine runs"
    assert "did you mean 'press'?" in (await shop.machines.desk.forget("pres", by="me"))["error"]
    assert "learns nothing" in (await shop.machines.desk.forget("press", by="me"))["error"]


async def test_the_state_of_a_sensor_is_that_of_the_current_which_another_machine_tells(shop: Shop) -> None:
    async def sensor_is(state: str | None) -> None:
        """Let seconds pass until the sensor says so: its ticks run beside the scans of the press."""
        for _ in range(50):
            if (shop.told("state", "sensor") or [""])[-1] == state:
                return
            shop.clock.advance(1.0)
            await shop.settle()
        raise AssertionError(f"never {state}: {shop.told('state', 'sensor')}")

    for current, state in ((0.0, "off"), (5.0, "run"), (0.0, "off")):
        await shop.run(2, current)
        await sensor_is(state)
    await shop.machines.apply({"sensor": SENSOR})
    await sensor_is(None)
