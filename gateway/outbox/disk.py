"""The little that a log asks of a disk, so that a recorder or a simulator can stand in for it; and the real one.

What is written survives a power cut only after `File.sync`; what was created, renamed or removed only after `Disk.sync`.
Before that, any part of it may be there or not.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.database import sync_folder

PAGE = 4096
JOURNAL = 3 * PAGE
"""About what a file system writes to make a change of a folder durable, and every few seconds for the times of its files."""

_JOURNAL_EVERY_S = 5.0

_PROBES = 8
_WORDS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "the disk is read-only; it may be worn out, see `dmesg`",
    errno.EIO: "the disk fails; back up what is on it and replace it",
    errno.EACCES: "permission denied; check that its folder can be written by the gateway's user",
    errno.EPERM: "not permitted; check that its folder can be written by the gateway's user",
    errno.ENOTDIR: "something that is no folder is in its way",
    errno.EBUSY: "another process has it open; is a second gateway running on this data folder?",
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files",
}


class File(Protocol):
    """One open file of a fixed size."""

    @property
    def size(self) -> int:
        """Bytes it has."""

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes, fewer only at the end of the file."""

    def write(self, offset: int, data: bytes | bytearray) -> None:
        """Write all of it there."""

    def sync(self) -> None:
        """Return when everything written is on stable storage. After an error nothing may be concluded about what was
        written since the last success, and the file must not be synchronised again: the next call would lie.
        """

    def close(self) -> None:
        """Close it; never raises."""


F = TypeVar("F", bound=File)


class Disk(Protocol):
    """One folder of files."""

    written: int
    """About how many bytes have been written to the device so far: whole pages, and the journal."""

    def hold(self) -> None:
        """Keep the folder for this process alone, as soon as there is one; an `OSError` when another process has it."""

    def release(self) -> None:
        """Give the folder free."""

    def names(self) -> dict[str, int]:
        """Return the name and size of every file; nothing for a folder that does not exist yet."""

    def open(self, name: str) -> File:
        """Open a file for reading, and for writing where that is possible."""

    def create(self, name: str) -> File:
        """Make an empty file, and the folder when it is missing; an old file of this name is emptied."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name; a file that has that name is replaced."""

    def remove(self, name: str) -> None:
        """Remove a file."""

    def sync(self) -> None:
        """Return when what was created, renamed and removed is on stable storage."""

    def alive(self) -> bool:
        """Say whether anything can be read from the medium itself: if so, what cannot is bad, and not the disk gone."""


class FolderDisk:
    """A folder of a real file system; all errors are `OSError`.

    Args:
        folder: its path; made when the first file is, readable by its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written = 0
        self._held = -1
        self._journal_due_s = 0.0

    def hold(self) -> None:
        """Lock the folder itself, which needs nothing to be written."""
        if self._held >= 0:
            return
        try:
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY)) from error
        self._held = descriptor

    def release(self) -> None:
        """Give the folder free."""
        descriptor, self._held = self._held, -1
        if descriptor >= 0:
            os.close(descriptor)

    def names(self) -> dict[str, int]:
        """Return the name and size of every file."""
        try:
            with os.scandir(self.folder) as entries:
                return {entry.name: entry.stat().st_size for entry in entries if entry.is_file(follow_symlinks=False)}
        except FileNotFoundError:
            return {}

    def open(self, name: str) -> OpenFile:
        """Open a file; one that cannot be written is opened for reading, and refuses the first write."""
        path = self.folder / name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return OpenFile(self, descriptor)

    def create(self, name: str) -> OpenFile:
        """Make an empty file, and the folder with all above it when missing."""
        missing = [folder for folder in (self.folder, *self.folder.parents) if not folder.is_dir()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
            sync_folder(folder.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        return OpenFile(self, os.open(self.folder / name, flags, 0o600))

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        (self.folder / old).rename(self.folder / new)

    def remove(self, name: str) -> None:
        """Remove a file; it may be gone already."""
        (self.folder / name).unlink(missing_ok=True)

    def sync(self) -> None:
        """Synchronise the folder."""
        sync_folder(self.folder)
        self.written += JOURNAL

    def touched(self) -> None:
        """Count what the journal writes for the time of a file that was written."""
        now_s = time.monotonic()
        if now_s >= self._journal_due_s:
            self.written += JOURNAL
            self._journal_due_s = now_s + _JOURNAL_EVERY_S

    def alive(self) -> bool:
        """Read a few files past the cache of the kernel, which still has what a disk had that is gone."""
        try:
            names = list(self.names())
        except OSError:
            return False
        for name in names[:_PROBES]:
            try:
                with closing(self.open(name)) as file:
                    os.posix_fadvise(file.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                    file.read(0, PAGE)
            except OSError:
                continue
            return True
        return False


class OpenFile:
    """An open file of a `FolderDisk`."""

    def __init__(self, disk: FolderDisk, descriptor: int) -> None:
        self._disk = disk
        self.descriptor = descriptor

    @property
    def size(self) -> int:
        """Bytes it has now."""
        return os.fstat(self.descriptor).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Read, in as many calls as it takes."""
        data = os.pread(self.descriptor, count, offset)
        while 0 < len(data) < count and (more := os.pread(self.descriptor, count - len(data), offset + len(data))):
            data += more
        return data

    def write(self, offset: int, data: bytes | bytearray) -> None:
        """Write, in as many calls as it takes."""
        rest = memoryview(data)
        end = offset + len(rest)
        self._disk.written += (-(-end // PAGE) - offset // PAGE) * PAGE
        try:
            while rest:
                rest = rest[os.pwrite(self.descriptor, rest, end - len(rest)) :]
        except OSError as error:
            if error.errno == errno.EBADF:  # opened for reading, as the file could not be written
                raise OSError(errno.EROFS, os.strerror(errno.EROFS)) from error
            raise

    def sync(self) -> None:
        """Call fdatasync."""
        os.fdatasync(self.descriptor)
        self._disk.touched()

    def close(self) -> None:
        """Close it."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)


@contextmanager
def closing(file: F) -> Iterator[F]:
    """Close the file at the end of the block."""
    try:
        yield file
    finally:
        file.close()


def words(error: OSError) -> str:
    """Say in words what is wrong with a disk and what to do."""
    return _WORDS.get(error.errno or 0) or str(error.strerror or error).lower()
