"""Several requests to one unit at a time, where it is configured for that; and back to one by one where it cannot stand it.

Nothing is lost when a unit turns out to be unable: what a volley did not bring is asked for again in the same scan, one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from drivers.modbus.allowed import ALL, Allowed
from drivers.modbus.errors import BUSY, Damaged, NoAnswer, Refusal
from drivers.modbus.exchange import Exchange
from drivers.modbus.flight import Volley
from drivers.modbus.request import Request
from gateway.clock import Clock
from gateway.driver import DeviceError, LinkError

T = TypeVar("T")

Came = bytes | DeviceError | None
"""What came of one request: data bytes, why there are none, or None: it has still to be asked for."""

REST_S: Final = 60.0
"""So long a unit is asked one by one after a volley that went wrong without showing that the volley was to blame."""

BUSY_LIMIT: Final = 3
HANG_UP_LIMIT: Final = 2
"""After so many volleys in a row that met with "busy", or with the end of the connection, the unit is asked one by one for good."""

SILENT_LIMIT: Final = 2
"""Silent requests after which the rest of a volley is not asked for again; one is enough when none was answered."""

LOSES: Final = "answers only some of the requests that are sent to it together"
IS_BUSY: Final = "says that it is busy when requests are sent to it together"
HANGS_UP: Final = "closes the connection when requests are sent to it together"


class Pipeline:
    """How many requests one unit may be asked at a time; it outlives the connection."""

    def __init__(self, configured: int = 1) -> None:
        self.depth = configured
        """How many at most; 1 for good once the unit turned out to be unable."""
        self.configured = configured
        self.fault = ""
        """Why it is 1 although it was configured otherwise, in words that follow the name of the unit."""
        self._rests_until_s = 0.0
        self._busy = 0
        self._hung_up = 0

    def groups(self, items: Sequence[T], unit: int, exchange: Exchange, clock: Clock) -> Iterator[Sequence[T]]:
        """Split what is asked of the unit in one scan into what is asked at a time.

        Where other units share the line, the first goes alone: a unit that has died then costs them no more than one request. So
        does everything as long as the unit may still answer an older request, whose answer must not fill a place in a volley.
        """
        at = 0
        while at < len(items):
            together = self.depth
            if together > 1 and (
                not exchange.pipelines
                or clock.monotonic() < self._rests_until_s
                or (at == 0 and exchange.is_shared_with_others_than(unit))
                or exchange.owes(unit)
            ):
                together = 1
            yield items[at : at + together]
            at += together

    async def ask(self, exchange: Exchange, requests: Sequence[Request], clock: Clock, allowed: Allowed = ALL) -> list[Came]:
        """Send requests to the unit together; return what came of each.

        Raises:
            DeviceError: one of them is not allowed.
            LinkError: the line is gone.
        """
        try:
            volley = await exchange.ask_together(requests, allowed)
        except LinkError:
            if exchange.hung_up:
                self._hung_up += 1
                if self._hung_up >= HANG_UP_LIMIT:
                    self._fall_back(HANGS_UP)
            raise
        self._hung_up = 0
        if volley.silent:
            return [*volley.answers]
        if not volley.sound:
            return await self._one_by_one(exchange, requests, volley, clock, allowed)
        return await self._again_where_busy(exchange, requests, volley, allowed)

    async def _one_by_one(
        self, exchange: Exchange, requests: Sequence[Request], volley: Volley, clock: Clock, allowed: Allowed
    ) -> list[Came]:
        """Ask for everything again; a request that is answered alone, and was not in company, shows what is the matter.

        What was answered comes first: that shows whether the unit is still there, so that a dead one costs one timeout more only.
        """
        silence = next((answer for answer in volley.answers if isinstance(answer, NoAnswer)), None)
        found: list[Came] = [silence] * len(requests)
        answered = silent = 0
        unable = False
        for i in sorted(range(len(requests)), key=lambda i: isinstance(volley.answers[i], NoAnswer)):
            before, now = volley.answers[i], await _alone(exchange, requests[i], allowed)
            found[i] = now
            if isinstance(now, NoAnswer):
                silent += 1
                if silent >= SILENT_LIMIT or not answered:
                    found = [now if isinstance(one, NoAnswer | None) else one for one in found]
                    break
            else:
                answered += 1
                unable = unable or (isinstance(before, NoAnswer | Damaged) and not isinstance(now, Damaged))
        if unable:
            self._fall_back(LOSES)
        else:
            self._rests_until_s = clock.monotonic() + REST_S
        return found

    async def _again_where_busy(
        self, exchange: Exchange, requests: Sequence[Request], volley: Volley, allowed: Allowed
    ) -> list[Came]:
        """Ask once more for what was turned away; a unit that is busy with a volley need not be busy with one request."""
        found: list[Came] = [*volley.answers]
        turned_away = [i for i, answer in enumerate(found) if _is_busy(answer)]
        for n, i in enumerate(turned_away):
            found[i] = await _alone(exchange, requests[i], allowed)
            if _is_busy(found[i]):  # it needs some time, and whoever gives it that asks for the rest
                for later in turned_away[n + 1 :]:
                    found[later] = None
                return found
        self._busy = self._busy + 1 if turned_away else 0
        if self._busy >= BUSY_LIMIT:
            self._fall_back(IS_BUSY)
        return found

    def _fall_back(self, fault: str) -> None:
        self.depth, self.fault = 1, fault

    def warning(self, who: str) -> str:
        """Return what turned out and what to do, in words; "" while all is as configured. `who` is the unit."""
        return f"{who} {self.fault}; it is asked one by one: leave out pipeline: {self.configured}" if self.fault else ""


async def _alone(exchange: Exchange, request: Request, allowed: Allowed) -> bytes | DeviceError:
    try:
        return await exchange.ask(request, allowed)
    except LinkError:
        raise
    except DeviceError as error:
        return error


def _is_busy(answer: Came) -> bool:
    return isinstance(answer, Refusal) and answer.code in BUSY


_PIPELINES: dict[tuple[str, int, int], Pipeline] = {}


def pipeline_of(url: str, unit: int, configured: int) -> Pipeline:
    """Return the pipeline of a unit on a line; what it turned out to be unable to do is remembered as long as the process runs."""
    return _PIPELINES.setdefault((url, unit, configured), Pipeline(configured))
