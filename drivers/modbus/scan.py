"""Finding out what hangs on an unknown bus, or behind an unknown host: in order of likelihood, gently, and without writing.

Nothing here prints: an `Observer` hears what goes on, and what was found so far always stands in the `Report`, also when the
scan is cancelled.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct, field

from drivers.modbus.allowed import ALL, Allowed
from drivers.modbus.identify import IDENTIFICATION, Identity, TypeRegister, identify, read
from drivers.modbus.probe import MbapProbe, Probe, Reply, TooBusy
from drivers.modbus.request import FUNCTIONS, Request
from drivers.modbus.verdict import Verdict, verdicts
from drivers.modbus.wire import Settings
from gateway.driver import LinkError
from gateway.model import Reason

LIKELY: Final = 10
"""Units that are asked before all others."""

ASK_FROM: Final = 1000
"""Requests that are sent without asking the user."""

FOREIGN_LIMIT: Final = 2
LOST_LIMIT: Final = 3
"""Connections lost one after the other before a host is given up, and the same where something was found on it."""

LOST_LIMIT_FOUND: Final = 12
PATIENCE: Final = 4.0
"""How many times the timeout a unit gets that was heard answering too late."""

HOLDING: Final = read(3, 0)
INPUT: Final = read(4, 0)
IDENTIFY: Final = bytes([IDENTIFICATION, 14, 1, 0])
"""The requests that a unit is knocked with, the likeliest to be answered first."""

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


class Stopped(Exception):  # noqa: N818
    """The scan ends here; the report says why."""


class Sweep:
    """The part that bus and host have in common."""

    allowed: Callable[[int], Allowed] = staticmethod(lambda unit: ALL)
    """What may be asked of a unit; nothing else is, whatever the scan would like to know."""

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
        except Stopped:
            pass
        except TooBusy as error:
            self.report.stopped = str(error)
        except LinkError:
            self._judge(gone=True)
            raise
        except BaseException:
            self._judge()
            raise
        self._judge()

    async def _run(self) -> None:
        raise NotImplementedError

    def _judge(self, *, gone: bool = False) -> None:
        """Put into words what the counters say; of a line that is gone, why it is so says more than its silence."""
        evidence = self.probe.evidence
        self.report.echo = self.report.echo or bool(evidence.echoes)
        self.report.verdicts += [v for v in verdicts(evidence) if v.code != "good" and not (gone and v.code == "silent")]

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
            raise Stopped

    def _within(self, unit: int, pdu: bytes) -> bytes:
        """Return a read of one register that stands for any: the same, or, where that is not allowed, one that is."""
        function, address, count = struct.unpack(">BHH", pdu)
        first = self.allowed(unit).first(function, address)
        return pdu if first is None else read(function, first, count)

    async def _touch(self, unit: int, pdu: bytes, *, planned: bool = True) -> Reply:
        """Ask for any register of a table, to see whether somebody answers."""
        return await self._ask(unit, self._within(unit, pdu) if pdu in {HOLDING, INPUT} else pdu, planned=planned)

    async def _ask(self, unit: int, pdu: bytes, *, planned: bool = True) -> Reply:
        """Ask; what is not allowed is not sent, and counts as unanswered."""
        if pdu[0] in FUNCTIONS and not self.allowed(unit).permits(Request(unit, *struct.unpack(">BHH", pdu))):
            self._left -= planned
            return Reply()
        self._observer.asking(f"{self._where}unit {unit}")
        self.report.requests += 1
        try:
            reply = await self.probe.ask(unit, pdu)
        except LinkError as error:
            if error.reason == Reason.REFUSED:
                raise  # who says no to the port, or to our certificate, says it to every request
            reply = await self._reopened()
        if reply.pdu is not None:
            self._losses = 0
        if planned:
            self._left -= 1
            self._observer.planned(self._left)
        if self.probe.evidence.foreign >= FOREIGN_LIMIT:
            self.report.stopped = "the scan ended because somebody else talks on this line"
            raise Stopped
        return reply

    async def _reopened(self) -> Reply:
        """Some devices close the connection instead of refusing a request: that is no answer, and one goes on."""
        self._losses += 1
        if not isinstance(self.probe, MbapProbe) or (self._losses > LOST_LIMIT and not self.report.found):
            raise
        if self._losses > LOST_LIMIT_FOUND:
            self.report.stopped = f"{self.probe.wire.place} closes the connection again and again; name its units with --units"
            raise Stopped
        await self.probe.open()
        return Reply()

    async def _knock(self, unit: int, pdu: bytes) -> bool:
        """Ask once; a unit that answers is identified and reported. Says whether the line works: any sound answer came."""
        reply = await self._touch(unit, pdu)
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
            for pdu in (HOLDING, INPUT, IDENTIFY):
                reply = await self._touch(unit, pdu, planned=False)
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
        tables = [("holding", HOLDING), ("input", INPUT)]
        known = reply.pdu[0] & 0x7F if reply.pdu else 0
        for table, pdu in tables:
            if found.at is None:
                first = reply if known == pdu[0] else await self._touch(unit, pdu, planned=False)
                if first.data is not None:
                    wire = int.from_bytes(self._within(unit, pdu)[1:3], "big")
                    found.at, found.value = f"{table} wire {wire}", int.from_bytes(first.data[1:3], "big")
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
        for pdu in (INPUT, IDENTIFY):
            for unit in rest:
                await self._knock(unit, pdu)
