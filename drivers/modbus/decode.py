"""From the data bytes of an answer into the columns of a Scan: numbers in one compiled pass, strings one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from cython_ext import registers
from drivers.modbus.plan import Block
from drivers.modbus.spec import ModbusPoint, swaps
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


class BlockDecoder:
    """Decodes the answer of one block into a full Scan of its table."""

    def __init__(self, block: Block, points: Sequence[ModbusPoint], order: str) -> None:
        """Compile the decoding of `block`; `points` is the whole table, `order` the unit's default."""
        items: list[tuple[int, int, int, bool, bool, int, float, float]] = []
        self._texts: list[Text] = []
        for span in block.spans:
            point = points[span.row]
            word_swap, byte_swap = swaps(point.order or order)
            offset = span.start - block.request.address
            if point.at.bits:
                items.append((span.row, 0, registers.BOOL, False, False, offset, 1.0, 0.0))
            elif point.kind == "string":
                text = Text(span.row, 2 * offset, 2 * (offset + point.width), byte_swap, point.encoding or "utf-8")
                self._texts.append(text)
            elif point.bit_number is not None:
                items.append((span.row, 2 * offset, registers.BIT, False, byte_swap, point.bit_number, 1.0, 0.0))
            else:
                items.append((span.row, 2 * offset, _CODES[point.kind], word_swap, byte_swap, 0, point.scale, point.offset))
        self._numbers = registers.Decoder(items) if items else None

    def decode(self, data: bytes, scan: Scan) -> None:
        """Write every point of the block into `scan`, good."""
        if self._numbers is not None:
            exact = self._numbers.decode(data, scan.values, scan.quality, scan.reason)
            if exact is not None:
                scan.objects.update(exact)
        for text in self._texts:
            scan.objects[text.column] = _text(data[text.start : text.end], text)
            scan.quality[text.column] = Quality.GOOD
            scan.reason[text.column] = Reason.NONE


def _text(raw: bytes, text: Text) -> str:
    """Return the characters before the first NUL, without blanks at the end; what is not in the encoding becomes U+FFFD."""
    if text.swapped:
        swapped = bytearray(raw)
        swapped[0::2], swapped[1::2] = raw[1::2], raw[0::2]
        raw = bytes(swapped)
    return raw.partition(b"\0")[0].decode(text.encoding, "replace").rstrip()
