"""The first bytes say what a message is; a compressed one is not believed what it claims, and without the library that is told."""

import sys
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.uplink import packing
from gateway.uplink.errors import FormatError
from gateway.uplink.packing import DICTIONARY, MOST_BYTES, Uncompressed, compress, decompress, pack, unpack

MESSAGE = {"format": "retrofit-gateway/batch", "points": ["vibration.rms"] * 3, "value": [1, 2, 3, 4] * 200}


@pytest.mark.parametrize("compression", [None, "zstd", "zstd-dictionary"])
@pytest.mark.parametrize("form", ["json", "cbor"])
def test_a_message_tells_by_its_first_bytes_what_it_is(form, compression):
    payload, cut = pack(MESSAGE, form)
    assert payload[:1] == b"{" if form == "json" else payload[:3] == b"\xd9\xd9\xf7"
    if compression:
        payload = compress(payload, compression, cut)
        assert payload[:4] == b"\x28\xb5\x2f\xfd"
        assert zstandard.get_frame_parameters(payload).dict_id == (DICTIONARY if compression == "zstd-dictionary" else 0)
    assert unpack(payload) == (MESSAGE, form)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=40_000), st.data())
def test_compression_with_and_without_a_cut_gives_the_same_content(payload, data):
    cut = data.draw(st.integers(0, max(0, len(payload) - 1)))
    for compression in ("zstd", "zstd-dictionary"):
        assert decompress(compress(payload, compression, cut)) == payload


def test_the_dictionary_makes_a_small_message_much_smaller():
    payload, _ = pack(MESSAGE | {"value": [1]}, "cbor")
    assert len(compress(payload, "zstd-dictionary")) < 0.6 * len(compress(payload, "zstd"))


def test_any_zstd_reads_what_has_no_dictionary():
    assert zstandard.ZstdDecompressor().decompress(compress(b"hello" * 100, "zstd")) == b"hello" * 100


def test_without_the_library_nothing_is_compressed_and_it_says_how_to_get_it(monkeypatch):
    whole = compress(b"hello", "zstd")
    packing._compressor.cache_clear()
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(Uncompressed, match=r"pip install 'retrofit-gateway\[zstd\]'"):
        compress(b"hello", "zstd")
    with pytest.raises(FormatError, match=r"it is compressed, and the package 'zstandard' is not installed"):
        unpack(whole)


def bomb(size, **options):
    """A frame of a few kB that is `size` bytes large inside."""
    return zstandard.ZstdCompressor(level=3, **options).compress(bytes(size))


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (bomb(MOST_BYTES + 1), f"claims to be {MOST_BYTES + 1} bytes"),
        (bomb(MOST_BYTES * 4, write_content_size=False), "cannot be decompressed"),
        (packing.ZSTD_MAGIC, "cannot be decompressed"),
        (packing.ZSTD_MAGIC + b"\xff" * 40, "cannot be decompressed|dictionary|claims"),
        (bomb(100)[:-1], "cannot be decompressed"),
        (bomb(100) + b"more", "cannot be decompressed"),
        (zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(b"raw" * 50)).compress(b"x" * 9), "not JSON"),
    ],
)
def test_a_frame_that_is_damaged_or_lies_is_refused_with_a_sentence(payload, words):
    with pytest.raises(FormatError, match=words):
        unpack(payload)


def test_a_foreign_dictionary_is_named():
    samples = [f"sample {i} with some words in it, {i * i}".encode() for i in range(500)]
    foreign = zstandard.train_dictionary(1024, samples, dict_id=77)
    with pytest.raises(FormatError, match="dictionary 77, which this program does not have"):
        unpack(zstandard.ZstdCompressor(dict_data=foreign).compress(samples[0]))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damage_raises_nothing_else(data):
    damaged = bytearray(compress(pack(MESSAGE, "cbor")[0], "zstd-dictionary"))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(FormatError):
        unpack(bytes(damaged))
