"""The header of a RIFF/WAVE file; the standard library's reader knows neither float nor, before 3.12, extensible files."""

from __future__ import annotations

import struct
from typing import BinaryIO

from drivers.replay.pcm import WIDTH, FormatError, Layout

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_KINDS = {(_PCM, 16): "h", (_PCM, 24): "3", (_PCM, 32): "i", (_FLOAT, 32): "f", (_FLOAT, 64): "d"}
_FULL_SCALE = {"h": 2.0**15, "3": 2.0**23, "i": 2.0**31}
_CODECS = {2: "ADPCM", 6: "A-law", 7: "µ-law", 0x55: "MP3"}
_MAX_CHUNKS = 1000


def parse(file: BinaryIO, size: int) -> Layout:
    """Return where the samples of a .wav are; `size` is the length of the file in bytes.

    Raises:
        FormatError: it is not a .wav, is compressed, cut off or of a width that is not supported.
    """
    head = file.read(12)
    if head[:4] in {b"RF64", b"RIFX"}:
        raise FormatError(f"is a {head[:4].decode()} file, which is not supported; convert it to a plain .wav")
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise FormatError("is not a .wav file: it does not begin with RIFF … WAVE")
    layout: Layout | None = None
    at = 12
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        chunk = file.read(8)
        if len(chunk) < 8:
            break
        name, length = struct.unpack("<4sI", chunk)
        if name == b"fmt ":
            layout = _parse_format(file.read(min(length, 40)))
        elif name == b"data":
            if layout is None:
                raise FormatError("has its samples before their format; it is damaged")
            return _place(layout, at + 8, length, size)
        at += 8 + length + (length & 1)
    raise FormatError("ends before its samples begin; it is cut off")


def _parse_format(body: bytes) -> Layout:
    """Read a `fmt ` chunk into a layout without place."""
    if len(body) < 16:
        raise FormatError("has a format chunk that is too short; it is damaged")
    code, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", body)
    if code == _EXTENSIBLE and len(body) >= 26:
        code = struct.unpack_from("<H", body, 24)[0]
    if code not in {_PCM, _FLOAT}:
        raise FormatError(f"is compressed ({_CODECS.get(code, f'format {code}')}); save it as PCM or float")
    kind = _KINDS.get((code, bits))
    if kind is None:
        raise FormatError(f"has {bits}-bit {'float' if code == _FLOAT else 'integer'} samples; save it with 16, 24 or 32 bits")
    if channels == 0 or rate == 0 or frame != channels * WIDTH[kind]:
        raise FormatError(f"has a header that contradicts itself ({channels} channels, {rate} Hz, {frame} bytes a frame)")
    return Layout(offset=0, frames=0, kind=kind, channels=channels, factor=1 / _FULL_SCALE.get(kind, 1.0), rate_hz=float(rate))


def _place(layout: Layout, offset: int, length: int, size: int) -> Layout:
    """Put the samples where the data chunk stands."""
    there = size - offset
    if length in {0, 0xFFFFFFFF}:
        length = there  # written to a pipe: the length was not known when the header was
    if length > there:
        raise FormatError(f"is cut off: its header promises {length} bytes of samples, {there} are there; copy it again")
    width = WIDTH[layout.kind] * layout.channels
    return Layout(
        offset=offset,
        frames=length // width,
        kind=layout.kind,
        channels=layout.channels,
        factor=layout.factor,
        rate_hz=layout.rate_hz,
    )
