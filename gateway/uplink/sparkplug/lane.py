"""The live lane: keeps the node's connection, hands its messages over, and gives it what arrives. The rules are in `node`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gateway import __version__
from gateway.clock import Clock
from gateway.config.spec import Uplink
from gateway.model import Event, Feature, Reading, Record, Stamp, TimeQuality
from gateway.ports import Keeps, Page, Recall
from gateway.uplink.caller import Caller, Connected, client_id
from gateway.uplink.errors import FormatError
from gateway.uplink.pace import Budget
from gateway.uplink.session import Will
from gateway.uplink.waits import BEAT_S, Waits

from .command import wants
from .device import Point
from .host import PrimaryHost, Turn
from .kept import Kept
from .news import News
from .node import Node
from .past import Gap, Past

COLLECT_S = 0.1
"""What is reported within this time goes into one message."""

HEADSTART_S = 5.0
"""So long the batch lane calls alone: it is the one that matters, and finds out which version of MQTT a broker speaks."""

LONGEST_REST_S = 30.0

LARGEST_COMMAND = 16 * 1024
LARGEST_PAYLOAD = 256 * 1024
"""Bytes of a message where the broker sets no limit; nothing but the birth of a very large machine comes near it."""

BRIEFLY_S, LONG_S = 5.0, 120.0
"""How long a primary host is waited for on a broker of several: briefly in the first round, then long on each."""


class Lane:
    """One recipient's live lane: what the contract releases now, told at QoS 0 as long as somebody listens.

    It promises nothing to anyone, and nothing waits for it: the batch lane carries the truth.
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
        recall: Recall,
        repair: Callable[[Stamp], Stamp] = lambda stamp: stamp,
        budget: Budget | None = None,
        after: asyncio.Event | None = None,
        **calling: Any,
    ) -> None:
        """Make a lane; nothing happens before `run`. `spec.sparkplug` must be there.

        Args:
            site: the member, the group of Sparkplug.
            gateway: this gateway, the edge node.
            name: the recipient.
            spec: brokers, credentials, certificates, and how Sparkplug is spoken.
            clock: the clock that schedules and stamps.
            state: keeps aliases, bdSeq and what was missed.
            read_secret: returns the text of a secret by name.
            base: folder that paths of certificates start from.
            beat: called at least every few seconds as long as this lane makes progress or waits for the network.
            recall: looks up what was missed; only asked with `history: true`.
            repair: gives a stamp from before the clock was known its time.
            budget: the bytes of a day, shared with the batch lane; when they run short this lane rests. Default: no limit.
            after: set when the batch lane has connected; this one calls then, or after `HEADSTART_S`. Default: at once.
            calling: further options of the `Caller`.
        """
        assert spec.sparkplug is not None
        self._spec = spec.sparkplug
        self._brokers = len(spec.broker)
        self._keepalive_s = float(spec.keepalive)
        self._clock = clock
        self._news = News(f"{name}:live", clock)
        self._kept = Kept(state, name, self._news.not_kept)
        self._releases: Callable[[str, str], bool] = lambda machine, point: False
        self._recall = recall
        past = Past(clock.stamp(), self._kept.left, repair=repair)
        self._node = Node(site, gateway, self._kept.aliases, past, bare=self._spec.datatype_in_data == "never", repair=repair)
        self._node.own.define(
            [Point("Properties/Version", form="text"), Point("Properties/Clock", form="text"), Point("Machines/Good", form="whole")]
        )
        self._host = PrimaryHost(self._spec.primary_host) if self._spec.primary_host else None
        self._commands = f"spBv1.0/{site}/NCMD/{gateway}", f"spBv1.0/{site}/DCMD/{gateway}/"
        self._wake = asyncio.Event()
        self._collect_until_s = math.inf
        self._leaving = self._unsure = False
        self._misses = 0
        self._lookup: asyncio.Task[None] | None = None
        self._budget = budget or Budget(clock, None)
        self._resting = False
        self._after = after
        self._beat = beat
        calling |= {"site": site, "spec": spec, "clock": clock, "read_secret": read_secret, "base": base}
        self._calling = calling | {"client_id": client_id(site, gateway, name, "live")}
        self._begin()

    # ── what supervise calls ──

    async def run(self) -> None:
        """Keep the node alive until cancelled; then it dies in good order, if connected.

        It also dies when the bytes of a day run short, and is born again when there are enough: hosts then know where they are.
        """
        if self._after is not None:
            await self._clock.wait(self._after, self._clock.monotonic() + HEADSTART_S)
        while True:
            while self._resting:
                self._beat()
                await self._clock.sleep_until(self._clock.monotonic() + BEAT_S)
                self._resting = self._budget.degree > 0
            await self._call()
            self._begin()

    def _begin(self) -> None:
        self._waits = Waits(self._clock, self._beat)
        self._caller = Caller(waits=self._waits, report=self._news, will=self._will, on_message=self._arrived, **self._calling)

    async def _call(self) -> None:
        """Call the brokers, as long as the bytes of the day allow it."""
        calling = asyncio.create_task(self._caller.run(self._use), name="live lane")
        try:
            while not self._resting and not calling.done():
                await asyncio.wait({calling}, timeout=BEAT_S)
                self._resting = not self._budget.live
        finally:
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
        if not calling.cancelled() and (error := calling.exception()) is not None:
            raise error

    def define(self, machines: Mapping[str, Sequence[Point]], releases: Callable[[str, str], bool]) -> None:
        """Have these machines with all their points, of which those are told that the contract releases; it may change."""
        self._releases = releases
        self._node.define(
            {
                machine: [point for point in points if releases(machine, point.of or point.name)]
                for machine, points in machines.items()
            },
            releases,
        )
        self._hurry()

    def turned(self, machine: str, state: str) -> None:
        """Take note of how a machine is, see `Node.turned`."""
        self._node.turned(machine, state, self._clock.stamp())
        self._hurry()

    def offer(self, records: Iterable[Record]) -> None:
        """Take what was reported; returns at once."""
        released = [
            record
            for record in records
            if isinstance(record, Reading | Feature | Event) and self._releases(record.machine, record.point)
        ]
        if released and self._node.offer(released) and math.isinf(self._collect_until_s):
            self._collect_until_s = self._clock.monotonic() + COLLECT_S
            self._wake.set()

    def retry(self) -> None:
        """Call the broker at once, whatever has been refused; for a person who has changed something."""
        self._caller.retry()

    def status(self) -> dict[str, Any]:
        """Return the state of the lane as plain JSON values: that of a connection (`Report.status`), and what is told over it."""
        node, past = self._node, self._node.past
        missed = {"devices": len(past.owed) + len(past.left), "sent": self._news.historical} if self._spec.history else {}
        return self._news.status() | {
            "born": node.born,
            "rests": self._resting,
            "waits_for": self._host.name if self._host and not self._host.online else "",
            "devices": sum(device.born for device in node.devices.values()),
            "metrics": sum(len(device.slots) for device in node.devices.values() if device.born),
            "rebirths": {"asked": node.rebirths.asked, "served": node.rebirths.served},
            "refused_commands": self._news.refused,
            "skipped": node.skipped,
            "missed": missed,
            "warnings": self._news.warnings(node, self._clock.monotonic()),
        }

    # ── one connection ──

    def _will(self) -> Will:
        """Return the NDEATH for the next CONNECT; a number is used up only by a CONNECT that was sent."""
        topic, payload = self._node.death(self._kept.next_bdseq())
        return Will(topic, payload, qos=1, registered=self._kept.use_bdseq)

    async def _use(self, session: Connected) -> None:
        self._leaving = False
        if self._host is not None:
            self._host.connected(str(session.broker))
        self._node.host_online = self._host is None
        self._node.begin(self._kept.bdseq, min(session.max_payload or LARGEST_PAYLOAD, LARGEST_PAYLOAD))
        lost_s = 1.5 * self._keepalive_s  # so much may have been written to a line that was dead already
        try:
            await self._subscribe(session)
            await self._serve(session)
            lost_s = 0.0
        finally:
            if self._lookup is not None:
                self._lookup.cancel()
            now = self._clock.stamp()
            lost_ns = round(lost_s * 1e9)
            self._node.end(replace(now, wall_ns=now.wall_ns - lost_ns, mono_ns=now.mono_ns - lost_ns))
            if self._spec.history:
                await self._kept.write_left(self._node.past.left)

    async def _subscribe(self, session: Connected) -> None:
        node, device = self._commands
        topics = [(node, 1), (f"{device}+", 1)]
        if self._host is not None:
            topics.append((self._host.topic, 1))
        self._news.unheard(await self._waits.beating(session.subscribe(topics)))

    async def _serve(self, session: Connected) -> None:
        """Send until the lane stops, or the host is gone and another broker is to be asked."""
        patient_until_s = self._clock.monotonic() + (BRIEFLY_S if self._misses < self._brokers else LONG_S)
        while not (self._waits.stopping.is_set() or self._leaving):
            self._waits.beat()
            self._wake.clear()
            now = self._clock.stamp()
            now_s = now.mono_ns / 1e9
            self._facts(now)
            due_s = now_s + LONGEST_REST_S
            if self._host is not None and not self._node.host_online:
                self._told(self._host.wait_over(now))
                if self._brokers > 1:  # with a single one there is nowhere to go
                    if now_s >= patient_until_s:
                        self._misses += 1
                        return
                    due_s = min(due_s, patient_until_s)
            if self._collect_until_s <= now_s or math.isinf(self._collect_until_s):
                self._collect_until_s = math.inf
                await self._send(session)
                self._look_up()
                if self._spec.history and not self._node.past.owed:
                    await self._kept.write_left(self._node.past.left)
            due_s = min(due_s, self._collect_until_s, self._node.due_s(now))
            await self._waits.rest(max(0.0, due_s - self._clock.monotonic()), ended=session.ended, wake=self._wake)

    async def _send(self, session: Connected) -> None:
        while not (self._waits.stopping.is_set() or self._leaving):
            await self._kept.write_aliases()
            message = self._node.next(self._clock.stamp())
            if message is None:
                return
            await self._waits.beating(session.publish(message.topic, message.payload, qos=0))
            self._budget.spent(message.topic, message.payload)
            self._node.sent(message, self._clock.stamp())
            self._news.sent(message)

    def _facts(self, now: Stamp) -> None:
        """Let the node tell of itself; what has not changed it does not tell."""
        good = sum(device.up and bool(device.slots) for device in self._node.devices.values())
        facts = {"Properties/Version": __version__, "Properties/Clock": now.quality.value, "Machines/Good": good}
        for name, value in facts.items():
            self._node.own.take(Reading(machine="", point=name, value=value, stamp=now))
        if self._unsure and now.quality is not TimeQuality.UNCERTAIN and self._node.born:
            self._node.renew()
        self._unsure = now.quality is TimeQuality.UNCERTAIN

    # ── what arrives ──

    def _hurry(self) -> None:
        self._collect_until_s = math.inf
        self._wake.set()

    def _arrived(self, topic: str, payload: bytes, retain: bool) -> None:
        node, device = self._commands
        if self._host is not None and topic == self._host.topic:
            before = self._host.ignored
            self._told(self._host.take(payload, self._clock.stamp()))
            if self._host.ignored > before:
                self._news.ignored(topic, "no STATE of the primary host, or older than one before")
        elif topic == node and not retain and len(payload) <= LARGEST_COMMAND:
            self._commanded(topic, payload)
        elif topic.startswith(device) and not retain:
            self._news.refuse(topic)
        else:
            self._news.ignored(topic, "nothing that is expected here")

    def _commanded(self, topic: str, payload: bytes) -> None:
        try:
            asks, writes = wants(payload)
        except FormatError:
            self._news.ignored(topic, "no command of Sparkplug")
            return
        if writes:
            self._news.refuse(topic)
        if asks:
            now_s = self._clock.monotonic()
            self._node.rebirths.ask(now_s)
            self._news.asked(self._node.rebirths.storm(now_s))
            self._hurry()

    def _told(self, turn: Turn) -> None:
        """Do as the STATE of the primary host says."""
        if turn is Turn.ONLINE:
            self._misses = 0
            self._news.host(self._host.name if self._host else "", online=True)
            self._node.host_online = True
            self._hurry()
        elif turn is Turn.OFFLINE:
            self._node.host_online = False
            if self._node.born:
                self._news.host(self._host.name if self._host else "", online=False)
                self._leaving = True
            self._hurry()

    # ── what was missed ──

    def _look_up(self) -> None:
        wanted = self._node.past.wanted
        if self._spec.history and wanted is not None and (self._lookup is None or self._lookup.done()):
            self._lookup = asyncio.create_task(self._page(*wanted), name="recall")
            self._lookup.add_done_callback(lambda _: self._wake.set())

    async def _page(self, machine: str, gap: Gap) -> None:
        try:
            page = await self._recall(machine, gap.since_ns, gap.until_ns, gap.mark.after)
        except Exception as error:
            self._news.fault(error)
            page = Page((), None)
        device = self._node.devices.get(machine)
        updates = []
        for record in page.records if device is not None else ():
            if isinstance(record, Reading | Feature | Event) and self._releases(machine, record.point):
                update = device.past(record) if device is not None else None
                updates += [update] if update is not None else []
        self._node.past.give(machine, gap, updates, page.following)
