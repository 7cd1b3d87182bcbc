"""Waveforms in registers. Peer: our own device with contents (tests/peers/modbus_quirky.py), over TCP."""

import asyncio
import math
from array import array
from contextlib import aclosing

import pytest

from drivers.modbus import PLUGIN
from drivers.modbus.address import Address
from drivers.modbus.allowed import ALL
from drivers.modbus.errors import Refusal
from drivers.modbus.spec import ModbusUnit
from drivers.modbus.stream import TORN_LIMIT, WaveformReader
from drivers.modbus.waveform import Ready, Waveform
from gateway.clock import Clock
from gateway.condition.vibration import VibrationFeatures
from gateway.config import load_config
from gateway.config.check import check
from gateway.config.quantity import Duration, Rate
from gateway.config.spec import Vibration
from gateway.driver import DeviceError, Streams
from gateway.model import Reason
from gateway.poll import Poller
from tests.drivers.modbus.tables import good, link, registers, table
from tests.peers import modbus_quirky
from tests.peers.modbus_quirky import Device
from tests.waiting import until

RATE = 6400
COUNT = 640
TONE = [round(2000 * math.sin(2 * math.pi * 160 * i / RATE)) for i in range(COUNT)]


def wave(**keys):
    given = {"at": Address.parse("holding wire 100"), "count": COUNT, "rate": Rate(RATE), "unit": "g", "scale": 0.001}
    return Waveform(**(given | {"every": Duration(0.01)} | keys))


def sensor():
    device = Device()
    device.words = {100 + i: value & 0xFFFF for i, value in enumerate(TONE)}
    return device


async def opened(place):
    driver = PLUGIN.create(link("modbus-tcp", place), Clock())
    await driver.open()
    assert isinstance(driver, Streams)
    return driver


async def first(driver, count=1, **keys):
    found = []
    async with aclosing(driver.stream(table({}, waveform=wave(**keys)))) as blocks:
        async for block in blocks:
            found.append(block)
            if len(found) == count:
                break
    return found


async def test_a_waveform_becomes_a_block_and_its_features():
    device = sensor()
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        found = await first(driver, 2)
        await driver.close()
    assert [request[2:] for request in device.requests[:6]] == [(100 + i, min(125, COUNT - i)) for i in range(0, COUNT, 125)]
    for block in found:
        assert (block.machine, block.point, block.rate_hz, block.unit, block.gap) == ("m", "vibration", RATE, "g", True)
        assert block.samples == array("f", [value / 1000 for value in TONE])
    features = VibrationFeatures("m", Vibration(window=Duration(COUNT / RATE), every=Duration(COUNT / RATE)))
    (job,) = features.cut(found[0])
    job.run()
    values = {feature.point: feature.value for feature in job.features}
    assert values["vibration.rms"] == pytest.approx(2 / math.sqrt(2), rel=1e-3)
    assert values["vibration.peak"] == pytest.approx(2, rel=1e-3)
    late = VibrationFeatures("m", Vibration(window=Duration(1)))
    assert [late.cut(block) for block in found] == [[], []]
    assert "breaks off after 0.1 s" in late.warnings[0]


async def test_other_points_of_the_line_are_read_in_between():
    device = sensor()
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        waves = asyncio.create_task(first(driver, 5))
        for _ in range(20):
            assert good(await driver.read(registers(1, 2))) == {"r1": 1, "r2": 2}
        assert [len(block.samples) for block in await waves] == [COUNT] * 5
        await driver.close()


class Line:
    """Answers from a list of words; `tick` is called before every answer."""

    def __init__(self, device):
        self.device = device
        self.before = []

    async def ask(self, request, allowed=ALL):
        if self.before:
            self.before.pop(0)()
        answer = self.device.answer(request.unit, request.pdu)
        if answer[0] & 0x80:
            raise Refusal(request, answer[1])
        return answer[2:]


@pytest.mark.parametrize(("value", "marks", "new"), [(1, (0, 1, 1), (False, True, True)), (None, (7, 7, 8), (True, False, True))])
async def test_a_register_tells_of_a_new_one(value, marks, new):
    device = Device()
    reader = WaveformReader(ModbusUnit(waveform=wave(ready=Ready(at=Address.parse("holding wire 99"), value=value))))
    last, found = None, []
    for mark in marks:
        device.words[99] = mark
        assert await reader.mark(Line(device)) == mark
        found.append(reader.is_new(mark, last))
        last = mark
    assert tuple(found) == new


