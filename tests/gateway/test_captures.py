"""Captures: the waveform around an alarm, whole, readable by others, bounded in memory, number and bytes."""

from __future__ import annotations

import asyncio
import json
import math
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drivers.replay.files import open_recording
from drivers.replay.spec import ReplayLink
from gateway import driver
from gateway.cli import main
from gateway.clock import Clock, ManualClock
from gateway.config.alarm import Alarm
from gateway.config.capture import Capture
from gateway.config.quantity import Duration, Size
from gateway.config.spec import Link, Machine, PointSpec, Vibration
from gateway.driver import Plugin
from gateway.model import Block, Event, Feature, Record, Severity
from gateway.supervise import Machines, Pulse
from gateway.supervise import captures as room
from gateway.supervise.captures import Captures
from gateway.supervise.recording import make_room, wav
from tests.gateway.fake_driver import World, machine
from tests.waiting import until

RATE_HZ = 1000.0


class Sensor:
    """A waveform of counting samples, a tenth of a second a Block, and the captures of its machine."""

    def __init__(self, folder: Path, *, name: str = "fan", alarms: bool = True, **capture: Any) -> None:
        spec = {"before": Duration(1), "after": Duration(0.5)} | capture
        made = Machine(
            name,
            Link("fake", "a", None),
            None,
            1.0,
            {},
            Vibration(capture=Capture(**spec)),
            alarms={"vibration.rms": Alarm(alarm=2.0)} if alarms else {},
        )
        self.folder, self.clock, self.count, self.captures = folder, ManualClock(), 0, Captures(made, folder)
        self.name = name

    def stream(self, seconds: float, *, gap: bool = False, point: str = "vibration") -> None:
        for number in range(round(seconds * 10)):
            samples = array("f", range(self.count, self.count + 100))
            self.count += 100
            start = self.clock.stamp()
            self.clock.advance(0.1)
            self.captures.block(Block(self.name, point, start, RATE_HZ, samples, "g", gap and number == 0))

    def alarm(self, before: str = "normal", severity: Severity = Severity.ALARM, value: float = 3.0) -> None:
        stamp = self.clock.stamp()
        what = {"machine": self.name, "stamp": stamp, "value": value, "unit": "g"}
        event = Event(
            **what, point="vibration.rms", kind="alarm", severity=severity, before=before, after="high alarm unacknowledged"
        )  # type: ignore[arg-type]
        self.captures.records([Feature(**what, point="vibration.rms"), event])  # type: ignore[arg-type]

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*/*.wav"))


def read(path: Path) -> list[float]:
    """Read a WAV with the reader of the replay driver."""
    recording = open_recording(path, ReplayLink(unit="g"))  # type: ignore[arg-type]
    try:
        return list(recording.take(1 << 22))
    finally:
        recording.close()


async def test_what_was_before_the_alarm_and_what_came_after_it_is_one_file(tmp_path: Path) -> None:
    sensor = Sensor(tmp_path)
    sensor.stream(5)
    sensor.alarm()
    sensor.stream(2)
    await sensor.captures.end()
    (path,) = sensor.files()
    assert read(path) == list(range(4000, 5500)), "one second before and half a second after, without a gap"
    about = json.loads(path.with_suffix(".json").read_text())
    assert (about["machine"], about["point"], about["waveform"], about["unit"]) == ("fan", "vibration.rms", "vibration", "g")
    assert (about["rate_hz"], about["samples"], about["alarm_after_s"]) == (RATE_HZ, 1500, 1.0)
    assert about["alarms"][0]["after"] == "high alarm unacknowledged"
    assert about["features"] == {"vibration.rms": {"value": 3.0, "unit": "g"}}
    assert path.stat().st_mode & 0o777 == 0o600


async def test_alarms_during_a_capture_are_noted_in_it_and_the_next_one_has_its_own(tmp_path: Path) -> None:
    sensor = Sensor(tmp_path)
    sensor.stream(2)
    sensor.alarm()
    sensor.stream(0.2)
    sensor.alarm(before="high warning unacknowledged")
    sensor.stream(2)
    sensor.alarm()
    await sensor.captures.end()
    first, second = (json.loads(path.with_suffix(".json").read_text()) for path in sensor.files())
    assert (len(first["alarms"]), len(second["alarms"])) == (2, 1)
    assert second["samples"] >= 1000, "it ends with the machine, and is kept as far as it went"


@pytest.mark.parametrize("changes", [{"severity": Severity.INFO}, {"before": "high alarm unacknowledged"}])
async def test_what_is_not_new_is_not_captured(tmp_path: Path, changes: dict[str, Any]) -> None:
    sensor = Sensor(tmp_path)
    sensor.stream(2)
    sensor.alarm(**changes)
    sensor.stream(2)
    await sensor.captures.end()
    assert sensor.files() == []


async def test_a_gap_ends_a_capture_and_nothing_before_it_is_in_the_next(tmp_path: Path) -> None:
    sensor = Sensor(tmp_path)
    sensor.stream(2)
    sensor.alarm()
    sensor.stream(0.2)
    sensor.stream(0.3, gap=True)
    sensor.alarm()
    sensor.stream(1)
    await sensor.captures.end()
    assert [read(path) for path in sensor.files()] == [list(range(1000, 2200)), list(range(2200, 3000))]


async def test_when_no_more_waveform_comes_what_there_is_is_kept(tmp_path: Path) -> None:
    sensor = Sensor(tmp_path)
    sensor.stream(2)
    sensor.alarm()
    sensor.clock.advance(room.PATIENCE_S + 1)
    sensor.captures.tick(sensor.clock.stamp())
    await until(sensor.files)
    assert len(read(sensor.files()[0])) == 1000


async def test_axes_have_files_of_their_own(tmp_path: Path) -> None:
    sensor = Sensor(tmp_path)
    for point in ("vibration.x", "vibration.y"):
        sensor.stream(1, point=point)
    sensor.alarm()
    for point in ("vibration.x", "vibration.y"):
        sensor.stream(1, point=point)
    await sensor.captures.end()
    assert [path.name.partition("-")[2] for path in sensor.files()] == [
        "vibration.rms-vibration.x.wav",
        "vibration.rms-vibration.y.wav",
    ]


@pytest.mark.parametrize("options", [{"keep": 3}, {"max": Size(3 * 6100)}])
async def test_the_oldest_go(tmp_path: Path, options: dict[str, Any]) -> None:
    sensor = Sensor(tmp_path, **options)
    for _ in range(6):
        sensor.stream(2)
        sensor.alarm()
        sensor.stream(1)
        await sensor.captures.end()
    assert [read(path)[0] for path in sensor.files()] == [10000.0, 13000.0, 16000.0]
    assert len(list(tmp_path.glob("*/*.json"))) == 3


