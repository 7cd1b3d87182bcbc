"""The live lane of the real gateway: whatever happens to its process, its machines and its contract, hosts know where they are."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from gateway.config.spec import BrokerUrl
from tests.integration.live import CLIENT, Shop, check, order, state, values
from tests.integration.running import RunningGateway, gateway
from tests.peers import shop as simulated
from tests.peers.broker import Inbox, mosquitto, subscriber
from tests.sparkplug.observer import Observer, Server
from tests.sparkplug.trace import Connect
from tests.waiting import until

SITE = """site: muster
gateway: hall-1
machines:
  - name: press-1
    connect: modbus-tcp://127.0.0.1:{port}?unit=1&timeout=500ms
    every: 200ms
    points:
      oil_temp: {{at: holding 40017, type: int16, scale: 0.1, unit: °C}}
      pressure: {{at: holding 40019, type: float32, unit: bar}}
      strokes: {{at: holding 40021, type: uint32}}
      mode: {{at: holding 22, type: uint16, states: {{0: "off", 1: setup, 2: auto}}}}
uplink: {{broker: ['mqtt://127.0.0.1:{broker}'], batch: 1s, keepalive: {keepalive}, sparkplug: {{{keys}}}}}
"""
SHARE = "shares:\n  - {{to: cooperative, machines: [press-1], points: [{points}]}}\n"
POINTS = "oil_temp, strokes, mode"


@pytest.fixture
async def seen() -> Shop:
    return Shop(Observer())


@asynccontextmanager
async def broker(seen: Shop) -> AsyncIterator[Server]:
    async with mosquitto() as real, seen.observer.before("a", real.port) as server:
        yield server


@contextmanager
def running(tmp_path: Path, port: int, server: Server, keys: str = "", keepalive: str = "1min") -> Iterator[RunningGateway]:
    site = SITE.format(port=port, broker=server.port, keys=keys, keepalive=keepalive)
    with gateway(tmp_path, site, SHARE.format(points=POINTS)) as started:
        yield started


async def born(seen: Shop, times: int) -> None:
    await order(seen, lambda kinds: kinds.count("DBIRTH press-1") == times and kinds[-1] == "DDATA press-1")


def subscriber_of_deaths(server: Server) -> AbstractAsyncContextManager[Inbox]:
    return subscriber(BrokerUrl(f"mqtt://127.0.0.1:{server._target}"), "spBv1.0/muster/NDEATH/hall-1")


def bdseqs(seen: Shop) -> list[int]:
    return [values(birth)["bdSeq"] for _, birth in seen.sent("NBIRTH")]


def check_live(seen: Shop, **setting: object) -> None:
    """Check what the lane sent; what the batch lane does on the same broker is not its matter."""
    check(seen, **setting)
    assert {event.client for event in seen.observer.events if type(event) is Connect} == {CLIENT, CLIENT.removesuffix(":live")}


@pytest.mark.timeout(120)
async def test_killed_stopped_and_started_again_it_goes_on_where_it_was(seen, tmp_path):
    async with broker(seen) as server, simulated.machine("press") as (port, _), subscriber_of_deaths(server) as deaths:
        with running(tmp_path, port, server) as started:
            await started.start()
            await born(seen, 1)
            assert values(seen.sent("DBIRTH")[0][1]).keys() == {"oil_temp", "strokes", "mode"}
            started.kill()
            await until(lambda: len(deaths.payloads) == 1, 20, "the broker publishes the will")
            await started.start()
            await born(seen, 2)
            assert started.stop() == 0
            await until(lambda: len(set(deaths.payloads)) == 2, 20, "the second death")
        births = [{metric.name: metric.alias for metric in birth.metrics} for _, birth in seen.sent("DBIRTH")]
        assert births[0] == births[1]
        assert bdseqs(seen) == [0, 1]
    check_live(seen)


@pytest.mark.timeout(120)
async def test_a_frozen_process_is_dead_to_its_hosts_within_the_keepalive_and_comes_back(seen, tmp_path):
    async with broker(seen) as server, simulated.machine("press") as (port, _), subscriber_of_deaths(server) as deaths:
        with running(tmp_path, port, server, keepalive="2s") as started:
            await started.start()
            await born(seen, 1)
            os.kill(started.pid, signal.SIGSTOP)
            await until(lambda: len(deaths.payloads) == 1, 20, "the broker misses a sign of life")
            os.kill(started.pid, signal.SIGCONT)
            await until(lambda: bdseqs(seen) == [0, 1], 30, "it is born again")
            await order(seen, lambda kinds: kinds[-1] == "DDATA press-1")


@pytest.mark.timeout(120)
async def test_a_machine_that_is_switched_off_dies_and_what_is_withdrawn_vanishes(seen, tmp_path):
    async with broker(seen) as server, simulated.machine("press") as (port, press):
        with running(tmp_path, port, server) as started:
            await started.start()
            await born(seen, 1)
            (tmp_path / "share.yaml").write_text(SHARE.format(points="strokes"))
            started.apply()
            await born(seen, 2)
            before = len(seen.order())
            assert values(seen.sent("DBIRTH")[-1][1]).keys() == {"strokes"}
            assert started.status()["recipients"]["cooperative"]["live"]["metrics"] == 1
            press.send_signal(signal.SIGSTOP)
            seen.observer.lost("press-1")
            await order(seen, lambda kinds: "DDEATH press-1" in kinds[before:])
            press.send_signal(signal.SIGCONT)
            await born(seen, 3)
    check_live(seen)


@pytest.mark.timeout(120)
async def test_when_its_host_goes_away_the_lane_goes_and_the_batches_stay(seen, tmp_path):
    async with broker(seen) as server, simulated.machine("press") as (port, _):
        with running(tmp_path, port, server, keys="primary_host: scada") as started:
            await started.start()
            await until(lambda: started.status()["recipients"]["cooperative"]["live"]["waits_for"] == "scada", 20)
            assert seen.order() == []
            await state(server, online=True)
            await born(seen, 1)
            await state(server, online=False)
            await order(seen, lambda kinds: kinds[-1] == "NDEATH")

            def recipient():
                return started.status()["recipients"]["cooperative"]

            await until(lambda: recipient()["live"]["connected"] and recipient()["live"]["waits_for"] == "scada", 20)
            sent = recipient()["uplink"]["published_records"]
            await until(lambda: recipient()["uplink"]["published_records"] > sent, 20, "batches go on")
            assert seen.order()[-1] == "NDEATH"
            await state(server, online=True)
            await born(seen, 2)
    check_live(seen, primary_host="scada", servers=("a",))
