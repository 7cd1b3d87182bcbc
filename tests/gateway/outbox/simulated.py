"""A disk in memory that keeps what a power cut may do: which states of it are legal after one, and how it fails.

What was written to a file since its last sync may be there or not, block by block and in any order, a block of 512 or 4096 bytes
as a whole; of several writes to one block any may be the last that is seen. What was created, renamed or removed since the last
sync of the folder may have happened or not, one by one. After a sync that failed, what had not been written never will be, and
the next sync says that all is well (https://wiki.postgresql.org/wiki/Fsync_Errors).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random

State = dict[str, bytes]
"""What lies in the folder: name and content."""

SECTOR, PAGE = 512, 4096


class Inode:
    """A file: as it is seen, as it is on stable storage, and what was written since."""

    def __init__(self, name: str, content: bytes = b"") -> None:
        self.name = name
        self.seen = bytearray(content)
        self.durable = bytes(content)
        self.pending: list[tuple[int, bytes]] = []

    def write(self, offset: int, data: bytes) -> None:
        self._put(self.seen, offset, data)
        self.pending.append((offset, data))

    @staticmethod
    def _put(content: bytearray, offset: int, data: bytes) -> None:
        if len(content) < offset + len(data):
            content += bytes(offset + len(data) - len(content))
        content[offset : offset + len(data)] = data

    def sync(self) -> None:
        self.durable, self.pending = bytes(self.seen), []

    def lose(self, random: Random) -> None:
        """A sync that failed: some of it was written, the rest is forgotten, though it is still seen."""
        self.durable, self.pending = self.after_cut(random, SECTOR, random.random()), []

    def after_cut(self, random: Random, block: int, kept: float) -> bytes:
        """Return the content after a power cut that lets each block of each write through with probability `kept`."""
        content = bytearray(self.durable)
        for offset, data in self.pending:
            at = offset
            while at < offset + len(data):
                end = min(offset + len(data), (at // block + 1) * block)
                if random.random() < kept:
                    self._put(content, at, data[at - offset : end - offset])
                at = end
        if len(self.seen) > len(content) and random.random() < 0.3:
            content += bytes(len(self.seen) - len(content))  # the size was stored, the data not
        return bytes(content)


class SimulatedDisk:
    """The protocol `Disk`, and what a power cut or a fault makes of it.

    Attributes:
        before: called with the operation and the name before each operation; may raise `OSError`, or look at `cuts`.
        ops: how many operations there were.
    """

    def __init__(self, state: State | None = None) -> None:
        self._seen = {name: Inode(name, content) for name, content in (state or {}).items()}
        self._durable = dict(self._seen)
        self._changes: list[tuple[str, str, str | Inode]] = []
        self.before: Callable[[str, str], None] = lambda op, name: None
        self.random = Random(0)
        self.written = 0
        self.ops = 0
        self.syncs = True

    def act(self, op: str, name: str) -> None:
        self.ops += 1
        self.before(op, name)

    # ── the protocol ──

    def hold(self) -> None:
        pass

    def release(self) -> None:
        pass

    def names(self) -> dict[str, int]:
        self.act("names", "")
        return {name: len(inode.seen) for name, inode in self._seen.items()}

    def open(self, name: str) -> SimulatedFile:
        self.act("open", name)
        if name not in self._seen:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return SimulatedFile(self, self._seen[name])

    def create(self, name: str) -> SimulatedFile:
        self.act("create", name)
        self._seen[name] = Inode(name)
        self._changes.append(("create", name, self._seen[name]))
        return SimulatedFile(self, self._seen[name])

    def rename(self, old: str, new: str) -> None:
        self.act("rename", old)
        if old not in self._seen:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), old)
        self._seen[new] = self._seen.pop(old)
        self._seen[new].name = new
        self._changes.append(("rename", old, new))

    def remove(self, name: str) -> None:
        self.act("remove", name)
        self._seen.pop(name, None)
        self._changes.append(("remove", name, ""))

    def sync(self) -> None:
        self.act("sync folder", "")
        if self.syncs:
            self._durable, self._changes = dict(self._seen), []

    def alive(self) -> bool:
        try:
            for name in list(self.names()):
                with suppress(OSError):
                    self.open(name).read(0, 64)
                    return True
        except OSError:
            pass
        return False

    # ── a power cut ──

    def state(self) -> State:
        """Return what is seen now."""
        return {name: bytes(inode.seen) for name, inode in self._seen.items()}

    def cuts(self, random: Random) -> Iterator[State]:
        """Yield legal states after a power cut now: the extremes, then random ones without end."""
        for names in (1.0, 0.0):
            for kept in (0.0, 1.0):
                yield self._cut(random, names, SECTOR, kept)
        while True:
            block = random.choice((SECTOR, SECTOR, PAGE))
            yield self._cut(random, random.choice((0.0, 0.5, 0.5, 0.9, 1.0)), block, random.choice((0.05, 0.3, 0.5, 0.7, 0.95)))

    def _cut(self, random: Random, names: float, block: int, kept: float) -> State:
        folder = dict(self._durable)
        for op, name, what in self._changes:
            if random.random() >= names:
                continue
            if op == "create":
                folder[name] = what
            elif op == "remove":
                folder.pop(name, None)
            elif name in folder:
                folder[what] = folder.pop(name)
        contents = {id(inode): inode.after_cut(random, block, kept) for inode in folder.values()}
        return {name: contents[id(inode)] for name, inode in folder.items()}


class SimulatedFile:
    """The protocol `File`."""

    def __init__(self, disk: SimulatedDisk, inode: Inode) -> None:
        self._disk, self._inode = disk, inode

    @property
    def size(self) -> int:
        return len(self._inode.seen)

    def read(self, offset: int, count: int) -> bytes:
        self._disk.act("read", self._inode.name)
        return bytes(self._inode.seen[offset : offset + count])

    def write(self, offset: int, data: bytes | bytearray) -> None:
        self._disk.act("write", self._inode.name)
        self._inode.write(offset, bytes(data))
        self._disk.written += len(data)

    def sync(self) -> None:
        try:
            self._disk.act("sync", self._inode.name)
        except OSError:
            self._inode.lose(self._disk.random)
            raise
        if self._disk.syncs:
            self._inode.sync()

    def close(self) -> None:
        pass
