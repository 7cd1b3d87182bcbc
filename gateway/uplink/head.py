"""The head of an HTTP answer: status and fields, read from a socket without a byte of what follows."""

from __future__ import annotations

import socket

from msgspec import Struct

_MOST = 16384


class Head(Struct, frozen=True):
    """Status, its reason in the server's words, and the fields by their name in small letters."""

    status: int
    reason: str
    fields: dict[str, str]


def read_head(sock: socket.socket) -> Head:
    """Read the head of an answer, byte by byte: what comes behind it belongs to somebody else.

    Raises:
        ValueError: it is no HTTP, or longer than 16 KiB; the text says which.
        OSError: the connection broke or the socket's time is up.
    """
    data = bytearray()
    while not data.endswith((b"\r\n\r\n", b"\n\n")):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionError("it hung up")
        data += byte
        if len(data) >= 5 and not data.startswith(b"HTTP/"):
            raise ValueError("it does not speak HTTP")
        if len(data) > _MOST:
            raise ValueError("its answer has no end")
    first, *lines = data.decode("latin-1").splitlines()
    _, _, rest = first.partition(" ")
    number, _, reason = rest.partition(" ")
    if len(number) != 3 or not number.isdecimal():
        raise ValueError("it does not speak HTTP")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return Head(int(number), printable(reason), {name.strip().lower(): value.strip() for name, _, value in pairs})


def printable(text: str) -> str:
    """Return what a stranger wrote in a form that may stand in a log: one short line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text.strip())[:80]
