"""One SQLite file, used by one thread, that never stops the gateway: all or nothing, set aside when damaged, heals by itself.

A file that a newer version has written is neither read nor set aside: after a step back it waits for the newer version.
Of the history; a leaf.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal
from zlib import crc32

from gateway.log import get

_BROKEN_KEPT = 2
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_WORDS = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "the file or its disk is read-only; after an error the system may have mounted it so",
    sqlite3.SQLITE_IOERR: "the disk reports an error; check it, and replace a worn SD card",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its folder belongs to the gateway's user",
    sqlite3.SQLITE_PERM: "permission denied; check that its folder belongs to the gateway's user",
    sqlite3.SQLITE_BUSY: "another process has it open; is a second gateway running on this data folder?",
}

log = get("database")


class Damaged(sqlite3.DatabaseError):
    """The file is no store of ours: its content makes no sense, or another format."""


class Newer(sqlite3.DatabaseError):
    """The file is a store of a later version of this program; it is left as it is."""


class Database:
    """An SQLite database in write-ahead mode that only one process and one thread has open; opened by its first transaction.

    Attributes:
        trouble: what went wrong in the last transaction, in words; empty when it went well.
        notice: set when a damaged file was replaced by a new one; stays until the process ends.

    Args:
        path: the file; it and its folder are made if missing, readable by their owner only.
        schema: the statements that make a new database.
        version: number of the schema; a file with another one is set aside.
        synchronous: FULL: a transaction survives a power cut; NORMAL: the last ones may be undone, but nothing is damaged.
        load: reads counters into memory; called after opening and after every failed transaction. A TypeError or ValueError
            it raises means that the file is damaged.
        error: what `transaction` raises.
    """

    def __init__(
        self,
        path: Path,
        *,
        schema: tuple[str, ...],
        version: int,
        synchronous: Literal["FULL", "NORMAL"],
        load: Callable[[sqlite3.Connection], None],
        error: type[Exception],
    ) -> None:
        self.path = path
        self.trouble = self.notice = ""
        self._schema = schema
        self._version = version
        self._synchronous = synchronous
        self._load = load
        self._error = error
        self._db: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the body as one transaction: it happens as a whole or not at all.

        Raises:
            Exception: the class given as `error`, with words; the next transaction tries anew.
        """
        try:
            if self._db is None:
                self._db = self._open()
            self._db.execute("BEGIN")
            yield self._db
            self._db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            repeated = bool(self.trouble)
            self.trouble = f"{self.path}: {_words(error)}"
            self._undo(damaged=_is_damage(error), reopen=repeated)
            raise self._error(self.trouble) from error
        except BaseException:
            self._undo(damaged=False, reopen=False)
            raise
        self.trouble = ""

    def close(self) -> None:
        """Close the file; never raises, may be called twice."""
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):
                db.close()

    def _undo(self, *, damaged: bool, reopen: bool) -> None:
        """Go back to what is on disk.

        The first failure keeps the file open: SQLite then writes the next commit over the failed one, which cannot come to life.
        A second one in a row opens it anew, because the disk may have been taken out and put in again.
        """
        try:
            if self._db is not None and not damaged and not reopen:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._load(self._db)
                return
        except (sqlite3.Error, OSError, TypeError, ValueError):
            pass
        self.close()
        if damaged:
            with suppress(OSError):
                self._set_aside()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise
        self._set_aside()
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = not self.path.exists()
        self.path.touch(mode=0o600)
        if new:
            for folder in (self.path.parent, self.path.parent.parent):
                sync_folder(folder)
        db = sqlite3.connect(self.path, isolation_level=None, timeout=1.0)
        try:
            # Exclusive: no shared-memory file, and a second gateway on the same folder is refused instead of counting wrong.
            for setting in (
                "locking_mode = EXCLUSIVE",
                "journal_mode = WAL",
                f"synchronous = {self._synchronous}",
                "journal_size_limit = 8388608",
                "cell_size_check = ON",
                "cache_size = -1024",
            ):
                db.execute(f"PRAGMA {setting}").fetchall()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0 and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                db.execute("BEGIN")
                marks = f"PRAGMA user_version = {self._version}", f"PRAGMA application_id = {_seal(self._version)}"
                for statement in (*self._schema, *marks):
                    db.execute(statement)
                db.execute("COMMIT")
            elif version > self._version and db.execute("PRAGMA application_id").fetchone()[0] == _seal(version):
                words = f"it was written by a newer version of this program (format {version}, known are up to {self._version})"
                raise Newer(f"{words}; nothing in it is touched: install the newer version again")
            elif version != self._version:
                raise Damaged(f"it has format {version}, not {self._version}")
            try:
                self._load(db)
            except (TypeError, ValueError) as error:
                raise Damaged("its content makes no sense") from error
            except sqlite3.OperationalError as error:
                if _code(error) == sqlite3.SQLITE_ERROR:  # a table or column is missing
                    raise Damaged("its content makes no sense") from error
                raise
        except BaseException:
            with suppress(sqlite3.Error):
                db.close()
            raise
        return db

    def _set_aside(self) -> None:
        self.close()
        before = sorted(number for number in map(self._number, self.path.parent.glob(f"{self.path.name}.broken-*")) if number)
        number = (before or [0])[-1] + 1
        for tail in ("", "-wal"):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{tail}").rename(self._broken(number, tail))
        for old in before[: len(before) + 1 - _BROKEN_KEPT]:
            for tail in ("", "-wal"):
                self._broken(old, tail).unlink(missing_ok=True)
        self.notice = f"{self.path.name} was damaged and is now {self._broken(number).name}; a new one has been started"
        log.error("store_replaced", path=str(self.path), kept=str(self._broken(number)))

    def _broken(self, number: int, tail: str = "") -> Path:
        return Path(f"{self.path}.broken-{number}{tail}")

    def _number(self, path: Path) -> int:
        digits = path.name.removeprefix(f"{self.path.name}.broken-")
        return int(digits) if digits.isdecimal() else 0


def sync_folder(folder: Path) -> None:
    """Make new and renamed entries of a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _seal(version: int) -> int:
    """Return the application id that goes with a version, so that a version with a flipped bit is not taken for a newer one."""
    return crc32(f"retrofit-gateway {version}".encode()) & 0x7FFFFFFF


def _code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_damage(error: BaseException) -> bool:
    return isinstance(error, Damaged) or _code(error) in _DAMAGE


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error}; check that its folder can be written by the gateway's user"
    return _WORDS.get(_code(error)) or str(error)
