"""ASCII frames: cut out of a stream with noise, pieces and frames of others. Peer: hypothesis; servers in tests/integration."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.ascii import LONGEST, AsciiExchange, AsciiSplitter
from drivers.modbus.errors import Refusal
from drivers.modbus.frames import Frame
from drivers.modbus.request import Request
from tests.drivers.modbus.fake_line import exchange_on, sent

SHAPES = {(7, 3, 4), (7, 3, None), (7, 1, 1)}


def framed(*raw):
    body = bytes(raw)
    return b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\r\n"


GOOD = framed(7, 3, 4, 0x12, 0x34, 0x56, 0x78)
FRAME = Frame(7, 3, b"\x12\x34\x56\x78")


def cut(*chunks):
    splitter = AsciiSplitter(SHAPES)
    return [frame for chunk in chunks for frame in splitter.feed(chunk)], splitter


def test_the_example_of_the_standard():
    assert framed(0xF7, 3, 0x13, 0x89, 0, 0x0A) == b":F7031389000A60\r\n"


@pytest.mark.parametrize(
    "stream",
    [
        GOOD,
        GOOD.lower(),
        b"noise" + GOOD,
        b":07030" + GOOD,
        b":" + GOOD,
        b":zz\r\n" + GOOD,
        framed(9, 3, 4, 1, 2, 3, 4) + GOOD,
        framed(7, 3, 0, 1, 0, 2) + GOOD,
        GOOD[:-4] + b"00\r\n" + GOOD,
        b":" + b"0" * (2 * LONGEST) + GOOD,
    ],
)
def test_a_sound_answer_is_found_in_whatever_comes_before_it(stream):
    found, splitter = cut(stream)
    assert found == [FRAME]
    assert (splitter.garbage, splitter.waiting) == (len(stream) - len(GOOD), 0)


@given(st.lists(st.integers(1, len(2 * GOOD) - 1)))
def test_in_whatever_pieces_it_comes(cuts):
    stream, at = GOOD + GOOD, [0, *sorted(cuts), 2 * len(GOOD)]
    found, splitter = cut(*(stream[a:b] for a, b in itertools.pairwise(at)))
    assert found == [FRAME, FRAME]
    assert splitter.garbage == 0


def test_an_exception():
    found, _ = cut(framed(7, 0x83, 2), framed(7, 0x81, 2), framed(8, 0x83, 2))
    assert found == [Frame(7, 3, b"", 2)], "only to what was asked"


@given(st.lists(st.binary(max_size=40) | st.text("0123456789ABCDEF:\r\n", max_size=40).map(str.encode), max_size=20))
def test_noise_is_counted_and_never_kept(chunks):
    found, splitter = cut(*chunks)
    assert splitter.waiting <= LONGEST
    assert all((frame.unit, frame.function, len(frame.data)) in SHAPES or frame.code is not None for frame in found)
    splitter.give_up()
    assert splitter.waiting == 0
    if not found:
        assert splitter.garbage == sum(map(len, chunks))


@given(st.integers(1, len(GOOD) - 3), st.integers(0, 7))
def test_no_single_flipped_bit_goes_unnoticed(at, bit):
    damaged = bytearray(GOOD)
    damaged[at] ^= 1 << bit
    found, _ = cut(bytes(damaged))
    assert found in ([], [FRAME]), "the letters of a hexadecimal digit may change case"


async def test_a_question_and_its_answers():
    import asyncio

    exchange = exchange_on(AsciiExchange, "modbus-ascii", "/dev/ascii-1")
    asking = asyncio.create_task(exchange.ask(Request(7, 3, 16, 2)))
    assert await sent(exchange, 1) == framed(7, 3, 0, 16, 0, 2)
    exchange._received(GOOD)
    assert await asking == FRAME.data
    asking = asyncio.create_task(exchange.ask(Request(7, 3, 16, 2)))
    await sent(exchange, 2)
    exchange._received(framed(7, 0x83, 6))
    with pytest.raises(Refusal):
        await asking
    exchange.close()


def test_the_time_of_an_answer_counts_two_characters_a_byte():
    class Bare(AsciiExchange):
        def __init__(self):
            pass

    assert Bare()._answer_length(Request(7, 3, 0, 2)) == len(GOOD)
