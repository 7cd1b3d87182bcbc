"""The campaign in small: a fleet comes back spread out, and the count sees one that does not."""

import pytest

from tests.campaign.reconnect import campaign
from tests.campaign.reconnect.fleet import Result, fleet


@pytest.mark.timeout(180)
async def test_a_fleet_that_loses_its_broker_calls_about_once_each_and_spread_out():
    result = await fleet(200, 10.0, 0.0)
    assert campaign.broken({"restart": {"small": list(result)}, "control": {}}) == []


@pytest.mark.timeout(180)
async def test_the_count_sees_a_fleet_that_comes_back_at_once():
    result = await fleet(200, 10.0, 0.0, spread=False)
    assert campaign.broken({"restart": {}, "control": {"calls at once": list(result)}}) == []
    assert result.peak > campaign.MOST_PEAK


def test_what_is_broken_and_what_is_written():
    good = Result(1000, 30.0, 0.5, 1000, 1.002, 1.35, 30.2)
    results = {"restart": {"a": list(good), "b": list(good._replace(calls=1.2))}, "control": {"c": list(good)}}
    assert [line.partition(":")[0] for line in campaign.broken(results)] == ["b", "c keeps the promise, too"]
    assert any("| a | 1000 | 30 | 0.5 | 1.002 | 1.35 | 30 |" in line for line in campaign.lines(results))
