"""The small protocols between rooms: Outbox, Session, Runtime. Each room knows its neighbour only by these."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from gateway.model import Log, Record, Sequenced

T = TypeVar("T")


class Claim(Struct, frozen=True):
    """Records to be sent, oldest first within each log, and the token that acknowledges all of them."""

    token: Any
    records: tuple[Sequenced, ...]


class OutboxStatus(Struct, frozen=True, kw_only=True):
    """What an outbox holds and what it lost.

    Attributes:
        waiting: records that are to be claimed, losses that are to be told among them.
        used_bytes: what they take on disk.
        max_bytes: what they may take.
        lost: records dropped since the store was made.
        oldest_wall_ns: wall time of the oldest that waits, ns.
        trouble: what is wrong with the store, in words.
        hours_left: how long there is still room when as much comes in as today; None when nothing does.
        written_per_day: bytes written to the device a day, as of today.
        in_memory: records that are in memory only, as the disk fails.
    """

    waiting: int
    used_bytes: int
    max_bytes: int
    lost: int
    oldest_wall_ns: int | None = None
    trouble: str = ""
    hours_left: float | None = None
    written_per_day: int = 0
    in_memory: int = 0


class OutboxError(Exception):
    """The store could not do it, in words; nothing has changed, and the same call may be made again."""


class Outbox(Protocol):
    """Durable, ordered, bounded queue of records for one recipient.

    Guarantees: a record is on stable storage when `append` returns; within a log records are claimed in the order in which
    they were appended; a record is removed only by `acknowledge` or, when the store is full, by eviction, which is counted
    and told by a `Tombstone`. Not guaranteed: that a record is claimed only once.

    While the disk fails, and only then (`status().trouble`), `append` returns when its records are in memory, bounded; they are
    claimed from there, and stored when the disk is well.
    """

    async def append(self, batch: Sequence[Record], *, urgent: bool = False) -> None:
        """Store the batch durably; concurrent calls share one commit, an urgent one does not wait for company."""

    async def claim(self, n: int, *, held: Collection[Log] = ()) -> Claim | None:
        """Return up to `n` of the oldest unacknowledged records, urgent ones first, or None when there are none.

        Logs in `held` are passed over; their records stay.
        Asking again before acknowledging returns the same records, so a lost connection loses nothing.
        """

    async def acknowledge(self, token: Any) -> None:
        """Remove the records of that claim; they have been accepted by the other side."""

    def status(self) -> OutboxStatus:
        """Return what the store holds and has lost."""


class Page(Struct, frozen=True):
    """Records of a machine's past, and where the next page begins; None: there is none."""

    records: tuple[Record, ...]
    following: int | None


class Recall(Protocol):
    """Looks up what was measured; the history is the one that can."""

    async def __call__(self, machine: str, since_wall_ns: int, until_wall_ns: int, after: int) -> Page:
        """Return the next page of a machine's records between two wall times, in order for every point; none with trouble.

        Args:
            machine: the machine.
            since_wall_ns: first moment.
            until_wall_ns: first moment that is too late.
            after: where the page before said that this one begins; 0 for the first.
        """


class Keeps(Protocol):
    """Keeps small values under a name, over restarts and power cuts; the state is the one that does."""

    def get(self, name: str, kind: type[T], default: T) -> T:
        """Return the value under a name; the default when there is none that makes sense."""

    def put(self, name: str, value: Any) -> None:
        """Keep a value; waits for the disk."""

    async def aput(self, name: str, value: Any) -> None:
        """Keep a value without blocking the event loop."""


class Operates(Protocol):
    """What a person may ask about alarms, and do about them and about what was learned."""

    def alarms(self) -> list[dict[str, Any]]:
        """Return every alarm as plain JSON values, the most urgent first."""

    async def operate(self, deed: str, machine: str, point: str, *, by: str, for_s: float | None = None) -> dict[str, Any]:
        """Do something about an alarm, kept over restarts when this returns; answers with what was `done`, or with an `error`.

        Args:
            deed: `ack`, `shelve`, `unshelve`, `out-of-service` or `in-service`.
            machine: the machine; empty with an empty point: all that wait to be acknowledged.
            point: the point or feature that has the alarm.
            by: who wants it, in words.
            for_s: for how long it is shelved.
        """

    async def forget(self, machine: str, *, by: str) -> dict[str, Any]:
        """Forget what was learned of a machine, for good when this returns; answers with what was `forgot`, or with an `error`."""


class Session(Protocol):
    """One connection to one broker, good for one life: after a loss a new one is made."""

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish at QoS 1 and return when the broker has accepted it; at QoS 0, when it has been written out.

        Raises:
            PublishRefused: the broker answered with a reason code >= 0x80; never at QoS 0.
            SessionLost: the connection went away; whether the message arrived is unknown.
        """


class Runtime(Protocol):
    """What the control socket, and later the fleet, may ask of the running gateway."""

    def status(self, points: Container[str] = ()) -> dict[str, Any]:
        """Return the state of everything as plain JSON values: machines, outboxes, uplinks, clock.

        The machines named in `points` also get `latest`, the latest value of each of their points, which costs memory by the point.
        """

    def metrics(self) -> str:
        """Return what an operator alarms on, as OpenMetrics text."""

    async def apply(self, path: str | None) -> dict[str, Any]:
        """Change to the configuration in `path` (None: the file it runs on, read again); return what was started, stopped, kept.

        Nothing changes when the file has a problem; the answer then carries `problems`.
        """