async def test_one_that_changes_while_it_is_read_is_thrown_away():
    device = sensor()
    device.words[99] = 0
    torn = {"count": 0}
    plain = device.answer

    def answer(unit, pdu):
        if int.from_bytes(pdu[1:3], "big") == 225 and torn["count"] > 0:
            torn["count"] -= 1
            device.words[99] += 1
        return plain(unit, pdu)

    device.answer = answer
    ready = Ready(at=Address.parse("holding wire 99"))
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        torn["count"] = 1
        (block,) = await first(driver, ready=ready)
        assert block.samples[40] == pytest.approx(TONE[40] / 1000)
        assert len([r for r in device.requests if r[2:] == (100, 125)]) == 2
        torn["count"] = TORN_LIMIT
        with pytest.raises(DeviceError, match="changed while they were read"):
            await first(driver, ready=ready)
        await driver.close()


@pytest.mark.parametrize(("kind", "width"), [("int16", 1), ("uint32", 2), ("float32", 2)])
async def test_a_sample_is_never_put_together_from_two_answers(kind, width):
    unit = ModbusUnit(waveform=wave(type=kind, count=100, scale=1.0), max_registers=7, order="CDAB")
    device = Device()
    reader = WaveformReader(unit)
    device.words = {100 + i: 0x4000 + i for i in range(100 * width)}
    samples = await reader.samples(Line(device), Clock())
    assert len(samples) == 100
    assert all(request[3] % width == 0 and request[3] <= 7 for request in device.requests)
    assert sum(request[3] for request in device.requests) == 100 * width


async def test_samples_that_are_no_numbers():
    device = Device()
    device.words = dict.fromkeys(range(100, 120), 0x7FC0)
    with pytest.raises(DeviceError, match="no numbers") as caught:
        await WaveformReader(ModbusUnit(waveform=wave(type="float32", count=10))).samples(Line(device), Clock())
    assert caught.value.reason is Reason.NO_SENSOR


async def test_a_machine_without_points_and_without_a_waveform_is_told():
    async with modbus_quirky.on_tcp(Device()) as place:
        driver = await opened(place)
        with pytest.raises(DeviceError, match="neither points nor a waveform"):
            await anext(driver.stream(table({})))
        await driver.close()


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"at": Address.parse("coil 1")}, "at"),
        ({"at": Address.parse("holding 40017.3")}, "at"),
        ({"count": 65500}, "count"),
        ({"rate": Rate(0)}, "rate"),
        ({"every": Duration(0)}, "every"),
        ({"scale": 0.0}, "scale"),
        ({"ready": Ready(at=Address.parse("coil 1"))}, "ready"),
    ],
)
def test_what_does_not_go_together_is_told(keys, key):
    assert [name for name, _ in wave(**keys).problems()] == [key]


def test_it_stands_in_yaml(tmp_path):
    text = """
site: a
gateway: b
machines:
  - name: spindle
    connect: modbus-tcp://h?unit=3
    waveform: {at: holding 40101, count: 1024, rate: 6.4kHz, unit: g, scale: 0.001, ready: {at: holding 40099}}
    vibration: {window: 160ms, every: 160ms}
"""
    path = tmp_path / "site.yaml"
    path.write_text(text)
    checked = check(path)
    assert not checked.problems
    assert checked.config.machines["spindle"].options.waveform.count == 1024
    path.write_text(text + "    points: {t: {at: holding 1}}\n")
    (problem,) = check(path).problems
    assert "either points or a waveform" in problem.message


class Sink:
    def __init__(self):
        self.scans, self.blocks = [], []

    def scan(self, scan):
        self.scans.append(good(scan))

    def block(self, block):
        self.blocks.append(block)

    def turned(self, state):
        pass


async def test_poll_reads_waveforms_and_points_of_one_unit_side_by_side(tmp_path):
    device = sensor()
    async with modbus_quirky.on_tcp(device) as place:
        path = tmp_path / "site.yaml"
        path.write_text(f"""
site: a
gateway: b
machines:
  - name: spindle
    connect: modbus-tcp://{place}
    waveform: {{at: holding wire 100, count: {COUNT}, rate: 6.4kHz, unit: g, scale: 0.001, every: 20ms}}
    vibration: {{window: 100ms, every: 100ms}}
  - {{name: spindle-values, connect: "modbus-tcp://{place}", every: 20ms, points: {{t: {{at: holding wire 7}}}}}}
""")
        machines = load_config(path).machines
        assert machines["spindle"].link == machines["spindle-values"].link
        poller, sinks = Poller(machines["spindle"].link, PLUGIN.create, Clock(), lambda *_: None), {}
        for name, machine in machines.items():
            poller.add(machine, sinks.setdefault(name, Sink()))
        poller.start()
        waves, points = sinks["spindle"], sinks["spindle-values"]
        await until(lambda: len(waves.blocks) >= 3 and len(points.scans) >= 5, 10, what="blocks and scans")
        await poller.stop()
        assert device.opened == 1
    assert all(scan == {"t": 7} for scan in points.scans)
    assert all(len(block.samples) == COUNT for block in waves.blocks)
    assert not waves.scans
    assert not points.blocks
