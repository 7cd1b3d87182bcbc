"""The campaign in small, and its judge."""

from __future__ import annotations

import msgspec
import pytest

from tests.campaign.delivery import campaign
from tests.campaign.delivery.outage import away, drops, judged
from tests.gateway.uplink.fakes import EPOCH, reading
from tests.peers.broker import Inbox


@pytest.mark.timeout(120)
def test_a_broker_that_is_away_costs_nothing():
    result = away(2.0)
    assert campaign.broken({"backlogs": {}, "outages": {"a": [*result]}}) == []
    assert result.records > 200


@pytest.mark.timeout(120)
def test_connections_that_are_cut_cost_nothing():
    result = drops(5, 1)
    assert campaign.broken({"backlogs": {}, "outages": {"a": [*result]}}) == []


def inbox(*numbers):
    from gateway.model import Log, Sequenced
    from gateway.uplink.batch import encode

    found = Inbox()
    for seq, value in numbers:
        item = Sequenced(Log.READING, EPOCH, seq, reading(seq, value=float(value)))
        found.messages += [(message.topic, message.payload) for message in encode("s", "g", [item])]
    return found


def test_the_judge_sees_a_loss_a_double_and_disorder():
    assert judged("", 0, inbox((1, 1), (2, 2)), 0)[2:7] == (2, 0, 0, 0, 0)
    assert judged("", 0, inbox((1, 1), (3, 3)), 0).lost == 1
    assert judged("", 0, inbox((1, 1), (1, 1)), 0)[4:6] == (1, 0)
    assert judged("", 0, inbox((1, 1), (1, 2)), 0).doubled == 1
    assert judged("", 0, inbox((2, 2), (1, 1)), 0).disorder == 1


def test_the_page_tells_what_was_broken_in_a_backlog_too():
    from tests.campaign.delivery.backlog import Result

    slow = Result(1000, 1, 0, 4000, 60, 0.1, 3.0, 3.0, 0)
    results = {"outages": {}, "backlogs": {"a": [*slow]}}
    assert campaign.broken(results) == ["a backlog of 1,000: 1 lost, 0 out of order, 4,000/s, live p99 3.00 s"]
    assert "| 1,000 | 1 | 0 | 4,000 | 60 | 0.10 | 3.00 | 3.00 |" in "\n".join(campaign.lines(results))


def test_the_page_tells_what_was_broken():
    results = {"backlogs": {}, "outages": {"a": [*judged("x", 1.0, inbox((2, 2)), 0)]}}
    assert campaign.broken(results) == ["x: 1 lost, 0 doubled, 0 out of order, 0 polls missed"]
    assert msgspec.json.encode(campaign.lines(results))
