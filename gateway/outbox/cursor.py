"""The cursor: how far each log has been acknowledged, in two slots that are written in turn.

It is written lazily: one that is behind costs repeats, never a loss. A slot is one sector with a CRC, so a power cut leaves the
old slot or the new one, and a damaged slot leaves the other.
"""

from __future__ import annotations

import struct

from msgspec import Struct

from cython_ext.frames import crc32c

from .disk import PAGE, Disk, File, closing
from .segment import LOGS, VERSION, Newer

NAME = "cursor"
_SCRATCH = "cursor.new"
_MAGIC = b"RGCU"
_SLOT = struct.Struct(
    f"<4sHHQ8s{3 * len(LOGS)}Q"
)  # magic, version, clean, turn, epoch, by log: acknowledged, last, lost; then the CRC
_CRC = struct.Struct("<I")


class Marks(Struct, frozen=True):
    """What a slot says.

    Attributes:
        epoch: identity of the store, 16 hex digits.
        acknowledged: by log, the seq up to which everything has been accepted by the other side or told as lost.
        last: by log, the highest seq that had been stored then.
        lost: by log, how many records were lost of those up to `acknowledged`, or could not be stored as they were.
        clean: whether the store was closed then, so that `last` is exact.
    """

    epoch: str
    acknowledged: tuple[int, ...] = (0,) * len(LOGS)
    last: tuple[int, ...] = (0,) * len(LOGS)
    lost: tuple[int, ...] = (0,) * len(LOGS)
    clean: bool = False

    def pack(self, turn: int) -> bytes:
        """Return the slot."""
        epoch = bytes.fromhex(self.epoch)
        packed = _SLOT.pack(_MAGIC, VERSION, self.clean, turn, epoch, *self.acknowledged, *self.last, *self.lost)
        return packed + _CRC.pack(crc32c(packed))


class Cursor:
    """The file with the two slots.

    Attributes:
        marks: what the newest good slot says; None for a store that is new, or whose slots are both damaged.
        found: whether there was a file.
        surely: by log, the seq up to which both slots say that it was acknowledged: what may be used again.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._file: File | None = None
        self._turn = 1
        self._slots: list[Marks | None] = [None, None]
        self.marks: Marks | None = None
        self.found = False

    @property
    def surely(self) -> tuple[int, ...]:
        """By log, the seq up to which both slots say that it was acknowledged."""
        one, two = self._slots
        if one is None or two is None:
            return (0,) * len(LOGS)
        return tuple(map(min, one.acknowledged, two.acknowledged))

    def load(self, names: dict[str, int]) -> None:
        """Read both slots of the file, which is one of `names`; one that cannot be read counts as damaged.

        Raises:
            OSError: the disk cannot be read.
            Newer: a newer version wrote it.
        """
        self.close()
        self.marks, self._slots, self._turn = None, [None, None], 1
        self.found = NAME in names
        if not self.found:
            return
        with closing(self._disk.open(NAME)) as file:
            for slot in (0, 1):
                try:
                    turn, marks = _unpack(file.read(slot * PAGE, _SLOT.size + _CRC.size))
                except OSError:
                    if not self._disk.alive():
                        raise
                    turn, marks = 0, None
                self._slots[slot] = marks
                if marks is not None and (self.marks is None or turn > self._turn):
                    self._turn, self.marks = turn, marks

    def write(self, marks: Marks) -> None:
        """Write the slot whose turn it is, durably; the first time, and after trouble, a new file with both.

        Raises:
            OSError: it may or may not have been written; the other slot stands.
        """
        turn = self._turn + 1
        if self._file is None and not (self.found and all(self._slots)):
            self._replace(marks, turn)
        else:
            try:
                if self._file is None:
                    self._file = self._disk.open(NAME)
                self._file.write(turn % 2 * PAGE, marks.pack(turn))
                self._file.sync()
            except OSError:
                self.close()
                self._slots[turn % 2] = None  # the next call makes a new file: this one is never synchronised again
                raise
            self._slots[turn % 2] = marks
        self._turn, self.marks = turn, marks

    def _replace(self, marks: Marks, turn: int) -> None:
        with closing(self._disk.create(_SCRATCH)) as file:
            slots = [marks.pack(turn - (turn - slot) % 2) for slot in (0, 1)]
            file.write(0, b"".join(slot.ljust(PAGE, b"\0") for slot in slots))
            file.sync()
        self._disk.rename(_SCRATCH, NAME)
        self._disk.sync()
        self.found, self._slots = True, [marks, marks]

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _unpack(data: bytes) -> tuple[int, Marks | None]:
    if (
        len(data) < _SLOT.size + _CRC.size
        or data[:4] != _MAGIC
        or _CRC.unpack_from(data, _SLOT.size)[0] != crc32c(data[: _SLOT.size])
    ):
        return 0, None
    _, version, clean, turn, epoch, *numbers = _SLOT.unpack_from(data)
    if version > VERSION:
        raise Newer(f"it was written by a newer version of this program (format {version}, known are up to {VERSION})")
    n = len(LOGS)
    return turn, Marks(epoch.hex(), tuple(numbers[:n]), tuple(numbers[n : 2 * n]), tuple(numbers[2 * n :]), bool(clean))
