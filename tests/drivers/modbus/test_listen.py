import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.listen import Heard, Overheard, frames_in, listen
from tests.peers.modbus_bus import framed

READ = framed(3, struct.pack(">BHH", 3, 16, 2))
ANSWER = framed(3, bytes([3, 4, 0, 1, 0, 2]))
REFUSAL = framed(3, bytes([0x83, 2]))
WRITE = framed(9, struct.pack(">BHHB", 16, 1, 1, 2) + b"\0\7")


def test_questions_and_answers_are_told_apart():
    assert frames_in(READ + ANSWER + REFUSAL + WRITE) == [
        Heard(3, 3, True),
        Heard(3, 3, False),
        Heard(3, 3, False),
        Heard(9, 16, True),
    ]


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_a_frame_among_noise_is_found(before, after):
    assert Heard(3, 3, True) in frames_in(before + READ + after) or frames_in(before + READ)


@given(st.binary(max_size=60))
def test_any_bytes_are_taken(data):
    for frame in frames_in(data):
        assert 0 <= frame.unit <= 247


@pytest.mark.parametrize("at", range(len(READ)))
def test_a_flipped_bit_is_no_frame(at):
    spoiled = bytearray(READ)
    spoiled[at] ^= 1
    assert frames_in(bytes(spoiled)) == []


class Ear:
    """What is on the line at each speed; a port that cannot do a speed has None there."""

    def __init__(self, heard):
        self.heard = heard
        self.now = 0
        self.tuned = []

    def tune(self, baud):
        self.now = baud
        self.tuned.append(baud)
        return self.heard.get(baud) is not None

    async def hear(self, seconds):
        return self.heard[self.now]


async def test_a_silent_line_is_listened_to_once():
    ear = Ear({9600: b"", 19200: b"", 38400: b""})
    overheard = await listen(ear, [9600, 19200, 38400], 1.0)
    assert overheard.verdict is None
    assert ear.tuned == [9600]
    assert overheard.seconds == 1.0


async def test_a_click_is_nobody():
    assert (await listen(Ear({9600: b"\0\xff"}), [9600], 1.0)).verdict is None


async def test_the_speed_of_another_master_is_found_out():
    ear = Ear({9600: b"\x80\x00\xf8\x1c", 19200: b"\0" * 8, 38400: READ + ANSWER + framed(5, READ[1:-2]), 57600: b"\0" * 8})
    overheard = await listen(ear, [9600, 19200, 38400, 57600], 1.0)
    verdict = overheard.verdict
    assert verdict.code == "another_master"
    assert "it asks units 3, 5 with function 3 at 38400 baud" in verdict.sentence
    assert ear.tuned == [9600, 19200, 38400]


async def test_a_speed_that_the_port_cannot_do_is_left_out():
    overheard = await listen(Ear({9600: None, 19200: READ}), [9600, 19200], 1.0)
    assert "it asks unit 3 with function 3 at 19200 baud" in overheard.verdict.sentence


async def test_what_is_no_modbus_at_any_speed_is_noise():
    verdict = (await listen(Ear({9600: b"\x55" * 20, 19200: b"\x12" * 20}), [9600, 19200], 1.0)).verdict
    assert verdict.code == "unasked"
    assert "40 bytes arrived" in verdict.sentence


def test_answers_alone_also_mean_somebody_talks():
    assert "it talks with unit 3" in Overheard(count=9, frames=[Heard(3, 3, False)]).verdict.sentence
