"""Frames of a log in plain Python."""

from __future__ import annotations

import struct
from collections.abc import Sequence

HEAD = 24


def crc32c(data: bytes, crc: int = 0) -> int:
    """Return the CRC-32C of `data`: reflected polynomial 0x82F63B78, start and end inverted; continued from `crc`."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF


def frame(payloads: list[bytes], seqs: Sequence[int], stamps: Sequence[int], seed: int) -> bytearray:
    """Return the frames one after the other; see `cython_ext.frames.frame`."""
    framed = bytearray()
    for payload, seq, stamp in zip(payloads, seqs, stamps, strict=True):
        body = struct.pack("<IQq", len(payload), seq, stamp) + payload
        framed += struct.pack("<I", crc32c(body, seed)) + body
        framed += bytes(-len(framed) % 8)
    return framed


def scan(data: bytes, start: int, seed: int, after: int, below: int) -> tuple[list[int], list[int], list[int], int, int]:
    """Return offsets, seqs and stamps of the good frames, where they end and how many damaged ones follow."""
    found, at, behind = [], start, start
    while at + HEAD <= len(data):
        length, seq, stamp = struct.unpack_from("<IQq", data, at + 4)
        fits = after < seq < below and at + HEAD + length <= len(data)
        if fits and crc32c(data[at + 4 : at + HEAD + length], seed) == int.from_bytes(data[at : at + 4], "little"):
            found.append((at, seq, stamp))
            after = seq
            at = behind = at + _padded(length)
        else:
            at += 8
    offsets, seqs, stamps = (list(column) for column in zip(*found, strict=True)) if found else ([], [], [])
    return offsets, seqs, stamps, behind, _damaged(data, behind, after)


def _damaged(data: bytes, at: int, last: int) -> int:
    if _empty(data, at):
        at = -(-at // 4096) * 4096
        if _empty(data, at) or (int.from_bytes(data[at + 8 : at + 16], "little") ^ (last + 1)).bit_count() > 1:
            return 0
    count = 0
    while at + HEAD <= len(data):
        length, seq = struct.unpack_from("<IQ", data, at + 4)
        if seq != last + count + 1 or at + HEAD + length > len(data):
            break
        count += 1
        at += _padded(length)
    return max(count, 1)


def _empty(data: bytes, at: int) -> bool:
    head = data[at : at + HEAD]
    return len(head) < HEAD or int.from_bytes(head, "little").bit_count() <= 2


def _padded(length: int) -> int:
    return (HEAD + length + 7) // 8 * 8
