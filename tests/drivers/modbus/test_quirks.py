"""Each quirk against a device that has it (ours, tests/peers/modbus_quirky.py): without the key it fails, with it it works."""

import asyncio
import gc

import pytest

from drivers.modbus import PLUGIN
from drivers.modbus.area import Area
from gateway.clock import Clock
from gateway.config.quantity import Duration
from gateway.driver import DeviceError, LinkError
from gateway.model import Reason
from tests.drivers.modbus.tables import bad, good, link, point, registers, table
from tests.peers import modbus_quirky
from tests.peers.modbus_quirky import Device


async def opened(place, timeout=0.3, **options):
    driver = PLUGIN.create(link("modbus-tcp", place, timeout, **options), Clock())
    await driver.open()
    return driver


async def test_pause_after_connect():
    device = Device()
    device.deaf_s = 0.15
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        with pytest.raises(DeviceError):
            await driver.read(registers(1))
        await driver.close()
        driver = await opened(place, pause_after_connect=Duration(0.2))
        assert good(await driver.read(registers(1))) == {"r1": 1}
        await driver.close()


async def test_pause_between_requests():
    device = Device()
    device.rest_s = 0.05
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        assert bad(await driver.read(registers(1, 1000))) == {"r1000": Reason.TIMEOUT}
        await driver.close()
        driver = await opened(place, pause=Duration(0.06))
        assert len(good(await driver.read(registers(1, 1000)))) == 2
        await driver.close()


async def test_max_registers():
    device = Device()
    device.longest = 10
    points = {f"t{wire}": point(f"holding wire {wire}", type="string", length=10) for wire in (0, 10, 20)}
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        await driver.read(table(points))
        assert {count for _, _, _, count in device.requests} != {10}, "without the key it has to be found out"
        device.requests.clear()
        await driver.read(table(points, max_registers=10))
        assert [count for _, _, _, count in device.requests] == [10, 10, 10]
        await driver.close()


async def test_registers_that_must_not_be_read():
    device = Device()
    device.deadly = {4, 5}
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        rule = {"deny": (Area.parse("holding wire 4-5"),)}
        for _ in range(3):
            assert len(good(await driver.read(registers(1, 3, 6, 8, **rule)))) == 4
            await driver.probe(registers(6, 3, **rule), 0.3)
        with pytest.raises(DeviceError):
            await driver.read(registers(1, 3, 6, 8))
        await driver.close()


async def test_one_point_per_request():
    device = Device()
    device.values = {(0, 2), (2, 2), (4, 1)}
    points = {
        "a": point("holding wire 0", type="uint32"),
        "b": point("holding wire 2", type="uint32"),
        "c": point("holding wire 4"),
        "again": point("holding wire 4", scale=2.0),
    }
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        await driver.read(table(points))
        assert [request for request in device.requests if request[2:] not in device.values]
        device.requests.clear()
        scan = await driver.read(table(points, one_per_request=True))
        assert good(scan) == {"a": 1, "b": 2 << 16 | 3, "c": 4, "again": 8}
        assert [request[2:] for request in device.requests] == [(0, 2), (2, 2), (4, 1)]
        await driver.close()


async def test_one_connection_only():
    device = Device()
    device.connections = 1
    async with modbus_quirky.on_tcp(device) as place:
        first, second = await opened(place), await opened(place, timeout=0.4)
        assert good(await first.read(registers(1))) == {"r1": 1}
        with pytest.raises(LinkError, match="closed the connection"):
            await second.read(registers(1))
        await first.close()
        await second.close()
        keys = {"one_connection": True, "close_after_read": True}
        first = await opened(place, **keys)
        second = PLUGIN.create(link("modbus-tcp", place, 0.4, **keys), Clock())

        async def reads(driver, times):
            await driver.open()
            return [good(await driver.read(registers(7))) for _ in range(times)]

        waiting = asyncio.create_task(reads(second, 3))
        answers = [good(await first.read(registers(7))) for _ in range(3)]
        assert answers == await waiting == [{"r7": 7}] * 3
        await first.close()
        await second.close()


async def test_a_connection_that_is_never_let_go_is_told():
    device = Device()
    async with modbus_quirky.on_tcp(device) as place:
        keys = {"one_connection": True, "connect_timeout": Duration(0.1)}
        first = await opened(place, **keys)
        with pytest.raises(LinkError, match="takes one connection only") as caught:
            await opened(place, timeout=0.4, **keys)
        assert "close_after_read" in caught.value.hint
        await first.close()
        second = await opened(place, timeout=0.4, **keys)
        assert good(await second.read(registers(1))) == {"r1": 1}
        await second.close()