async def test_memory_is_bounded_however_long_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sensor = Sensor(tmp_path, before=Duration(60))
    monkeypatch.setattr(room, "MOST_SAMPLES", 5000)
    sensor.stream(60)
    wave = sensor.captures._waves["vibration"]
    assert wave.held == sum(len(block.samples) for block in wave.blocks) == 5000
    sensor.alarm()
    sensor.stream(10)
    await sensor.captures.end()
    assert len(read(sensor.files()[0])) == 5500


@pytest.mark.parametrize("options", [{"keep": 0}, {"alarms": False}])
async def test_where_nothing_is_wanted_nothing_is_held(tmp_path: Path, options: dict[str, Any]) -> None:
    sensor = Sensor(tmp_path, **options)
    sensor.stream(5)
    sensor.alarm()
    sensor.stream(5)
    await sensor.captures.end()
    assert (sensor.files(), sensor.captures._waves) == ([], {})


async def test_a_full_disk_is_told_and_over_when_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sensor = Sensor(tmp_path)

    def full(*_: object, **__: object) -> Path:
        raise OSError(28, "No space left on device")

    real = room.store
    monkeypatch.setattr(room, "store", full)
    sensor.stream(2)
    sensor.alarm()
    await sensor.captures.end()
    assert sensor.captures.trouble == "the waveform of an alarm could not be kept: no space left on device; make room on the disk"
    monkeypatch.setattr(room, "store", real)
    sensor.stream(2)
    sensor.alarm()
    await sensor.captures.end()
    assert sensor.captures.trouble == ""
    assert len(sensor.files()) == 1


