"""Finding out what hangs on an unknown bus, or behind an unknown host: in order of likelihood, gently, and without writing.

Nothing here prints: an `Observer` hears what goes on, and what was found so far always stands in the `Report`, also when the
scan is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from msgspec import Struct, field

from drivers.modbus.identify import IDENTIFICATION, Identity, TypeRegister, identify, read
from drivers.modbus.listen import listen
from drivers.modbus.probe import MbapProbe, Probe, Reply, RtuProbe, TooBusy
from drivers.modbus.verdict import Evidence, Verdict, verdicts
from drivers.modbus.wire import Settings
from gateway.driver import LinkError

BAUDS: Final = (9600, 19200, 38400, 115200, 4800, 57600, 2400, 1200)
FORMATS: Final = {"E": ("E", 1), "N": ("N", 1), "O": ("O", 1), "N2": ("N", 2)}
"""Parity and stop bits, as `--parity` names them, in order of likelihood."""

BUS_UNITS: Final = tuple(range(1, 248))
HOST_UNITS: Final = (1, 255, 0, *range(2, 248))
"""Units behind a host; many devices on TCP call themselves 255 or 0, or do not look at the number."""

LIKELY: Final = 10
SENTINELS: Final = (97, 171, 239)
"""Numbers nobody sets: who answers to all of them answers to every number."""

ASK_FROM: Final = 1000
"""Requests that are sent without asking the user."""

FOREIGN_LIMIT: Final = 2
LOST_LIMIT: Final = 3
"""Connections lost one after the other before a host is given up, and the same where something was found on it."""

LOST_LIMIT_FOUND: Final = 12
PATIENCE: Final = 4.0
"""How many times the timeout a unit gets that was heard answering too late."""

_FORMAT_COST: Final = {"E": 0.0, "N": 0.5, "O": 4.0, "N2": 6.0}
_HOLDING: Final = read(3, 0)
_INPUT: Final = read(4, 0)
_IDENTIFY: Final = bytes([IDENTIFICATION, 14, 1, 0])
_REFUSAL_WORDS: Final = {1: "illegal function", 2: "illegal data address", 3: "illegal data value"}


class Found(Struct, kw_only=True):
    """A unit that answered. `settings` are those of the serial port, None on TCP.

    `proof` says how it answered; `at` and `value` name a register that can be read and what stood in it, None where none was found.
    """

    unit: int
    settings: Settings | None
    identity: Identity
    proof: str
    at: str | None = None
    value: int | None = None


class Report(Struct):
    """What a scan has found so far. `refused`: nothing was asked, since somebody else talks; `stopped`: why it ended early."""

    found: list[Found] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    requests: int = 0
    echo: bool = False
    refused: bool = False
    stopped: str = ""


class Observer(Protocol):
    """Hears what a scan does."""

    def planned(self, requests: int) -> None:
        """So many requests are left now."""

    def asking(self, where: str) -> None:
        """A request goes out."""

    def found(self, found: Found) -> None:
        """A unit was found and identified."""

    async def confirm(self, requests: int, seconds: float) -> bool:
        """Ask the user whether so many more requests are all right."""


def candidates(bauds: Sequence[int] = BAUDS, formats: Iterable[str] = FORMATS) -> list[Settings]:
    """Return the settings in order of likelihood: common speeds first, even and no parity before odd and two stop bits."""
    ranked = sorted((i + _FORMAT_COST[name], i, name) for i in range(len(bauds)) for name in formats)
    return [Settings(bauds[i], *FORMATS[name]) for _, i, name in ranked]


class _Stopped(Exception):  # noqa: N818
    """The scan ends here; the report says why."""


class Sweep:
    """The part that bus and host have in common."""

    types: Sequence[TypeRegister] = ()
    """Registers of known devices that hold a type number; read of units that do not say who they are."""

    def __init__(self, probe: Probe, units: Sequence[int], chosen: bool, observer: Observer, report: Report) -> None:
        self.probe = probe
        self.report = report
        self._units = units
        self._likely = units if chosen and len(units) <= 2 * LIKELY else units[:LIKELY]
        self._observer = observer
        self._left = 0
        self._confirmed = False
        self._asked: set[int] = set()
        self._where = ""
        self._losses = 0

    async def run(self) -> None:
        """Scan; what is found goes into the report at once.

        Raises:
            LinkError: the line is gone.
        """
        try:
            await self._run()
        except _Stopped:
            pass
        except TooBusy as error:
            self.report.stopped = str(error)
        finally:
            self._judge()

    async def _run(self) -> None:
        raise NotImplementedError

    def _judge(self) -> None:
        evidence = self.probe.evidence
        self.report.echo = self.report.echo or bool(evidence.echoes)
        self.report.verdicts += [v for v in verdicts(evidence) if v.code != "good"]

    async def _plan(self, requests: int) -> None:
        """Take note of what is to be done next; asks the user when it becomes too much."""
        self._left = requests
        self._observer.planned(requests)
        if self._confirmed or self.report.requests + requests <= ASK_FROM:
            return
        self._confirmed = await self._observer.confirm(requests, requests * (self.probe.timeout + self.probe.pause))
        if not self._confirmed:
            self.report.stopped = (
                f"{requests} more requests were not allowed; --yes allows them, --units, --baud and --parity spare them"
            )
            raise _Stopped

    async def _ask(self, unit: int, pdu: bytes, *, planned: bool = True) -> Reply:
        self._observer.asking(f"{self._where}unit {unit}")
        self.report.requests += 1
        try:
            reply = await self.probe.ask(unit, pdu)
        except LinkError:
            reply = await self._reopened()
        if reply.pdu is not None:
            self._losses = 0
        if planned:
            self._left -= 1
            self._observer.planned(self._left)
        if self.probe.evidence.foreign >= FOREIGN_LIMIT:
            self.report.stopped = "the scan ended because somebody else talks on this line"
            raise _Stopped
        return reply

    async def _reopened(self) -> Reply:
        """Some devices close the connection instead of refusing a request: that is no answer, and one goes on."""
        self._losses += 1
        if not isinstance(self.probe, MbapProbe) or (self._losses > LOST_LIMIT and not self.report.found):
            raise
        if self._losses > LOST_LIMIT_FOUND:
            self.report.stopped = f"{self.probe.wire.place} closes the connection again and again; name its units with --units"
            raise _Stopped
        await self.probe.open()
        return Reply()

    async def _knock(self, unit: int, pdu: bytes) -> bool:
        """Ask once; a unit that answers is identified and reported. Says whether the line works: any sound answer came."""
        reply = await self._ask(unit, pdu)
        if reply.alive:
            await self._take(unit, reply)
        await self._latecomers()
        return reply.pdu is not None or bool(self.report.found)

    async def _latecomers(self) -> None:
        """Ask those once more, with patience, that were heard answering too late."""
        for late in sorted(self.probe.also_alive):
            self.probe.also_alive.discard(late)
            if all(found.unit != late for found in self.report.found):
                await self._patiently(late)

    async def _patiently(self, unit: int) -> None:
        timeout = self.probe.timeout
        self.probe.timeout = PATIENCE * timeout
        try:
            for pdu in (_HOLDING, _INPUT, _IDENTIFY):
                reply = await self._ask(unit, pdu, planned=False)
                if reply.alive:
                    await self._take(unit, reply)
                    words = f"unit {unit} is slow: it needs more than {timeout:g} s, so its line gets a longer timeout"
                    self.report.notes.append(words)
                    return
        finally:
            self.probe.timeout = timeout

    async def _take(self, unit: int, reply: Reply) -> None:
        """Report a unit that answered, with who it is and something that can be read from it."""
        if any(found.unit == unit for found in self.report.found):
            return
        found = Found(unit=unit, settings=self._settings(), identity=Identity(), proof="an answer")
        self.report.found.append(found)
        self._proven(found, reply)
        tables = [("holding", _HOLDING), ("input", _INPUT)]
        known = reply.pdu[0] & 0x7F if reply.pdu else 0
        for table, pdu in tables:
            if found.at is None:
                first = reply if known == pdu[0] else await self._ask(unit, pdu, planned=False)
                if first.data is not None:
                    found.at, found.value = f"{table} wire 0", int.from_bytes(first.data[1:3], "big")
        found.identity = await identify(lambda pdu: self._ask(unit, pdu, planned=False), self.types)
        self._observer.found(found)

    def _proven(self, found: Found, reply: Reply) -> None:
        assert reply.pdu
        function = reply.pdu[0] & 0x7F
        code = reply.exception
        if code is not None:
            words = _REFUSAL_WORDS.get(code, "a refusal is an answer")
            found.proof = f"exception {code} to function {function} ({words})"
        else:
            found.proof = f"an answer to function {function}"

    def _settings(self) -> Settings | None:
        return None

    async def _deaf_to_reads(self) -> None:
        """Units that were silent to function 3 may answer another one; only the likely numbers are worth the time."""
        known = {found.unit for found in self.report.found}
        rest = [unit for unit in self._likely if unit not in known]
        await self._plan(2 * len(rest))
        for pdu in (_INPUT, _IDENTIFY):
            for unit in rest:
                await self._knock(unit, pdu)


class BusSweep(Sweep):
    """A serial bus, or one behind a serial server (then without settings)."""

    probe: RtuProbe

    def __init__(
        self,
        probe: RtuProbe,
        settings: Sequence[Settings],
        units: Sequence[int] | None,
        observer: Observer,
        report: Report,
        listen_s: float = 2.0,
    ) -> None:
        super().__init__(probe, units or BUS_UNITS, units is not None, observer, report)
        self._candidates = list(settings)
        self._now: Settings | None = None
        self._listen_s = listen_s

    async def _run(self) -> None:
        overheard = await listen(self.probe, list(dict.fromkeys(s.baud for s in self._candidates)) or [0], self._listen_s)
        if verdict := overheard.verdict:
            self.report.verdicts.append(verdict)
            self.report.refused = True
            return
        for settings in tuple(self._candidates):
            self._set(settings)
        if not self._candidates and self.probe.wire.serial:
            self.report.stopped = "the port can do none of these settings; choose others with --baud and --parity"
            return
        searched = len(self._candidates) > 1
        if searched and not await self._search():
            return
        if not searched and self._candidates:
            self._set(self._candidates[0])
        # from here on only the line that works is judged; a search ends with one answer, of a unit or of a gateway for it
        self.probe.evidence = Evidence(
            echoes=self.probe.evidence.echoes,
            requests=int(searched),
            answers=int(searched),
            no_target=int(searched and not self.report.found),
        )
        rest = [unit for unit in self._units if unit not in self._asked]
        await self._plan(len(rest))
        for unit in rest:
            await self._knock(unit, _HOLDING)
        await self._deaf_to_reads()

    async def _search(self) -> bool:
        """Try setting after setting until one yields a sound answer."""
        unlikely = [unit for unit in self._units if unit not in self._likely]
        rounds = [(self._likely, (_HOLDING,)), (self._likely, (_INPUT, _IDENTIFY)), (unlikely, (_HOLDING,))]
        for units, requests in rounds:
            await self._plan(len(units) * len(requests) * len(self._candidates))
            for settings in self._candidates:
                self._set(settings)
                self._asked = set()
                for pdu in requests:
                    for unit in units:
                        self._asked.add(unit)
                        if await self._knock(unit, pdu):
                            if pdu != _HOLDING:
                                self._asked = {found.unit for found in self.report.found}
                            return True
        return False

    def _set(self, settings: Settings) -> None:
        if not self.probe.set(settings):
            self._candidates.remove(settings)
            self.report.notes.append(f"the port cannot do {settings}")
        else:
            self._now = settings
            self._where = f"{settings} "

    def _settings(self) -> Settings | None:
        return self._now


class HostSweep(Sweep):
    """The units behind one host on Modbus TCP."""

    probe: MbapProbe

    def __init__(
        self, probe: MbapProbe, units: Sequence[int] | None, observer: Observer, report: Report, *, chosen: bool | None = None
    ) -> None:
        """`chosen`: whether the user named the units; then all of them are asked, whatever the first ones say."""
        self._all = units is None if chosen is None else not chosen
        super().__init__(probe, units or HOST_UNITS, not self._all, observer, report)

    async def _run(self) -> None:
        self._where = f"{self.probe.wire.place} "
        await self._plan(len(self._units))
        for unit in self._units:
            reply = await self._ask(unit, _HOLDING)
            if reply.alive:
                alone = self._all and not self.report.found and await self._answers_to_all()
                await self._take(unit, reply)
                if alone:
                    self.report.notes.append(f"{self.probe.wire.place} answers under every unit number: one device, listed once")
                    return
            await self._latecomers()
        if not self.report.found:
            await self._deaf_to_reads()

    async def _answers_to_all(self) -> bool:
        """Say whether unit numbers mean nothing to this host; then the first one stands for all."""
        for unit in SENTINELS:
            if not (await self._ask(unit, _HOLDING, planned=False)).alive:
                return False
        return True
