"""Registers of Modbus answers in plain Python."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from fractions import Fraction

BOOL, BIT, INT16, UINT16, INT32, UINT32, INT64, UINT64, FLOAT32, FLOAT64 = range(10)

Item = tuple[int, int, int, bool, bool, int, float, float]
"""Column, byte offset, type code, word swap, byte swap, bit, scale, offset."""

_SIZE = {BOOL: 1, INT32: 4, UINT32: 4, INT64: 8, UINT64: 8, FLOAT32: 4, FLOAT64: 8}
_NO_SENSOR = 9


def crc16(data: bytes) -> int:
    """Return the CRC-16/MODBUS of `data`: reflected polynomial 0xA001, start 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


class Decoder:
    """Decodes an answer into columns; see `cython_ext.registers.Decoder`."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = list(items)
        self.needed = max((self._end(item) for item in self._items), default=0)
        self.columns = max((item[0] + 1 for item in self._items), default=0)

    @staticmethod
    def _end(item: Item) -> int:
        _, at, kind, _, _, bit, *_ = item
        return at + bit // 8 + 1 if kind == BOOL else at + _SIZE.get(kind, 2)

    def decode(self, data: bytes, values: array[float], quality: bytearray, reason: bytearray) -> list[tuple[int, int]] | None:
        """Write values, quality and reason of every item's column; return the integers that a float64 cannot be trusted to hold."""
        if len(data) < self.needed or min(len(values), len(quality), len(reason)) < self.columns:
            raise ValueError("too short")
        exact = []
        for column, at, kind, word_swap, byte_swap, bit, scale, offset in self._items:
            raw = _raw(bytes(data), at, kind, word_swap, byte_swap, bit)
            value = _scaled(raw, scale, offset)
            good = math.isfinite(value)
            values[column] = value if good else math.nan
            quality[column] = 192 if good else 0
            reason[column] = 0 if good else _NO_SENSOR
            if kind in (INT64, UINT64) and (scale, offset) == (1, 0) and abs(raw) > 2**53:
                exact.append((column, int(raw)))
        return exact or None


def _raw(data: bytes, at: int, kind: int, word_swap: bool, byte_swap: bool, bit: int) -> float:
    if kind == BOOL:
        return data[at + bit // 8] >> bit % 8 & 1
    words = [data[i : i + 2] for i in range(at, at + _SIZE.get(kind, 2), 2)]
    if word_swap:
        words.reverse()
    if byte_swap:
        words = [word[::-1] for word in words]
    value = b"".join(words)
    if kind == BIT:
        return int.from_bytes(value, "big") >> bit & 1
    if kind in (FLOAT32, FLOAT64):
        return float(memoryview(value[::-1]).cast("f" if kind == FLOAT32 else "d")[0])  # big-endian to the machine's little-endian
    return int.from_bytes(value, "big", signed=kind in (INT16, INT32, INT64))


def _scaled(raw: float, scale: float, offset: float) -> float:
    """Return raw * scale + offset with scale and offset as the decimal numbers they were written as, rounded once."""
    if not math.isfinite(raw):
        return math.nan
    try:
        return float(Fraction(raw) * Fraction(repr(scale)) + Fraction(repr(offset)))
    except OverflowError:
        return math.inf
