"""Several requests to one unit at a time: Debian's libmodbus, which stands it, and pymodbus's server, which loses them."""

from contextlib import aclosing

import pytest

from drivers.modbus import PLUGIN
from drivers.modbus.address import Address
from drivers.modbus.waveform import Waveform
from gateway.clock import Clock
from gateway.config.quantity import Duration, Rate
from gateway.config.spec import Machine
from gateway.poll import Poller
from tests.drivers.modbus.tables import good, link, registers, table
from tests.peers import modbus, modbus_pymodbus
from tests.peers.tcp_relay import relayed
from tests.waiting import until

WIRES = range(1000)
"""Eight requests."""


async def opened(place, timeout=5.0):
    driver = PLUGIN.create(link("modbus-tcp", place, timeout), Clock())
    await driver.open()
    return driver


@pytest.mark.parametrize(("depth", "round_trips"), [(1, 8), (2, 4), (4, 2), (8, 1), (16, 1)])
async def test_a_device_that_is_far_away_is_read_in_fewer_round_trips(depth, round_trips):
    async with modbus.tcp() as server, relayed(f"127.0.0.1:{server.port}") as (relay, place):
        relay.delay_s = 0.02
        driver = await opened(place)
        points = registers(*WIRES, pipeline=depth)
        for _ in range(3):
            before = relay.round_trips
            assert good(await driver.read(points)) == {f"r{wire}": wire for wire in WIRES}
            assert relay.round_trips - before == round_trips
        assert (driver.counters.requests, driver.counters.timeouts, driver.warnings) == (24, 0, [])
        await driver.close()


async def test_points_that_the_device_does_not_know_are_found_as_ever():
    async with modbus.tcp() as server:
        driver = await opened(f"127.0.0.1:{server.port}")
        wires = [*range(0, 900, 300), *range(modbus.FIRST_ILLEGAL - 2, modbus.FIRST_ILLEGAL + 2)]
        scans = [await driver.read(registers(*wires, pipeline=depth)) for depth in (1, 4)]
        assert list(scans[0].values[:5]) == list(scans[1].values[:5])
        assert scans[0].reason == scans[1].reason
        await driver.close()


async def test_a_waveform_comes_in_fewer_round_trips():
    async with modbus.tcp() as server, relayed(f"127.0.0.1:{server.port}") as (relay, place):
        relay.delay_s = 0.02
        driver = await opened(place)
        wave = Waveform(at=Address.parse("holding wire 0"), count=1000, rate=Rate(6400), every=Duration(0.01))
        async with aclosing(driver.stream(table({}, waveform=wave, pipeline=4))) as blocks:
            async for block in blocks:
                assert list(block.samples) == list(range(1000))
                break
        assert relay.round_trips == 2
        await driver.close()


async def test_a_server_that_loses_them_is_asked_one_by_one_and_nothing_is_bad():
    async with modbus_pymodbus.tcp() as place:
        driver = await opened(place, timeout=0.3)
        points = registers(*range(0, 500, 99), pipeline=4, max_gap=0)
        expected = {f"r{wire}": wire for wire in range(0, 500, 99)}
        for _ in range(20):
            assert good(await driver.read(points)) == expected, "every scan is whole, the first one too"
            if driver.warnings:
                break
        (warning,) = driver.warnings
        assert warning == (
            "m: unit 1 answers only some of the requests that are sent to it together; "
            "it is asked one by one: leave out pipeline: 4"
        )
        before = driver.counters.timeouts
        for _ in range(5):
            assert good(await driver.read(points)) == expected
        await driver.close()
        driver = await opened(place, timeout=0.3)
        assert good(await driver.read(points)) == expected
        assert driver.warnings == [warning], "remembered over a new connection"
        assert (before, driver.counters.timeouts) == (before, 0)
        await driver.close()


class Sink:
    def __init__(self):
        self.scans = []

    def scan(self, scan):
        self.scans.append(good(scan))

    def block(self, block):
        raise AssertionError(block)


async def test_the_machine_stays_good_and_the_line_tells_the_cure():
    async with modbus_pymodbus.tcp() as place:
        points = registers(0, 99, 198, 297, pipeline=4, max_gap=0)
        machine = Machine(
            "m", link("modbus-tcp", place, 0.3), points.options, 0.05, dict(zip(points.names, points.specs, strict=True))
        )
        poller, sink = Poller(machine.link, PLUGIN.create, Clock(), lambda *_: None), Sink()
        poller.add(machine, sink)
        poller.start()
        await until(lambda: poller.driver is not None and poller.driver.warnings)
        more = len(sink.scans) + 3
        await until(lambda: len(sink.scans) >= more)
        health = poller.watched["m"].health
        await poller.stop()
        assert (health.state, health.errors) == ("good", 0)
        assert all(scan == {"r0": 0, "r99": 99, "r198": 198, "r297": 297} for scan in sink.scans)
