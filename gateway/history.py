"""What was measured, kept on the gateway itself: the latest values in memory and a ring on disk; never stops the gateway.

The ring is written in batches, each point's records of a batch as one compressed row, so that a day of history costs little
flash. synchronous=NORMAL is right here, as it halves the syncs: nothing was promised about these records to anyone, a power
cut may undo the last batches, and it damages nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gateway.clock import Clock
from gateway.database import Database
from gateway.log import get
from gateway.model import Event, Feature, Reading, Record, Severity, Tombstone
from gateway.ports import Page

T = TypeVar("T")

_BEAT_S = 2.0
_EARLY = 10_000
_SMALLEST = 256 * 1024
_PAGE = 1000
_STEP = 64  # a full ring gives way in steps of 1/64
_WORTH_COMPRESSING = 400  # a record or two have nothing that repeats; compressing them costs more than everything else here
_ZLIB = b"\x78"  # how compressed data begins (RFC 1950), and no list of records does
_SCHEMA = (
    "CREATE TABLE series (id INTEGER PRIMARY KEY, machine TEXT, point TEXT, UNIQUE (machine, point))",
    # No index beside the rowid: queries are rare and read backwards from now, and an index would be written at every batch.
    "CREATE TABLE chunk (id INTEGER PRIMARY KEY, series INTEGER, last_ns INTEGER, payload BLOB)",
)

_STANDING = {"limit", "alarm"}  # kinds of events that say what a point is like from now on
_ASIDE = {"shelved", "suppressed", "out-of-service"}

log = get("history")
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[Record]] = msgspec.msgpack.Decoder(list[Record])


class HistoryError(Exception):
    """The history cannot be read or written, in words."""


class History:
    """Latest value per point and recent events in memory, and a ring of everything on disk, bounded in bytes.

    With trouble on the disk it keeps what memory has room for, says so in `status`, and writes again when the disk is well.

    Args:
        path: the database file; a damaged one is set aside and a new one begun.
        clock: times the batches.
        max_bytes: size of the ring on disk, apart from a few MB of write-ahead log; at least 256 KiB.
        commit_every_s: time between two batches; what is younger lies in memory only and is lost at a power cut.
        pending: how many records wait in memory at most; above it the oldest are forgotten.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        max_bytes: int = 64_000_000,
        commit_every_s: float = 30.0,
        pending: int = 20_000,
    ) -> None:
        self._clock = clock
        self._max_bytes = max(int(max_bytes), _SMALLEST)
        self._commit_every_s = commit_every_s
        self._latest: dict[str, dict[str, Reading | Feature]] = {}
        self._events: deque[Event] = deque(maxlen=200)
        self._alarms: dict[tuple[str, str, str], Event] = {}
        self._pending: deque[Record] = deque(maxlen=pending)
        self._turn = asyncio.Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._series: dict[str, dict[str, int]] = {}  # by machine and point: half the size of one table with pairs as keys
        self._used_bytes = 0
        self._file = Database(path, schema=_SCHEMA, version=1, synchronous="NORMAL", load=self._load, error=HistoryError)
        self._trouble = ""

    def add(self, records: Iterable[Record]) -> None:
        """Take in records; returns at once and never fails."""
        for record in records:
            if isinstance(record, Tombstone):
                continue
            if isinstance(record, Event):
                self._events.append(record)
                if record.kind in _STANDING:
                    self._alarm(record)
            else:
                if (points := self._latest.get(record.machine)) is None:
                    points = self._latest[record.machine] = {}
                points[record.point] = record
            self._pending.append(record)

    def latest(self) -> list[Reading | Feature]:
        """Return the latest reading or feature of every point since the start, by machine in the order in which they came up."""
        return [record for points in self._latest.values() for record in points.values()]

    def shown(self, machine: str) -> dict[str, dict[str, Any]]:
        """Return the latest value of every point of a machine as plain JSON values, for people; quality and reason are words."""
        now_ns = self._clock.stamp().mono_ns
        return {
            point: {
                "value": record.value,
                "unit": record.unit,
                "age_s": round((now_ns - record.stamp.mono_ns) / 1e9, 1),
                "quality": record.quality.word,
                "reason": record.reason.words,
            }
            for point, record in self._latest.get(machine, {}).items()
        }

    def events(self) -> list[Event]:
        """Return the last 200 events since the start, oldest first."""
        return list(self._events)

    def alarms(self) -> list[Event]:
        """Return for every limit that is crossed and every alarm that stands now its last event, the longest-standing first."""
        return list(self._alarms.values())

    def _alarm(self, event: Event) -> None:
        """Keep what stands, and tell every change once."""
        self._alarms.pop((event.machine, event.point, event.kind), None)  # changed: it stands since this moment
        what = {"machine": event.machine, "point": event.point, "value": event.value, "unit": event.unit}
        stands = event.after != "normal" and event.after not in _ASIDE
        if stands:
            self._alarms[event.machine, event.point, event.kind] = event
        if event.kind == "limit" and stands:
            log.warning("limit_crossed", **what, limit=event.after)
        elif event.kind == "limit":
            log.info("limit_returned", **what, was=event.before)
        elif event.severity is Severity.INFO:
            log.info("alarm_changed", **what, was=event.before, now=event.after)
        else:
            log.warning("alarm_raised", **what, was=event.before, now=event.after)

    def forget(self, machine: str) -> None:
        """Drop the latest values and the alarms of a machine that is not read any more or begins anew; its past stays on disk."""
        self._latest.pop(machine, None)
        self._alarms = {key: event for key, event in self._alarms.items() if key[0] != machine}

    async def run(self, beat: Callable[[], None]) -> None:
        """Write batches until cancelled; calls `beat` every few seconds. What is left is written by `close`."""
        due_s = self._clock.monotonic() + self._commit_every_s
        while True:
            beat()
            now_s = self._clock.monotonic()
            if now_s >= due_s or len(self._pending) >= min(_EARLY, self._pending.maxlen or _EARLY):
                await self.flush()
                due_s = now_s + self._commit_every_s
            await self._clock.sleep_until(min(due_s, now_s + _BEAT_S))

    async def flush(self) -> None:
        """Write what is pending; with trouble on the disk it stays pending, and the status says so."""
        async with self._turn:
            if not self._pending:
                return
            batch = list(self._pending)
            self._pending.clear()
            try:
                await self._in_thread(lambda: self._write(batch))
            except HistoryError as error:
                room = (self._pending.maxlen or 0) - len(self._pending)
                self._pending.extendleft(reversed(batch[max(0, len(batch) - room) :]))
                if not self._trouble:
                    log.warning("history_failed", reason=str(error))
                self._trouble = str(error)
            else:
                if self._trouble:
                    log.info("history_recovered")
                self._trouble = ""

    async def query(self, machine: str, point: str, since_wall_ns: int = 0, limit: int = 1000) -> list[Record]:
        """Return the newest `limit` records of a point since a wall time, oldest first; with trouble, those in memory."""
        found: list[Record] = []
        async with self._turn:
            with suppress(HistoryError):
                found = await self._in_thread(lambda: self._read(machine, point, since_wall_ns, limit))
            recent = [record for record in self._pending if _key(record) == (machine, point)]
        found += [record for record in recent if record.stamp.wall_ns >= since_wall_ns]
        return found[max(0, len(found) - limit) :]

    async def recall(self, machine: str, since_wall_ns: int, until_wall_ns: int, after: int) -> Page:
        """Return a page of a machine's past, see `ports.Recall`; a page is some 1,000 records, or one chunk of one point."""
        if not after:
            await self.flush()
        async with self._turn:
            with suppress(HistoryError):
                return await self._in_thread(lambda: self._page(machine, since_wall_ns, until_wall_ns, after))
        return Page((), None)

    def status(self) -> dict[str, Any]:
        """Return what is kept and what is wrong, without touching the disk."""
        return {
            "points": sum(map(len, self._latest.values())),
            "pending": len(self._pending),
            "used_bytes": self._used_bytes,
            "max_bytes": self._max_bytes,
            "trouble": self._trouble or self._file.notice,
        }

    async def close(self) -> None:
        """Write what is left and close the file; may be called twice."""
        await self.flush()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._file.close)
            thread.shutdown()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    # ── in the thread ──

    def _load(self, db: sqlite3.Connection) -> None:
        self._series = {}
        for number, machine, point in db.execute("SELECT id, machine, point FROM series"):
            self._series.setdefault(machine, {})[point] = number
        self._used_bytes = _used_bytes(db)

    def _write(self, batch: list[Record]) -> None:
        series: dict[tuple[str, str], list[Record]] = {}
        for record in batch:
            series.setdefault(_key(record), []).append(record)
        rows: list[tuple[int, int, bytes]] = []
        with self._file.transaction() as db:
            for key, records in series.items():
                machine, point = key
                known = self._series.setdefault(machine, {})
                if (number := known.get(point)) is None:
                    number = known[point] = db.execute("INSERT INTO series (machine, point) VALUES (?, ?)", key).lastrowid or 0
                rows.append((number, max(record.stamp.wall_ns for record in records), _pack(records)))
            db.executemany("INSERT INTO chunk (series, last_ns, payload) VALUES (?, ?, ?)", rows)
            while (used_bytes := _used_bytes(db)) > self._max_bytes:
                first, last = db.execute("SELECT min(id), max(id) FROM chunk").fetchone()
                if first is None:
                    break
                db.execute("DELETE FROM chunk WHERE id <= ?", (first + (last - first) // _STEP,))
        self._used_bytes = used_bytes

    def _read(self, machine: str, point: str, since_wall_ns: int, limit: int) -> list[Record]:
        found: list[Record] = []
        with self._file.transaction() as db:
            number = self._series.get(machine, {}).get(point)
            chunks = "SELECT payload FROM chunk WHERE series = ? AND last_ns >= ? ORDER BY id DESC"
            for (payload,) in db.execute(chunks, (number, since_wall_ns)):
                records = [record for record in _unpack(payload) if record.stamp.wall_ns >= since_wall_ns]
                found = records + found
                if len(found) >= limit:
                    break
        return found

    def _page(self, machine: str, since_ns: int, until_ns: int, after: int) -> Page:
        found: list[Record] = []
        series = list(self._series.get(machine, {}).values())
        marks = ",".join("?" * len(series))
        with self._file.transaction() as db:
            chunks = f"SELECT id, payload FROM chunk WHERE id > ? AND series IN ({marks}) AND last_ns >= ? ORDER BY id"  # noqa: S608
            for number, payload in db.execute(chunks, (after, *series, since_ns)):
                found += [record for record in _unpack(payload) if since_ns <= record.stamp.wall_ns < until_ns]
                if len(found) >= _PAGE:
                    return Page(_in_order(found), number)
        return Page(_in_order(found), None)


def _in_order(records: list[Record]) -> tuple[Record, ...]:
    """Sort records of many points by the time that only runs forward, one boot after the other."""
    boots: dict[str, int] = {}
    for record in records:
        boots.setdefault(record.stamp.boot, len(boots))
    return tuple(sorted(records, key=lambda record: (boots[record.stamp.boot], record.stamp.mono_ns)))


def _key(record: Record) -> tuple[str, str]:
    return ("", "") if isinstance(record, Tombstone) else (record.machine, record.point)


def _used_bytes(db: sqlite3.Connection) -> int:
    pages, free, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
    return int((pages - free) * size)


def _pack(records: list[Record]) -> bytes:
    """Return the stored form of these records, without any that has none (an integer beyond 64 bit, a foreign object)."""
    try:
        packed = _encoder.encode(records)
    except (TypeError, ValueError, OverflowError, RecursionError):
        packed = _encoder.encode([record for record in records if _has_form(record)])
    return packed if len(packed) < _WORTH_COMPRESSING else zlib.compress(packed, 1)


def _has_form(record: Record) -> bool:
    try:
        _encoder.encode(record)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True


def _unpack(payload: bytes) -> list[Record]:
    """Return the records of a stored chunk; none when it was damaged."""
    try:
        return _decoder.decode(zlib.decompress(payload) if payload[:1] == _ZLIB else payload)
    except (msgspec.DecodeError, zlib.error, TypeError, ValueError):
        return []
