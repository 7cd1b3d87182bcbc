"""The logs of one outbox on disk: what is appended, claimed, acknowledged, evicted. Used by one thread.

One log per class, numbered from 1 without holes; a number is never used twice in the life of a store, whose identity is its
epoch. Rows of a log go away only from its old end, so a few counters per log say everything about it, and an acknowledgement is
"up to here" per log. Freed pages are used again and the file never shrinks: that spares flash, and the space stays ours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.clock import Clock
from gateway.database import Database
from gateway.log import get
from gateway.model import Log, Record, Sequenced, Stamp, TimeQuality, Tombstone
from gateway.ports import Claim, OutboxError, OutboxStatus

LOGS = (Log.URGENT, Log.FEATURE, Log.READING, Log.BULK)
"""The order of claims; eviction goes the other way."""

_RANK = {log: rank for rank, log in enumerate(LOGS)}
_URGENT = 0
_SMALLEST = 64 * 1024
_TOMBSTONE_CHARGE = 512  # more than any tombstone takes
_CHARGE = "length(payload) + length(payload) / 8 + 24"  # measured: what a row takes in the file, page fill included
_SEQ = "key & 0xFFFFFFFFFFFF"
_IN_SPAN = "FROM record WHERE key BETWEEN ? AND ?"
_SCHEMA = (
    "CREATE TABLE store (epoch TEXT NOT NULL)",
    "INSERT INTO store SELECT lower(hex(randomblob(8)))",
    "CREATE TABLE log (log INTEGER PRIMARY KEY, last INTEGER, waiting INTEGER, bytes INTEGER, lost INTEGER)",
    "INSERT INTO log VALUES (0, 0, 0, 0, 0), (1, 0, 0, 0, 0), (2, 0, 0, 0, 0), (3, 0, 0, 0, 0)",
    "CREATE TABLE record (key INTEGER PRIMARY KEY, payload BLOB)",  # key = log << 48 | seq
    "CREATE TABLE mark (at_ns INTEGER, urgent INTEGER, feature INTEGER, reading INTEGER, bulk INTEGER)",  # last seqs at a time
)

log = get("outbox")
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


class _Tally(Struct):
    """The counters of one log; its rows are `head` .. `last`, and `bytes` what they take."""

    last: int
    waiting: int
    bytes: int
    lost: int

    @property
    def head(self) -> int:
        return self.last - self.waiting + 1


class Store:
    """Four logs in one file; a call happens as a whole or not at all, and raises `OutboxError` when it did not.

    Args:
        path: the database file.
        max_bytes: what the file may grow to, apart from the write-ahead log; at least 64 KiB.
        max_age_s: how long a record may wait.
        clock: gives the wall time.
    """

    def __init__(self, path: Path, max_bytes: int, max_age_s: float | None, clock: Clock) -> None:
        self.limit(max_bytes, max_age_s)
        self._clock = clock
        self._file = Database(path, schema=_SCHEMA, version=1, synchronous="FULL", load=self._load, error=OutboxError)
        self._epoch = ""
        self._tallies = [_Tally(0, 0, 0, 0) for _ in LOGS]
        self._oldest: list[tuple[int, int]] = []  # by log: seq and wall time of the oldest record
        self._unseen: dict[int, tuple[int, Tombstone]] = {}  # by lost log: the tombstone that may still be extended

    def limit(self, max_bytes: int, max_age_s: float | None) -> None:
        """Set the limits; the next commit enforces them."""
        self._max_bytes = max(int(max_bytes), _SMALLEST)
        self._max_age_ns = None if max_age_s is None else int(max_age_s * 1e9)

    def status(self) -> OutboxStatus:
        """Return what the store holds and has lost, without touching the disk."""
        return OutboxStatus(
            waiting=sum(tally.waiting for tally in self._tallies),
            used_bytes=sum(tally.bytes for tally in self._tallies),
            max_bytes=self._max_bytes,
            lost=sum(tally.lost for tally in self._tallies),
            oldest_wall_ns=min((wall_ns for _, wall_ns in self._oldest if wall_ns), default=None),
            trouble=self._file.trouble or self._file.notice,
        )

    def check_in(self) -> None:
        """Open the file and see what lies in it."""
        with self._file.transaction():
            log.info("outbox_opened", path=str(self._file.path), waiting=sum(tally.waiting for tally in self._tallies))

    def commit(self, rows: list[tuple[int, bytes]]) -> None:
        """Append records as `encode` made them, and make room for them."""
        with self._file.transaction() as db:
            for rank, payload in rows:
                self._insert(db, rank, payload)
            now = self._clock.stamp()
            self._make_room(db, now)
            self._mark(db, now)
            self._save(db)

    def claim(self, n: int, held: Collection[Log] = ()) -> Claim | None:
        """Return up to `n` of the oldest records of the logs that are not in `held`."""
        records: list[Sequenced] = []
        upto = [0] * len(LOGS)
        with self._file.transaction() as db:
            if self._make_room(db, self._clock.stamp()):
                self._save(db)
            for rank, tally in enumerate(self._tallies):
                if LOGS[rank] in held:
                    continue
                last = min(tally.last, tally.head + n - len(records) - 1)
                span = (_key(rank, tally.head), _key(rank, last))
                found = dict(db.execute(f"SELECT {_SEQ}, payload {_IN_SPAN}", span))
                for seq in range(tally.head, last + 1):
                    records.append(Sequenced(LOGS[rank], self._epoch, seq, self._decode(rank, seq, found.get(seq))))
                    upto[rank] = seq
        # What has been seen must not change any more: the other side knows a record by its key.
        self._unseen = {lost: row for lost, row in self._unseen.items() if row[0] > upto[_URGENT]}
        return Claim((self._epoch, tuple(upto)), tuple(records)) if records else None

    def acknowledge(self, token: tuple[str, tuple[int, ...]]) -> None:
        """Remove what a claim returned."""
        epoch, upto = token
        with self._file.transaction() as db:
            if epoch == self._epoch:
                for rank, seq in enumerate(upto):
                    self._drop(db, rank, seq)
                self._save(db)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._file.close()

    def _load(self, db: sqlite3.Connection) -> None:
        rows = db.execute("SELECT last, waiting, bytes, lost FROM log ORDER BY log").fetchall()
        fields = _Tally.__struct_fields__
        tallies = [msgspec.convert(dict(zip(fields, row, strict=True)), _Tally) for row in rows]
        if len(tallies) != len(LOGS):
            raise ValueError
        self._epoch = msgspec.convert(db.execute("SELECT epoch FROM store").fetchone(), tuple[str])[0]
        self._tallies = tallies
        self._unseen.clear()
        self._oldest = []
        self._look(db)

    def _insert(self, db: sqlite3.Connection, rank: int, payload: bytes) -> int:
        tally = self._tallies[rank]
        tally.last += 1
        tally.waiting += 1
        tally.bytes += _charge(payload)
        tally.lost += not payload
        db.execute("INSERT INTO record VALUES (?, ?)", (_key(rank, tally.last), payload))
        return tally.last

    def _drop(self, db: sqlite3.Connection, rank: int, upto: int) -> int:
        """Remove a log's rows up to a seq; return how many there were."""
        tally = self._tallies[rank]
        count = min(upto, tally.last) - tally.head + 1
        if count <= 0:
            return 0
        span = (_key(rank, tally.head), _key(rank, tally.head + count - 1))
        tally.bytes -= db.execute(f"SELECT sum({_CHARGE}) {_IN_SPAN}", span).fetchone()[0] or 0
        tally.waiting -= count
        db.execute(f"DELETE {_IN_SPAN}", span)
        return count

    def _save(self, db: sqlite3.Connection) -> None:
        rows = [(tally.last, tally.waiting, tally.bytes, tally.lost, rank) for rank, tally in enumerate(self._tallies)]
        db.executemany("UPDATE log SET last = ?, waiting = ?, bytes = ?, lost = ? WHERE log = ?", rows)
        self._look(db)

    def _look(self, db: sqlite3.Connection) -> None:
        """Note the wall time of the oldest record of each log, for the status."""
        before = self._oldest or [(0, 0)] * len(LOGS)
        after = []
        for rank, tally in enumerate(self._tallies):
            if tally.waiting and before[rank][0] != tally.head:
                row = db.execute("SELECT payload FROM record WHERE key = ?", (_key(rank, tally.head),)).fetchone()
                after.append((tally.head, self._decode(rank, tally.head, row and row[0]).stamp.wall_ns))
            else:
                after.append(before[rank] if tally.waiting else (0, 0))
        self._oldest = after

    # ── what is lost, and how it is told ──

    def _mark(self, db: sqlite3.Connection, now: Stamp) -> None:
        """Note now and then how far the logs have come, which dates all rows, also those stored before the clock was known."""
        if self._max_age_ns is None or now.quality is not TimeQuality.SYNCED:
            return
        (newest,) = db.execute("SELECT max(at_ns) FROM mark").fetchone()
        if newest is None or abs(now.wall_ns - newest) >= self._max_age_ns // 64:
            # those ahead of now come from a clock that was wrong: the newest would stay ahead, and every commit add another
            db.execute("DELETE FROM mark WHERE at_ns <= ? OR at_ns > ?", (now.wall_ns - self._max_age_ns, now.wall_ns))
            db.execute("INSERT INTO mark VALUES (?, ?, ?, ?, ?)", (now.wall_ns, *(tally.last for tally in self._tallies)))

    def _outdated(self, db: sqlite3.Connection, now: Stamp) -> list[int]:
        """Return, by log, the seq up to which records are too old."""
        if self._max_age_ns is None or now.quality is not TimeQuality.SYNCED:
            return [0] * len(LOGS)
        wanted = "SELECT max(urgent), max(feature), max(reading), max(bulk) FROM mark WHERE at_ns <= ?"
        return [seq or 0 for seq in db.execute(wanted, (now.wall_ns - self._max_age_ns,)).fetchone()]

    def _make_room(self, db: sqlite3.Connection, now: Stamp) -> bool:
        """Evict what is too old or too much, and tell it; return whether there was anything."""
        outdated = self._outdated(db, now)
        excess = sum(tally.bytes for tally in self._tallies) - self._max_bytes
        if excess <= 0 and all(upto < tally.head for upto, tally in zip(outdated, self._tallies, strict=True)):
            return False
        if excess > 0:
            excess += len(LOGS) * _TOMBSTONE_CHARGE
        losses: dict[Log, Tombstone] = {}
        for rank in reversed(range(len(LOGS))):
            tally = self._tallies[rank]
            head, upto, told = tally.head, tally.head - 1, 0
            span = (_key(rank, head), _key(rank, tally.last))
            for seq, charge in db.execute(f"SELECT {_SEQ}, {_CHARGE} {_IN_SPAN} ORDER BY key", span):
                if excess <= 0 and seq > outdated[rank]:
                    break
                upto, excess = seq, excess - charge
            if rank == _URGENT:
                span = (_key(rank, head), _key(rank, upto))
                for (payload,) in db.execute(f"SELECT payload {_IN_SPAN}", span):
                    if isinstance(tombstone := _read(payload), Tombstone):
                        losses[tombstone.lost] = _joined(losses.get(tombstone.lost), tombstone)
                        told += 1
            if count := self._drop(db, rank, upto):
                tally.lost += count - told
                loss = Tombstone(lost=LOGS[rank], first=head, last=upto, count=count, stamp=now)
                losses[loss.lost] = _joined(losses.get(loss.lost), loss)
        for loss in losses.values():
            self._tell(db, replace(loss, stamp=now))
        return True

    def _tell(self, db: sqlite3.Connection, loss: Tombstone) -> None:
        """Put a tombstone into the urgent log, or extend the one about the same log that nobody has seen yet."""
        lost, urgent = _RANK[loss.lost], self._tallies[_URGENT]
        seq, unseen = self._unseen.get(lost, (0, None))
        if unseen is None or seq < urgent.head:
            self._unseen[lost] = (self._insert(db, _URGENT, _encoder.encode(loss)), loss)
            log.warning("outbox_evicted", path=str(self._file.path), log=loss.lost.value, first=loss.first, last=loss.last)
            return
        before, after = _encoder.encode(unseen), _encoder.encode(joined := _joined(unseen, loss))
        urgent.bytes += _charge(after) - _charge(before)
        db.execute("UPDATE record SET payload = ? WHERE key = ?", (after, _key(_URGENT, seq)))
        self._unseen[lost] = (seq, joined)

    def _decode(self, rank: int, seq: int, payload: bytes | None) -> Record:
        record = _read(payload)
        return record or Tombstone(lost=LOGS[rank], first=seq, last=seq, count=1, stamp=self._clock.stamp())


def _key(rank: int, seq: int) -> int:
    return rank << 48 | seq


def _charge(payload: bytes) -> int:
    return len(payload) + len(payload) // 8 + 24


def _read(payload: bytes | None) -> Record | None:
    try:
        return _decoder.decode(payload or b"")
    except (msgspec.DecodeError, TypeError, ValueError):
        return None


def _joined(one: Tombstone | None, two: Tombstone) -> Tombstone:
    if one is None:
        return two
    return replace(two, first=min(one.first, two.first), last=max(one.last, two.last), count=one.count + two.count)


def encode(record: Record) -> tuple[int, bytes]:
    """Return rank of the log and stored form; nothing for a value that has none (an integer beyond 64 bit, a foreign object)."""
    rank = _RANK[record.log]
    try:
        return rank, _encoder.encode(record)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        log.warning("record_refused", machine=getattr(record, "machine", ""), point=getattr(record, "point", ""), reason=str(error))
        return rank, b""
