"""The real gateway on a wall clock that is set by years while it runs: nothing missed, nothing reordered, no false time."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import RunningGateway, gateway
from tests.integration.test_end_to_end import SHARE_ALL, press, rows, site
from tests.peers.broker import mosquitto, subscriber
from tests.peers.modbus import tcp as modbus_tcp
from tests.peers.wall_clock import WallClock
from tests.waiting import until

YEARS_S = 2 * 365 * 86400.0


def time_of(row: dict[str, Any]) -> str:
    return str(row.get("time", "synced"))


def waiting(running: RunningGateway) -> int:
    return int(running.status()["recipients"]["cooperative"]["outbox"]["waiting"])


async def in_step(running: RunningGateway, wanted: bool) -> None:
    await until(lambda: running.status()["clock"]["in_step"] is wanted, 25, "the gateway has looked at the clock")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("step_s", [YEARS_S, -YEARS_S])
async def test_steps_of_two_years_miss_no_poll_and_every_time_that_leaves_is_true_or_said_to_be_uncertain(
    tmp_path: Path, step_s: float
) -> None:
    clock = WallClock(tmp_path)
    clock.set(-40 * 365 * 86400, synced=False)  # a board without a clock chip, just switched on
    began = time.time()
    async with mosquitto(keep=True) as broker, modbus_tcp() as server, subscriber(broker.url) as inbox:
        machines = press("press-1", server.port, points=2)
        with gateway(tmp_path, site(machines, broker.url, batch="300ms"), SHARE_ALL, clock.env) as running:
            await running.start()
            await until(lambda: len(rows(inbox)) > 20)
            assert {time_of(row) for row in rows(inbox)} == {"uncertain"}, "nobody knows the time yet"
            await broker.stop()  # what is recorded from here waits, and is sent when the time is known
            await until(lambda: waiting(running) > 20)
            clock.set(step_s, synced=False)  # somebody sets the clock, wrong by two years
            seen = waiting(running)
            await until(lambda: waiting(running) > seen + 20)
            clock.set(0, synced=True)
            await in_step(running, True)
            sent = len(rows(inbox))
            await broker.start()
            await until(lambda: len(rows(inbox)) > sent + 60)
            assert running.machine("press-1")["missed"] == 0
            assert running.stop() == 0
        ended = time.time()
        later = sorted(rows(inbox)[sent:], key=lambda row: row["seq"])
        assert {time_of(row) for row in later} == {"repaired", "synced"}
        moments = [datetime.fromisoformat(row["t"]).timestamp() for row in later]
        assert began - 1 <= min(moments) <= max(moments) <= ended + 1, "a time that is called known is true"
        for point in ("p0", "p1"):
            of_point = [row["t"] for row in later if row["point"] == point]
            assert of_point == sorted(of_point), "nothing is reordered"
