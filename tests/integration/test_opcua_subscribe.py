"""Subscribing a real OPC UA server: what comes, in which order, and what is noticed."""

import asyncio
import contextlib
import time

import pytest
from asyncua import ua

from drivers.opcua import driver as opcua_driver
from drivers.opcua import subscription as opcua_subscription
from gateway.driver import LinkError
from gateway.model import Quality, Reason
from tests.integration.opcua_client import connected, make_table, told, values
from tests.peers.opcua import FOREIGN, KINDS, opcua_peer

pytestmark = pytest.mark.timeout(120)
POINTS = {"temp": "Objects/Press/Temp", "mode": "Objects/Press/Mode", "text": "Objects/Press/String", "big": "Objects/Press/Int64"}


@pytest.fixture(scope="module", params=KINDS)
def peer(request, tmp_path_factory):
    with opcua_peer(request.param, tmp_path_factory.mktemp("peer")) as running:
        yield running


async def following(scans, condition, seconds=10):
    """Take scans until one fits; return all that were taken."""
    taken = []
    async with asyncio.timeout(seconds):
        async for scan in scans:
            taken.append(scan)
            if condition(scan):
                return taken
    raise AssertionError("the subscription ended")


async def test_the_first_scan_is_complete_the_next_hold_what_changed(peer):
    peer.command(set={"Temp": 21.5, "Mode": 2, "String": "a"})
    async with connected(peer.address) as driver:
        table = make_table(POINTS)
        assert driver.subscribes(table)
        async with contextlib.aclosing(driver.subscribe(table)) as scans:
            first = await anext(scans)
            assert first.rows is None
            assert values(first) == {"temp": 21.5, "mode": 2.0, "text": "a", "big": 2**63 - 1}
            peer.command(set={"Temp": 22.5})
            taken = await following(scans, lambda scan: values(scan).get("temp") == 22.5)
            assert all(scan.rows is not None for scan in taken)
            assert [values(scan) for scan in taken][-1] == {"temp": 22.5}
            assert abs(taken[-1].stamps[0] - time.time_ns()) < 60e9
            peer.command(set={"String": "b", "Mode": 0}, status={"Temp": "BadSensorFailure"})
            seen = {}
            while len(seen) < 3:
                seen |= told(await anext(scans))
            assert seen["text"] == ("b", Quality.GOOD, Reason.NONE)
            assert seen["mode"] == (0.0, Quality.GOOD, Reason.NONE)
            assert seen["temp"][1:] == (Quality.BAD, Reason.NO_SENSOR)


async def test_what_was_read_is_not_told_twice(peer):
    peer.command(set={"Mode": 2})
    async with connected(peer.address) as driver, contextlib.aclosing(driver.subscribe(make_table(POINTS))) as scans:
        await anext(scans)
        peer.command(set={"Mode": 1})
        taken = await following(scans, lambda scan: "mode" in values(scan))
        assert [values(scan) for scan in taken] == [{"mode": 1.0}]


async def test_a_point_the_server_refuses_to_monitor_is_bad_with_its_reason_and_the_others_go_on(peer, monkeypatch):
    peer.command(set={"Temp": 21.5, "Mode": 2})
    async with connected(peer.address) as driver:
        services = driver._session.services
        create = services.create_monitored_items

        async def full(parameters):
            """Answer as a server that has no room for the second item."""
            answers = await create(parameters)
            answers[1].StatusCode = ua.StatusCode(ua.StatusCodes.BadTooManyMonitoredItems)
            return answers

        monkeypatch.setattr(services, "create_monitored_items", full)
        table = make_table({"temp": "Objects/Press/Temp", "mode": "Objects/Press/Mode"})
        async with contextlib.aclosing(driver.subscribe(table)) as scans:
            first = told(await anext(scans))
            assert first["temp"] == (21.5, Quality.GOOD, Reason.NONE)
            assert first["mode"][1:] == (Quality.BAD, Reason.DEVICE_BUSY)
            (said,) = [warning for warning in driver.warnings if "mode" in warning]
            assert said == "press.mode: the server refuses to send this (BadTooManyMonitoredItems); mode: read may help"
            peer.command(set={"Temp": 23.0})
            await following(scans, lambda scan: values(scan).get("temp") == 23.0)


async def test_a_queue_keeps_the_order_and_every_value(peer):
    async with connected(peer.address) as driver:
        table = make_table({"temp": "Objects/Press/Temp"}, publish=0.5, sample=0.01, queue=100)
        async with contextlib.aclosing(driver.subscribe(table)) as scans:
            await anext(scans)
            for value in range(100, 110):
                peer.command(set={"Temp": float(value)})
                await asyncio.sleep(0.03)  # the server samples: what it does not look at does not exist
            taken = await following(scans, lambda scan: values(scan).get("temp") == 109.0)
            found = [value for scan in taken for value in values(scan).values()]
            assert found == sorted(found)
            assert len(found) >= 5
            assert all(len(scan) == 1 for scan in taken)


