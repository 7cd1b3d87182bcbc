"""One question to a unit on an unknown line, and what came of it; a late answer is never taken for the next one.

On a bus the line is drained until silent before every question, and an answer must come from the unit, with the function and, of
reads, in the length asked for. Only functions that read are let through.
"""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from drivers.modbus.framing import FRAMINGS, LONGEST, RTU, Framing, fits
from drivers.modbus.listen import frames_in
from drivers.modbus.verdict import Evidence
from drivers.modbus.wire import SerialWire, Settings, Wire
from gateway.driver import DeviceError, LinkError

READ_ONLY: Final = frozenset({1, 2, 3, 4, 17, 43})
"""Function codes a scan may send: reads, report server id, device identification."""

NO_TARGET: Final = frozenset({10, 11})
"""Exceptions by which a gateway says that the unit is not there."""

DRAIN_S: Final = 0.03
"""Silence that ends the draining; USB adapters hand bytes on every 16 ms."""

DRAIN_LIMIT_S: Final = 1.0
_EXCEPTION: Final = 0x80
_MEI_HEAD: Final = 8


class Reply(Struct, frozen=True):
    """What came of one question: `pdu` of a sound answer (also of an exception), else None; `raw` is what came at all."""

    pdu: bytes | None = None
    raw: bytes = b""

    @property
    def exception(self) -> int | None:
        """Number of the Modbus exception, None when it is none."""
        return self.pdu[1] if self.pdu and self.pdu[0] & _EXCEPTION else None

    @property
    def alive(self) -> bool:
        """Whether it proves that the unit is there; an exception does, unless a gateway says it for the unit."""
        return self.pdu is not None and self.exception not in NO_TARGET

    @property
    def data(self) -> bytes | None:
        """The answer behind its function code, None when there is none or it is an exception."""
        return self.pdu[1:] if self.pdu is not None and self.exception is None else None


class TooBusy(DeviceError):  # noqa: N818
    """Somebody else talks all the time, so nothing can be asked."""


class Probe(ABC):
    """Asks one question at a time on a wire."""

    def __init__(self, wire: Wire, timeout: float, pause: float) -> None:
        self.wire = wire
        self.timeout = timeout
        self.pause = pause
        self.evidence = Evidence(serial=wire.serial)
        self.also_alive: set[int] = set()
        """Units that answered too late to count, but did."""
        self._loop = asyncio.get_running_loop()
        self._rested_at = 0.0

    async def ask(self, unit: int, pdu: bytes) -> Reply:
        """Send a request and return what came of it.

        Raises:
            LinkError: the line is gone.
            TooBusy: the line is never silent.
        """
        if pdu[0] not in READ_ONLY:
            raise ValueError(f"a scan does not send function {pdu[0]}")
        if (wait := self._rested_at + self.pause - self._loop.time()) > 0:
            await asyncio.sleep(wait)
        await self._before()
        self.evidence.requests += 1
        try:
            reply = await self._exchange(unit, pdu)
        finally:
            self._rested_at = self._loop.time()
        if reply.pdu is not None:
            self.evidence.answers += 1
            self.evidence.no_target += reply.exception in NO_TARGET
        elif reply.raw:
            self.evidence.damaged += 1
        else:
            self.evidence.silent += 1
        return reply

    def close(self) -> None:
        """Let go of the line."""
        self.wire.close()

    @abstractmethod
    async def _before(self) -> None:
        """Bring the line into a state in which an answer will be unmistakable."""

    @abstractmethod
    async def _exchange(self, unit: int, pdu: bytes) -> Reply:
        """Send and wait."""


