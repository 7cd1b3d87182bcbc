from array import array
from collections.abc import Iterable

from _typeshed import ReadableBuffer

BOOL: int
BIT: int
INT16: int
UINT16: int
INT32: int
UINT32: int
INT64: int
UINT64: int
FLOAT32: int
FLOAT64: int

def crc16(data: ReadableBuffer) -> int: ...

class Decoder:
    def __init__(self, items: Iterable[tuple[int, int, int, bool, bool, int, float, float]]) -> None: ...
    @property
    def needed(self) -> int: ...
    @property
    def columns(self) -> int: ...
    def __len__(self) -> int: ...
    def decode(
        self, data: ReadableBuffer, values: array[float], quality: bytearray, reason: bytearray
    ) -> list[tuple[int, int]] | None: ...
