"""Small durable state, one JSON file per name: after `put` has returned, `get` finds the new value, also after a power cut.

A power cut during `put` leaves the old value or the new one, never a torn file.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gateway.database import sync_folder
from gateway.log import get

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")

log = get("state")


class State:
    """The state files of one folder; made if missing, readable by their owner only.

    Attributes:
        troubles: what was wrong with files that were read, in words.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._tickets = itertools.count(1)
        self._newest: dict[str, int] = {}
        self.troubles: list[str] = []

    def get(self, name: str, kind: type[T], default: T) -> T:
        """Return the value under a name, checked to be of that type; the default when there is none.

        A file that cannot be understood is renamed to `<name>.json.broken`, told in `troubles` and the log, and the default
        returned.

        Raises:
            ValueError: the name is not one for a file.
        """
        path = self._path(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return default
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            kept = path.with_name(f"{path.name}.broken")
            reason = str(error)
            with suppress(OSError):
                path.rename(kept)
            self.troubles.append(f"{path} could not be understood ({reason}) and is now {kept.name}; the default is used")
        except OSError as error:
            kept, reason = path, str(error.strerror)
            self.troubles.append(f"{path} could not be read ({reason}); the default is used")
        log.error("state_replaced", path=str(path), kept=str(kept), reason=reason)
        return default

    def put(self, name: str, value: Any) -> None:
        """Store a value durably; for small and rare values: it waits for the disk, up to some 100 ms on an SD card.

        Raises:
            ValueError: the name is not one for a file.
            TypeError: the value has no JSON form.
            OSError: it could not be stored; the old value stands.
        """
        self._write(self._path(name), next(self._tickets), msgspec.json.encode(value))

    async def aput(self, name: str, value: Any) -> None:
        """Store a value as `put` does, without blocking the event loop; of several under way the last one called wins."""
        await asyncio.to_thread(self._write, self._path(name), next(self._tickets), msgspec.json.encode(value))

    def _write(self, path: Path, ticket: int, data: bytes) -> None:
        with self._lock:
            if self._newest.get(path.name, 0) > ticket:  # a younger value is on disk already
                return
            if not self._folder.is_dir():
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                sync_folder(self._folder.parent)
            scratch = path.with_name(f".{path.name}.new")
            try:
                descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                scratch.replace(path)
            except OSError:
                scratch.unlink(missing_ok=True)
                raise
            sync_folder(self._folder)
            self._newest[path.name] = ticket

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"'{name}' is not a name for state: letters, digits, '-', '_' and '.', at most 100")
        return self._folder / f"{name}.json"


class Runs(msgspec.Struct, frozen=True):
    """How often the gateway was started on this data folder, and whether the last run ended in good order."""

    starts: int = 0
    clean: bool = True


class RunBook:
    """Remembers every start and every clean end, so that a power cut or a crash can be told afterwards; never raises."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._runs = Runs()

    def begin(self) -> str:
        """Note a start; return in words how the run before ended."""
        before = self._state.get("run", Runs, Runs())
        self._runs = Runs(before.starts + 1, clean=False)
        self._put(self._runs)
        if not before.starts:
            return "none yet: this is the first start"
        return "clean" if before.clean else "not clean: power cut, kill or crash"

    def end(self) -> None:
        """Note that this run ends in good order."""
        self._put(Runs(self._runs.starts, clean=True))

    def _put(self, runs: Runs) -> None:
        try:
            self._state.put("run", runs)
        except OSError as error:
            log.error("state_failed", reason=str(error))
