"""Many gateways at one real broker that is killed and comes back: how often each calls, and how many call at once."""

from __future__ import annotations

import asyncio
import math
import resource
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

from gateway.clock import Clock
from gateway.config.spec import Uplink
from gateway.uplink.caller import Caller, Connected
from gateway.uplink.report import Report
from gateway.uplink.session import Dialer, MqttSession
from gateway.uplink.waits import Waits
from tests.peers.broker import Mosquitto
from tests.waiting import until

BINS = 10
"""Calls are counted in so many parts of the time within which they are made: in more, chance alone makes a peak."""


class Result(NamedTuple):
    """What a fleet did after its broker came back; `calls` and `peak` are per gateway and times the mean."""

    gateways: int
    within_s: float
    down_s: float
    connected: int
    calls: float
    peak: float
    all_back_s: float


class Log:
    """When a call was made and when one succeeded, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.calls: list[float] = []
        self.good: list[float] = []


class Gateway:
    """A caller as the gateway has it, and a lane that does nothing."""

    def __init__(self, number: int, spec: Uplink, within_s: float, log: Log) -> None:
        clock = Clock()
        self.waits = Waits(clock, lambda: None)
        self.report = Report(f"uplink {number}", clock)
        self._dialer, self._log = Dialer(), log
        self.caller = Caller(
            site="muster",
            spec=spec,
            client_id=f"muster:hall-{number}",
            clock=clock,
            read_secret=str,
            base=Path(),
            waits=self.waits,
            report=self.report,
            connect=self._connect,
            first_within_s=within_s,
        )

    async def _connect(self, url: Any, **options: Any) -> MqttSession:
        self._log.calls.append(time.monotonic())
        session = await self._dialer.connect(url, **options)
        self._log.good.append(time.monotonic())
        return session

    @property
    def connected(self) -> bool:
        return bool(self.report.status()["connected"])

    async def use(self, session: Connected) -> None:
        while not self.waits.stopping.is_set():
            await self.waits.rest(3600, ended=session.ended)


async def fleet(gateways: int, within_s: float, down_s: float, spread: bool = True) -> Result:
    """Connect a fleet, kill its broker, start it again after `down_s`, and wait until all are back.

    Args:
        gateways: how many.
        within_s: the time within which each calls first.
        down_s: how long the broker is away at least.
        spread: False for a control that calls at once and then backs off from 1 s, as many clients do.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    broker, log = Mosquitto(), Log()
    await broker.start()
    fleet = [Gateway(number, Uplink(broker=[broker.url]), within_s if spread else 0.0, log) for number in range(gateways)]
    tasks = [asyncio.create_task(one.caller.run(one.use)) for one in fleet]
    patience_s = 10 * within_s + 120
    try:
        await until(lambda: sum(one.connected for one in fleet) == gateways, patience_s, "all are connected")
        for one in fleet:
            one.caller._losses.reset()  # as after two minutes that were stable
        killed = time.monotonic()
        await broker.stop(signal.SIGKILL)
        await until(lambda: not any(one.connected for one in fleet), 60, "all have noticed")
        await asyncio.sleep(max(0.0, killed + down_s - time.monotonic()))
        await broker.start()
        down_s = time.monotonic() - killed
        await until(lambda: sum(one.connected for one in fleet) == gateways, patience_s, "all are back")
        log.calls, log.good = ([at for at in times if at > killed] for times in (log.calls, log.good))
        back = sum(one.connected for one in fleet)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await broker.close()
    bin_s = within_s / BINS
    bins: dict[int, int] = {}
    for call in log.calls:
        at = math.floor((call - killed) / bin_s)
        bins[at] = bins.get(at, 0) + 1
    peak = max(bins.values()) / (gateways / BINS)
    return Result(gateways, within_s, down_s, back, len(log.calls) / gateways, peak, max(log.good) - killed)
