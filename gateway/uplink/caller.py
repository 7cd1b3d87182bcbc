"""Keeps one connection to one broker of a recipient's list: who calls, when it calls again, and what it says when it goes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, Protocol

from gateway import ports
from gateway.clock import Clock
from gateway.config.spec import COOPERATIVE, BrokerUrl, Uplink
from gateway.uplink import reasons, tls
from gateway.uplink.access import gather
from gateway.uplink.backoff import Backoff
from gateway.uplink.errors import SessionLost, SubscribeRefused
from gateway.uplink.head import printable
from gateway.uplink.reasons import Manner
from gateway.uplink.report import Report
from gateway.uplink.roster import Roster
from gateway.uplink.session import MAX_INCOMING, Dialer, Will
from gateway.uplink.waits import Waits

FAREWELL_S = 2.0
FAR_PAUSE_S = 300.0
"""Longest pause before a broker that thousands of gateways share is tried again."""
LOCAL_PAUSE_S = 10.0
"""Longest pause before a broker on this machine is tried again; nobody else storms it."""


WATCH_S = 12 * 3600.0
"""How often certificates are looked at."""

SHORT_LIVES = 4
"""After so many connections that broke within two minutes each, a second client of this name is suspected: many brokers, mosquitto
among them, end the older connection of a client id without a word."""


class Connected(ports.Session, Protocol):
    """What the lanes need of a session beyond the port."""

    @property
    def broker(self) -> BrokerUrl:
        """Where it is connected to."""

    @property
    def protocol(self) -> str:
        """Version of MQTT: `5` or `3.1.1`."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know as long as the session stands."""

    @property
    def max_payload(self) -> int | None:
        """Bytes the broker takes, None for no limit."""

    @property
    def will(self) -> Will | None:
        """The will that this connection was made with."""

    @property
    def ended(self) -> asyncio.Future[SessionLost]:
        """Done as soon as the connection is gone."""

    async def ask(self, topic: str, payload: bytes) -> None:
        """Ask whether a topic may be published to, with a payload that says nothing; raise `PublishRefused` when not."""

    async def subscribe(self, topics: list[tuple[str, int]]) -> tuple[SubscribeRefused, ...]:
        """Subscribe to topics with their highest QoS; return those the broker refused."""

    async def close(self, *, death: bool = False) -> None:
        """Disconnect; with `death` the broker publishes the will."""


