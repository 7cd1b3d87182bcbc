"""Empties one outbox into one recipient's broker: at least once, in order per log, deleted only when accepted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from gateway import ports
from gateway.clock import Clock
from gateway.config import spec
from gateway.config.host import is_loopback
from gateway.model import Log, Record, Sequenced, Stamp, TimeQuality
from gateway.uplink import batch, reasons, tls
from gateway.uplink.backoff import Backoff
from gateway.uplink.errors import PublishRefused, SessionLost, UplinkError
from gateway.uplink.report import Report
from gateway.uplink.session import Dialer
from gateway.uplink.sizing import Sizing

BEAT_S = 2.0
FAREWELL_S = 2.0
FAR_PAUSE_S = 300.0
"""Longest pause before a broker that thousands of gateways share is tried again."""
LOCAL_PAUSE_S = 10.0
"""Longest pause before a broker on this machine is tried again; nobody else storms it."""

T = TypeVar("T")


class Connected(ports.Session, Protocol):
    """What the forwarder needs of a session beyond the port."""

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
    def ended(self) -> asyncio.Future[SessionLost]:
        """Done as soon as the connection is gone."""

    async def close(self) -> None:
        """Disconnect."""


class Forwarder:
    """Keeps a connection to a recipient's broker and sends what its outbox holds.

    Guarantees: a record is acknowledged to the outbox only after the broker accepted the message it was in; within a log
    messages are sent one after the other, so the order per point holds also over losses and refusals; after a loss only what
    was not yet accepted is sent again. A record can therefore arrive twice, with the same key, but never be left out.
    """

    def __init__(
        self,
        *,
        site: str,
        gateway: str,
        name: str,
        spec: spec.Uplink,
        outbox: ports.Outbox,
        clock: Clock,
        read_secret: Callable[[str], str],
        base: Path,
        beat: Callable[[], None],
        passes: Callable[[Record], bool] = lambda _: True,
        repair: Callable[[Stamp], Stamp] = lambda stamp: stamp,
        connect: Callable[..., Awaitable[Connected]] | None = None,
        random: Random | None = None,
        first_within_s: float | None = None,
        keepalive_s: float = 60.0,
        timeout_s: float = 30.0,
        claim: int = 1000,
    ) -> None:
        """Make a forwarder; nothing happens before `run`.

        Args:
            site: the member.
            gateway: this gateway.
            name: the recipient.
            spec: brokers, credentials, certificates, time between two messages.
            outbox: where the records wait.
            clock: the clock that schedules.
            read_secret: returns the text of a secret by name; asked at every connection, so a new one is taken up.
            base: folder that paths of certificates start from.
            beat: called at least every few seconds as long as this forwarder makes progress or waits for the network.
            passes: says whether the contract still releases a record. It was released when it was stored; when the member has
                withdrawn it since, its key is sent with the notice of a loss in its place.
            repair: gives a stamp from before the clock was known its time, see `gateway.timeline`.
            connect: makes a session; default: `Dialer(clock.monotonic).connect`.
            random: source of jitter.
            first_within_s: the first connection is made after a random time up to this; default: 0 for a broker on this
                machine, else 5.
            keepalive_s: see `MqttSession.connect`.
            timeout_s: see `MqttSession.connect`.
            claim: records taken from the outbox at a time.
        """
        self.name = name
        self._site = site
        self._gateway = gateway
        self._client_id = client_id(site, gateway, name)
        self._spec = spec
        self._outbox = outbox
        self._clock = clock
        self._read_secret = read_secret
        self._base = base
        self._beat = beat
        self._passes = passes
        self._repair = repair
        self._connect = connect or Dialer(clock.monotonic).connect
        self._random = random or Random()  # noqa: S311  (jitter, not a secret)
        local = _is_local(spec)
        self._first_within_s = first_within_s if first_within_s is not None else (0.0 if local else 5.0)
        self._options: dict[str, Any] = {"keepalive_s": keepalive_s, "timeout_s": timeout_s}
        self._claim = claim
        self._sizing = Sizing()
        self._sending = False
        self._accepted: dict[tuple[Log, str], int] = {}
        self._losses = Backoff(self._random, cap_s=LOCAL_PAUSE_S if local else FAR_PAUSE_S)
        self._refusals = Backoff(self._random)
        self._next_broker = 0
        self._awake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._session: Connected | None = None
        self._report = Report(name, clock)

    def wake(self) -> None:
        """Send what waits now, without waiting for the next batch; for urgent records."""
        self._awake.set()

    def status(self) -> dict[str, Any]:
        """Return the state of this uplink as plain JSON values; see `Report.status` for the keys."""
        return self._report.status()

    async def run(self) -> None:
        """Forward until cancelled; then what is under way and waiting is sent within two seconds, if connected."""
        work = asyncio.create_task(self._work(), name=f"uplink {self.name}")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stopping.set()
            if self._session is not None:
                await asyncio.wait({work}, timeout=FAREWELL_S)
            raise
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await work

    # ── connections ──

    async def _work(self) -> None:
        pause = self._random.uniform(0, self._first_within_s)
        self._report.waiting(pause)
        await self._rest(pause)
        while not self._stopping.is_set():
            session = await self._dial()
            if session is not None:
                await self._use(session)
            if not self._stopping.is_set():
                pause = self._losses.next()
                self._report.waiting(pause)
                await self._rest(pause)

    async def _dial(self) -> Connected | None:
        """Try every broker of the list once, beginning with the one whose turn it is; None when none accepts."""
        brokers = self._spec.broker
        for _ in brokers:
            url = brokers[self._next_broker % len(brokers)]
            try:
                session = await self._beating(self._open(url))
            except SessionLost as exc:
                self._next_broker += 1
                self._report.unreachable(url, exc)
            except Exception as exc:
                self._next_broker += 1
                self._report.fault(exc)
            else:
                self._report.connected(url, session.protocol, session.warnings)
                return session
        return None

    async def _open(self, url: spec.BrokerUrl) -> Connected:
        credentials = self._spec.credentials
        user, password = None, None
        try:
            if credentials is not None:
                user, password = credentials.user or self._site, self._read_secret(credentials.secret)
            context = await asyncio.to_thread(tls.make_context, self._spec.tls, self._base, self._read_secret) if url.tls else None
        except SessionLost:
            raise
        except Exception as exc:  # the secret store's own kinds of trouble; they carry their sentence
            raise SessionLost(getattr(exc, "message", str(exc)), getattr(exc, "hint", "")) from exc
        options: dict[str, Any] = {"user": user, "password": password, "tls": context, **self._options}
        try:
            return await self._connect(url, client_id=self._client_id, **options)
        except SessionLost as lost:
            if credentials is not None and lost.code in reasons.USER_REFUSED:
                raise SessionLost(*reasons.at_connect(lost.code, user, credentials.secret), code=lost.code) from None
            raise

    async def _use(self, session: Connected) -> None:
        since = self._clock.monotonic()
        self._session = session
        self._sending = False
        try:
            await self._serve(session)
        except SessionLost as lost:
            self._report.lost(lost)
            if self._sending:
                self._sizing.lost(self._clock.monotonic())
        except Exception as exc:  # whatever it is: records wait, and the next connection may do better
            self._report.fault(exc)
        finally:
            self._session = None
            self._report.disconnected()
            lasted = self._clock.monotonic() - since
            self._losses.lasted(lasted)
            # a broker that held for a while is asked first again, one that did not gives way to the next
            self._next_broker = 0 if self._losses.fresh else self._next_broker + 1
            await session.close()

    # ── records ──

    async def _serve(self, session: Connected) -> None:
        """Send until the session is lost, or, when stopping, until nothing waits."""
        while True:
            self._beat()
            self._awake.clear()
            try:
                more = await self._turn(session)
            except (PublishRefused, _StoreFailed) as trouble:
                if self._stopping.is_set():
                    return
                if trouble.code == reasons.PACKET_TOO_LARGE and self._sizing.too_large(self._clock.monotonic()):
                    continue
                pause = self._refusals.next()
                self._report.kept(trouble, pause)
                await self._rest(pause, session)
                continue
            self._refusals.reset()
            self._report.accepted()
            if session.ended.done():
                raise session.ended.result()
            if more:
                continue
            if self._stopping.is_set():
                return
            await self._rest(float(self._spec.batch), session, wakeable=True)

    async def _turn(self, session: Connected) -> bool:
        """Send one claim and acknowledge it; return whether more is waiting."""
        try:
            claim = await self._outbox.claim(self._claim)
        except Exception as exc:
            raise _StoreFailed(exc) from exc
        if claim is None:
            return False
        new = (item for item in claim.records if item.seq > self._accepted.get((item.log, item.epoch), -1))
        todo = [self._outgoing(item) for item in new]
        most = session.max_payload or batch.MAX_PAYLOAD
        sizes = {"max_payload": min(self._sizing.limit, most), "largest_value": min(self._sizing.largest_value, most)}
        lanes: dict[Log, list[batch.Message]] = {}
        for message in batch.encode(self._site, self._gateway, todo, **sizes):
            lanes.setdefault(message.log, []).append(message)
        self._sending = True
        sending = asyncio.gather(*(self._send(session, lane) for lane in lanes.values()), return_exceptions=True)
        failures = [result for result in await self._beating(sending) if isinstance(result, BaseException)]
        self._sending = any(isinstance(failure, SessionLost) for failure in failures)
        if failures:
            raise next((failure for failure in failures if not isinstance(failure, PublishRefused)), failures[0])
        try:
            await self._outbox.acknowledge(claim.token)
        except Exception as exc:
            raise _StoreFailed(exc) from exc
        self._accepted.clear()
        return len(claim.records) >= self._claim

    def _outgoing(self, item: Sequenced) -> Sequenced:
        """Return the record as it goes out: with what is known by now of its time, without what may not leave any more."""
        stamp = item.record.stamp
        if stamp.quality is not TimeQuality.SYNCED and (repaired := self._repair(stamp)) != stamp:
            item = replace(item, record=replace(item.record, stamp=repaired))
        return item if self._passes(item.record) else item.withheld()

    async def _send(self, session: Connected, messages: list[batch.Message]) -> None:
        """Send the messages of one log, one after the other: what is refused must not be overtaken."""
        for message in messages:
            await session.publish(message.topic, message.payload)
            self._sizing.accepted(self._clock.monotonic())
            self._accepted[message.log, message.epoch] = message.last
            self._report.published(message)

    # ── waiting ──

    async def _rest(self, seconds: float, session: Connected | None = None, *, wakeable: bool = False) -> None:
        """Wait, beating; ends early when stopping, when the session is lost (raises), and when woken if `wakeable`."""
        tasks = [asyncio.create_task(self._clock.sleep_until(self._clock.monotonic() + seconds))]
        tasks.append(asyncio.create_task(self._wait(self._stopping)))
        if wakeable:
            tasks.append(asyncio.create_task(self._wait(self._awake)))
        waited: list[asyncio.Future[Any]] = [*tasks] if session is None else [*tasks, session.ended]
        try:
            while not any(task.done() for task in tasks):
                if session is not None and session.ended.done():
                    raise session.ended.result()
                self._beat()
                await asyncio.wait(waited, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    @staticmethod
    async def _wait(event: asyncio.Event) -> None:
        await event.wait()

    async def _beating(self, awaitable: Awaitable[T]) -> T:
        """Wait for something that has its own time limit, beating."""
        future = asyncio.ensure_future(awaitable)
        try:
            while True:
                self._beat()
                await asyncio.wait({future}, timeout=BEAT_S)
                if future.done():
                    return future.result()
        finally:
            if not future.done():
                future.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await future


class _StoreFailed(UplinkError):  # noqa: N818  (like the others)
    """The outbox raised; a disk that fails must not end the uplink, it may come back."""

    def __init__(self, error: Exception) -> None:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        super().__init__(f"the outbox fails: {why}", "check the disk of the data folder")


def client_id(site: str, gateway: str, recipient: str) -> str:
    """Return the client id towards a recipient: another one for each, as a broker lets go of the older of two equal ones."""
    return f"{site}:{gateway}" if recipient == spec.COOPERATIVE else f"{site}:{gateway}:{recipient}"


def _is_local(uplink: spec.Uplink) -> bool:
    return all(is_loopback(url.host) for url in uplink.broker)