async def test_mode_read_is_not_subscribed(peer):
    async with connected(peer.address) as driver:
        assert not driver.subscribes(make_table(POINTS, mode="read"))
        assert not driver.subscribes(make_table({}))
        assert len(await driver.read(make_table({}))) == 0


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_point_that_appears_later_is_found(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(opcua_driver, "_RETRY_S", 0.5)
    with opcua_peer(kind, tmp_path) as peer:
        table = make_table(
            {"temp": "Objects/Press/Temp", "late": "Objects/Press/Late", "id": "nsu=urn:peer:press;s=Press.Late"}, 0.05
        )
        async with connected(peer.address, keepalive=1.0) as driver:
            async with contextlib.aclosing(driver.subscribe(table)) as scans:
                assert values(await anext(scans)) == {"temp": 21.5}
                assert len([warning for warning in driver.warnings if "late" in warning.lower()]) == 1
                peer.command(add="Late")
                taken = await following(scans, lambda scan: "late" in values(scan), 20)
                assert values(taken[-1]) == {"late": 1.0, "id": 1.0}
                assert len(driver.warnings) == 1
                peer.command(set={"Late": 2.0})
                seen = {}
                while seen.get("late") != 2.0 or seen.get("id") != 2.0:
                    seen |= values(await anext(scans))
            assert values(await driver.read(table)) == {"temp": 21.5, "late": 2.0, "id": 2.0}


async def test_two_tables_on_one_session_do_not_mix(peer):
    one, two = make_table({"temp": "Objects/Press/Temp"}), make_table({"mode": "Objects/Press/Mode"}, 0.2)
    peer.command(set={"Temp": 1.0, "Mode": 2})
    async with connected(peer.address) as driver, contextlib.aclosing(driver.subscribe(two)) as second:
        async with contextlib.aclosing(driver.subscribe(one)) as first:
            await anext(first)
            await anext(second)
            peer.command(set={"Temp": 30.0, "Mode": 7})
            assert values((await following(first, values))[-1]) == {"temp": 30.0}
            assert values((await following(second, values))[-1]) == {"mode": 7.0}
        peer.command(set={"Mode": 8})
        assert values((await following(second, values))[-1]) == {"mode": 8.0}


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_consumer_that_stands_still_holds_up_the_server_and_its_loss_is_counted(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(opcua_subscription, "_WAITING", 4)
    with opcua_peer(kind, tmp_path, load=200) as peer:
        table = make_table({f"v{i}": f"nsu=urn:peer:press;i={200000 + i}" for i in range(200)}, 0.05, queue=2)
        async with connected(peer.address) as driver, contextlib.aclosing(driver.subscribe(table)) as scans:
            first = await anext(scans)
            await asyncio.sleep(6)  # the point: nobody takes anything for 60 changes of every value, 15 and more on a busy computer
            taken = await following(scans, lambda scan: scan.values[0] > first.values[0] + 15)
            assert len(taken) <= 8
            assert all(len(set(scan.rows)) == len(scan) for scan in taken)
            assert any("values were lost in full queues of the server" in warning for warning in driver.warnings)


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_a_server_that_is_gone_is_noticed_and_a_new_driver_works(kind, tmp_path, how):
    before = asyncio.all_tasks()
    with opcua_peer(kind, tmp_path) as peer:
        table = make_table(POINTS)
        async with connected(peer.address, timeout=2.0) as driver:
            scans = driver.subscribe(table)
            await anext(scans)
            began = time.monotonic()
            if how == "killed":
                peer.kill()
            else:
                peer.freeze()
            with pytest.raises(LinkError):
                await following(scans, lambda _: False, 15)
            took_s = time.monotonic() - began
            with pytest.raises(LinkError):
                await driver.read(table)
            began = time.monotonic()
            await driver.close()
            assert time.monotonic() - began < 2.5
        assert took_s < 15
        peer.kill()
        with pytest.raises(LinkError, match="nobody listens"):
            async with connected(peer.address):
                pass
        await asyncio.to_thread(peer.start)
        async with connected(peer.address) as driver, contextlib.aclosing(driver.subscribe(table)) as scans:
            assert values(await anext(scans))["temp"] == 21.5
            peer.command(set={"Temp": 1.0})
            await following(scans, lambda scan: values(scan).get("temp") == 1.0)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_hung_server_is_noticed_when_it_is_read(kind, tmp_path):
    with opcua_peer(kind, tmp_path) as peer:
        async with connected(peer.address, timeout=1.0, keepalive=60.0) as driver:
            table = make_table(POINTS, mode="read")
            await driver.read(table)
            peer.freeze()
            with pytest.raises(LinkError, match=r"no answer from .* within 1 s") as caught:
                await driver.read(table)
            assert caught.value.reason is Reason.TIMEOUT
