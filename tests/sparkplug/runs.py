"""Runs of the real gateway that together show every assertion: each returns what was recorded; all of them may run at once."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import paho.mqtt.publish as publish
from paho.mqtt.client import MQTTv5

from tests.peers.sparkplug import host
from tests.sparkplug.observer import now_ms
from tests.sparkplug.shop import GROUP, HOST, LATHE, NODE, PRESS, PRESS_VALUES, WAIT_S, Shop, shop, write
from tests.sparkplug.trace import Trace
from tests.sparkplug.view import HostState
from tests.waiting import until


async def day(folder: Path) -> Trace:
    """A day without a primary host: values, a machine that comes and goes, a rebirth, a stop, kill -9, less that is shared."""
    async with shop(folder) as place, host(place.servers[0].port, group=GROUP, node=NODE) as scada:
        await scada.do("online")
        await place.start()
        await until(lambda: {name: place.value(PRESS, name) for name in PRESS_VALUES} == PRESS_VALUES, WAIT_S, "all is there")
        assert abs(place.value(PRESS, "float32") - 41.9) < 1e-5
        assert abs(place.value(PRESS, "scaled") - 40.1) < 1e-6
        await _values(place)
        await place.lose()
        await place.set(PRESS, "counter", 100, 7)
        await place.find()
        await place.set(LATHE, "speed", 200, 1480)
        births = len(place.sent("NBIRTH"))
        await scada.do("rebirth")
        await until(lambda: len(place.sent("NBIRTH")) > births, WAIT_S, "the node is born again")
        await place.alive(PRESS, LATHE)
        await place.set(PRESS, "counter", 100, 8)
        await until(lambda: scada.count("DDATA") == len(place.sent("DDATA")), WAIT_S, "the host has got everything")
        await place.stop()
        await until(lambda: scada.count("NDEATH") == 2, WAIT_S, "the host hears of the end, from the node and from the broker")

        await place.start()
        await place.set(PRESS, "counter", 100, 9)
        deaths = scada.count("NDEATH")
        await asyncio.to_thread(place.gateway.kill)
        await place.ended()
        await until(lambda: scada.count("NDEATH") > deaths, WAIT_S, "the host hears of the end")

        await place.start()
        (folder / "share.yaml").write_text("shares:\n  - {to: cooperative, machines: [press-1], points: [counter]}\n")
        assert not (await asyncio.to_thread(place.gateway.apply)).get("problems")
        await place.alive(PRESS)
        await until(lambda: place.held(PRESS) == {"counter"}, WAIT_S, "only what is shared is left")
        await place.set(PRESS, "counter", 100, 10)
        await place.stop()
        await scada.do("offline")
        assert [payload for _, payload in scada.messages if "error" in payload] == []
        return place.trace


async def old(folder: Path) -> Trace:
    """A broker that speaks MQTT 3.1.1 only."""
    async with shop(folder, old=True) as place:
        await place.start()
        assert place.view.edge[-1].connect.version == "3.1.1"
        await _values(place)
        await place.stop()
        return place.trace


async def frozen(folder: Path) -> Trace:
    """The process freezes: the broker finds out, and says so; thawed, the node is born anew."""
    async with shop(folder, keys=", keepalive: 5s") as place, host(place.servers[0].port, group=GROUP, node=NODE) as scada:
        await scada.do("online")
        await place.start()
        sessions = len(place.view.edge)
        place.signal(signal.SIGSTOP)
        await until(lambda: scada.count("NDEATH"), WAIT_S, "the broker finds out")
        place.signal(signal.SIGCONT)
        await until(lambda: len(place.view.edge) > sessions, WAIT_S, "the node connects again")
        await place.alive(PRESS, LATHE)
        await place.set(PRESS, "counter", 100, 3)
        await place.stop()
        await scada.do("offline")
        return place.trace


async def untyped(folder: Path) -> Trace:
    """Data without data types, and the broker away for a while: what was missed is sent as history."""
    async with shop(folder, datatype_in_data="never", history="true") as place:
        await place.start()
        await _values(place)
        server = place.servers[0]
        server.away()
        await place.ended()
        for value in (31, 32, 33):
            await _without_session(place, value)
        await server.back()
        await place.alive(PRESS, LATHE)
        await until(lambda: _historical(place) >= 1, WAIT_S, "what was missed is sent")
        await place.set(PRESS, "counter", 100, 34)
        await place.stop()
        return place.trace


async def walk(folder: Path) -> Trace:
    """A primary host and three brokers: waited for, gone, found elsewhere; other hosts, old news and garbage do not count."""
    async with shop(folder, brokers=3, primary_host=HOST) as place:
        ports = [server.port for server in place.servers]
        one, two = (host(ports[n], group=GROUP, node=NODE, host=HOST) for n in (0, 2))
        async with one as here, two as there:
            await place.gateway.start()
            await until(lambda: place.view.edge, WAIT_S, "the node connects")
            await say(place, 0, "other", online=True, timestamp=1)
            await shout(place, 0, f"spBv1.0/STATE/{HOST}", b"ONLINE", retain=True)
            await shout(place, 2, f"spBv1.0/STATE/{HOST}", b'{"online": "yes"}', retain=True)
            await here.do("online")
            await place.alive(PRESS, LATHE)
            for topic in (f"NCMD/{NODE}", f"DCMD/{NODE}/{PRESS}"):
                await shout(place, 0, f"spBv1.0/{GROUP}/{topic}", b"\x0a\xff\xff garbage")
            await place.set(PRESS, "counter", 100, 11)
            await say(place, 0, HOST, online=False, timestamp=1)
            await until(lambda: _was_told(place, timestamp=1), WAIT_S, "the node is told the old news")
            await place.set(PRESS, "counter", 100, 12)
            await here.do("offline")
            await place.ended()
            await there.do("online")
            await until(lambda: place.session and place.session.connect.server == "c", WAIT_S, "the node finds the host")
            await place.alive(PRESS, LATHE)
            await place.set(PRESS, "counter", 100, 13)
            await there.end()  # its will has the time of its birth
            await until(lambda: place.session and place.session.connect.server == "a", WAIT_S, "the node comes back")
            await say(place, 0, HOST, online=True, timestamp=2)
            await until(lambda: _was_told(place, timestamp=2), WAIT_S, "the node is told older news")
            await here.do("online")
            await place.alive(PRESS, LATHE)
            await place.stop()
            await here.do("offline")
        return place.trace


async def storm(folder: Path) -> Trace:
    """Fifty requests for a rebirth at once, and fifty more: the first is answered at once, the rest by one half a minute later."""
    async with shop(folder) as place, host(place.servers[0].port, group=GROUP, node=NODE) as scada:
        await scada.do("online")
        await place.start()
        before = len(place.sent("NBIRTH"))
        await scada.do("rebirth 50")
        await until(lambda: len(place.sent("NBIRTH")) > before, WAIT_S, "the node is born again")
        await place.alive(PRESS, LATHE)
        await place.set(PRESS, "counter", 100, 21)
        await until(lambda: now_ms() > place.sent("NBIRTH")[-1].at_ms + 1500, WAIT_S, "nobody can have asked before that birth")
        await scada.do("rebirth 50")
        await until(lambda: len(place.sent("NBIRTH")) > before + 1, 45, "and once more")
        await place.alive(PRESS, LATHE)
        await place.set(PRESS, "counter", 100, 22)
        assert len(place.sent("NBIRTH")) == before + 2
        first, second = (message.at_ms for message in place.sent("NBIRTH")[-2:])
        assert second - first >= 29_000
        await place.stop()
        await scada.do("offline")
        return place.trace


RUNS = {run.__name__: run for run in (day, old, frozen, untyped, walk, storm)}
LONGEST_S = 150.0


async def every(folder: Path) -> dict[str, Trace | BaseException]:
    """Do all of them at once, each in a folder of its own; return what each recorded, or why it did not come to its end."""
    folders = [folder / name for name in RUNS]
    for each in folders:
        each.mkdir()
    doing = (asyncio.wait_for(run(each), LONGEST_S) for run, each in zip(RUNS.values(), folders, strict=True))
    return dict(zip(RUNS, await asyncio.gather(*doing, return_exceptions=True), strict=True))


async def _values(place: Shop) -> None:
    for value in (1, 2, 3):
        await place.set(PRESS, "counter", 100, value)
        await place.set(LATHE, "load", 201, value)


async def _without_session(place: Shop, value: int) -> None:
    """Let the press hold a value while nobody listens, until the gateway has read it."""
    await write(place.press.port, 100, [value])
    polls = place.gateway.machine(PRESS)["scans"]
    await until(lambda: place.gateway.machine(PRESS)["scans"] > polls + 2, WAIT_S, "the gateway has read it")


def _historical(place: Shop) -> int:
    return sum(bool(metric.is_historical) for message in place.sent("DDATA") for metric in message.payload.metrics)


def _was_told(place: Shop, timestamp: int) -> bool:
    states = [HostState.of(event.topic, event.payload) for session in place.view.edge for _, event in session.delivered()]
    return any(state is not None and state.timestamp == timestamp and state.host == HOST for state in states)


async def shout(place: Shop, broker: int, topic: str, payload: bytes, *, retain: bool = False) -> None:
    """Let a stranger publish something at a broker, past the recording."""
    port = place.brokers[broker].port

    def once() -> None:
        publish.single(topic, payload, qos=1, retain=retain, hostname="127.0.0.1", port=port, protocol=MQTTv5)

    await asyncio.to_thread(once)


async def say(place: Shop, broker: int, name: str, *, online: bool, timestamp: int) -> None:
    """Let a stranger leave a STATE at a broker."""
    payload = json.dumps({"online": online, "timestamp": timestamp}).encode()
    await shout(place, broker, f"spBv1.0/STATE/{name}", payload, retain=True)
