"""What a bus may still answer: the memory that keeps a late answer from being taken for the next one.

RTU frames carry no transaction id; two answers of a unit can be told apart only by function code and length. One thing is sure: a
unit, and a serial server before it, answers in the order in which it was asked. So

- a request may go out only when no answer that could still come looks like its own (`clashes`);
- once it is answered, everything asked of that unit before is settled: it was answered, or never will be (`answered`).
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct, field

from drivers.modbus.request import Request

FORGET_S: Final = 30.0
"""An answer that has not come after this time will not come; serial servers keep requests for seconds at most."""

WARY_S: Final = 60.0
"""So long after an answer that nobody asked for, not even the same request is sent twice in a row."""

Verdict = Literal["late", "doubled", "foreign"]


class _Unit(Struct):
    """What one unit may still answer: `owed` in the order of asking, `last` was answered but might be answered again."""

    owed: list[tuple[Request, float]] = field(default_factory=list)
    last: Request | None = None


class Ledger:
    """The open accounts of all units on one bus. It outlives the opening and closing of the line."""

    def __init__(self) -> None:
        self.shapes: set[tuple[int, int, int | None]] = set()
        self._units: dict[int, _Unit] = {}
        self._wary_until = 0.0

    def asked(self, request: Request) -> None:
        """Take note that this form of answer may come from now on."""
        self.shapes.add((request.unit, request.function, request.size))
        self.shapes.add((request.unit, request.function, None))

    def overdue(self, request: Request, now: float) -> None:
        """Take note that a request is no longer waited for and may still be answered."""
        self._account(request.unit).owed.append((request, now))

    def answered(self, request: Request, now: float) -> None:
        """Take note that a request was answered.

        When an older one of the same form was still open, the answer may have been that one's: then only what is older than
        that is settled, and this one stays open.
        """
        account = self._account(request.unit)
        account.last = request
        for i, (older, _) in enumerate(account.owed):
            if older.shape == request.shape:
                account.owed[: i + 1] = []
                account.owed.append((request, now))
                return
        account.owed.clear()

    def clashes(self, request: Request, now: float) -> bool:
        """Say whether an answer that may still come could be taken for the answer to `request`."""
        account = self._account(request.unit)
        account.owed = [(older, at) for older, at in account.owed if now - at < FORGET_S]
        if any(older.shape == request.shape for older, _ in account.owed):
            return True
        last = account.last
        # the same answer twice is no danger while it means the same registers, unless the line has shown that it doubles answers
        return last is not None and last.shape == request.shape and (last != request or now < self._wary_until)

    def rivals(self, request: Request, now: float) -> int:
        """Return how many answers that may still come could be taken for the answer to `request`."""
        account = self._account(request.unit)
        alike = [older for older, at in account.owed if older.shape == request.shape and now - at < FORGET_S]
        if (last := account.last) is not None and last.shape == request.shape and last not in alike:
            alike.append(last)
        return len(alike) * (2 if now < self._wary_until else 1)

    def owes(self, unit: int, function: int) -> bool:
        """Say whether an exception to this function code could belong to an older request."""
        return any(older.function == function for older, _ in self._account(unit).owed)

    def in_doubt(self, unit: int) -> bool:
        """Say whether this unit may still answer something."""
        return bool(self._account(unit).owed)

    def account_for(self, unit: int, function: int, size: int | None, now: float) -> Verdict:
        """Settle the oldest account that an unexpected answer fits (`size` None: an exception); say what the answer was."""
        account = self._account(unit)
        for i, (older, _) in enumerate(account.owed):
            if older.function == function and size in {None, older.size}:
                account.owed[: i + 1] = []
                account.last = older
                return "late"
        self._wary_until = now + WARY_S
        last = account.last
        return "doubled" if last is not None and last.function == function and size in {None, last.size} else "foreign"

    def _account(self, unit: int) -> _Unit:
        if (account := self._units.get(unit)) is None:
            account = self._units[unit] = _Unit()
        return account


_LEDGERS: dict[str, Ledger] = {}


def ledger_of(url: str) -> Ledger:
    """Return the ledger of a bus; opening the line anew does not make a late answer go away, so it is kept for good."""
    return _LEDGERS.setdefault(url, Ledger())
