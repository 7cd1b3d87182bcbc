"""A device from switching on to switching off, on a fake tree with a fifo as its character device."""

import asyncio
import contextlib
import itertools
import struct

import pytest

from drivers.iio.spec import Axes
from gateway.config.quantity import Acceleration, Duration, Rate
from gateway.driver import Driver, LinkError, Streams, Subscribes
from gateway.model import PointTable, Reason
from tests.drivers.iio.conftest import G_SCALE, started, table, take
from tests.peers.iio import scan_x, scan_xyz
from tests.waiting import until

MS = 1_000_000
"""ns between two samples at 1 kHz."""
BEGIN = 5_000_000_000


def count(blocks, point="vibration"):
    return sum(len(block.samples) for block in blocks if block.point == point)


def tree(device):
    return {str(path.relative_to(device)): path.read_text() for path in device.rglob("*") if path.is_file()}


async def test_it_is_a_driver_that_streams(sensor):
    driver = sensor()
    assert isinstance(driver, Driver)
    assert isinstance(driver, Streams)
    assert not isinstance(driver, Subscribes)
    assert list((await driver.read(PointTable("m", ("a",), ("",), (None,)))).reason) == [Reason.NO_SUCH_ADDRESS]
    await driver.close()
    await driver.close()


async def test_one_axis_becomes_blocks_in_m_s2_and_the_device_is_left_as_it_was_found(peer, sensor):
    device = peer.add(scan_elements__in_accel_y_en="1")
    before = tree(device)
    during = {}

    async def feed():
        await started(device / "buffer/enable")
        during.update(tree(device))
        peer.feed(b"".join(scan_x(i - 100, BEGIN + i * MS) for i in range(200)))

    blocks = await take(sensor(), lambda blocks: count(blocks) == 200, feed=feed)
    assert {(b.machine, b.point, b.unit, b.rate_hz) for b in blocks} == {("spindle", "vibration", "m/s²", 1000.0)}
    assert [s for b in blocks for s in b.samples] == pytest.approx([(i - 100) * G_SCALE for i in range(200)], rel=1e-6)
    assert [b.gap for b in blocks] == [True] + [False] * (len(blocks) - 1)
    for earlier, later in itertools.pairwise(blocks):
        assert later.start.mono_ns - earlier.start.mono_ns == pytest.approx(len(earlier.samples) * MS, abs=0.3 * MS)
    on = {name: during[f"scan_elements/in_{name}_en"].strip() for name in ("accel_x", "accel_y", "accel_z", "timestamp")}
    assert on == {"accel_x": "1", "accel_y": "0", "accel_z": "0", "timestamp": "1"}
    assert during["sampling_frequency"] == "1000.000000\n"
    assert during["buffer/length"] == "1000\n"
    assert during["buffer/watermark"] == "20\n"
    assert during["current_timestamp_clock"] == "monotonic\n"
    assert tree(device) == before


async def test_three_axes_are_three_waveforms_of_one_machine(peer, sensor):
    device = peer.add(in_accel_x_scale="2", in_accel_y_scale="0.5", in_accel_offset="10")

    async def feed():
        await started(device / "buffer/enable")
        peer.feed(b"".join(scan_xyz(i, -i, 7, BEGIN + i * MS) for i in range(100)))

    blocks = await take(sensor(), lambda blocks: count(blocks, "vibration.z") == 100, table(axis=Axes("xyz")), feed)
    got = {axis: [s for b in blocks if b.point == f"vibration.{axis}" for s in b.samples] for axis in "xyz"}
    assert got["x"] == [(i + 10) * 2.0 for i in range(100)]
    assert got["y"] == [(10 - i) * 0.5 for i in range(100)]
    assert got["z"] == pytest.approx([17 * G_SCALE] * 100, rel=1e-6)
    starts = [[b.start for b in blocks if b.point == f"vibration.{axis}"] for axis in "xyz"]
    assert starts[0] == starts[1] == starts[2]


