"""What an uplink says about itself: fixed events in the log, each trouble told once and its recovery too, and a status."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from gateway.clock import Clock
from gateway.log import get
from gateway.model import Log
from gateway.uplink.batch import Message
from gateway.uplink.errors import PublishRefused, UplinkError
from gateway.uplink.reasons import TAKEN_OVER

TELL_DAYS = (30, 14, 7, 3, 1, 0)
"""Days before a certificate expires at which it is told."""

_KEPT = {"refused", "store", "fault"}
"""Trouble that a new connection alone does not end, only records that are accepted over it."""


class Report:
    """Counts, remembers the trouble that stands, and logs changes. No message holds a secret.

    Events: `uplink_connected`, `uplink_lost` (also: it cannot be made), `uplink_refused` (the broker answers with a reason),
    `publish_refused`, `outbox_failed`, `uplink_recovered`, `uplink_downgraded`, `value_left_out`, `message_ignored`,
    `certificate_expires`, `uplink_taken_over`, `message_uncompressed`,
    `uplink_fault` (an error nobody expected).
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self._clock = clock
        self._log = get("uplink", uplink=name)
        self._name = name
        self._broker = ""
        self._protocol = ""
        self._since = ""
        self._warnings: tuple[str, ...] = ()
        self._uncompressed = ""
        self._warned: set[str] = set()
        self._unsteady = ""
        self._expires: dict[str, float] = {}
        self._trouble: dict[str, str] = {}
        self._trouble_since = 0.0
        self._last_error = ""
        self._next_attempt: float | None = None
        self._held: list[str] = []
        self._messages = self._records = self._bytes = self._ignored = 0

    def status(self) -> dict[str, Any]:
        """Return plain JSON values.

        Keys: name, connected, broker (last one connected), protocol (`5`, `3.1.1`), since (UTC, of this connection), trouble
        (what stands now, in words, else empty), last_error (kept after recovery), warnings, certificates (days that each of ours
        still holds), next_attempt_s (None unless
        waiting), published_messages, published_records, published_bytes (accepted by the broker since start), ignored_messages
        (that came in and made no sense), held (logs that wait because the day's bytes run short).
        """
        waits = None if self._next_attempt is None else max(0.0, round(self._next_attempt - self._clock.monotonic(), 1))
        return {
            "name": self._name,
            "connected": bool(self._since),
            "broker": self._broker,
            "protocol": self._protocol,
            "since": self._since,
            "trouble": "; ".join(dict.fromkeys(self._trouble.values())),
            "last_error": self._last_error,
            "warnings": [
                *self._warnings,
                *(self._expiry(what, ends) for what, ends in self._expires.items() if self._soon(ends)),
                *filter(None, [self._uncompressed, self._unsteady]),
            ],
            "certificates": {what: round(self._days(ends), 1) for what, ends in self._expires.items()},
            "next_attempt_s": waits,
            "published_messages": self._messages,
            "published_records": self._records,
            "published_bytes": self._bytes,
            "ignored_messages": self._ignored,
            "held": self._held,
        }

    def connected(self, broker: str, protocol: str, warnings: tuple[str, ...]) -> None:
        """Note a new connection; that of earlier trouble with connections is over."""
        wall_s = self._clock.stamp().wall_ns / 1e9
        self._since = datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._broker, self._protocol, self._warnings = str(broker), protocol, warnings
        self._next_attempt = None
        self._log.info("uplink_connected", broker=broker, protocol=protocol)
        for warning in warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._log.warning("uplink_downgraded", broker=broker, reason=warning)
        self._recover({key for key in self._trouble if key not in _KEPT})

    def unsteady(self, client_id: str) -> None:
        """Note that connections break again and again soon after they were made, until one lasts (see `steady`)."""
        words = f"connections break soon after they are made; another client may have the client id '{client_id}'"
        if words != self._unsteady:
            self._unsteady = words
            self._log.warning("uplink_unsteady", reason=words, hint="see that no other gateway has the same site and gateway name")

    def steady(self) -> None:
        """Note that a connection has lasted."""
        self._unsteady = ""

    def certificates(self, expires: dict[str, float]) -> None:
        """Note until when certificates of ours hold, in seconds since 1970; tell it when one is about to expire."""
        self._expires = expires
        for what, ends in expires.items():
            passed = [days for days in TELL_DAYS if self._days(ends) < days]
            if passed and (key := f"{what} {passed[-1]} {ends}") not in self._warned:
                self._warned.add(key)
                self._log.warning("certificate_expires", reason=self._expiry(what, ends), hint="get a new one in time")

    def _days(self, ends: float) -> float:
        return (ends - self._clock.stamp().wall_ns / 1e9) / 86400

    def _soon(self, ends: float) -> bool:
        return self._days(ends) < TELL_DAYS[0]

    def _expiry(self, what: str, ends: float) -> str:
        days = self._days(ends)
        return f"{what} expires in {days:.0f} days" if days >= 0 else f"{what} has expired"

    def disconnected(self) -> None:
        """Note that there is no connection any more."""
        self._since = ""
        self._warnings = ()

    def unreachable(self, broker: str, error: UplinkError) -> None:
        """Note that a broker could not be connected to."""
        event = "uplink_lost" if error.code is None else "uplink_refused"
        self._tell(event, f"connect {broker}", error, broker=broker)

    def fault(self, error: Exception) -> None:
        """Note what should not have happened; its traceback is logged once, and again when something else happens."""
        words = f"the uplink failed in a way it should not ({type(error).__name__}: {error}); it is tried again"
        new = self._note("fault", words)
        if new:
            self._log.error("uplink_fault", exc_info=error)

    def lost(self, error: UplinkError) -> None:
        """Note that the connection was lost; another client in our place is an alarm."""
        if error.code == TAKEN_OVER:
            self._note("lost", str(error))
            self._log.error("uplink_taken_over", broker=self._broker, reason=error.words, hint=error.hint)
            return
        self._tell("uplink_lost", "lost", error, broker=self._broker)

    def kept(self, error: UplinkError, pause_s: float) -> None:
        """Note that records could not be handed over and are kept: the broker refused them, or the outbox failed."""
        self._next_attempt = self._clock.monotonic() + pause_s
        if isinstance(error, PublishRefused):
            self._tell("publish_refused", "refused", error, broker=self._broker, code=f"0x{error.code:02X}")
        else:
            self._tell("outbox_failed", "store", error)

    def waiting(self, pause_s: float) -> None:
        """Note when the next attempt to connect is due."""
        self._next_attempt = self._clock.monotonic() + pause_s

    def accepted(self) -> None:
        """Note that everything that was claimed has been accepted."""
        self._next_attempt = None
        self._recover(set(_KEPT))

    def published(self, message: Message) -> None:
        """Count a message that the broker accepted."""
        self.count(message.count, len(message.payload))
        if message.trouble and message.trouble not in self._warned:
            self._warned.add(message.trouble)
            self._log.warning("message_uncompressed", reason=message.trouble)
        self._uncompressed = message.trouble
        for point in message.cut:
            if point not in self._warned:
                self._warned.add(point)
                self._log.warning("value_left_out", point=point, reason="larger than a message", hint="do not share this point")

    def count(self, records: int, size: int) -> None:
        """Count a message of so many records and bytes."""
        self._messages += 1
        self._records += records
        self._bytes += size

    def ignored(self, topic: str, reason: str) -> None:
        """Count a message that came in and made no sense; the first of each reason is logged."""
        self._ignored += 1
        if reason not in self._warned:
            self._warned.add(reason)
            self._log.warning("message_ignored", topic=topic[:200], reason=reason)

    def holding(self, logs: Collection[Log]) -> None:
        """Note which logs are held back for want of bytes; told when it changes."""
        held: list[str] = sorted(logs)
        if held != self._held:
            if held:
                self._log.warning("budget_short", held=held)
            else:
                self._log.info("budget_recovered")
        self._held = held

    def _tell(self, event: str, key: str, error: UplinkError, **context: Any) -> None:
        tell = self._log.warning if self._note(key, str(error)) else self._log.debug
        tell(event, reason=error.words, hint=error.hint, **context)

    def _note(self, key: str, words: str) -> bool:
        """Keep a trouble for the status; return whether it is new."""
        self._last_error = words
        if not self._trouble:
            self._trouble_since = self._clock.monotonic()
        new = self._trouble.get(key) != words
        self._trouble[key] = words
        return new

    def _recover(self, keys: set[str]) -> None:
        if not keys & self._trouble.keys():
            return
        for key in keys:
            self._trouble.pop(key, None)
        if not self._trouble:
            self._log.info("uplink_recovered", broker=self._broker, after_s=round(self._clock.monotonic() - self._trouble_since, 1))
