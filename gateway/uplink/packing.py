"""Messages as bytes: JSON or CBOR, as it is or compressed; the first bytes say which, over any version of MQTT."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any, Literal

import msgspec

from gateway.uplink import cbor
from gateway.uplink.errors import FormatError

Format = Literal["json", "cbor"]
Compression = Literal["zstd", "zstd-dictionary"]

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
DICTIONARY = 40961
"""Number of the dictionary, as it stands in the header of a compressed message that needs it; a new one gets a new number."""
MOST_BYTES = 16 * 1024 * 1024
"""A message that claims to be larger is refused; none that is sent comes near it."""
_LEVEL = 19
_SMALL = 16 * 1024
"""Bytes of a message whose text and numbers are worth a code of their own each."""
_SHORT_MATCHES, _LONG_MATCHES = 3, 6
"""Shortest repetition that is looked for: among small numbers short ones are chance, and cost more than they save."""
_END_BLOCK = 1  # zstandard.COMPRESSOBJ_FLUSH_BLOCK
_COMPRESSING = threading.Lock()
_MISSING = "the package 'zstandard' is not installed; install it: pip install 'retrofit-gateway[zstd]'"


class Uncompressed(Exception):  # noqa: N818  (what it is, not what it is called)
    """The compression that was asked for is not there; the text says why and what to do."""


def pack(message: Any, form: Format) -> tuple[bytes, int]:
    """Return a message (plain values or structs) in a format, and where in it text ends and numbers begin (0: nowhere)."""
    if form == "json":
        return msgspec.json.encode(message), 0
    return cbor.dump(msgspec.to_builtins(message, builtin_types=(bytes,)))


def compress(payload: bytes, compression: Compression, cut: int = 0) -> bytes:
    """Return the payload as one zstd frame that tells its content's size.

    Args:
        payload: what to compress.
        compression: with or without the dictionary.
        cut: where text ends and numbers begin; each part gets a block of its own, and with it a code that fits.

    Raises:
        Uncompressed: the library is missing.
    """
    try:
        with _COMPRESSING:  # one compressor for all recipients, who encode in threads
            whole = bytes(_compressor(compression, _SHORT_MATCHES).compress(payload))
            if not cut or len(payload) > _SMALL:
                return whole
            stream = _compressor(compression, _LONG_MATCHES).compressobj(size=len(payload))
            parts = [stream.compress(payload[:cut]), stream.flush(_END_BLOCK), stream.compress(payload[cut:]), stream.flush()]
    except ImportError:
        raise Uncompressed(_MISSING) from None
    return min(b"".join(parts), whole, key=len)


def unpack(payload: bytes | bytearray | memoryview | str) -> tuple[Any, Format]:
    """Return a message as plain values, and the format it was in.

    Raises:
        FormatError: it is neither JSON nor CBOR, is compressed in a way nobody here can undo, or is too large.
    """
    raw = payload.encode() if isinstance(payload, str) else bytes(payload)
    if raw.startswith(ZSTD_MAGIC):
        raw = decompress(raw)
    if raw.startswith(cbor.MAGIC):
        return cbor.load(raw), "cbor"
    try:
        return msgspec.json.decode(raw), "json"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise FormatError(f"not JSON: {exc}") from None


def describe(payload: bytes) -> str:
    """Return in words how a message is packed: `JSON`, `CBOR, zstd with dictionary 40961`.

    Raises:
        FormatError: see `decompress`.
    """
    inner = decompress(payload) if payload.startswith(ZSTD_MAGIC) else payload
    words = "CBOR" if inner.startswith(cbor.MAGIC) else "JSON"
    if inner is payload:
        return words
    import zstandard

    number = zstandard.get_frame_parameters(payload).dict_id
    return f"{words}, zstd{f' with dictionary {number}' if number else ''}, {len(inner)} bytes unpacked"


def decompress(payload: bytes) -> bytes:
    """Return the content of one zstd frame.

    Raises:
        FormatError: it is damaged or too large, needs another dictionary, or the library is missing.
    """
    try:
        import zstandard
    except ImportError:
        raise FormatError(f"it is compressed, and {_MISSING}") from None
    try:
        frame = zstandard.get_frame_parameters(payload)
        if frame.dict_id not in {0, DICTIONARY}:
            raise FormatError(f"it is compressed with the dictionary {frame.dict_id}, which this program does not have")
        if frame.content_size > MOST_BYTES and frame.content_size != zstandard.CONTENTSIZE_UNKNOWN:
            raise FormatError(f"it claims to be {frame.content_size} bytes large, more than {MOST_BYTES}")
        decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary() if frame.dict_id else None, max_window_size=MOST_BYTES)
        return bytes(decompressor.decompress(payload, max_output_size=MOST_BYTES, allow_extra_data=False))
    except (zstandard.ZstdError, ValueError) as exc:
        if isinstance(exc, FormatError):
            raise
        raise FormatError(f"it looks compressed and cannot be decompressed: {exc}") from None


@functools.cache
def _compressor(compression: Compression, shortest_match: int) -> Any:
    import zstandard

    options = {"min_match": shortest_match, "write_content_size": True, "write_checksum": False, "write_dict_id": True}
    parameters = zstandard.ZstdCompressionParameters.from_level(_LEVEL, source_size=_SMALL, **options)
    dictionary = _dictionary() if compression == "zstd-dictionary" else None
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=dictionary)


@functools.cache
def _dictionary() -> Any:
    import zstandard

    return zstandard.ZstdCompressionDict(Path(__file__).with_name("batch.zdict").read_bytes())