@pytest.mark.parametrize("lost", [1, 50])
async def test_samples_that_are_missing_end_a_block_and_are_counted(peer, sensor, lost):
    device = peer.add()

    async def feed():
        await started(device / "buffer/enable")
        peer.feed(b"".join(scan_x(i, BEGIN + (i + lost * (i >= 150)) * MS) for i in range(300)))

    driver = sensor()
    blocks = await take(driver, lambda blocks: count(blocks) == 300, feed=feed)
    gaps = [i for i, block in enumerate(blocks) if block.gap]
    assert len(gaps) == 2
    assert sum(len(block.samples) for block in blocks[: gaps[1]]) == 150
    assert blocks[gaps[1]].samples[0] == pytest.approx(150 * G_SCALE)
    assert (driver.counters.samples, driver.counters.overruns, driver.counters.lost) == (300, 1, lost)


async def test_a_buffer_that_was_full_is_an_overrun_where_the_device_has_no_timestamps(peer, sensor):
    device = peer.add(elements={"accel_x": "le:s16/16>>0"}, in_accel_scale="1")

    async def feed():
        await started(device / "buffer/enable")
        peer.feed(struct.pack("<40h", *range(40)))
        await until(lambda: driver.counters.overruns)
        peer.feed(struct.pack("<10h", *range(10)))

    driver = sensor(buffer=Duration(0.04))
    blocks = await take(driver, lambda blocks: count(blocks) == 50, feed=feed)
    assert [(len(block.samples), block.gap) for block in blocks] == [(40, True), (10, True)]
    assert (driver.counters.overruns, driver.counters.lost) == (1, 0)


async def test_timestamps_that_do_not_fit_are_left_aside_and_told(peer, sensor):
    device = peer.add()

    async def feed():
        await started(device / "buffer/enable")
        for begin in range(0, 6000, 500):
            peer.feed(b"".join(scan_x(i, 0) for i in range(begin, begin + 500)))
            await asyncio.sleep(0)

    driver = sensor(buffer=Duration(10))
    blocks = await take(driver, lambda blocks: count(blocks) >= 5000, feed=feed)
    assert [block.gap for block in blocks].count(True) == 1
    assert "the timestamps do not fit the samples" in driver.warnings[0]


async def test_a_scan_that_comes_in_pieces_is_put_together(peer, sensor):
    device = peer.add()
    data = b"".join(scan_x(i, BEGIN + i * MS) for i in range(200))

    async def feed():
        await started(device / "buffer/enable")
        for begin in range(0, len(data), 1001):
            peer.feed(data[begin : begin + 1001])
            await asyncio.sleep(0.002)

    blocks = await take(sensor(), lambda blocks: count(blocks) == 200, feed=feed)
    assert [s for b in blocks for s in b.samples] == pytest.approx([i * G_SCALE for i in range(200)], rel=1e-6)
    assert [b.gap for b in blocks].count(True) == 1


async def test_two_machines_share_a_device(peer, sensor):
    device = peer.add()
    driver = sensor()
    await driver.open()
    async with contextlib.aclosing(driver.stream(table("a"))) as one:
        first = asyncio.ensure_future(anext(one))
        await started(device / "buffer/enable")
        peer.feed(b"".join(scan_x(i, BEGIN + i * MS) for i in range(200)))
        assert (await first).machine == "a"
        async with contextlib.aclosing(driver.stream(table("b", axis=Axes("z")))) as two:
            second = asyncio.ensure_future(anext(two))
            await asyncio.sleep(0.01)
            peer.feed(b"".join(scan_x(i, BEGIN + i * MS) for i in range(200, 300)))
            # the buffer is set up anew with both channels; what was in it is of the old form and gone with the kernel's
            await until(lambda: (device / "scan_elements/in_accel_z_en").read_text() == "1\n")
            await started(device / "buffer/enable")
            peer.feed(b"".join(struct.pack(">2i", i << 12, (i + 1) << 12) + struct.pack("<q", BEGIN + i * MS) for i in range(300)))
            block = await second
            assert (block.machine, block.gap) == ("b", True)
            assert block.samples[0] == pytest.approx(G_SCALE)
        assert (device / "buffer/enable").read_text() == "1\n"
    assert (device / "buffer/enable").read_text() == "0\n"
    await driver.close()


