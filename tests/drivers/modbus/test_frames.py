import struct

from hypothesis import given
from hypothesis import strategies as st

from cython_ext.registers import crc16
from drivers.modbus.frames import Frame, Splitter

UNIT = 7


def frame(unit, pdu):
    body = bytes([unit]) + pdu
    return body + struct.pack("<H", crc16(body))


def answer(size, fill=0x11, unit=UNIT, function=3):
    return frame(unit, bytes([function, size]) + bytes([fill]) * size)


def splitter(*sizes):
    return Splitter({(UNIT, 3, size) for size in sizes} | {(UNIT, 3, None)})


def test_an_answer_an_exception_and_an_answer_in_one_piece():
    stream = answer(4) + frame(UNIT, b"\x83\x02") + answer(8, 0x22)
    assert splitter(4, 8).feed(stream) == [
        Frame(UNIT, 3, b"\x11" * 4),
        Frame(UNIT, 3, b"", 2),
        Frame(UNIT, 3, b"\x22" * 8),
    ]


@given(st.lists(st.sampled_from((2, 4, 250)), min_size=1, max_size=6), st.lists(st.integers(1, 40), min_size=1))
def test_it_does_not_matter_in_which_pieces_bytes_come(sizes, pieces):
    stream = b"".join(answer(size, i) for i, size in enumerate(sizes))
    one = splitter(2, 4, 250)
    found, at, i = [], 0, 0
    while at < len(stream):
        step = pieces[i % len(pieces)]
        found += one.feed(stream[at : at + step])
        at, i = at + step, i + 1
    assert found == [Frame(UNIT, 3, bytes([i]) * size) for i, size in enumerate(sizes)]
    assert one.garbage == one.waiting == 0


@given(st.binary(max_size=300))
def test_noise_is_no_answer_and_hides_none_behind_it(noise):
    one = splitter(4)
    sound = [(f.unit, f.data) for f in one.feed(noise + answer(4)) + one.give_up()]
    assert (UNIT, b"\x11" * 4) in sound
    assert one.waiting == 0


@given(st.integers(0, 8 * 13 - 1), st.integers(0, 8 * 13 - 1))
def test_one_or_two_flipped_bits_are_always_noticed(first, second):
    raw = bytearray(answer(8))
    for bit in {first, second}:
        raw[bit // 8] ^= 1 << bit % 8
    one = splitter(8)
    assert one.feed(bytes(raw)) + one.give_up() == []
    assert one.garbage == len(raw)


def test_the_right_answer_behind_a_cut_one_is_found():
    one = splitter(4, 100)
    assert one.feed(answer(100)[:20] + answer(4)) == []
    assert one.give_up() == [Frame(UNIT, 3, b"\x11" * 4)]
    assert one.garbage == 20


def test_what_was_never_asked_for_is_garbage():
    one = splitter(4)
    for raw in (answer(6), answer(4, unit=8), answer(4, function=4), frame(UNIT, b"\x84\x02")):
        assert one.feed(raw) + one.give_up() == []
