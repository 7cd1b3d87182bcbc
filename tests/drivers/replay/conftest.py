import contextlib

import pytest

from drivers.replay import PLUGIN
from drivers.replay.spec import Acceleration, ReplayLink
from gateway.clock import Clock, ManualClock
from gateway.config.spec import Link
from gateway.model import PointTable

TABLE = PointTable("spindle", (), (), ())


@pytest.fixture
def replay(tmp_path):
    """Make an unopened driver for an address relative to tmp_path."""

    def make(address, clock: Clock | None = None, **options):
        options.setdefault("unit", Acceleration("m/s²"))
        link = Link("replay", PLUGIN.check_address("replay", str(address)), ReplayLink(**options), str(tmp_path))
        return PLUGIN.create(link, clock or ManualClock())

    return make


async def take(driver, count=None):
    """Open a driver, return up to `count` of its blocks (all: it must not loop), close it."""
    await driver.open()
    blocks = []
    try:
        async with contextlib.aclosing(driver.stream(TABLE)) as stream:
            async for block in stream:
                blocks.append(block)
                if len(blocks) == count:
                    break
    finally:
        await driver.close()
    return blocks


def joined(blocks):
    return [sample for block in blocks for sample in block.samples]
