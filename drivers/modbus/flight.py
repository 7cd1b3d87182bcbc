"""What is under way on a line: requests that wait for their answers, and the lanes in which they go one behind the other."""

from __future__ import annotations

import asyncio

from drivers.modbus.errors import Damaged, NoAnswer
from drivers.modbus.request import Request
from gateway.driver import DeviceError


class Flight:
    """A request under way; `done` belongs to the caller, who may cancel it and go, `timer` ends it when it is overdue."""

    __slots__ = ("done", "expected_s", "is_probe", "request", "sent_at", "tid", "timeout", "timer")

    def __init__(self, request: Request, done: asyncio.Future[bytes], tid: int, sent_at: float, timeout: float) -> None:
        self.request = request
        self.done = done
        self.tid = tid
        self.sent_at = sent_at
        self.timeout = timeout
        self.expected_s = 0.0
        self.is_probe = False
        self.timer: asyncio.TimerHandle | None = None


class Lane:
    """Where callers have their turn one after another: the whole line, or one unit of a connection that can tell answers apart.

    `flights` are the requests of the one whose turn it is: one, or a volley. `landed_at` is when the last of them ended.
    """

    __slots__ = ("ended", "flights", "landed_at", "lock")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.flights: list[Flight] = []
        self.landed_at = 0.0
        self.ended: asyncio.Future[None] | None = None

    @property
    def flight(self) -> Flight | None:
        """The request under way, the first of a volley."""
        return self.flights[0] if self.flights else None


class Volley:
    """What came of several requests that were sent to one unit together: the data bytes of each answer, or why there are none.

    It is sound when every request was answered, in its own form, and nothing came meanwhile that nobody had asked for. Of one
    that is not, no answer counts: a device that confuses transaction ids leaves some unanswered, or answers some twice.
    """

    __slots__ = ("answers", "unexpected")

    def __init__(self, answers: list[bytes | DeviceError], *, unexpected: bool = False) -> None:
        self.answers = answers
        self.unexpected = unexpected

    @property
    def sound(self) -> bool:
        """Whether its answers count."""
        return not self.unexpected and not any(isinstance(answer, NoAnswer | Damaged) for answer in self.answers)

    @property
    def silent(self) -> bool:
        """Whether the unit answered nothing at all."""
        return all(isinstance(answer, NoAnswer) for answer in self.answers)