class BusProbe(Probe):
    """Asks in RTU or ASCII frames, on a serial port or through a serial server."""

    def __init__(self, wire: Wire, timeout: float, pause: float, framing: Framing = RTU) -> None:
        super().__init__(wire, timeout, pause)
        self.framing = framing
        self.evidence.serial = True  # behind a serial server there are wires, too
        self._asked: set[int] = set()
        self._last = b""

    def tune(self, baud: int) -> bool:
        """Set the speed for listening."""
        return self.wire.set(Settings(baud, "N")) if isinstance(self.wire, SerialWire) else True

    def set(self, settings: Settings) -> bool:
        """Change the settings of a serial port, and the frames that go with them; False when it cannot do them."""
        self.framing = FRAMINGS[settings.framing]
        return self.wire.set(settings) if isinstance(self.wire, SerialWire) else True

    async def hear(self, seconds: float) -> bytes:
        """Return what comes within this time."""
        self.wire.take()
        until = self._loop.time() + seconds
        while self._loop.time() < until:
            await self.wire.wait(until)
        return self.wire.take()

    async def _before(self) -> None:
        """Drain until silent; what is heard meanwhile is a late answer, or somebody else's."""
        latest = self._loop.time() + DRAIN_LIMIT_S
        heard = self.wire.take()
        silent_since = self.wire.heard_at
        while (now := self._loop.time()) < silent_since + DRAIN_S:
            if now > latest:
                self._judge(heard + self.wire.take())
                hint = "another master, or noise: A and B swapped, no terminator or bias; stop the other master and scan again"
                raise TooBusy(f"{self.wire.place} is never silent, so nothing can be asked", hint=hint)
            if await self.wire.wait(silent_since + DRAIN_S):
                silent_since = self.wire.heard_at
        self._judge(heard + self.wire.take())

    def _judge(self, data: bytes, answering: int | None = None) -> None:
        """Sort what came without being waited for, or instead of the answer of a unit."""
        if self._last and self._last in data:
            data = data.replace(self._last, b"")
            self.evidence.echoes += 1
        frames = frames_in(data)
        for frame in frames:
            if frame.request or frame.unit not in self._asked:
                self.evidence.foreign += 1
            elif frame.unit != answering:
                self.also_alive.add(frame.unit)
        if not frames and answering is None:
            self.evidence.unasked += len(data)

    async def _exchange(self, unit: int, pdu: bytes) -> Reply:
        frame = self.framing.request(unit, pdu)
        gap = min(self.framing.gap_s, max(RTU.gap_s, self.timeout))
        self._asked.add(unit)
        self._last = frame
        self.wire.write(frame)
        deadline = self._loop.time() + len(frame) * self.wire.byte_s + self.timeout
        latest = deadline + self.framing.longest * self.wire.byte_s + gap
        end, echoed = deadline, False
        while True:
            await self.wire.wait(end)
            if not echoed and (at := self.wire.buffer.find(frame)) >= 0:
                echoed = True
                self.evidence.echoes += 1
                del self.wire.buffer[at : at + len(frame)]
            raw = bytes(self.wire.buffer)
            answer, begun = self.framing.answer(raw, unit, pdu)
            if answer is not None:
                self.wire.take()
                return Reply(answer, raw)
            end = min(latest, max(deadline, self.wire.heard_at + gap)) if begun else deadline
            if self._loop.time() >= end:
                self.wire.take()
                self._judge(raw, unit)
                return Reply(None, raw)


class MbapProbe(Probe):
    """Asks in Modbus TCP frames, over whatever carries them; the transaction id tells a late answer apart, and whose it is."""

    def __init__(self, place: str, connect: Callable[[], Awaitable[Wire]], timeout: float, pause: float) -> None:
        """`connect` returns a new wire to the place, or raises LinkError."""
        super().__init__(Wire(place), timeout, pause)
        self._connect = connect
        self._tid = 0
        self._open: dict[int, int] = {}

    async def open(self) -> None:
        """Connect, or connect anew.

        Raises:
            LinkError: nobody is there, or it refuses.
        """
        self.wire.close()
        self.wire = await self._connect()
        self.evidence.connected = self.wire.connected
        self._open.clear()

    async def _before(self) -> None:
        await asyncio.sleep(0)
        for tid, unit, pdu in self._frames():
            self._late(tid, unit, pdu)

    async def _exchange(self, unit: int, pdu: bytes) -> Reply:
        self._tid = self._tid % 0xFFFF + 1
        self.wire.write(struct.pack(">HHHB", self._tid, 0, len(pdu) + 1, unit) + pdu)
        deadline = self._loop.time() + self.timeout
        raw = b""
        while True:
            await self.wire.wait(deadline)
            for tid, answering, answer in self._frames():
                if tid == self._tid and answering == unit and fits(answer, pdu):
                    return Reply(answer, answer)
                self._late(tid, answering, answer)
                raw += answer if tid == self._tid else b""
            if self._loop.time() >= deadline:
                self._open[self._tid] = unit
                return Reply(None, raw)

    def _late(self, tid: int, unit: int, pdu: bytes) -> None:
        if self._open.pop(tid, None) == unit and Reply(pdu).alive:
            self.also_alive.add(unit)

    def _frames(self) -> list[tuple[int, int, bytes]]:
        """Return transaction id, unit and pdu of the frames that are complete."""
        frames, data = [], self.wire.buffer
        while len(data) >= _MEI_HEAD:
            tid, protocol, length, unit = struct.unpack(">HHHB", data[:7])
            if protocol or not 2 <= length <= LONGEST - 2:
                self.evidence.damaged += 1
                hint = "something else than Modbus TCP answers on this port"
                raise LinkError(f"{self.wire.place} sent bytes that are no Modbus TCP", hint=hint)
            if len(data) < length + 6:
                break
            frames.append((tid, unit, bytes(data[7 : length + 6])))
            del data[: length + 6]
        return frames
