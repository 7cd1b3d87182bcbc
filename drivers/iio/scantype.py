"""The form of one sample in a buffer of Industrial I/O, `le:s20/32>>12`, and where it stands in a scan.

Source: the kernel's Documentation/ABI/testing/sysfs-bus-iio, `in_<channel>_type`, and iio_compute_scan_bytes() in
drivers/iio/industrialio-buffer.c: every element is aligned to its own size, the whole to the largest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from cython_ext import scans

_FORM = re.compile(r"([bl]e):([suf])(\d{1,3})/(\d{1,3})(?:X(\d{1,3}))?(?:>>(\d{1,3}))?")
_KINDS = {"s": scans.SIGNED, "u": scans.UNSIGNED, "f": scans.FLOAT}


class ScanType(Struct, frozen=True):
    """How a sample is stored: `bits` of `storage`, after shifting right by `shift`; `repeat` values stand beside each other."""

    kind: str
    bits: int
    storage: int
    shift: int = 0
    repeat: int = 1
    big: bool = False

    @classmethod
    def parse(cls, text: str) -> ScanType:
        """Read what a `_type` attribute holds.

        Raises:
            ValueError: it is not of this form, or contradicts itself.
        """
        match = _FORM.fullmatch(text.strip())
        if not match:
            raise ValueError(f"'{text.strip()}' is not a type of sample such as le:s20/32>>12")
        order, kind, bits, storage, repeat, shift = match.groups()
        found = cls(kind, int(bits), int(storage), int(shift or 0), int(repeat or 1), order == "be")
        fits = found.bits > 0 and found.bits + found.shift <= found.storage <= 64 and found.storage % 8 == 0 and found.repeat > 0
        if not fits or (kind == "f" and (found.storage not in {32, 64} or found.bits != found.storage)):
            raise ValueError(f"'{text.strip()}' contradicts itself")
        return found

    @property
    def written(self) -> str:
        """The type as the kernel writes it."""
        repeat = f"X{self.repeat}" if self.repeat > 1 else ""
        return f"{'be' if self.big else 'le'}:{self.kind}{self.bits}/{self.storage}{repeat}>>{self.shift}"

    @property
    def size(self) -> int:
        """Bytes in a scan."""
        return self.storage // 8 * self.repeat

    def channel(self, at: int, scale: float = 1.0, offset: float = 0.0) -> tuple[int, int, int, int, int, bool, float, float]:
        """Return the channel of `cython_ext.scans.Decoder` that stands at byte `at`."""
        return at, self.storage // 8, _KINDS[self.kind], self.bits, self.shift, self.big, scale, offset


def layout(types: Sequence[ScanType]) -> tuple[list[int], int]:
    """Return where each element of a scan begins, given in the order of their indices, and how long a scan is, in bytes."""
    places, end, largest = [], 0, 1
    for form in types:
        end = _aligned(end, form.size)
        places.append(end)
        end += form.size
        largest = max(largest, form.size)
    return places, _aligned(end, largest)


def _aligned(at: int, size: int) -> int:
    return -(-at // size) * size
