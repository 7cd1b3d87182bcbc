"""A segment: a file of fixed size with a head and frames of one log, in order of their seq; and what its name and head say.

The name alone says which log a segment belongs to and from which seq on, and with the store's epoch that is all it takes to
verify its frames, so a damaged head costs nothing. The head repeats it for a folder whose cursor is lost. A file keeps its space
when it is used again, with another name and head: its old frames lie there still, and do not verify in the new place.
"""

from __future__ import annotations

import re
import struct
from array import array
from bisect import bisect_left

from msgspec import Struct
from msgspec.structs import replace

from cython_ext.frames import HEAD as FRAME
from cython_ext.frames import crc32c, frame, payloads, scan
from gateway.model import Log

from .disk import PAGE, Disk, File

LOGS = (Log.URGENT, Log.FEATURE, Log.READING, Log.BULK)
"""The order of claims; eviction goes the other way."""

START = 64
"""Offset of the first frame."""

END = bytes(FRAME)
"""What stands behind the last frame, where there is room."""

VERSION = 1
LARGEST = 1 << 20
SMALLEST = PAGE
SHARES = 16
"""A store has room for at least so many segments."""

_MAGIC = b"RGSL"
_HEAD = struct.Struct("<4sHBBI16s8sQQQ")  # magic, version, rank, level, size, boot, epoch, first, last, missing; then the CRC
_CRC = struct.Struct("<I")
_SEED = struct.Struct("<8sBQ")
_NAME = re.compile(r"(urgent|feature|reading|bulk)-([0-9a-f]{16})(?:-([0-9a-f]{16})-([0-9a-f]{8})-([0-9a-f]))?\.seg")
_RANK = {log.value: rank for rank, log in enumerate(LOGS)}


class Newer(Exception):  # noqa: N818  (a state, not a fault)
    """A file was written by a newer version of this program; nothing in it may be touched."""


class Head(Struct, frozen=True):
    """What stands at the beginning of a segment.

    Attributes:
        rank: the log, as its place in `LOGS`.
        epoch: identity of the store, 16 hex digits.
        first: the lowest seq that may stand here.
        size: bytes of the file.
        boot: id of the boot in which it was begun, 32 hex digits.
        level: how often it was thinned out.
        last: the highest seq that may stand here when it was thinned out, else 0.
        missing: how many records were lost before `first`, where they are not simply those whose numbers are missing, else 0.
    """

    rank: int
    epoch: str
    first: int
    size: int
    boot: str = "0" * 32
    level: int = 0
    last: int = 0
    missing: int = 0

    def at(self, rank: int, first: int, size: int, missing: int) -> Head:
        """Return this head for another place."""
        return replace(self, rank=rank, first=first, size=size, missing=missing)

    def pack(self) -> bytes:
        """Return its `START` bytes."""
        numbers = (self.first, self.last, self.missing)
        boot = _hexed(self.boot, 16)
        packed = _HEAD.pack(_MAGIC, VERSION, self.rank, self.level, self.size, boot, _hexed(self.epoch, 8), *numbers)
        return (packed + _CRC.pack(crc32c(packed))).ljust(START, b"\0")

    @classmethod
    def unpack(cls, data: bytes) -> Head | None:
        """Return the head that `data` begins with, None when it is damaged or none at all.

        Raises:
            Newer: a newer version wrote it.
        """
        packed = data[: _HEAD.size]
        if len(data) < START or packed[:4] != _MAGIC or _CRC.unpack_from(data, _HEAD.size)[0] != crc32c(packed):
            return None
        _, version, rank, level, size, boot, epoch, first, last, missing = _HEAD.unpack(packed)
        if version > VERSION:
            raise Newer(f"it was written by a newer version of this program (format {version}, known are up to {VERSION})")
        return cls(rank, epoch.hex(), first, size, boot.hex(), level, last, missing) if rank < len(LOGS) else None


