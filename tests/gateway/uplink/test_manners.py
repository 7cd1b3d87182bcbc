"""How a caller goes on after each kind of reason: slowly, much more slowly, elsewhere, or not at all."""

from random import Random

import pytest
from structlog.testing import capture_logs

from gateway.clock import ManualClock
from gateway.config.spec import BrokerUrl, Uplink
from gateway.uplink import reasons
from gateway.uplink.errors import SessionLost
from tests.gateway.uplink.fake_broker import Broker
from tests.gateway.uplink.test_caller import Lane, calling
from tests.waiting import until

FAR, OTHER = "mqtt://hub.coop.example", "mqtt://hub2.coop.example"


class Highest(Random):
    def uniform(self, a, b):
        return b


class Lowest(Random):
    def uniform(self, a, b):
        return a


def lost(code, server=""):
    return SessionLost(*reasons.words(code), code=code, server=server)


def start():
    clock = ManualClock()
    return clock, Broker(), Lane(clock)


async def waits(lane, seconds):
    await until(lambda: lane.report.status()["next_attempt_s"] == seconds, what=f"{lane.report.status()['next_attempt_s']} s")


@pytest.mark.parametrize("code", [0x86, 0x87, 0x8A, 0x85])
async def test_who_is_refused_tries_again_after_a_minute_at_the_earliest(code):
    clock, broker, lane = start()
    broker.down = lost(code)
    async with calling(lane, broker, FAR, clock=clock, random=Lowest(), first_within_s=0):
        await waits(lane, 60)
        clock.advance(59)
        assert len(broker.connects) == 1
        clock.advance(1)
        await until(lambda: len(broker.connects) == 2)


@pytest.mark.parametrize("code", [0x89, 0x97, 0x9F])
async def test_a_quota_makes_pauses_ten_times_as_long_up_to_an_hour(code):
    clock, broker, lane = start()
    broker.down = lost(code)
    async with calling(lane, broker, FAR, clock=clock, random=Highest(), first_within_s=0):
        for pause in (10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3000, 3000):
            await waits(lane, pause)
            clock.advance(pause)


async def test_who_is_taken_over_goes_away_for_an_hour_and_says_so_as_an_alarm():
    clock, broker, lane = start()
    with capture_logs() as logs:
        async with calling(lane, broker, FAR, OTHER, clock=clock, random=Lowest(), first_within_s=0):
            await until(lambda: lane.sessions)
            broker.session.lose(lost(0x8E))
            await waits(lane, 3600)
            assert "another client took over this client id" in lane.report.status()["trouble"]
            clock.advance(3599)
            assert len(broker.connects) == 1
            clock.advance(1)
            await until(lambda: len(lane.sessions) == 2)
            assert lane.report.status()["trouble"] == ""
    alarms = [line for line in logs if line["event"] == "uplink_taken_over"]
    assert [(line["log_level"], line["uplink"]) for line in alarms] == [("error", "cooperative")]


@pytest.mark.parametrize("code", [0x8E, 0x87, 0x97, None])
async def test_a_person_who_has_put_it_right_does_not_wait(code):
    clock, broker, lane = start()
    broker.down = lost(code) if code else True
    async with calling(lane, broker, FAR, clock=clock, random=Highest(), first_within_s=0) as caller:
        await until(lambda: lane.report.status()["trouble"] and lane.report.status()["next_attempt_s"])
        broker.down = False
        caller.retry()
        await until(lambda: lane.sessions)


async def test_one_broker_that_refuses_does_not_slow_down_the_others():
    clock, broker, lane = start()
    refused = lost(0x87)

    async def connect(url, **options):
        broker.down = refused if url == FAR else SessionLost("nobody listens")
        return await broker.connect(url, **options)

    async with calling(lane, broker, FAR, OTHER, clock=clock, random=Highest(), first_within_s=0, connect=connect):
        for pause in (1, 2, 4, 8):
            await waits(lane, pause)
            clock.advance(pause)
        await waits(lane, 16)
    assert [url for url, _ in broker.connects] == [FAR, *[OTHER] * 5]