async def test_an_analogue_sensor_is_scaled_by_its_sensitivity(peer, sensor):
    device = peer.add(elements={"voltage0": "le:u12/16>>0", "voltage1": "le:u12/16>>0"}, in_voltage_scale="0.5", name="ads1015")
    unit = {"channel": "voltage1", "unit": Acceleration("g"), "sensitivity": 40.0}

    async def feed():
        await started(device / "buffer/enable")
        peer.feed(struct.pack("<4H", 0, 80, 160, 4000))

    blocks = await take(sensor("ads1015"), lambda blocks: count(blocks) == 4, table(**unit), feed)
    assert ([s for b in blocks for s in b.samples], blocks[0].unit) == ([0.0, 1.0, 2.0, 50.0], "g")


async def test_the_newer_form_of_buffers_is_known(peer, sensor):
    device = peer.add(scans="buffer0")

    async def feed():
        await started(device / "buffer0/enable")
        assert (device / "buffer0/in_accel_x_en").read_text() == "1\n"
        peer.feed(b"".join(scan_x(i, BEGIN + i * MS) for i in range(200)))

    assert count(await take(sensor(), lambda blocks: count(blocks) == 200, feed=feed)) == 200
    assert (device / "buffer0/enable").read_text() == "0\n"


async def test_a_buffer_left_on_by_a_killed_gateway_is_taken_over(peer, sensor):
    device = peer.add(buffer__enable="1")

    async def feed():
        await until(lambda: (device / "scan_elements/in_accel_x_en").read_text() == "1\n")
        await started(device / "buffer/enable")
        peer.feed(b"".join(scan_x(i, BEGIN + i * MS) for i in range(200)))

    assert count(await take(sensor(), lambda blocks: count(blocks) == 200, feed=feed)) == 200
    assert (device / "buffer/enable").read_text() == "0\n"


async def test_a_trigger_is_chosen_and_has_the_rate(peer, sensor):
    device = peer.add(trigger__current_trigger="", sampling_frequency=None, sampling_frequency_available=None)
    peer.trigger(0, "timer", sampling_frequency="100.0")

    async def feed():
        await started(device / "buffer/enable")
        assert (device / "trigger/current_trigger").read_text() == "timer\n"
        assert (peer.sys / "bus/iio/devices/trigger0/sampling_frequency").read_text() == "1000\n"
        peer.feed(b"".join(scan_x(i, BEGIN + i * MS) for i in range(200)))

    assert await take(sensor(trigger="timer"), lambda blocks: count(blocks) == 200, feed=feed)
    assert (device / "trigger/current_trigger").read_text().strip() == ""


async def fails(driver, where=None):
    with pytest.raises(LinkError) as caught:
        await take(driver, lambda blocks: False, where)
    return str(caught.value)


async def test_a_rate_it_does_not_offer_is_refused_with_those_it_does(peer, sensor):
    device = peer.add()
    words = await fails(sensor(rate=990))
    assert words == ("adxl355 does not sample at 990 Hz; did you mean rate=1000Hz? it offers 4000, 2000, 1000, 500, 3.90625 Hz")
    assert (device / "buffer/enable").read_text() == "0\n"
    assert "did you mean" not in await fails(sensor(rate=100))


async def test_a_range_of_rates_is_understood(peer, sensor):
    device = peer.add(sampling_frequency_available="[1 1 2000]")
    assert "it offers 1 to 2000 Hz in steps of 1 Hz" in await fails(sensor(rate=4000))
    assert "does not sample at 10.5 Hz" in await fails(sensor(rate=10.5))
    task = asyncio.create_task(fails(sensor(rate=1234, timeout=Duration(0.05))))
    await started(device / "buffer/enable")
    assert (device / "sampling_frequency").read_text() == "1234\n"
    assert (await task).startswith("no samples from adxl355 for 0.05 s; does its trigger run")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (
            "adxl335",
            "there is no sensor 'adxl335' of Industrial I/O; did you mean 'adxl355'? there are: adxl355 (iio:device0), lis",
        ),
        ("7", "there is no sensor 'iio:device7'"),
    ],
)
async def test_a_name_that_is_not_there_is_told_with_those_that_are(peer, sensor, address, words):
    peer.add()
    peer.add(1, name="lis2dw12")
    assert words in await fails(sensor(address))


