"""Whose turn it is among the brokers of a list: in order, each once in a round, none before its time, another when one says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.config.broker import BrokerUrl
from gateway.config.host import check_host


class Roster:
    """The brokers of one uplink."""

    def __init__(self, brokers: Sequence[BrokerUrl], monotonic: Callable[[], float]) -> None:
        self._brokers = tuple(brokers)
        self._monotonic = monotonic
        self._first = 0
        self._at = 0
        self._tried: set[BrokerUrl] = set()
        self._held: dict[BrokerUrl, float] = {}

    def begin(self) -> None:
        """Begin a round: every broker may be asked once."""
        self._tried.clear()

    def turn(self) -> BrokerUrl | None:
        """Return the broker that is to be asked next in this round; None when all have been, or are held."""
        now = self._monotonic()
        for step in range(len(self._brokers)):
            at = (self._at + step) % len(self._brokers)
            url = self._brokers[at]
            if url not in self._tried and now >= self._held.get(url, 0.0):
                self._at = at
                self._tried.add(url)
                return url
        return None

    def pass_on(self) -> None:
        """Give the turn to the next broker."""
        self._at = (self._at + 1) % len(self._brokers)

    def restart(self) -> None:
        """Give the turn back to the first broker, or to the one that the first has moved to."""
        self._at = self._first

    def hold(self, url: BrokerUrl | None, seconds: float) -> None:
        """Do not ask a broker, or any (None), for so many seconds."""
        until = self._monotonic() + seconds
        for each in self._brokers if url is None else (url,):
            self._held[each] = max(until, self._held.get(each, 0.0))

    def release(self) -> None:
        """Let every broker be asked again at once."""
        self._held.clear()

    @property
    def wait_s(self) -> float:
        """Seconds until some broker may be asked."""
        now = self._monotonic()
        return max(0.0, min(self._held.get(url, now) for url in self._brokers) - now)

    def refer(self, references: str, by: BrokerUrl, *, for_good: bool) -> BrokerUrl | None:
        """Give the turn to the first of the brokers that `by` names and that stands in the list, as safe as it or safer.

        Whoever holds a broker could otherwise send every gateway, with its credentials, to a computer of his own.

        Args:
            references: host and perhaps port of each, separated by spaces (MQTT 5.0, 4.11).
            by: who says so.
            for_good: it has moved, and shall not be asked first any more.

        Returns:
            The broker whose turn it is now; None when none of them may be used.
        """
        for reference in references[:1000].split():
            host, port = _parts(reference)
            for at, url in enumerate(self._brokers):
                same = url != by and url.host.lower() == host and port in {None, url.port}
                if same and url.tls >= by.tls:
                    self._at = at
                    if for_good:
                        self._first = at
                    return url
        return None


def _parts(reference: str) -> tuple[str, int | None]:
    """Return host and port of a reference, written as `host`, `host:port` or a URL; an empty host where it is none of these."""
    rest = reference.rpartition("://")[2].rstrip("/").lower()
    host, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        host, port = rest, ""
    try:
        return check_host(host).strip("[]"), int(port[:6]) if port or colon else None
    except ValueError:
        return "", None
