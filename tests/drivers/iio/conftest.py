import asyncio
import contextlib

import pytest

from drivers.iio.driver import IioDriver
from drivers.iio.spec import IioLink, IioUnit, check_address
from gateway.clock import Clock
from gateway.config.quantity import Duration, Rate
from gateway.config.spec import Link
from gateway.model import PointTable
from tests.peers.iio import IioPeer
from tests.waiting import until

G_SCALE = 0.000038245


@pytest.fixture
def peer(tmp_path):
    peer = IioPeer(tmp_path)
    yield peer
    peer.close()


@pytest.fixture
def sensor(peer):
    """Make an unopened driver; blocks are short so that tests are."""

    def make(address="adxl355", rate=1000, **options):
        options = {"block": Duration(0.02)} | options
        link = Link("iio", check_address("iio", address), IioLink(rate=Rate(rate), **options))
        return IioDriver(link, Clock(), peer.sys, peer.dev)

    return make


def table(machine="spindle", **unit):
    return PointTable(machine, (), (), (), IioUnit(**unit))


async def started(enable):
    """Wait until a device samples: its `enable` is 1."""
    await until(lambda: enable.read_text().strip() == "1", what="the device does not sample")


async def take(driver, enough, where=None, feed=None):
    """Open, feed once it samples, take Blocks until `enough(blocks)`, close; return them."""
    await driver.open()
    blocks = []

    async def run():
        async with contextlib.aclosing(driver.stream(table() if where is None else where)) as stream:
            async for block in stream:
                blocks.append(block)
                if enough(blocks):
                    return

    tasks = [asyncio.create_task(run()), *([asyncio.create_task(feed())] if feed else [])]
    try:
        done, _ = await asyncio.wait(tasks, timeout=20, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        assert tasks[0] in done, "not enough within 20 s"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await driver.close()
    return blocks