async def test_a_broker_that_says_use_another_is_followed_to_one_of_the_list_at_once():
    clock, broker, lane = start()
    urls = [FAR, "mqtt://far.example", OTHER]

    async def connect(url, **options):
        broker.down = lost(0x9C, "hub2.coop.example:1883") if url == FAR else False
        return await broker.connect(url, **options)

    async with calling(lane, broker, *urls, clock=clock, first_within_s=0, connect=connect):
        await until(lambda: lane.sessions)
        assert [url for url, _ in broker.connects] == [FAR, OTHER]
        assert f"it is followed to {OTHER}" in lane.report.status()["last_error"]


async def test_a_session_that_is_sent_elsewhere_follows_and_comes_back_only_when_it_was_for_a_time():
    for code, back in ((0x9C, FAR), (0x9D, OTHER)):
        clock, broker, lane = start()
        async with calling(lane, broker, FAR, OTHER, clock=clock, random=Lowest(), first_within_s=0):
            await until(lambda lane=lane: lane.sessions)
            broker.session.lose(lost(code, "hub2.coop.example"))
            await until(lambda lane=lane: len(lane.sessions) == 2)
            clock.advance(1000)
            broker.session.lose()
            await until(lambda lane=lane: len(lane.sessions) == 3)
        assert [url for url, _ in broker.connects] == [FAR, OTHER, back]


async def test_a_stranger_is_not_followed_but_named():
    clock, broker, lane = start()
    broker.down = lost(0x9D, "evil.example:1883\n\x1b[31m")
    async with calling(lane, broker, FAR, clock=clock, random=Lowest(), first_within_s=0):
        await waits(lane, 60)
        assert "it names 'evil.example:1883??[31m'; if that is right, add it to 'broker'" in lane.report.status()["trouble"]
    assert [url for url, _ in broker.connects] == [FAR]


async def test_two_brokers_that_point_at_each_other_are_asked_once_a_round():
    clock, broker, lane = start()

    async def connect(url, **options):
        broker.down = lost(0x9C, "hub2.coop.example" if url == FAR else "hub.coop.example")
        return await broker.connect(url, **options)

    async with calling(lane, broker, FAR, OTHER, clock=clock, random=Highest(), first_within_s=0, connect=connect):
        for pause in (1, 2, 4):
            await waits(lane, pause)
            clock.advance(pause)
        await waits(lane, 8)
    assert len(broker.connects) == 8


async def test_after_a_loss_the_call_is_spread_as_widely_as_at_the_start():
    clock, broker, lane = start()
    spec = Uplink(broker=[BrokerUrl(FAR)])
    async with calling(lane, broker, spec=spec, clock=clock, random=Highest()):
        await waits(lane, 30)
        clock.advance(30)
        await until(lambda: lane.sessions)
        clock.advance(200)
        broker.down = True
        broker.session.lose()
        for pause in (30, 60, 120, 240, 300, 300):
            await waits(lane, pause)
            clock.advance(pause)


async def test_a_lane_that_is_done_with_a_broker_gets_the_next_one_also_after_a_long_time():
    clock, broker, lane = start()

    async def use(session):
        lane.sessions.append(session)
        clock.advance(1000)

    lane.use = use
    async with calling(lane, broker, FAR, OTHER, clock=clock, random=Lowest(), first_within_s=0):
        await until(lambda: len(lane.sessions) >= 4)
    assert [url for url, _ in broker.connects][:4] == [FAR, OTHER, FAR, OTHER]


async def test_connections_that_break_soon_are_suspected_until_one_lasts():
    clock, broker, lane = start()
    with capture_logs() as logs:
        async with calling(lane, broker, FAR, clock=clock, random=Lowest(), first_within_s=0):
            for number in range(1, 8):
                await until(lambda number=number: len(lane.sessions) == number)
                assert bool(lane.report.status()["warnings"]) == (number > 4)
                broker.session.lose()
            await until(lambda: len(lane.sessions) == 8)
            clock.advance(119)
            assert lane.report.status()["warnings"]
            clock.advance(1)
            await until(lambda: not lane.report.status()["warnings"])
    assert [line["event"] for line in logs].count("uplink_unsteady") == 1
