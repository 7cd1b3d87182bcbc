"""A line without bytes on a wire: a test sees what was sent and says what comes."""

from __future__ import annotations

from typing import Any

from gateway.clock import ManualClock
from tests.drivers.modbus.tables import link
from tests.waiting import until


class FakeLine:
    def __init__(self, place: str) -> None:
        self.place = place
        self.serial = place.startswith("/")
        self.byte_s = 0.0
        self.sent: list[bytes] = []
        self.closed = False
        self.acknowledged = 0

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)

    def acknowledge(self) -> None:
        self.acknowledged += 1

    def close(self) -> None:
        self.closed = True


def exchange_on(kind: type, scheme: str, place: str, timeout: float = 0.2, **options: Any) -> Any:
    """An exchange of this kind on a fake line."""
    exchange = kind(link(scheme, place, timeout, **options), ManualClock())
    exchange.line = FakeLine(place)
    return exchange


async def sent(exchange: Any, count: int) -> bytes:
    """Wait for the request number `count`."""
    await until(lambda: len(exchange.line.sent) >= count, what=f"request {count}")
    return exchange.line.sent[count - 1]