class Caller:
    """Calls a recipient's brokers and, as long as one is connected, lets a lane use the session.

    Every lane has a caller of its own: its own client id, its own will, its own pauses.
    """

    def __init__(
        self,
        *,
        site: str,
        spec: Uplink,
        client_id: str,
        clock: Clock,
        read_secret: Callable[[str], str],
        base: Path,
        waits: Waits,
        report: Report,
        will: Callable[[], Will | None] = lambda: None,
        on_message: Callable[[str, bytes, bool], None] | None = None,
        connect: Callable[..., Awaitable[Connected]] | None = None,
        random: Random | None = None,
        first_within_s: float | None = None,
        keepalive_s: float | None = None,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 15.0,
    ) -> None:
        """Make a caller; nothing happens before `run`.

        Args:
            site: the member; user name where none is given.
            spec: brokers, credentials, certificates.
            client_id: client id at the broker.
            clock: the clock that schedules.
            read_secret: returns the text of a secret by name; asked at every connection, so a new one is taken up.
            base: folder that paths of certificates start from.
            waits: how the lane waits; its `stopping` ends this caller.
            report: where connections and losses are told.
            will: asked at every CONNECT for what the broker shall publish when the connection is lost; None for nothing. With a
                will, a stop disconnects so that it is published, too.
            on_message: called in the loop for every message that arrives, with topic, payload and whether it was retained; it must
                not block. What it raises is told and does not end the session. What is larger than a MiB never gets here.
            connect: makes a session; default: `Dialer(clock.monotonic).connect`.
            random: source of jitter.
            first_within_s: the first connection, also after a loss, is made after a random time up to this; default: as in `spec`.
            keepalive_s: see `MqttSession.connect`; default: as in `spec`.
            timeout_s: see `MqttSession.connect`.
            connect_timeout_s: see `MqttSession.connect`.
        """
        self._site = site
        self._spec = spec
        self._client_id = client_id
        self._clock = clock
        self._read_secret = read_secret
        self._base = base
        self._waits = waits
        self._report = report
        self._will = will
        self._on_message = on_message
        self._connect = connect or Dialer(clock.monotonic).connect
        self._random = random or Random()  # noqa: S311  (jitter, not a secret)
        self._spread_s = spec.spread_s if first_within_s is None else first_within_s
        self._options: dict[str, Any] = {"keepalive_s": keepalive_s or float(spec.keepalive), "timeout_s": timeout_s}
        self._options["connect_timeout_s"] = connect_timeout_s
        cap_s = LOCAL_PAUSE_S if spec.local else FAR_PAUSE_S
        self._losses = Backoff(self._random, first_s=max(1.0, self._spread_s), cap_s=cap_s)
        self._roster = Roster(spec.broker, clock.monotonic)
        self._verdicts: list[tuple[BrokerUrl, Manner]] = []
        self._short = 0
        self._faults: set[str] = set()
        self._session: Connected | None = None

    def retry(self) -> None:
        """Call at once, whatever has been refused: a person has changed something, or wants to know."""
        self._roster.release()
        self._losses.reset()
        self._waits.hurry()

    async def run(self, use: Callable[[Connected], Awaitable[None]]) -> None:
        """Call until cancelled; `use` has each session for its life.

        `use` raises `SessionLost`, or returns when the session shall be closed and the next broker called; another error is told
        as a fault and costs the session. When cancelled, `use` has two seconds to end by itself (see `Waits.stopping`).
        """
        work = asyncio.create_task(self._work(use), name=f"caller {self._client_id}")
        watch = asyncio.create_task(self._watch(), name=f"certificates {self._client_id}")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._waits.stopping.set()
            if self._session is not None:
                await asyncio.wait({work}, timeout=FAREWELL_S)
            raise
        finally:
            for task in (work, watch):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task

    async def _work(self, use: Callable[[Connected], Awaitable[None]]) -> None:
        pause = self._random.uniform(0, self._spread_s)
        while True:
            self._report.waiting(pause)
            await self._waits.rest(pause)
            if self._waits.stopping.is_set():
                return
            called = await self._dial()
            if called is not None:
                await self._use(*called, use)
            pause = self._pause_s()

    def _pause_s(self) -> float:
        """Return after how long to call again, and hold back the brokers that gave a reason to."""
        pause = self._losses.next()
        for url, manner in self._verdicts:
            self._roster.hold(None if manner is Manner.STOP else url, self._losses.stretched(pause, manner))
        self._verdicts.clear()
        return max(pause, self._roster.wait_s)

    async def _dial(self) -> tuple[BrokerUrl, Connected] | None:
        """Try every broker of the list once, beginning with the one whose turn it is; None when none accepts."""
        self._roster.begin()
        while (url := self._roster.turn()) is not None:
            try:
                session = await self._waits.beating(self._open(url))
            except SessionLost as lost:
                if not self._follow(url, lost):
                    self._roster.pass_on()
                self._report.unreachable(url, lost)
            except Exception as exc:
                self._roster.pass_on()
                self._report.fault(exc)
            else:
                self._report.connected(url, session.protocol, session.warnings)
                return url, session
        return None

    def _follow(self, url: BrokerUrl, lost: SessionLost) -> bool:
        """Do as a broker's reason asks; return whether it sent us to another broker whose turn it is now."""
        manner = reasons.manner(lost.code)
        if manner is Manner.MOVE:
            if target := self._roster.refer(lost.server, url, for_good=lost.code == reasons.MOVED):
                lost.hint = f"it is followed to {target}"
                return True
            if lost.server:
                lost.hint = f"it names {printable(lost.server)!r}; if that is right, add it to 'broker' in site.yaml"
            manner = Manner.SLOW
        if manner is not Manner.USUAL:
            self._verdicts.append((url, manner))
        return False

    async def _open(self, url: BrokerUrl) -> Connected:
        entry = await asyncio.to_thread(gather, self._spec, url, self._site, self._base, self._read_secret)
        options = {**entry.options, **self._options, "will": self._will, "on_message": self._on_message and self._guarded}
        try:
            return await self._connect(url, client_id=self._client_id, **options)
        except SessionLost as lost:
            raise entry.explained(lost) from None

    async def _use(self, url: BrokerUrl, session: Connected, use: Callable[[Connected], Awaitable[None]]) -> None:
        since = self._clock.monotonic()
        self._session = session
        enough = followed = False
        settling = asyncio.create_task(self._settle())
        try:
            await use(session)
            enough = True
        except SessionLost as lost:
            followed = self._follow(url, lost)
            self._report.lost(lost)
        except Exception as exc:  # whatever it is, the next connection may do better
            self._report.fault(exc)
        finally:
            settling.cancel()
            self._session = None
            self._report.disconnected()
            lasted = self._clock.monotonic() - since
            self._losses.lasted(lasted)
            self._short = 0 if lasted >= self._losses.stable_s or enough else self._short + 1
            if self._short >= SHORT_LIVES:
                self._report.unsteady(self._client_id)
            if self._losses.fresh and not enough and not followed:
                self._roster.restart()  # a broker that held for a while is asked first again
            elif not followed:
                self._roster.pass_on()  # one that did not, or that the lane is done with, gives way to the next
            await session.close(death=session.will is not None)

    async def _settle(self) -> None:
        await self._clock.sleep_until(self._clock.monotonic() + self._losses.stable_s)
        self._short = 0
        self._report.steady()

    async def _watch(self) -> None:
        """Tell in time that a certificate of ours will expire."""
        while any(url.tls for url in self._spec.broker):
            self._report.certificates(await asyncio.to_thread(tls.expiries, self._spec.tls, self._base))
            await self._clock.sleep_until(self._clock.monotonic() + WATCH_S)

    def _guarded(self, topic: str, payload: bytes | None, retain: bool) -> None:
        assert self._on_message is not None
        if payload is None:
            self._report.ignored(topic, f"larger than {MAX_INCOMING >> 20} MiB")
            return
        try:
            self._on_message(topic, payload, retain)
        except Exception as exc:
            kind = type(exc).__name__
            if kind not in self._faults:  # once, or a stranger could fill the log
                self._faults.add(kind)
                self._report.fault(exc)
            self._report.ignored(topic, f"it could not be handled ({kind})")


def client_id(site: str, gateway: str, recipient: str, lane: str = "") -> str:
    """Return the client id towards a recipient, `<site>:<gateway>[:<recipient>][:<lane>]`; the cooperative's is left out.

    Another one for each recipient and lane, as a broker lets go of the older of two equal ones.
    """
    return ":".join([site, gateway, *([] if recipient == COOPERATIVE else [recipient]), *([lane] if lane else [])])
