"""The messages in a file or a pipe: one as it was sent, or a line each as JSON or hexadecimal digits."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gateway.uplink.packing import MOST_BYTES, ZSTD_MAGIC

_LINE = re.compile(rb"(?:[^\s{]*/\S*\s+)?(\{.*\}|(?:[0-9A-Fa-f]{2})+)")
"""A topic, which has a slash, may stand before the message."""


class Unreadable(Exception):  # noqa: N818  (a user's mistake, not a fault)
    """There is no such file; `str()` is what the user reads."""


def messages(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield every message and where it stands; lines of a pipe as they come.

    Raises:
        Unreadable: the file cannot be read.
    """
    if name == "-":
        yield from _split("standard input", sys.stdin.buffer)
        return
    try:
        with Path(name).open("rb") as stream:
            yield from _split(name, stream)
    except IsADirectoryError:
        raise Unreadable(f"{name} is a folder; name the files in it") from None
    except OSError as error:
        raise Unreadable(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from None


def _split(place: str, stream: BinaryIO) -> Iterator[tuple[str, bytes]]:
    first = stream.readline(MOST_BYTES + 1)
    if not _is_text(first):
        yield place, first + stream.read(MOST_BYTES + 1)
        return
    if not _LINE.fullmatch(first.strip()):  # JSON over several lines, or nothing of ours
        yield place, first + stream.read(MOST_BYTES + 1)
        return
    number, line = 1, first
    while line:
        if text := line.strip():
            yield f"{place}, line {number}", _payload(text)
        number, line = number + 1, stream.readline(MOST_BYTES + 1)


def _is_text(head: bytes) -> bool:
    """Whether it begins like text; no message in CBOR, Sparkplug or compressed does."""
    return head[:1].isascii() and head[:1].decode().isprintable() and not head.startswith(ZSTD_MAGIC)


def _payload(line: bytes) -> bytes:
    match = _LINE.fullmatch(line)
    if match is None:
        return line
    return match[1] if match[1].startswith(b"{") else bytes.fromhex(match[1].decode())
