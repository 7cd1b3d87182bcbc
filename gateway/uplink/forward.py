"""Empties one outbox into one recipient's broker: at least once, in order per log, deleted only when accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from msgspec.structs import replace

from gateway import ports
from gateway.clock import Clock
from gateway.config import spec
from gateway.model import Log, Record, Sequenced, Stamp, TimeQuality
from gateway.uplink import batch, reasons
from gateway.uplink.backoff import Backoff
from gateway.uplink.caller import Caller, Connected, client_id
from gateway.uplink.encoding import Encoding
from gateway.uplink.errors import PublishRefused, SessionLost, UplinkError
from gateway.uplink.pace import RARER, SMALL_RUN, Bucket, Budget
from gateway.uplink.report import Report
from gateway.uplink.sizing import Sizing
from gateway.uplink.waits import Waits, until_turn


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
        budget: Budget | None = None,
        encoding: Encoding = batch.PLAIN,
        random: Random | None = None,
        claim: int = 1000,
        **calling: Any,
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
            budget: the bytes of a day, shared with the live lane; default: no limit.
            encoding: how messages are written.
            random: source of jitter.
            claim: records taken from the outbox at a time.
            calling: further options of the `Caller`: connect, first_within_s, keepalive_s, timeout_s.
        """
        self._site = site
        self._gateway = gateway
        self._who = client_id(site, gateway, name)
        self._spec = spec
        self._outbox = outbox
        self._clock = clock
        self._passes = passes
        self._repair = repair
        self._encoding = encoding
        self._claim = claim
        self._sizing = Sizing()
        self._budget = budget or Budget(clock, None)
        self._drain = Bucket(clock, float(spec.drain), 2 * float(spec.drain))
        self._sending = self._permitted = False
        self._accepted: dict[tuple[Log, str], int] = {}
        random = random or Random()  # noqa: S311  (jitter, not a secret)
        self._refusals = Backoff(random)
        self._awake = asyncio.Event()
        self._report = Report(name, clock)
        self._waits = Waits(clock, beat)
        self._caller = Caller(
            site=site,
            spec=spec,
            client_id=self._who,
            clock=clock,
            read_secret=read_secret,
            base=base,
            waits=self._waits,
            report=self._report,
            random=random,
            **calling,
        )

    def wake(self) -> None:
        """Send what waits now, without waiting for the next batch; for urgent records."""
        self._awake.set()

    def retry(self) -> None:
        """Call the broker and send at once, whatever has been refused; for a person who has changed something."""
        self._caller.retry()

    def status(self) -> dict[str, Any]:
        """Return the state of this uplink as plain JSON values; see `Report.status` for the keys, and the budget."""
        return self._report.status() | {"budget_bytes": self._budget.per_day, "budget_left_bytes": self._budget.left}

    async def run(self) -> None:
        """Forward until cancelled; then what is under way and waiting is sent within two seconds, if connected."""
        await self._caller.run(self._use)

    async def _use(self, session: Connected) -> None:
        self._sending = self._permitted = False
        try:
            await self._serve(session)
        except SessionLost:
            if self._sending:
                self._sizing.lost(self._clock.monotonic())
            raise

    async def _serve(self, session: Connected) -> None:
        """Send until the session is lost, or, when stopping, until nothing waits."""
        while True:
            self._waits.beat()
            self._awake.clear()
            try:
                more = await self._turn(session)
                if not self._permitted:  # nothing waited that would have told
                    question = batch.question(self._site, self._gateway, self._encoding)
                    await session.ask(question.topic, question.payload)
                    self._permitted = True
            except (PublishRefused, _StoreFailed) as trouble:
                if self._waits.stopping.is_set():
                    return
                if trouble.code == reasons.PACKET_TOO_LARGE and self._sizing.too_large(self._clock.monotonic()):
                    continue
                pause = self._refusals.stretched(self._refusals.next(), reasons.manner(trouble.code))
                self._report.kept(trouble, pause)
                await self._waits.rest(pause, ended=session.ended)
                continue
            self._refusals.reset()
            self._report.accepted()
            if session.ended.done():
                raise session.ended.result()
            if more:
                if wait_s := self._drain.wait_s:
                    await self._waits.rest(wait_s, ended=session.ended, wake=self._awake)
                continue
            if self._waits.stopping.is_set():
                return
            pause = float(self._spec.batch) * (RARER if self._budget.degree else 1)
            await self._waits.rest(until_turn(self._clock.monotonic(), pause, self._who), ended=session.ended, wake=self._awake)

    async def _turn(self, session: Connected) -> bool:
        """Send one claim and acknowledge it; return whether more is waiting."""
        try:
            held = self._budget.held
            self._report.holding(held)
            claim = await self._outbox.claim(self._claim, held=held)
        except Exception as exc:
            raise _StoreFailed(exc) from exc
        if claim is None:
            return False
        new = (item for item in claim.records if item.seq > self._accepted.get((item.log, item.epoch), -1))
        todo = [self._outgoing(item) for item in new]
        most = session.max_payload or batch.MAX_PAYLOAD
        encode = partial(
            batch.encode,
            self._site,
            self._gateway,
            todo,
            encoding=self._encoding,
            max_payload=min(self._sizing.limit, most),
            largest_value=min(self._sizing.largest_value, most),
        )
        lanes: dict[Log, list[batch.Message]] = {}
        small = len(todo) <= SMALL_RUN and self._encoding.compress is None
        for message in encode() if small else await self._waits.beating(asyncio.to_thread(encode)):
            lanes.setdefault(message.log, []).append(message)
        self._sending = True
        sending = asyncio.gather(*(self._send(session, lane) for lane in lanes.values()), return_exceptions=True)
        failures = [result for result in await self._waits.beating(sending) if isinstance(result, BaseException)]
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
            self._permitted = True
            self._budget.spent(message.topic, message.payload)
            self._drain.take(len(message.payload))
            self._sizing.accepted(self._clock.monotonic())
            self._accepted[message.log, message.epoch] = message.last
            self._report.published(message)


class _StoreFailed(UplinkError):  # noqa: N818  (like the others)
    """The outbox raised; a disk that fails must not end the uplink, it may come back."""

    def __init__(self, error: Exception) -> None:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        super().__init__(f"the outbox fails: {why}", "check the disk of the data folder")
