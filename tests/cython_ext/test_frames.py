"""Frames of a log: every good one is found, no damaged one is taken; case by case and against the reference."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cython_ext import frames, reference

SEED = 0xC0FFEE


def framed(payloads, first=1, seed=SEED, stamps=None):
    seqs = array("Q", range(first, first + len(payloads)))
    return frames.frame(payloads, seqs, array("q", stamps or [7] * len(payloads)), seed)


def scanned(data, start=0, seed=SEED, after=0, below=2**63):
    offsets, seqs, stamps, behind, damaged = frames.scan(data, start, seed, after, below)
    return list(offsets), list(seqs), list(stamps), behind, damaged


def test_the_crc_is_the_one_of_the_standard():
    assert frames.crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    assert frames.crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    assert frames.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert frames.crc32c(b"") == 0


@given(st.binary(max_size=70), st.binary(max_size=70))
def test_a_crc_is_continued_from_what_stands_before(one, two):
    assert frames.crc32c(two, frames.crc32c(one)) == frames.crc32c(one + two) == reference.crc32c(one + two)


payload_lists = st.lists(st.binary(max_size=40), max_size=8)


@given(payload_lists, st.integers(1, 2**40), st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_what_was_framed_is_found_as_the_reference_finds_it(payloads, first, seed, room):
    stamps = array("q", [i - 3 for i in range(len(payloads))])
    seqs = array("Q", range(first, first + len(payloads)))
    data = frames.frame(payloads, seqs, stamps, seed)
    assert data == reference.frame(payloads, seqs, stamps, seed)
    data += bytes(room)
    offsets, found, found_stamps, behind, damaged = frames.scan(data, 0, seed, first - 1, 2**63)
    assert (found, found_stamps, behind, damaged) == (seqs, stamps, len(data) - room, 0)
    assert frames.payloads(data, 0, offsets, found, seed) == payloads
    assert scanned(data, 0, seed, first - 1) == reference.scan(data, 0, seed, first - 1, 2**63)


@given(payload_lists, st.data())
def test_damage_is_stepped_over_as_the_reference_does_it(payloads, data):
    disk = framed(payloads) + bytes(data.draw(st.sampled_from([0, 8, 24, 48])))
    for _ in range(data.draw(st.integers(1, 3))):
        if disk:
            at = data.draw(st.integers(0, len(disk) - 1))
            disk[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
    assert scanned(disk) == reference.scan(disk, 0, SEED, 0, 2**63)


def test_a_flipped_bit_takes_one_frame_with_it_and_no_other():
    payloads = [b"a" * 5, b"b" * 16, b"c" * 9]
    disk = framed(payloads) + bytes(24)
    whole = scanned(disk)
    ends = [*whole[0][1:], whole[3]]
    for bit in range(8 * whole[3]):
        flipped = bytearray(disk)
        flipped[bit // 8] ^= 1 << bit % 8
        hit = next(i for i, end in enumerate(ends) if bit // 8 < end)
        _, seqs, _, _, damaged = scanned(flipped)
        padding = bit // 8 >= whole[0][hit] + frames.HEAD + len(payloads[hit])
        assert seqs == [1, 2, 3] if padding else [seq for seq in (1, 2, 3) if seq != hit + 1]
        assert damaged == (not padding and hit == 2), "the last one stands before the zeros"


def test_a_flipped_bit_in_the_zeros_behind_the_last_frame_is_not_taken_for_a_frame():
    disk = framed([b"x"]) + bytes(24)
    disk[-5] = 0x40
    assert scanned(disk)[4] == 0


def test_frames_of_another_place_another_time_or_out_of_order_are_refused():
    stale = framed([b"old"] * 3, first=5, seed=SEED + 1)
    disk = framed([b"new"] * 2, first=1) + bytes(24) + stale
    assert scanned(disk)[1] == [1, 2]
    again = framed([b"new"] * 2, first=1) + framed([b"again"], first=2)
    assert scanned(again)[1] == [1, 2]
    assert scanned(again)[4] == 1, "what follows is no zeros"
    assert scanned(disk, below=2)[1] == [1]
    assert scanned(disk, after=1)[1] == [2]


def test_how_many_frames_are_damaged_at_the_end_is_read_from_their_heads():
    disk = framed([b"a" * 8] * 4) + bytes(24)
    for at in (32 + 24, 64 + 24, 96 + 24):
        disk[at] ^= 0xFF
    assert scanned(disk)[1::3] == ([1], 3)


def test_frames_may_begin_on_the_next_page_and_a_damaged_one_there_is_noticed():
    stale = framed([b"of a former life"] * 200, first=1000, seed=SEED + 1)
    disk = (framed([b"a" * 8] * 2) + bytes(24) + stale)[:4096]
    assert scanned(disk + stale)[1::3] == ([1, 2], 0), "there is nothing of ours"
    disk += framed([b"b" * 8], first=3) + bytes(24)
    assert scanned(disk)[1::3] == ([1, 2, 3], 0)
    for bit in range(8 * 32):
        torn = bytearray(disk)
        torn[4096 + bit // 8] ^= 1 << bit % 8
        assert scanned(torn)[1::3] == ([1, 2], 1)
        assert scanned(torn) == reference.scan(torn, 0, SEED, 0, 2**63)


def test_a_damaged_payload_is_none_and_the_others_are_there():
    disk = framed([b"one", b"two", b"three"])
    offsets, seqs, *_ = frames.scan(disk, 0, SEED, 0, 9)
    disk[offsets[1] + frames.HEAD] ^= 1
    assert frames.payloads(disk, 0, offsets, seqs, SEED) == [b"one", None, b"three"]
    assert frames.payloads(disk[: offsets[2] + 9], 0, offsets, seqs, SEED)[2] is None
    assert frames.payloads(disk[8:], 8, offsets, seqs, SEED) == [None, None, b"three"]


def test_many_frames_are_found():
    payloads = [b"%d" % i for i in range(3000)]
    disk = framed(payloads) + bytes(64)
    offsets, seqs, *_ = frames.scan(disk, 0, SEED, 0, 2**63)
    assert len(offsets) == len(seqs) == 3000
    assert frames.payloads(disk, 0, offsets, seqs, SEED) == payloads


def test_columns_of_different_length_and_payloads_that_are_none_are_refused():
    with pytest.raises(ValueError, match="one each"):
        frames.frame([b"x"], array("Q"), array("q", [1]), 0)
    with pytest.raises(ValueError, match="one each"):
        frames.payloads(b"", 0, array("I", [1]), array("Q"), 0)
    for wrong in (None, "text"):
        with pytest.raises(TypeError):
            frames.frame([wrong], array("Q", [1]), array("q", [1]), 0)
