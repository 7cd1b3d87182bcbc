"""The files of a store that no log uses now, and how many bytes all its files may take together."""

from __future__ import annotations

import errno
import re

from .disk import Disk, closing
from .segment import size_for

_FREE = re.compile(r"free-([0-9a-f]{8})")
_BAD = re.compile(r"bad-([0-9a-f]{8})-.*")
_IDLE = re.compile(r"(?:free|bad)-.*")
_BAD_KEPT = 2
_CHUNK = 256 * 1024


class Pool:
    """Free files, zero-filled or used before, each ready to become a segment; and the files that were set aside.

    Attributes:
        size: bytes of a new segment.
        full: whether the disk had no room for a new file the last time it was asked.
    """

    def __init__(self, disk: Disk, max_bytes: int) -> None:
        self._disk = disk
        self._next = 1
        self._free: list[str] = []
        self._bad: list[str] = []
        self._sizes: dict[str, int] = {}
        self.full = False
        self.limit(max_bytes)

    def limit(self, max_bytes: int) -> None:
        """Set how many bytes all files may take together; files that are there stay."""
        self._max_bytes = max_bytes
        self.size = size_for(max_bytes)

    def load(self, names: dict[str, int]) -> None:
        """Take over what lies in the folder."""
        self._sizes = {name: size for name, size in names.items() if name.endswith(".seg") or _IDLE.fullmatch(name)}
        self._free = sorted(name for name in self._sizes if _FREE.fullmatch(name))
        self._bad = sorted(name for name in self._sizes if _BAD.fullmatch(name))
        numbers = [int(match[1], 16) for name in self._sizes for match in (_FREE.fullmatch(name) or _BAD.fullmatch(name),) if match]
        self._next = max([self._next, *(number + 1 for number in numbers)])

    @property
    def spare_bytes(self) -> int:
        """Bytes of the free files and of files that may still be made."""
        return max(0, self._max_bytes - sum(size for name, size in self._sizes.items() if not _IDLE.fullmatch(name)))

    @property
    def dry(self) -> bool:
        """Whether there is no free file, and the disk had no room for one."""
        return self.full and not self._free

    def take(self, *, reserve: int = 0) -> str | None:
        """Return the name of a free file of `size` bytes, made where none is left; None when the limit is reached.

        Args:
            reserve: so many segments are to be left for others.

        Raises:
            OSError: it cannot be made; when the disk is full, `full` is set.
        """
        for name in [name for name in self._free if self._sizes[name] != self.size]:
            self._free.remove(name)  # of another size, from an older limit or cut off: of no use
            self._drop(name)
        while self._free and sum(self._sizes.values()) > self._max_bytes:
            self._drop(self._free.pop())
        while len(self._free) + (self._max_bytes - sum(self._sizes.values())) // self.size <= reserve:
            if not self._bad:
                return None
            self._drop(self._bad.pop(0))
        return self._free.pop(0) if self._free else self._make()

    def discard(self, name: str) -> None:
        """Remove a file that `take` returned: it could not be written."""
        self._drop(name)

    def _make(self) -> str:
        name = self._number("free-")
        try:
            with closing(self._disk.create(name)) as file:
                self._sizes[name] = self.size
                for at in range(0, self.size, _CHUNK):
                    file.write(at, bytes(min(_CHUNK, self.size - at)))
                file.sync()
        except OSError as error:
            self.full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            self._drop(name)
            raise
        self.full = False
        return name

    def use(self, name: str, segment: str) -> None:
        """Give a file that `take` returned the name of a segment, durably."""
        self._disk.rename(name, segment)
        self._sizes[segment] = self._sizes.pop(name)
        self._disk.sync()

    def give(self, segment: str) -> None:
        """Take over the file of a segment that is not needed any more; not yet durable."""
        size = self._sizes.get(segment, 0)
        if size != self.size:
            self._drop(segment)
            return
        name = self._number("free-")
        if self._rename(segment, name):
            self._free.append(name)

    def _rename(self, old: str, new: str) -> bool:
        size = self._sizes.pop(old, 0)
        try:
            self._disk.rename(old, new)
        except FileNotFoundError:
            return False
        except OSError:
            self._sizes[old] = size
            raise
        self._sizes[new] = size
        return True

    def set_aside(self, segment: str) -> None:
        """Keep the file of a damaged segment under another name; of several only the newest few. Not yet durable."""
        name = f"{self._number('bad-')}-{segment}"
        if self._rename(segment, name):
            self._bad.append(name)
        while len(self._bad) > _BAD_KEPT:
            self._drop(self._bad.pop(0))

    def _number(self, kind: str) -> str:
        self._next += 1
        return f"{kind}{self._next - 1:08x}"

    def _drop(self, name: str) -> int:
        """Remove a file; return its bytes. One that cannot be removed counts on."""
        try:
            self._disk.remove(name)
        except OSError:
            return 0
        return self._sizes.pop(name, 0)
