"""The lane of a plain broker: keeps the connection and what stands on the notice board there. The rules are in `board`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from gateway.clock import Clock
from gateway.config.spec import Uplink
from gateway.model import Record, Stamp
from gateway.ports import Keeps
from gateway.uplink import reasons
from gateway.uplink.backoff import Backoff
from gateway.uplink.caller import Caller, Connected, client_id
from gateway.uplink.errors import PublishRefused
from gateway.uplink.report import Report
from gateway.uplink.session import Will
from gateway.uplink.sparkplug.device import Point
from gateway.uplink.waits import Waits

from .board import Board, Notice
from .message import OFFLINE, ONLINE, Topics

COLLECT_S = 0.1
"""What is reported within this time after the first goes out together."""

LONG_S = 3600.0


class PlainLane:
    """One recipient that reads plain messages: retained JSON per point at QoS 1, and whether the gateway is there.

    It promises the latest value and nothing of what was before: nothing waits on a disk, nothing is sent twice or late.
    """

    def __init__(
        self,
        *,
        site: str,
        gateway: str,
        name: str,
        spec: Uplink,
        clock: Clock,
        state: Keeps,
        read_secret: Callable[[str], str],
        base: Path,
        beat: Callable[[], None],
        repair: Callable[[Stamp], Stamp] = lambda stamp: stamp,
        random: Random | None = None,
        **calling: Any,
    ) -> None:
        """Make a lane; nothing happens before `run`. `spec.plain` must be there.

        Args:
            site: the member.
            gateway: this gateway.
            name: the recipient.
            spec: brokers, credentials, certificates, and the topics.
            clock: the clock that schedules and stamps.
            state: keeps which topics hold something at the broker, so that what is withdrawn can be wiped off.
            read_secret: returns the text of a secret by name.
            base: folder that paths of certificates start from.
            beat: called at least every few seconds as long as this lane makes progress or waits for the network.
            repair: gives a stamp from before the clock was known its time.
            random: source of jitter.
            calling: further options of the `Caller`.
        """
        assert spec.plain is not None
        self._spec = spec.plain
        self._state = state
        self._file = f"plain.{name}"
        self._topics = Topics(spec.plain.topic, gateway)
        self._kept = state.get(self._file, list[str], [])
        self._board = Board(self._topics, site, gateway, discovery=spec.plain.discovery, standing=self._kept, repair=repair)
        self._report = Report(name, clock)
        self._waits = Waits(clock, beat)
        self._news = asyncio.Event()
        random = random or Random()  # noqa: S311  (jitter, not a secret)
        self._refusals = Backoff(random)
        self._caller = Caller(
            site=site,
            spec=spec,
            client_id=client_id(site, gateway, name),
            clock=clock,
            read_secret=read_secret,
            base=base,
            waits=self._waits,
            report=self._report,
            will=lambda: Will(self._topics.availability, OFFLINE, 1, retain=True),
            random=random,
            **calling,
        )

    async def run(self) -> None:
        """Keep the board up to date until cancelled; then it says that the gateway is away, if connected."""
        await self._caller.run(self._use)

    def define(self, machines: Mapping[str, Iterable[Point]], releases: Callable[[str, str], bool]) -> None:
        """Have these machines with these points, of which those are shown that the contract releases; it may change."""
        names = {machine: frozenset(point.name for point in points if not point.of) for machine, points in machines.items()}
        self._board.define(names, releases)
        self._news.set()

    def turned(self, machine: str, state: str) -> None:
        """Do nothing: of a machine that cannot be read every point says so by its quality."""

    def offer(self, records: Iterable[Record]) -> None:
        """Take what was reported; returns at once."""
        if self._board.offer(records):
            self._news.set()

    def retry(self) -> None:
        """Call the broker at once, whatever has been refused; for a person who has changed something."""
        self._caller.retry()

    def status(self) -> dict[str, Any]:
        """Return the state of the lane as plain JSON values: that of a connection (`Report.status`), topic and number of points."""
        return self._report.status() | {"topic": self._topics.prefix, "points": len(self._board)}

    async def _use(self, session: Connected) -> None:
        here = [Notice(self._topics.availability, ONLINE)]
        self._board.renew()
        while not self._waits.stopping.is_set():
            self._news.clear()
            notices = here + self._board.take()
            if notices:
                await self._keep()
                trouble = await self._post(session, notices)
                await self._keep()
                pause = float(self._spec.every)
                if trouble is None:
                    here = []
                    self._refusals.reset()
                    self._report.accepted()
                else:
                    pause = self._refusals.stretched(self._refusals.next(), reasons.manner(trouble.code))
                    self._report.kept(trouble, pause)
                await self._waits.rest(pause, ended=session.ended)
                if trouble is not None:
                    continue
            await self._waits.rest(LONG_S, ended=session.ended, wake=self._news)
            await self._waits.rest(COLLECT_S, ended=session.ended)

    async def _post(self, session: Connected, notices: list[Notice]) -> PublishRefused | None:
        """Publish notices; return why one was refused. One topic that is refused does not keep the others from it."""
        posting = asyncio.gather(
            *(session.publish(notice.topic, notice.payload, retain=True) for notice in notices), return_exceptions=True
        )
        refused = None
        for notice, result in zip(notices, await self._waits.beating(posting), strict=True):
            if isinstance(result, PublishRefused):
                self._board.refused(notice)
                refused = result
            elif isinstance(result, BaseException):
                raise result
            else:
                self._board.accepted(notice)
                self._report.count(1, len(notice.payload))
        return refused

    async def _keep(self) -> None:
        """Keep over restarts which topics hold something; where the disk fails, a topic may outlive its release by a restart."""
        standing = sorted(self._board.standing)
        if standing != self._kept:
            with contextlib.suppress(OSError):  # the state tells its own troubles
                await self._state.aput(self._file, standing)
                self._kept = standing