async def test_close_after_read():
    device = Device()
    device.idle_s = 0.05
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        await driver.read(registers(1))
        await asyncio.sleep(0.1)  # the device counts this
        with pytest.raises(DeviceError):
            await driver.read(registers(1))
        await driver.close()
        driver = await opened(place, close_after_read=True)
        before = device.opened
        for _ in range(3):
            assert good(await driver.read(registers(1))) == {"r1": 1}
            await asyncio.sleep(0.1)
        assert device.opened == before + 2
        assert driver.counters.requests == 3
        await driver.close()
        with pytest.raises(LinkError, match="not open"):
            await driver.read(registers(1))


async def test_word_order_and_string_order_of_the_unit():
    device = Device()
    device.words = {0: 0x999A, 1: 0x4227, 2: 0x4241, 3: 0x0043}
    points = {"t": point("holding wire 0", type="float32"), "s": point("holding wire 2", type="string", length=2)}
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        assert good(await driver.read(table(points)))["s"] == "BA"
        assert good(await driver.read(table(points, order="CDAB", string_order="BA"))) == {"t": pytest.approx(41.9), "s": "ABC"}
        own = points | {"s": point("holding wire 2", type="string", length=2, order="ABCD")}
        assert good(await driver.read(table(own, string_order="BA")))["s"] == "BA"
        await driver.close()


async def test_coils_counted_from_zero():
    points = {"by_number": point("coil 4"), "by_wire": point("coil wire 4")}
    device = Device()  # coil N is on where its wire address N is odd
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        assert good(await driver.read(table(points))) == {"by_number": 1, "by_wire": 0}
        assert good(await driver.read(table(points, coils_from=0))) == {"by_number": 0, "by_wire": 0}
        await driver.close()


@pytest.mark.parametrize("code", [5, 6])
async def test_a_busy_unit_is_asked_again_in_the_same_scan(code):
    device = Device()
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        device.exceptions = [code, code]
        assert good(await driver.read(registers(1))) == {"r1": 1}
        device.exceptions = [code] * 10
        with pytest.raises(DeviceError) as caught:
            await driver.read(registers(1))
        assert caught.value.reason is Reason.DEVICE_BUSY
        assert len(device.exceptions) == 6, "three times more, then it is left alone"
        device.exceptions = [None] + [code] * 10
        assert bad(await driver.read(registers(1, 1000, 2000))) == dict.fromkeys(("r1000", "r2000"), Reason.DEVICE_BUSY)
        assert len(device.exceptions) == 6, "one budget for the whole scan"
        await driver.close()


@pytest.mark.parametrize(("code", "words"), [(10, "has no way to unit 9"), (11, "unit 9 behind it does not")])
async def test_the_gateway_in_between_is_named(code, words):
    device = Device()
    device.exceptions = [code]
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        with pytest.raises(DeviceError, match=words) as caught:
            await driver.read(registers(1, unit=9))
        assert f"the Modbus gateway {place}" in caught.value.message
        assert caught.value.reason is Reason.NO_PATH
        await driver.close()


async def test_refused_points_are_told_and_remembered_over_a_new_connection():
    device = Device()
    device.values = {(1, 1), (1, 2)}
    points = registers(1, 2, 5)
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        assert set(bad(await driver.read(points))) == {"r5"} | set(bad(await driver.read(points)))
        assert [warning for warning in driver.warnings if "r5 (holding 40006 (wire 5))" in warning]
        await driver.close()
        device.requests.clear()
        driver = await opened(place)
        await driver.read(points)
        assert not [request for request in device.requests if request[2] <= 5 < request[2] + request[3]]
        assert driver.warnings
        await driver.close()


async def test_a_table_the_unit_does_not_have_is_told_as_long_as_it_is_so():
    device = Device()
    points = table({"r": point("holding wire 1"), "i": point("input wire 2")})
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        device.exceptions = [None, 1]
        assert bad(await driver.read(points)) == {"i": Reason.NOT_SUPPORTED}
        assert driver.warnings == [
            "m: unit 1 does not have the table 'input' (function 4): i (input 30003 (wire 2)); is it another one?"
        ]
        assert not bad(await driver.read(points))
        assert driver.warnings == []
        await driver.close()


async def test_requests_that_are_too_long_are_told():
    device = Device()
    device.longest = 40
    async with modbus_quirky.on_tcp(device) as place:
        driver = await opened(place)
        assert not bad(await driver.read(registers(*range(100))))
        points = registers(*range(100))
        for _ in range(2):
            scan = await driver.read(points)
            assert scan.table is points
        del scan
        gc.collect()
        (warning,) = driver.warnings
        assert warning.endswith("and hands out 25; write max_registers: 25")
        del points
        gc.collect()
        assert driver.warnings == [], "what is no longer read warns no longer"
        await driver.close()


async def test_who_could_not_connect_holds_up_nobody():
    async with modbus_quirky.on_tcp(Device()) as place:
        pass  # nobody listens there any more
    drivers = []
    for _ in range(2):
        drivers.append(PLUGIN.create(link("modbus-tcp", place, one_connection=True, connect_timeout=Duration(0.2)), Clock()))
        with pytest.raises(LinkError, match="refuses the connection"):
            await drivers[-1].open()
