"""Time and a line without waiting: a loop that jumps to the next moment something is due, and a bus within the process."""

from __future__ import annotations

import asyncio
import random
import selectors
from typing import Any

from gateway.clock import ManualClock
from tests.drivers.modbus.tables import link
from tests.peers.modbus_evil import Slave


class _Jumping(selectors.SelectSelector):
    """Waits for nothing; the time it should have waited is past."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everything waits and nothing is due: the campaign would hang")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time costs nothing; files, sockets and signals are never ready on it."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class MemoryLine:
    """A serial line to a slave in the same process, at its real speed in virtual time; some answers come in two pieces."""

    serial = True

    def __init__(self, slave: Slave, exchange: Any, baud: int, bits: int = 10, seed: int = 1) -> None:
        self.place = "/dev/memory"
        self.byte_s = bits / baud
        self._slave = slave
        self._exchange = exchange
        self._random = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self._free_at = 0.0

    def send(self, frame: bytes) -> None:
        self._loop.call_later(self.byte_s * len(frame), self._slave.take, frame, self._answer)

    def close(self) -> None:
        pass

    def _answer(self, data: bytes) -> None:
        cut = self._random.randrange(1, len(data)) if len(data) > 1 and self._random.random() < 0.2 else len(data)
        for piece in (data[:cut], data[cut:]):
            if piece:
                self._free_at = max(self._free_at, self._loop.time()) + self.byte_s * len(piece)
                self._loop.call_at(self._free_at, self._exchange._received, piece)


def exchange_with(kind: type, scheme: str, slave: Slave, timeout: float, baud: int, seed: int) -> Any:
    """The real exchange of this kind, on a line to `slave` in memory."""
    exchange = kind(link(scheme, f"/dev/memory{seed}", timeout, baud=baud, parity="N"), ManualClock())
    exchange.line = MemoryLine(slave, exchange, baud, seed=seed)
    return exchange
