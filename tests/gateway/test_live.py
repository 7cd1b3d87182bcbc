"""The live lanes under supervise: what may be told of a machine, and lanes that come, are replaced and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.clock import Clock
from gateway.config import load_config
from gateway.config.spec import Config
from gateway.history import History
from gateway.state import State
from gateway.supervise import Pulse, Recipients
from gateway.supervise.points import points_of
from tests.gateway.uplink.fakes import reading
from tests.integration.live import values
from tests.peers.broker import mosquitto, subscriber
from tests.sparkplug.payload import decode
from tests.waiting import until

SITE = """
site: muster
gateway: hall-1
machines:
  - name: press-1
    connect: modbus-tcp://127.0.0.1:1?unit=1
    points:
      oil_temp: {{at: holding 1, type: int16, scale: 0.1, unit: °C, limits: {{high: 75}}}}
      total: {{at: holding 2, type: uint64}}
      mode: {{at: holding 6, states: {{0: "off"}}}}
    temperature: {{}}
  - name: spindle
    connect: replay:spindle.f32?rate=25.6kHz&unit=m/s²
    vibration: {{features: [rms, crest]}}
{uplink}
"""
SHARE = "shares:\n  - {{to: cooperative, machines: ['*'], points: {points}}}\n"


def config(folder: Path, uplink: str = "", points: str = "['*']") -> Config:
    (folder / "spindle.f32").touch()
    (folder / "site.yaml").write_text(SITE.format(uplink=uplink))
    (folder / "share.yaml").write_text(SHARE.format(points=points))
    return load_config(str(folder / "site.yaml"))


def test_what_may_be_told_of_a_machine_is_known_beforehand(tmp_path):
    machines = config(tmp_path, "uplink: {broker: ['mqtt://127.0.0.1']}").machines
    assert {point.name: (point.unit, point.form) for point in points_of(machines["press-1"])} == {
        "oil_temp": ("°C", "number"),
        "oil_temp/limit": ("", "text"),
        "oil_temp.slope": ("K/min", "number"),
        "total": ("", "unsigned"),
        "mode": ("", "text"),
    }
    limit = next(point for point in points_of(machines["press-1"]) if point.name == "oil_temp/limit")
    assert (limit.of, limit.initial) == ("oil_temp", "normal")
    assert {point.name: point.unit for point in points_of(machines["spindle"])} == {"vibration.rms": "", "vibration.crest": "1"}


@pytest.fixture
async def recipients(tmp_path) -> AsyncIterator[Recipients]:
    clock = Clock()
    history = History(tmp_path / "history.db", clock=clock)
    rooms = (lambda name, base: name, lambda stamp: stamp, State(tmp_path / "state"), history)
    running = Recipients(tmp_path, clock, Pulse(clock), *rooms)
    running.history = history  # type: ignore[attr-defined]
    yield running
    await running.stop()
    await history.close()


async def test_a_lane_comes_with_what_is_known_already_follows_the_contract_and_goes(tmp_path, recipients):
    async with mosquitto() as broker, subscriber(broker.url, "spBv1.0/#") as inbox:
        plain = f"uplink: {{broker: ['{broker.url}']}}"
        live = f"uplink: {{broker: ['{broker.url}'], sparkplug: {{}}}}"

        def kinds() -> list[str]:
            return [topic.split("/")[2] for topic, _ in inbox.messages]

        await recipients.apply(config(tmp_path, plain))
        recipients.turned("press-1", "good")
        recipients.history.add([reading(1, value=41.5)])
        assert recipients.status()["cooperative"]["live"] == {}
        assert await recipients.apply(config(tmp_path, live)) == [
            "uplink cooperative: connected anew",
            "live lane cooperative: started",
        ]
        await until(lambda: kinds() == ["NBIRTH", "DBIRTH"])
        birth = values(decode(inbox.payloads[-1]))
        assert birth["oil_temp"] == 41.5
        assert birth["total"] is None
        assert recipients.status()["cooperative"]["live"]["devices"] == 1
        assert await recipients.apply(config(tmp_path, live, "[total]")) == ["cooperative may now have: total of *"]
        await until(lambda: kinds() == ["NBIRTH", "DBIRTH"] * 2)
        assert values(decode(inbox.payloads[-1])).keys() == {"total"}
        recipients.turned("press-1", "gone")
        await until(lambda: kinds()[4:] == ["DDEATH", "NDATA"])  # a machine less that answers
        assert "live lane cooperative: stopped" in await recipients.apply(config(tmp_path, plain, "[total]"))
        await until(lambda: "NDEATH" in kinds())
        assert recipients.status()["cooperative"]["live"] == {}


async def test_what_is_withdrawn_is_told_no_more_although_a_broker_hangs(tmp_path, recipients):
    async with mosquitto() as broker, subscriber(broker.url, "spBv1.0/#") as inbox:
        live = f"uplink: {{broker: ['{broker.url}'], sparkplug: {{}}}}"
        await recipients.apply(config(tmp_path, live))
        recipients.turned("press-1", "good")
        await until(lambda: len(inbox.messages) == 2)
        applying = asyncio.create_task(recipients.apply(config(tmp_path, live, "[mode]")))
        await asyncio.sleep(0)
        recipients.offer([reading(2, value=99.5)])
        await applying
        await until(lambda: len(inbox.messages) >= 4)
        assert b"oil_temp" not in b"".join(inbox.payloads[2:])


async def test_a_recipient_of_plain_messages_has_a_lane_and_no_outbox(tmp_path, recipients):
    async with mosquitto() as broker, subscriber(broker.url, "shop/#") as inbox:
        plain = f"uplink: {{broker: ['{broker.url}'], plain: {{topic: shop, every: 50ms}}}}"
        recipients.history.add([reading(1, value=41.5)])
        assert await recipients.apply(config(tmp_path, plain)) == ["live lane cooperative: started"]
        await until(lambda: "shop/press-1/oil_temp" in dict(inbox.messages))
        assert recipients.status() == {}
        assert recipients.plain()["cooperative"]["contract"] == "* of *"
        await until(lambda: recipients.plain()["cooperative"]["connected"])
        await recipients.apply(config(tmp_path, plain, "[total]"))
        await until(lambda: dict(inbox.messages)["shop/press-1/oil_temp"] == b"")
        assert not (tmp_path / "outbox").exists()
        batches = f"uplink: {{broker: ['{broker.url}']}}"
        assert await recipients.apply(config(tmp_path, batches)) == [
            "uplink cooperative: started",
            "live lane cooperative: stopped",
        ]
        assert recipients.plain() == {}
        await until(lambda: dict(inbox.messages)["shop/$gateway/hall-1"] == b"offline")
