"""Arrays of a real OPC UA server as a waveform, beside points of the same machine."""

import asyncio
import contextlib
import time
from array import array

import pytest

from drivers.opcua.address import BrowsePath
from drivers.opcua.waveform import WaveArray
from gateway.clock import Clock
from gateway.config.quantity import Acceleration, Duration, Rate
from gateway.config.spec import Link, Machine
from gateway.driver import DeviceError, Streams
from gateway.model import PointTable
from gateway.poll import Poller
from tests.gateway.fake_driver import Collector
from tests.integration.opcua_client import connected, make_driver, make_table, values
from tests.peers.opcua import KINDS, opcua_peer
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module", params=KINDS)
def peer(request, tmp_path_factory):
    with opcua_peer(request.param, tmp_path_factory.mktemp("peer")) as running:
        yield running


def options(path="Objects/Press/Curve", **keys):
    given = {"path": BrowsePath.parse(path), "rate": Rate(1000), "unit": Acceleration("g"), "every": Duration(0.1)}
    return make_table({}, waveform=WaveArray(**(given | keys))).options


def table(**keys):
    return PointTable("press", (), (), (), options(**keys))


async def test_every_new_array_is_a_block_and_its_source_time_tells_what_follows_on_what(peer):
    begin = time.time()
    peer.command(set={"Curve": [0.0] * 100}, at=begin)
    async with connected(peer.address) as driver:
        assert isinstance(driver, Streams)
        async with contextlib.aclosing(driver.stream(table(scale=0.5, offset=1.0))) as blocks, asyncio.timeout(30):
            first = await anext(blocks)
            assert (first.point, first.rate_hz, first.unit, first.gap) == ("vibration", 1000.0, "g", True)
            assert first.samples == array("f", [1.0] * 100)
            gaps = []
            for number, at in ((1, 0.1), (2, 0.2), (3, 0.5), (4, 0.6)):
                peer.command(set={"Curve": [float(number), *[0.0] * 99]}, at=begin + at)
                block = await anext(blocks)
                assert block.samples[0] == number * 0.5 + 1
                gaps.append(block.gap)
            assert gaps == [False, False, True, False]
            assert driver.counters.samples == 500


async def test_what_is_no_array_or_not_there_is_told_and_looked_for_again(peer, monkeypatch):
    monkeypatch.setattr("drivers.opcua.driver._RETRY_S", 0.2)
    async with connected(peer.address) as driver:
        for path, words in (("Objects/Press/Temp", "holds a single value"), ("Objects/Press/Nowhere", "Nowhere")):
            stream = driver.stream(table(path=path))
            waiting = asyncio.create_task(anext(stream))
            await until(lambda words=words: any(words in told and told.startswith("press.waveform") for told in driver.warnings))
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await stream.aclose()
        assert not [told for told in driver.warnings if "waveform" in told]
        with pytest.raises(DeviceError, match="neither points nor a waveform"):
            await anext(driver.stream(make_table({})))


async def test_a_machine_has_points_and_a_waveform_at_once(peer):
    peer.command(set={"Temp": 20.0})
    driver = make_driver(peer.address)
    points = dict(zip(("temp",), make_table({"temp": "Objects/Press/Temp"}).specs, strict=True))
    link = Link("opc.tcp", peer.address, driver._session.options)
    machine = Machine("press", link, options(), 0.1, points)
    poller = Poller(link, lambda *_: driver, Clock(), lambda *_: None)
    sink = Collector()
    poller.add(machine, sink)
    poller.start()
    try:
        await until(lambda: sink.scans, 20)
        begin = time.time()
        peer.command(set={"Curve": [5.0] * 50, "Temp": 21.0}, at=begin)
        await until(lambda: any(block.samples[0] == 5.0 for block in sink.blocks), 20)
        await until(lambda: any(values(scan).get("temp") == 21.0 for scan in sink.scans), 20)
        assert poller.watched["press"].health.state == "good"
    finally:
        await poller.stop()
