"""What went over the line, in words: pairs of requests and answers, exceptions, noise, registers."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.request import Request
from drivers.modbus.watch import Watch, framing_of
from tests.peers.modbus_evil import framed, registers


def mbap(tid: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", tid, 0, len(pdu) + 1, unit) + pdu


def ascii_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes([unit]) + pdu
    return b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\r\n"


def frame(framing: str, unit: int, pdu: bytes, tid: int = 7) -> bytes:
    return {"mbap": lambda: mbap(tid, unit, pdu), "rtu": lambda: framed(unit, pdu), "ascii": lambda: ascii_frame(unit, pdu)}[
        framing
    ]()


FRAMINGS = pytest.mark.parametrize("framing", ["mbap", "rtu", "ascii"])
ASK = Request(7, 3, 16, 4)


@FRAMINGS
def test_a_request_and_its_answer(framing):
    watch = Watch(framing)
    watch("tx", frame(framing, 7, ASK.pdu), 10.0)
    watch("rx", frame(framing, 7, registers(ASK.pdu)), 10.25)
    asked, answered = watch.seen
    assert asked.words == "FC3 read unit 7: holding 40017 (wire 16), 4 registers"
    assert asked.request == answered.request == ASK
    assert answered.words == "answer of unit 7, 8 data bytes"
    assert answered.took_s == 0.25
    assert watch.registers(7, 3, 17, 2) == (b"\x00\x11\x00\x12", 0.25)
    assert watch.registers(7, 3, 19, 2) is None
    assert watch.registers(7, 4, 17, 2) is None


@FRAMINGS
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_it_does_not_matter_in_which_pieces_bytes_come(framing, sizes):
    watch = Watch(framing)
    watch("tx", frame(framing, 7, ASK.pdu), 0.0)
    data = frame(framing, 7, registers(ASK.pdu)) * 2
    for size in sizes:
        watch("rx", data[:size], 1.0)
        data = data[size:]
    watch("rx", data, 1.0)
    assert [one.words for one in watch.seen[1:]] == ["answer of unit 7, 8 data bytes"] * 2


@FRAMINGS
def test_an_exception_in_words_with_a_cure(framing):
    watch = Watch(framing)
    watch("tx", frame(framing, 7, ASK.pdu), 0.0)
    watch("rx", frame(framing, 7, b"\x83\x02"), 0.1)
    seen = watch.seen[1]
    assert seen.words == "exception 2 (illegal data address), from unit 7"
    assert seen.code == 2
    assert "compare the address with the manual" in seen.hint
    assert watch.memory == {}


def test_bits_are_kept_one_by_one():
    watch = Watch("rtu")
    ask = Request(1, 1, 3, 10)
    watch("tx", framed(1, ask.pdu), 0.0)
    watch("rx", framed(1, registers(ask.pdu)), 0.5)
    assert watch.registers(1, 1, 3, 4) == (b"\x01\x00\x01\x00", 0.5)


def test_several_requests_under_way_are_told_apart_by_their_transaction():
    watch = Watch("mbap")
    first, second = Request(1, 3, 0, 1), Request(1, 3, 100, 1)
    watch("tx", mbap(1, 1, first.pdu), 0.0)
    watch("tx", mbap(2, 1, second.pdu), 0.1)
    watch("rx", mbap(2, 1, registers(second.pdu)) + mbap(1, 1, registers(first.pdu)), 0.3)
    assert watch.registers(1, 3, 0, 1) == (b"\x00\x00", 0.3)
    assert watch.registers(1, 3, 100, 1) == (b"\x00\x64", pytest.approx(0.2))


def test_an_answer_nobody_waits_for_is_shown_as_such():
    watch = Watch("mbap")
    watch("rx", mbap(0x99, 1, registers(ASK.pdu)), 0.0)
    assert watch.seen[0].words.startswith("an answer nobody waits for: transaction 0x0099, unit 1")
    assert watch.memory == {}


def test_an_answer_of_another_length_brings_no_registers():
    watch = Watch("rtu")
    watch("tx", framed(7, ASK.pdu), 0.0)
    watch("rx", framed(7, registers(Request(7, 3, 16, 2).pdu)), 0.1)
    assert "4 data bytes where 8 were asked for; late answer to an older request?" in watch.seen[1].words
    assert watch.memory == {}


@pytest.mark.parametrize("noise", [b"\xff\x00\xff", b"\x07\x03\x08\x00", bytes(12)])
def test_noise_is_told_and_hides_no_answer_behind_it(noise):
    watch = Watch("rtu")
    watch("tx", framed(7, ASK.pdu), 0.0)
    watch("rx", noise + framed(7, registers(ASK.pdu)), 0.1)
    watch.flush()
    assert watch.seen[1].raw == noise
    assert "no sound frame: noise, wrong baud or parity" in watch.seen[1].words
    assert watch.seen[2].words == "answer of unit 7, 8 data bytes"


@FRAMINGS
def test_an_echo_is_recognised(framing):
    watch = Watch(framing)
    watch("tx", frame(framing, 7, ASK.pdu), 0.0)
    watch("rx", frame(framing, 7, ASK.pdu), 0.0)
    watch("rx", frame(framing, 7, registers(ASK.pdu)), 0.1)
    watch.flush()
    assert [one.echo for one in watch.seen] == [False, True, False]
    assert watch.seen[1].hint == "set echo: true on the connection"
    assert watch.seen[2].words == "answer of unit 7, 8 data bytes"


def test_an_echo_alone_is_recognised():
    watch = Watch("rtu")
    watch("tx", framed(7, ASK.pdu), 0.0)
    watch("rx", framed(7, ASK.pdu), 0.0)
    watch.flush()
    assert watch.seen[1].echo


@FRAMINGS
@given(pieces=st.lists(st.tuples(st.sampled_from(["tx", "rx"]), st.binary(min_size=1, max_size=40)), max_size=12))
def test_no_bytes_make_it_stumble_and_none_is_lost(framing, pieces):
    watch = Watch(framing)
    for i, (direction, data) in enumerate(pieces):
        watch(direction, data, float(i))
    watch.flush()
    for wanted in ("tx", "rx"):
        assert b"".join(one.raw for one in watch.seen if one.direction == wanted) == b"".join(d for w, d in pieces if w == wanted)


def test_noise_without_end_is_told_while_it_lasts_and_hides_no_answer():
    watch = Watch("rtu")
    watch("tx", framed(7, ASK.pdu), 0.0)
    for _ in range(20):
        watch("rx", b"\x55" * 100, 0.1)
    watch("rx", framed(7, registers(ASK.pdu)), 0.2)
    assert "no sound frame" in watch.seen[1].words
    assert watch.seen[-1].words == "answer of unit 7, 8 data bytes"
    assert sum(len(one.raw) for one in watch.seen[1:-1]) == 2000


def test_who_wants_to_know_is_told_at_once():
    told = []
    watch = Watch("rtu", told.append)
    watch("tx", framed(7, ASK.pdu), 0.0)
    assert told == watch.seen
    watch.clear()
    watch("rx", framed(7, registers(ASK.pdu)), 0.5)
    assert told[1].took_s == 0.5, "a request is remembered although what was seen is forgotten"


@pytest.mark.parametrize(
    ("scheme", "framing"),
    [("modbus-tcp", "mbap"), ("modbus-tls", "mbap"), ("modbus-udp", "mbap"), ("modbus-rtu", "rtu"), ("modbus-ascii", "ascii")],
)
def test_the_framing_of_a_scheme(scheme, framing):
    assert framing_of(scheme) == framing
