"""The header of a NumPy .npy file (format versions 1 to 3), read without NumPy and without evaluating it."""

from __future__ import annotations

import re
from typing import BinaryIO

from drivers.replay.pcm import WIDTH, FormatError, Layout

_KINDS = {"<f4": "f", "<f8": "d", "<i2": "h", "<i4": "i"}
_DESCR = re.compile(r"'descr':\s*'([^']{1,20})'")
_SHAPE = re.compile(r"'shape':\s*\(([\d\s,]{0,100})\)")
_MAX_HEADER = 65536
_MAX_DIGITS = 18


def parse(file: BinaryIO, size: int) -> Layout:
    """Return where the samples of a one-dimensional float32, float64, int16 or int32 array are; the file has `size` bytes.

    Raises:
        FormatError: it is not a .npy, holds another type or shape, or is cut off.
    """
    magic = file.read(8)
    if len(magic) < 8 or magic[:6] != b"\x93NUMPY":
        raise FormatError("is not a .npy file: it does not begin with \\x93NUMPY")
    if magic[6] not in {1, 2, 3}:
        raise FormatError(f"is a .npy of version {magic[6]}, which is not known; save it again with numpy.save")
    head = 2 if magic[6] == 1 else 4
    stored = file.read(head)
    length = int.from_bytes(stored, "little")
    if len(stored) < head or length > _MAX_HEADER:
        raise FormatError("has a damaged header")
    text = file.read(length).decode("latin-1")
    descr, shape = _DESCR.search(text), _SHAPE.search(text)
    if len(text) < length or shape is None:
        raise FormatError("has a damaged header")
    if descr is None:
        raise FormatError("holds a structured array; save one field of it")
    kind = _KINDS.get(descr[1])
    if kind is None:
        raise FormatError(f"holds {descr[1]}; save it as float32: numpy.save(name, a.astype('<f4'))")
    sizes = [part.strip() for part in shape[1].split(",") if part.strip()]
    if len(sizes) != 1:
        raise FormatError(f"has the shape ({shape[1].strip()}); save one column: numpy.save(name, a[:, 0])")
    if not sizes[0].isdigit() or len(sizes[0]) > _MAX_DIGITS:
        raise FormatError("has a damaged header")
    frames = int(sizes[0])
    offset = 8 + head + length
    there = (size - offset) // WIDTH[kind]
    if frames > there:
        raise FormatError(f"is cut off: its header promises {frames} samples, {max(0, there)} are there; copy it again")
    return Layout(offset=offset, frames=frames, kind=kind)
