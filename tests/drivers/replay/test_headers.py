"""Whatever a file holds: its samples, or one clear error."""

import io
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.replay import npy, table, wav
from drivers.replay.pcm import WIDTH, FormatError, PcmFile, decode

quiet = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def inside(layout, size):
    assert layout.frames >= 0
    assert layout.offset + layout.frames * layout.channels * WIDTH[layout.kind] <= size


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body


chunks = st.lists(
    st.builds(chunk, st.sampled_from([b"fmt ", b"data", b"LIST"]), st.binary(max_size=44)), max_size=5
).map(b"".join)  # fmt: skip
formats = st.builds(
    lambda code, channels, rate, frame, bits, rest: chunk(
        b"fmt ", struct.pack("<HHIIHH", code, channels, rate, 0, frame, bits) + rest
    ),
    st.sampled_from([0, 1, 3, 6, 0xFFFE]),
    st.integers(0, 8),
    st.integers(0, 2**32 - 1),
    st.integers(0, 64),
    st.sampled_from([0, 8, 16, 24, 32, 64]),
    st.binary(max_size=26),
)


@quiet
@given(st.one_of(st.binary(max_size=100), st.builds(lambda f, c: b"RIFF\0\0\0\0WAVE" + f + c, formats, chunks)))
def test_any_bytes_are_a_wav_or_a_clear_error(content):
    try:
        layout = wav.parse(io.BytesIO(content), len(content))
    except FormatError:
        return
    inside(layout, len(content))
    PcmFile(io.BytesIO(content), layout, rate_hz=1.0).take(100)


@quiet
@given(
    st.one_of(
        st.binary(max_size=100),
        st.builds(
            lambda version, text, data: b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text + data,
            st.integers(0, 4),
            st.one_of(
                st.binary(max_size=80),
                st.builds(
                    lambda d, s: f"{{'descr': {d!r}, 'shape': {s}}}".encode(),
                    st.sampled_from(["<f4", "<f8", "<i2", ">f4", "|O"]),
                    st.one_of(st.integers(-5, 10**25).map(lambda n: f"({n},)"), st.text("0123456789, ()", max_size=12)),
                ),
            ),
            st.binary(max_size=64),
        ),
    )
)
def test_any_bytes_are_an_npy_or_a_clear_error(content):
    try:
        layout = npy.parse(io.BytesIO(content), len(content))
    except FormatError:
        return
    inside(layout, len(content))


@quiet
@given(
    st.one_of(st.binary(max_size=200), st.text('0123456789.,;\t \n#tx"-eE', max_size=200).map(str.encode)), st.none() | st.text()
)
def test_any_bytes_are_a_table_or_a_clear_error(tmp_path: Path, content, column):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    try:
        file = table.TableFile(path, table.probe(path, column), rate_hz=1.0)
    except FormatError:
        return
    try:
        while file.take(7):
            pass
    except FormatError:
        pass
    finally:
        file.close()


@given(st.lists(st.integers(-(2**23), 2**23 - 1), max_size=30), st.integers(1, 3))
def test_24_bit_samples_are_exact(values, channels):
    values = values[: len(values) // channels * channels]
    data = b"".join(value.to_bytes(3, "little", signed=True) for value in values)
    for channel in range(channels):
        assert list(decode(data, "3", channels, channel, 1.0)) == values[channel::channels]


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "_MAX_LINE", 1000)
    (tmp_path / "a.csv").write_text("1" * 5000)
    with pytest.raises(FormatError, match="is this a table"):
        table.probe(tmp_path / "a.csv")
