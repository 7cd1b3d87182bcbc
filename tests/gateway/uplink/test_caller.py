"""What a caller promises to every lane: a will at every CONNECT, messages handed on, a farewell that fits."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.clock import Clock
from gateway.config.spec import BrokerUrl, Uplink
from gateway.uplink.caller import Caller, client_id
from gateway.uplink.client import Will
from gateway.uplink.errors import SessionLost
from gateway.uplink.report import Report
from gateway.uplink.waits import Waits
from tests.gateway.uplink.fake_broker import Broker
from tests.gateway.uplink.fakes import Eager
from tests.waiting import until


class Lane:
    """Uses each session until it is lost or the lane stops."""

    def __init__(self, clock=None):
        self.waits = Waits(clock or Clock(), lambda: None)
        self.report = Report("cooperative", clock or Clock())
        self.sessions = []

    async def use(self, session):
        self.sessions.append(session)
        while not self.waits.stopping.is_set():
            await self.waits.rest(60, ended=session.ended)


@asynccontextmanager
async def calling(lane, broker, *urls, clock=None, **options):
    spec = options.pop("spec", None) or Uplink(broker=[BrokerUrl(url) for url in urls or ["mqtt://127.0.0.1"]])
    defaults = {"random": Eager(), "base": Path(), "read_secret": lambda name: name, "connect": broker and broker.connect}
    caller = Caller(
        site="muster",
        spec=spec,
        client_id="muster:hall-1",
        clock=clock or Clock(),
        waits=lane.waits,
        report=lane.report,
        **(defaults | options),
    )
    task = asyncio.create_task(caller.run(lane.use))
    try:
        yield caller
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_will_is_asked_for_at_every_connect():
    broker, lane, count = Broker(), Lane(), iter(range(100))
    async with calling(lane, broker, will=lambda: Will("death", b"%d" % next(count))):
        for number in range(3):
            await until(lambda number=number: len(lane.sessions) == number + 1)
            assert lane.sessions[number].will == Will("death", b"%d" % number)
            broker.session.lose()


@pytest.mark.parametrize("will", [None, Will("death", b"x")])
async def test_a_stop_lets_the_broker_publish_the_will_where_there_is_one(will):
    broker, lane = Broker(), Lane()
    async with calling(lane, broker, will=lambda: will):
        await until(lambda: lane.sessions)
    assert (broker.session.closed, broker.session.death) == (True, will is not None)


async def test_a_use_that_does_not_end_is_given_up_when_stopping(monkeypatch):
    monkeypatch.setattr("gateway.uplink.caller.FAREWELL_S", 0.02)
    broker, lane = Broker(), Lane()

    async def use(session):
        lane.sessions.append(session)
        await asyncio.Event().wait()

    lane.use = use
    async with calling(lane, broker):
        await until(lambda: lane.sessions)
    assert broker.session.closed


async def test_a_use_that_returns_closes_the_session_and_calls_again():
    broker, lane = Broker(), Lane()

    async def use(session):
        lane.sessions.append(session)

    lane.use = use
    async with calling(lane, broker):
        await until(lambda: len(lane.sessions) > 2)
        assert all(session.closed for session in lane.sessions[:2])


async def test_messages_are_handed_on_and_what_the_lane_raises_costs_no_session():
    broker, lane, seen = Broker(), Lane(), []

    def on_message(topic, payload, retain):
        seen.append((topic, payload, retain))
        if payload == b"\xff":
            raise ValueError("no message of ours")

    with capture_logs() as logs:
        async with calling(lane, broker, on_message=on_message):
            await until(lambda: lane.sessions)
            handed = broker.session.on_message
            handed("a", b"\xff", True)
            handed("a", b"\xff", True)
            handed("a", b"good", False)
            for _ in range(1000):
                handed("b", None, False)
            await asyncio.sleep(0)
            assert not broker.session.ended.done()
    assert seen == [("a", b"\xff", True), ("a", b"\xff", True), ("a", b"good", False)]
    assert lane.report.status()["ignored_messages"] == 1002
    assert [line["event"] for line in logs].count("message_ignored") == 2, "once for each reason"
    assert [line["event"] for line in logs].count("uplink_fault") == 1


async def test_a_lane_that_listens_to_nothing_hands_on_nothing():
    broker, lane = Broker(), Lane()
    async with calling(lane, broker):
        await until(lambda: lane.sessions)
        assert broker.session.on_message is None


async def test_a_lost_session_is_told_with_its_reason():
    broker, lane = Broker(), Lane()
    async with calling(lane, broker):
        await until(lambda: lane.sessions)
        broker.session.lose(SessionLost("the cable is out", "plug it in"))
        await until(lambda: len(lane.sessions) == 2)
    assert lane.report.status()["last_error"] == "the cable is out; plug it in"


def test_client_ids_differ_by_recipient_and_lane():
    assert client_id("muster", "hall-1", "cooperative") == "muster:hall-1"
    assert client_id("muster", "hall-1", "cooperative", "live") == "muster:hall-1:live"
    assert client_id("muster", "hall-1", "shop") == "muster:hall-1:shop"
    assert client_id("muster", "hall-1", "shop", "live") == "muster:hall-1:shop:live"