class Segment:
    """A segment of a log, and of its frames what has been looked up so far.

    Attributes:
        name: name of its file.
        rank: the log, as its place in `LOGS`.
        first: the lowest seq that may stand in it; the next segment's `first` ends it.
        size: bytes of its file.
        level: how often it was thinned out.
        told: how many frames a segment that was thinned out has, as its name says.
        last: the highest seq that is stored in it, assumed until `load` has looked; of one that was thinned out the highest it
            stands for.
        missing: see `Head`.
        offsets, seqs, stamps: its frames, once `load` has found them.
        end: offset behind its last frame.
        damaged: how many damaged frames stand behind the last good one.
        short: whether a piece of the file was cut off.
        suspect: whether something in it was damaged.
        headless: whether its head must be written anew before anything is added.
    """

    __slots__ = (
        "damaged", "end", "epoch", "file", "first", "headless", "last", "level", "loaded", "missing", "name", "offsets",
        "rank", "seqs", "short", "size", "stamps", "suspect", "told",
    )  # fmt: skip

    def __init__(self, name: str, rank: int, first: int, size: int, *, epoch: str, last: int = 0, level: int = 0, told: int = 0):
        self.name, self.rank, self.first, self.size, self.epoch = name, rank, first, size, epoch
        self.last, self.level, self.told = last, level, told
        self.missing = 0
        self.short = self.headless = self.suspect = False
        self.file: File | None = None
        self.forget()

    @classmethod
    def of(cls, name: str, size: int, epoch: str) -> Segment | None:
        """Return the segment that a file name stands for, None for one that is none."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        first, last, told, level = (int(digits, 16) if digits else 0 for digits in match.groups()[1:])
        return cls(name, _RANK[match[1]], first, size, epoch=epoch, last=last, level=level, told=told)

    @classmethod
    def made(cls, file: str, head: Head, told: int = 0) -> Segment:
        """Return the empty segment that a head begins; `file` is still to get its name."""
        made = cls(file, head.rank, head.first, head.size, epoch=head.epoch, last=head.last, level=head.level, told=told)
        made.missing, made.loaded = head.missing, True
        made.last = head.last or head.first - 1
        return made

    @property
    def seed(self) -> int:
        """What the CRC of every frame here continues from: the place."""
        return crc32c(_SEED.pack(_hexed(self.epoch, 8), self.rank, self.first))

    @property
    def tells(self) -> bool:
        """Whether it begins with the record that tells what was thinned out of it."""
        return self.level > 0 and (not self.loaded or self.seqs[:1] == array("Q", [self.first]))

    def forget(self) -> None:
        """Let go of what `load` has found, and close the file."""
        self.loaded = False
        self.offsets, self.seqs, self.stamps = array("I"), array("Q"), array("q")
        self.end, self.damaged = START, 0
        self.close()

    def load(self, disk: Disk, below: int) -> None:
        """Find all its good frames with a seq below `below`; a place that cannot be read counts as damaged.

        Raises:
            OSError: nothing of it can be read.
            Newer: a newer version wrote it.
        """
        data = self._read_all(self.open(disk))
        head = Head.unpack(data)
        self.short = self.size % PAGE != 0 or self.size < SMALLEST
        self.headless = head is None or (head.rank, head.first) != (self.rank, self.first)
        if head is not None and not self.headless:
            self.epoch, self.missing, self.short = head.epoch, head.missing, self.size < head.size
        elif head is not None:
            data = b""  # the file got this name, and the power went before anything was stored under it
        self.offsets, self.seqs, self.stamps, self.end, self.damaged = scan(data, START, self.seed, self.first - 1, below)
        if not self.level:
            self.last = self.seqs[-1] if self.seqs else self.first - 1
        self.loaded = True

    def follows_a_loss(self, disk: Disk) -> bool:
        """Say whether its head tells of records that were lost before it; not known counts as yes."""
        try:
            head = Head.unpack(self.open(disk).read(0, START))
        except OSError:
            return True
        return head is None or head.missing > 0

    def _read_all(self, file: File) -> bytes:
        try:
            return file.read(0, self.size)
        except OSError as error:
            failure = error
        pieces, good = [], 0
        for at in range(0, self.size, PAGE):
            try:
                pieces.append(file.read(at, PAGE).ljust(PAGE, b"\0"))
                good += 1
            except OSError:
                pieces.append(bytes(PAGE))
        if not good:
            raise failure
        return b"".join(pieces)

    def open(self, disk: Disk) -> File:
        """Return its file, opened when it is not."""
        if self.file is None:
            self.file = disk.open(self.name)
        return self.file

    def close(self) -> None:
        """Close its file when it is open."""
        file, self.file = self.file, None
        if file is not None:
            file.close()

    def rehead(self, disk: Disk, head: Head) -> None:
        """Write the head anew; durable with the next record."""
        self.open(disk).write(0, head.pack() + (b"" if self.seqs else END))
        self.headless = False

    def add(self, disk: Disk, records: list[bytes], seqs: array[int], stamps: array[int], *, roomy: bool = False) -> None:
        """Store frames durably behind the last one; if `roomy`, on a new page where they would else touch one more.

        Raises:
            OSError: it is not known what of them is stored; they do not count, and the file must not be written again.
        """
        framed = frame(records, seqs, stamps, self.seed)
        at = self.end
        if roomy:
            whole = len(framed) + len(END)
            next_page = -(-at // PAGE) * PAGE
            if -(-(at + whole) // PAGE) - at // PAGE > -(-whole // PAGE) and next_page + whole <= self.size:
                at = next_page
        end = at + len(framed)
        file = self.open(disk)
        file.write(at, framed + END if end + len(END) <= self.size else framed)
        file.sync()
        for record in records:
            self.offsets.append(at)
            at += framed_size(record)
        self.seqs.extend(seqs)
        self.stamps.extend(stamps)
        self.end = end
        self.last = max(self.last, seqs[-1])

    def read(self, disk: Disk, start: int, stop: int) -> list[bytes | None]:
        """Return the payloads of the frames `start` to `stop` - 1 of those that `load` has found, None for a damaged one.

        Raises:
            OSError: nothing on this disk can be read.
        """
        if start >= stop:
            return []
        base = self.offsets[start]
        end = self.offsets[stop] if stop < len(self.offsets) else self.end
        try:
            data = self.open(disk).read(base, end - base)
        except OSError:
            if not disk.alive():
                raise
            if stop - start == 1:
                return [None]
            middle = (start + stop) // 2
            return self.read(disk, start, middle) + self.read(disk, middle, stop)
        return payloads(data, base, self.offsets[start:stop], self.seqs[start:stop], self.seed)

    def index(self, seq: int) -> int:
        """Return the index of the first frame with this seq or a higher one."""
        return bisect_left(self.seqs, seq)


def name_of(rank: int, first: int, last: int = 0, told: int = 0, level: int = 0) -> str:
    """Return the name of a segment's file; the last three for one that was thinned out."""
    tail = f"-{last:016x}-{told:08x}-{level:x}" if level else ""
    return f"{LOGS[rank].value}-{first:016x}{tail}.seg"


def framed_size(record: bytes) -> int:
    """Return how many bytes a payload takes as a frame."""
    return (FRAME + len(record) + 7) // 8 * 8


def size_for(max_bytes: int) -> int:
    """Return the size of the segments of a store of that size."""
    return min(LARGEST, max(SMALLEST, max_bytes // SHARES // PAGE * PAGE))


def _hexed(text: str, count: int) -> bytes:
    try:
        return bytes.fromhex(text)[:count].ljust(count, b"\0")
    except ValueError:
        return bytes(count)
