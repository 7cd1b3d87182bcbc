"""Every format gives back the samples that were written into it."""

import csv
import math
import struct
import wave

import pytest

from drivers.replay.spec import Column
from gateway.config.quantity import Duration, Rate
from gateway.driver import LinkError

from .conftest import TABLE, joined, take

SIGNAL = [math.sin(i / 7) * 0.9 for i in range(1000)]


def write_pcm(path, bits, channels, rate=8000):
    full = 2 ** (bits - 1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(bits // 8)
        file.setframerate(rate)
        for i in range(len(SIGNAL)):
            for channel in range(channels):
                value = round(SIGNAL[i] * (full - 1) / (channel + 1))
                file.writeframesraw(value.to_bytes(bits // 8, "little", signed=True))


def riff(code, bits, channels, rate, data, extensible=False, junk=b""):
    frame = channels * bits // 8
    body = struct.pack("<HHIIHH", 0xFFFE if extensible else code, channels, rate, rate * frame, frame, bits)
    if extensible:
        body += struct.pack("<HHIH14s", 22, bits, 0, code, b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71")
    chunks = b"fmt " + struct.pack("<I", len(body)) + body + junk + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def npy(descr, shape, data, version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2 if version == 1 else 4, "little") + text + data


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize(("channels", "channel"), [(1, 1), (2, 1), (3, 3)])
async def test_integer_wav_gives_fractions_of_full_scale(tmp_path, replay, bits, channels, channel):
    write_pcm(tmp_path / "a.wav", bits, channels)
    blocks = await take(replay("a.wav", loop=False, speed="fast", channel=channel, scale=50.0))
    assert blocks[0].rate_hz == 8000
    assert joined(blocks) == pytest.approx([50 * value / channel for value in SIGNAL], abs=50 * 2.0 ** (2 - bits) + 1e-5)


@pytest.mark.parametrize("code", ["f", "d"])
@pytest.mark.parametrize("extensible", [False, True])
async def test_float_wav_also_with_chunks_before_the_samples(tmp_path, replay, code, extensible):
    data = struct.pack(f"<1000{code}", *SIGNAL)
    junk = b"LIST" + struct.pack("<I", 5) + b"hello\0"
    (tmp_path / "a.wav").write_bytes(riff(3, 32 if code == "f" else 64, 1, 25600, data, extensible, junk))
    blocks = await take(replay("a.wav", loop=False, speed="fast"))
    assert joined(blocks) == pytest.approx(SIGNAL, rel=1e-6)
    assert [len(block.samples) for block in blocks] == [1000]


async def test_wav_written_to_a_pipe_has_no_length_and_plays_to_its_end(tmp_path, replay):
    content = bytearray(riff(1, 16, 1, 1000, struct.pack("<4h", 1, 2, 3, 4)))
    content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(content)
    blocks = await take(replay("a.wav", loop=False, speed="fast", scale=32768.0))
    assert joined(blocks) == [1, 2, 3, 4]


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(("descr", "code"), [("<f4", "f"), ("<f8", "d"), ("<i2", "h"), ("<i4", "i")])
async def test_npy(tmp_path, replay, descr, code, version):
    values = [round(1000 * value) for value in SIGNAL]
    (tmp_path / "a.npy").write_bytes(npy(descr, "(1000,)", struct.pack(f"<1000{code}", *values), version))
    blocks = await take(replay("a.npy", loop=False, speed="fast", rate=Rate(2000), scale=0.5))
    assert joined(blocks) == [value / 2 for value in values]
    assert {block.rate_hz for block in blocks} == {2000.0}


async def test_npy_as_numpy_itself_writes_it(tmp_path, replay):
    import numpy as np

    np.save(tmp_path / "a.npy", np.array(SIGNAL, dtype="<f4"))
    assert joined(await take(replay("a.npy", loop=False, speed="fast", rate=Rate(2000)))) == pytest.approx(SIGNAL, rel=1e-6)


@pytest.mark.parametrize("suffix", [".f32", ".raw"])
async def test_raw_float32(tmp_path, replay, suffix):
    (tmp_path / f"a{suffix}").write_bytes(struct.pack("<1000f", *SIGNAL))
    blocks = await take(replay(f"a{suffix}", loop=False, speed="fast", rate=Rate(1000), block=Duration(0.25)))
    assert [len(block.samples) for block in blocks] == [250] * 4
    assert joined(blocks) == pytest.approx(SIGNAL, rel=1e-6)


def write_table(path, rows, delimiter=",", comma=False):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        for row in rows:
            writer.writerow([str(cell).replace(".", ",") if comma else cell for cell in row])


async def test_csv_of_one_column_without_header(tmp_path, replay):
    write_table(tmp_path / "a.csv", [[value] for value in SIGNAL])
    assert joined(await take(replay("a.csv", loop=False, speed="fast", rate=Rate(1000)))) == pytest.approx(SIGNAL, rel=1e-6)


@pytest.mark.parametrize(("delimiter", "comma"), [(",", False), (";", False), (";", True), ("\t", True), (" ", False)])
async def test_csv_with_time_derives_the_rate(tmp_path, replay, delimiter, comma):
    write_table(tmp_path / "a.csv", [["time_ms", "x"], *[[i * 0.5, value] for i, value in enumerate(SIGNAL)]], delimiter, comma)
    blocks = await take(replay("a.csv", loop=False, speed="fast"))
    assert blocks[0].rate_hz == pytest.approx(2000)
    assert joined(blocks) == pytest.approx(SIGNAL, rel=1e-6)


@pytest.mark.parametrize("column", ["y", "3"])
async def test_csv_column_by_name_or_number(tmp_path, replay, column):
    rows = [["t [s]", "x", "y"], ["s", "g", "g"], *[[i / 100, 0, value] for i, value in enumerate(SIGNAL)]]
    write_table(tmp_path / "a.csv", rows)
    blocks = await take(replay("a.csv", loop=False, speed="fast", column=Column(column)))
    assert blocks[0].rate_hz == pytest.approx(100)
    assert joined(blocks) == pytest.approx(SIGNAL, rel=1e-6)


async def test_csv_with_byte_order_mark_comments_quotes_and_blank_lines(tmp_path, replay):
    (tmp_path / "a.csv").write_text('\ufeff# recorded by hand\n\n"x, left",y\r\n"1.5",9\r\n\r\n2.5,9\r\n', encoding="utf-8")
    blocks = await take(replay("a.csv", loop=False, speed="fast", rate=Rate(10), column=Column("x, left")))
    assert joined(blocks) == [1.5, 2.5]


def timed(missing, n=300):
    """Rows of time and sample with some samples left out."""
    return [["t", "x"], *[[i / 1000, float(i)] for i in range(n) if i not in missing]]


@pytest.mark.parametrize("missing", [{150}, {100, 101, 102}, {199}, {200}, {50, 150, 250}])
@pytest.mark.parametrize("block", [0.1, 0.001])
async def test_a_sample_that_is_missing_by_the_times_of_a_csv_ends_a_block(tmp_path, replay, missing, block):
    write_table(tmp_path / "a.csv", timed(missing))
    driver = replay("a.csv", loop=False, speed="fast", block=Duration(block))
    blocks = await take(driver)
    assert joined(blocks) == [i for i in range(300) if i not in missing]
    assert blocks[0].rate_hz == pytest.approx(1000)
    begins = [block.samples[0] for block in blocks if block.gap]
    assert begins == [0, *sorted(i + 1 for i in missing if i + 1 not in missing)]
    assert (driver.counters.samples, driver.counters.overruns) == (300 - len(missing), len(begins) - 1)


async def test_a_recorder_that_began_anew_is_a_gap_also_far_behind_the_first_rows(tmp_path, replay):
    rows = [[i / 1000, float(i)] for i in range(2500)]
    write_table(tmp_path / "a.csv", [["t", "x"], *rows, *rows])
    blocks = await take(replay("a.csv", loop=False, speed="fast"))
    assert [i for i, block in enumerate(blocks) if block.gap] == [0, 25]
    loop = await take(replay("a.csv", speed="fast"), 75)
    assert [i for i, block in enumerate(loop) if block.gap] == [0, 25, 50]


async def test_coarse_times_are_left_aside_with_a_rate_of_ones_own(tmp_path, replay):
    write_table(tmp_path / "a.csv", timed({150}))
    blocks = await take(replay("a.csv", loop=False, speed="fast", rate=Rate(500)))
    assert [block.gap for block in blocks] == [True] + [False] * (len(blocks) - 1)


async def test_a_time_that_is_no_number_is_told_with_its_line(tmp_path, replay):
    write_table(tmp_path / "a.csv", [*timed(set(), 2500), ["late", 1.0]])
    with pytest.raises(LinkError, match="line 2502: the time is missing or not a number"):
        await take(replay("a.csv", loop=False, speed="fast"))


BAD = {
    "text.wav": (b"hello", "is not a .wav file"),
    "law.wav": (riff(6, 8, 1, 8000, b"abcd"), "is compressed \\(A-law\\)"),
    "eight.wav": (riff(1, 8, 1, 8000, b"abcd"), "8-bit integer"),
    "cut.wav": (riff(1, 16, 1, 8000, b"ab" * 100)[:-50], "is cut off: its header promises 200 bytes of samples, 150 are there"),
    "empty.wav": (riff(1, 16, 1, 8000, b""), "holds no samples"),
    "headless.wav": (b"RIFF\x04\0\0\0WAVE", "ends before its samples begin"),
    "big.wav": (b"RF64\xff\xff\xff\xffWAVE", "RF64"),
    "odd.raw": (b"abcdef", "not a whole number of float32"),
    "text.npy": (b"hello there", "is not a .npy file"),
    "wide.npy": (npy("<f4", "(10, 3)", b"\0" * 120), "has the shape \\(10, 3\\).*a\\[:, 0\\]"),
    "big-endian.npy": (npy(">f4", "(4,)", b"\0" * 16), "holds >f4; save it as float32"),
    "integer.npy": (npy("<i8", "(4,)", b"\0" * 32), "holds <i8"),
    "cut.npy": (npy("<f4", "(100,)", b"\0" * 40), "promises 100 samples, 10 are there"),
    "empty.csv": (b"", "is empty"),
    "words.csv": (b"a,b\nc,d\n", "no row of numbers"),
    "two.csv": (b"x,y\n1,2\n", "2 columns of samples \\('x', 'y'\\); choose one with column="),
    "backward.csv": (b"t,x\n2,1\n1,2\n0,3\n", "does not run forward"),
    "uneven.csv": (b"t,x\n0,1\n1,2\n2,3\n7,4\n", "is not evenly sampled"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, replay, name):
    content, words = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LinkError, match=f"{name} .*{words}") as caught:
        await take(replay(name, rate=None if "csv" in name or "wav" in name else Rate(1000)))
    assert caught.value.hint, "what to do"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("folder.wav", "name the file in it"),
        ("x.npy", "save it as float32: numpy.save(name, a.astype('<f4'))"),
        ("none.f32", "no recordings are in this folder; copy it there, or correct the path"),
    ],
)
async def test_what_cannot_be_played_gets_a_cure(tmp_path, replay, name, hint):
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "x.npy").write_bytes(b"hello there")
    with pytest.raises(LinkError) as caught:
        await take(replay(f"empty/{name}" if name == "none.f32" else name, rate=Rate(1000)))
    assert caught.value.hint == hint


async def test_csv_names_the_line_of_a_bad_cell(tmp_path, replay):
    (tmp_path / "a.csv").write_text("x\n1\n2\nn/a\n4\n")
    with pytest.raises(LinkError, match=r"line 4, column 'x': 'n/a' is not a number"):
        await take(replay("a.csv", rate=Rate(10), speed="fast"))


async def test_csv_without_rate_says_what_to_add(tmp_path, replay):
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    with pytest.raises(LinkError, match=r"does not carry its rate; add e\.g\. rate="):
        await take(replay("a.csv"))


async def test_csv_with_a_wrong_column_suggests_the_right_one(tmp_path, replay):
    (tmp_path / "a.csv").write_text("accel_x,accel_y\n1,2\n")
    with pytest.raises(LinkError, match=r"no column 'acel_x'; did you mean 'accel_x'\?"):
        await take(replay("a.csv", rate=Rate(10), column=Column("acel_x")))


async def test_missing_channel_and_missing_file(tmp_path, replay):
    write_pcm(tmp_path / "bearing.wav", 16, 2)
    with pytest.raises(LinkError, match="has 2 channels, no channel 3"):
        await take(replay("bearing.wav", channel=3))
    with pytest.raises(LinkError, match=r"there is no file .*baering\.wav; did you mean 'bearing\.wav'\?"):
        await take(replay("baering.wav"))
    with pytest.raises(LinkError, match=r"recordings there: bearing\.wav"):
        await take(replay("zz.csv"))
    with pytest.raises(LinkError, match="there is no folder"):
        await take(replay("nowhere/bearing.wav"))


async def test_a_number_that_is_not_finite_is_found(tmp_path, replay):
    (tmp_path / "a.f32").write_bytes(struct.pack("<4f", 1, 2, math.nan, 4))
    with pytest.raises(LinkError, match="sample 3 is nan"):
        await take(replay("a.f32", rate=Rate(10), speed="fast"))


async def test_a_file_that_shrinks_while_it_is_played_is_an_error(tmp_path, replay):
    path = tmp_path / "a.f32"
    path.write_bytes(struct.pack("<100000f", *range(100000)))
    driver = replay("a.f32", rate=Rate(100000), speed="fast")
    await driver.open()
    stream = driver.stream(TABLE)
    await anext(stream)
    path.write_bytes(b"")
    with pytest.raises(LinkError, match="has become shorter"):
        await anext(stream)
    await driver.close()
