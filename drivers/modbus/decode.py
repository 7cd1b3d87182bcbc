"""From the data bytes of an answer into the columns of a Scan: numbers in one compiled pass, the rest one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from cython_ext import registers
from drivers.modbus.plan import Block
from drivers.modbus.spec import ModbusPoint, ModbusUnit, swaps
from gateway.model import Quality, Reason, Scan

_CODES: Final = {
    "int16": registers.INT16,
    "uint16": registers.UINT16,
    "int32": registers.INT32,
    "uint32": registers.UINT32,
    "int64": registers.INT64,
    "uint64": registers.UINT64,
    "float32": registers.FLOAT32,
    "float64": registers.FLOAT64,
}


class Text(Struct, frozen=True, gc=False):
    """A string: its column, where its bytes stand in the answer, whether the two characters of a register are swapped."""

    column: int
    start: int
    end: int
    swapped: bool
    encoding: str


class Special(Struct, frozen=True):
    """A value whose bytes in the answer (`start` to `end`) mean "no sensor" when they are among `images`."""

    column: int
    start: int
    end: int
    images: frozenset[bytes]


class Word(Struct, frozen=True):
    """A status word: its column and the names of its bits, lowest first."""

    column: int
    names: tuple[tuple[int, str], ...]


class BlockDecoder:
    """Decodes the answer of one block into a full Scan of its table."""

    def __init__(self, block: Block, points: Sequence[ModbusPoint], unit: ModbusUnit) -> None:
        """Compile the decoding of `block`; `points` is the whole table, `unit` brings the default orders.

        A counter and a point with a scale factor in a register come out raw; `Derivation` does the rest.
        """
        items: list[tuple[int, int, int, bool, bool, int, float, float]] = []
        self._texts: list[Text] = []
        self._specials: list[Special] = []
        self._words: list[Word] = []
        for span in block.spans:
            point = points[span.row]
            order = point.order or unit.order
            word_swap, byte_swap = swaps(order)
            offset = span.start - block.request.address
            start, end = 2 * offset, 2 * (offset + point.width)
            if point.at.bits:
                items.append((span.row, 0, registers.BOOL, False, False, offset, 1.0, 0.0))
            elif point.kind == "string":
                if point.order is None and unit.string_order is not None:
                    byte_swap = unit.string_order == "BA"
                self._texts.append(Text(span.row, start, end, byte_swap, point.encoding or "utf-8"))
            elif point.bit_number is not None:
                items.append((span.row, start, registers.BIT, False, byte_swap, point.bit_number, 1.0, 0.0))
            else:
                raw = point.counter is not None or point.scale_from is not None
                scale, shift = (1.0, 0.0) if raw else (point.scale, point.offset)
                items.append((span.row, start, _CODES[point.kind], word_swap, byte_swap, 0, scale, shift))
                if images := _images(point, order):
                    self._specials.append(Special(span.row, start, end, images))
                if point.bits is not None:
                    self._words.append(Word(span.row, tuple(sorted(point.bits.items()))))
        self._numbers = registers.Decoder(items) if items else None

    def decode(self, data: bytes, scan: Scan) -> None:
        """Write every point of the block into `scan`, good, or bad where the value itself says that there is none."""
        if self._numbers is not None:
            exact = self._numbers.decode(data, scan.values, scan.quality, scan.reason)
            if exact is not None:
                scan.objects.update(exact)
        for text in self._texts:
            scan.objects[text.column] = _text(data[text.start : text.end], text)
            scan.quality[text.column] = Quality.GOOD
            scan.reason[text.column] = Reason.NONE
        for word in self._words:
            scan.objects[word.column] = _names(int(scan.objects.get(word.column, scan.values[word.column])), word.names)
        for special in self._specials:
            if data[special.start : special.end] in special.images:
                scan.values[special.column] = math.nan
                scan.quality[special.column] = Quality.BAD
                scan.reason[special.column] = Reason.NO_SENSOR
                scan.objects.pop(special.column, None)


def _images(point: ModbusPoint, order: str) -> frozenset[bytes]:
    """Return the bytes of the invalid raw values of a point as they stand in an answer."""
    return frozenset(arranged(image, order) for raw in point.invalid if (image := raw.image(point.kind)))


def arranged(image: bytes, order: str) -> bytes:
    """Return bytes, most significant first, as they stand in the registers in this order."""
    word_swap, byte_swap = swaps(order)
    words = [image[i : i + 2] for i in range(0, len(image), 2)]
    return b"".join(word[::-1] if byte_swap else word for word in (reversed(words) if word_swap else words))


def _names(word: int, names: tuple[tuple[int, str], ...]) -> list[str]:
    """Return the names of the bits that are set, lowest first; a bit without a name is `bit N`."""
    found = {bit: name for bit, name in names if word >> bit & 1}
    rest = word & ~sum(1 << bit for bit, _ in names)
    for bit in range(rest.bit_length()):
        if rest >> bit & 1:
            found[bit] = f"bit {bit}"
    return [found[bit] for bit in sorted(found)]


def _text(raw: bytes, text: Text) -> str:
    """Return the characters before the first NUL, without blanks at the end; what is not in the encoding becomes U+FFFD."""
    if text.swapped:
        swapped = bytearray(raw)
        swapped[0::2], swapped[1::2] = raw[1::2], raw[0::2]
        raw = bytes(swapped)
    return raw.partition(b"\0")[0].decode(text.encoding, "replace").rstrip()