async def test_two_devices_of_one_name_are_told_apart_by_label_or_number(peer, sensor):
    peer.add(0, label="left")
    peer.add(1, label="right")
    assert await fails(sensor()) == (
        "there are 2 devices named 'adxl355': iio:device0, iio:device1; write the number instead, e.g. iio://iio:device0"
    )
    for address in ("right", "iio:device1", "1"):
        driver = sensor(address)
        await driver.open()
        await driver.close()


async def test_no_sensor_at_all_says_what_to_look_for(sensor):
    assert (await fails(sensor())).startswith("this computer has no sensor of Industrial I/O; is it connected")


async def test_an_axis_or_input_that_is_not_there_is_told_with_those_that_are(peer, sensor):
    peer.add(elements={"accel_x": "le:s16/16", "accel_y": "le:s16/16", "voltage0": "le:s16/16"})
    assert await fails(sensor(), table(axis=Axes("z"))) == "adxl355 has no axis z; it has x, y"
    unit = {"channel": "voltage1", "unit": Acceleration("g"), "sensitivity": 1.0}
    assert await fails(sensor(), table(**unit)) == "adxl355 has no input voltage1; did you mean 'voltage0'? it has voltage0"


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"in_accel_scale": None}, "adxl355 does not tell the scale of accel_x; without it a sample has no unit"),
        ({"scan_elements__in_accel_x_type": "12 bits"}, "describes its channel accel_x in a way that is not known: '12 bits'"),
        ({"in_accel_scale": "big"}, "adxl355 tells big and 0 as scale and offset of accel_x"),
    ],
)
async def test_a_device_that_does_not_describe_itself_is_told(peer, sensor, attributes, words):
    peer.add(**attributes)
    assert words in await fails(sensor())


async def test_a_device_without_a_buffer_is_told(peer, sensor):
    device = peer.add()
    for path in (device / "scan_elements").iterdir():
        path.unlink()
    assert "adxl355 cannot sample into a buffer" in await fails(sensor())


async def test_a_trigger_that_is_not_there_is_told_with_those_that_are(peer, sensor):
    peer.add(trigger__current_trigger="")
    peer.trigger(0, "timer")
    assert "there is no trigger 'time'; did you mean 'timer'? there are: timer" in await fails(sensor(trigger="time"))


async def test_a_device_that_goes_away_ends_in_words(peer, sensor):
    device = peer.add()

    async def feed():
        await started(device / "buffer/enable")
        peer.hang_up()

    with pytest.raises(LinkError, match="adxl355 has stopped"):
        await take(sensor(), lambda blocks: False, feed=feed)


async def test_a_character_device_that_is_missing_is_told(peer, sensor):
    device = peer.add()
    (peer.dev / device.name).unlink()
    assert "cannot be opened: it is not there; is the sensor still connected?" in await fails(sensor())


async def test_a_clock_that_is_off_is_told_with_the_cure(peer, sensor, monkeypatch):
    monkeypatch.setattr("drivers.iio.capture._RATE_S", 0.2)
    device = peer.add()

    async def feed():
        await started(device / "buffer/enable")
        loop = asyncio.get_running_loop()
        begin, i = loop.time(), 0
        while not driver.warnings:
            while i < (loop.time() - begin) * 900:
                peer.feed(scan_x(i, BEGIN + round(i * MS / 0.9)))
                i += 1
            await asyncio.sleep(0.005)

    driver = sensor()
    await take(driver, lambda blocks: bool(driver.warnings), feed=feed)
    assert "adxl355 samples at " in driver.warnings[0]
    assert "every frequency reads" in driver.warnings[0]
    assert "too high; write clock=" in driver.warnings[0]


async def test_the_true_rate_of_its_clock_is_the_rate_of_its_blocks(peer, sensor):
    device = peer.add()

    async def feed():
        await started(device / "buffer/enable")
        peer.feed(b"".join(scan_x(i, BEGIN + round(i * MS / 0.97)) for i in range(400)))

    driver = sensor(clock=Rate(970))
    blocks = await take(driver, lambda blocks: count(blocks) == 400, feed=feed)
    assert {block.rate_hz for block in blocks} == {970.0}
    assert (device / "sampling_frequency").read_text() == "4000.000000\n"
    assert driver.counters.overruns == 0