async def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sensor = Sensor(tmp_path)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    sensor.stream(2)
    sensor.alarm()
    await sensor.captures.end()
    assert "input/output error" in sensor.captures.trouble
    assert [path for path in tmp_path.glob("*/*") if path.is_file()] == []


async def test_a_machine_named_by_dots_stays_in_the_folder(tmp_path: Path) -> None:
    sensor = Sensor(tmp_path / "captures", name="..")
    sensor.stream(2)
    sensor.alarm()
    await sensor.captures.end()
    assert [path.parent.name for path in sensor.files()] == ["_.."]


def test_what_a_crash_left_is_swept_away(tmp_path: Path) -> None:
    for name in (".a.wav.new", "b.json", "c.wav", "c.json"):
        (tmp_path / name).write_bytes(b"x")
    make_room(tmp_path, keep=5, most_bytes=100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.json", "c.wav"]


@pytest.mark.parametrize("samples", [array("f"), array("f", [1.5]), array("f", [math.nan, -math.inf, 3e38])])
def test_any_samples_make_a_file(tmp_path: Path, samples: array[float]) -> None:
    data = wav(samples, 25_600.0)
    assert data[:4] == b"RIFF"
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert data.endswith(samples.tobytes())


@pytest.fixture
async def fan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, Machines, list[Record]]]:
    world, records = World(), []  # type: ignore[var-annotated]
    world.streams["fan"] = asyncio.Queue()

    class Options(msgspec.Struct):
        pass

    plugin = Plugin(
        name="fake",
        schemes=("fake",),
        link=Options,
        unit=Options,
        point=PointSpec,
        create=world.create,
        check_address=lambda _, address: address,
    )
    monkeypatch.setattr(driver, "find", lambda scheme: {"fake": plugin}[scheme])
    machines = Machines(Clock(), Pulse(Clock()), records.extend, data=tmp_path)
    vibration = Vibration(window=Duration(0.5), every=Duration(0.5), features=["rms"], capture=Capture(after=Duration(0.5)))
    await machines.apply({"fan": machine("fan", points=0, vibration=vibration, alarms={"vibration.rms": Alarm(alarm=2.0)})})
    yield world, machines, records
    await machines.stop()


async def test_from_the_sensor_to_the_file_and_the_list(
    fan: tuple[World, Machines, list[Record]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world, machines, records = fan
    assert main(["captures", "--data", str(tmp_path)]) == 0
    assert "no captures in" in capsys.readouterr().out
    for number in range(30):
        loud = 10.0 if 10 <= number < 20 else 1.0
        samples = array("f", [loud * math.sin(k) for k in range(100)])
        await world.streams["fan"].put(Block("fan", "vibration", Clock().stamp(), RATE_HZ, samples, "g"))
        if number == 19:
            await until(lambda: [record for record in records if isinstance(record, Event)])
    await until(lambda: list((tmp_path / "captures" / "fan").glob("*.wav")))
    (path,) = (tmp_path / "captures" / "fan").glob("*.wav")
    samples = array("f", read(path))
    assert len(samples) == 2500
    assert max(samples) > 9
    assert machines.status()["fan"]["warnings"] == []
    assert main(["captures", "fan", "--data", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "fan vibration.rms: high alarm unacknowledged" in shown
    assert "2.5 s at 1000 Hz, g" in shown
    assert str(path) in shown
    assert main(["captures", "--json", "--data", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["captures"][0]["path"] == str(path)
    assert main(["captures", "fna", "--data", str(tmp_path)]) == 2
    assert "did you mean 'fan'?" in capsys.readouterr().err
