"""Packed scans against worked bytes, `struct` and the reference; losses among stamps that jitter, drift and come in batches."""

from __future__ import annotations

import random
import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.scans import FLOAT, SIGNED, UNSIGNED, Decoder, Pace


def decode(size, channels, data, kind=Decoder):
    decoder = kind(size, channels)
    n = len(data) // size
    outs = [array("f", [-7.0]) * n for _ in channels]
    assert decoder.decode(data, outs) == n
    return [list(out) for out in outs]


def channel(at=0, size=2, kind=SIGNED, bits=16, shift=0, big=False, scale=1.0, offset=0.0):
    return (at, size, kind, bits, shift, big, scale, offset)


class TestDecoder:
    @pytest.mark.parametrize(
        ("data", "given", "value"),
        [
            (b"\xfe\xff", channel(), -2),
            (b"\xff\xfe", channel(big=True), -2),
            (b"\xfe\xff", channel(kind=UNSIGNED), 65534),
            (bytes.fromhex("00f0ffff"), channel(size=4, bits=20, shift=12), -1),  # le:s20/32>>12, an ADXL355
            (bytes.fromhex("ffffff7f"), channel(size=4, bits=20, shift=12), 524287),  # what is below the shift does not count
            (bytes.fromhex("0010f0ab"), channel(size=4, bits=12, shift=4), 1 << 8),  # nor what is above the bits
            (bytes.fromhex("000080"), channel(size=3, bits=24), -8388608),
            (bytes.fromhex("ffffffffffffff7f"), channel(size=8, bits=64), 2.0**63),
            (bytes.fromhex("ffffffffffffffff"), channel(size=8, bits=64, kind=UNSIGNED), 2.0**64),
            (struct.pack(">f", 0.25), channel(size=4, bits=32, kind=FLOAT, big=True), 0.25),
            (struct.pack("<d", -1.5), channel(size=8, bits=64, kind=FLOAT), -1.5),
        ],
    )
    def test_known_samples(self, data, given, value):
        assert decode(len(data), [given], data) == [[value]]

    def test_the_offset_comes_before_the_scale(self):
        assert decode(2, [channel(scale=0.5, offset=10)], struct.pack("<2h", 2, -10)) == [[6.0, 0.0]]

    def test_columns_of_a_scan_with_padding_and_a_cut_scan_at_the_end(self):
        data = struct.pack("<hxxi", 1, 2) + struct.pack("<hxxi", 3, 4) + b"\x05\x00\x00"
        assert decode(8, [channel(), channel(4, 4, bits=32)], data) == [[1, 3], [2, 4]]

    def test_whole_numbers_stay_exact(self):
        decoder, out = Decoder(8, [channel(size=8, bits=64)]), array("q", [0, 0])
        assert decoder.whole(struct.pack("<2q", 1_700_000_000_123_456_789, -1), 0, out) == 2
        assert list(out) == [1_700_000_000_123_456_789, -1]

    @pytest.mark.parametrize(
        ("size", "given", "words"),
        [
            (2, channel(at=1), "do not fit into a scan of 2"),
            (2, channel(bits=17), "17 bits shifted by 0 do not fit into 16"),
            (2, channel(shift=1), "16 bits shifted by 1 do not fit"),
            (2, channel(kind=FLOAT), "a float has 32 or 64 bits"),
            (2, channel(kind=9), "unknown kind 9"),
            (9, channel(size=9, bits=8), "do not fit"),
            (2, channel(scale=float("nan")), "must be finite"),
            (0, channel(), "at least 1 byte"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, size, given, words):
        with pytest.raises(ValueError, match=words):
            Decoder(size, [given])

    def test_a_buffer_that_is_too_short_stays_as_it_is(self):
        out = array("f", [9.0])
        with pytest.raises(ValueError, match="2 samples do not fit into 1"):
            Decoder(2, [channel()]).decode(b"\1\0\2\0", [out])
        with pytest.raises(ValueError, match="2 buffers for 1 channels"):
            Decoder(2, [channel()]).decode(b"\1\0", [out, out])
        with pytest.raises(ValueError, match=r"Buffer dtype mismatch|format"):
            Decoder(2, [channel()]).decode(b"\1\0", [array("d", [9.0])])
        with pytest.raises(ValueError, match="channel 1 of 1"):
            Decoder(2, [channel()]).whole(b"\1\0", 1, array("q", [0]))
        assert list(out) == [9.0]

    @given(st.data())
    def test_equals_the_reference(self, data):
        size = data.draw(st.integers(8, 24))
        channels = data.draw(st.lists(_channels(size), max_size=4))
        stored = data.draw(st.binary(max_size=5 * size))
        assert _same(decode(size, channels, stored), decode(size, channels, stored, reference.Scans))
        for i, (_, _, kind, bits, *_) in enumerate(channels):
            if kind == SIGNED or (kind == UNSIGNED and bits < 64):
                one, other = (array("q", bytes(8 * (len(stored) // size))) for _ in range(2))
                Decoder(size, channels).whole(stored, i, one)
                reference.Scans(size, channels).whole(stored, i, other)
                assert one == other


def _same(ours, theirs):
    return repr(ours) == repr(theirs)  # NaN is NaN


@st.composite
def _channels(draw, size):
    width = draw(st.integers(1, 8))
    kind = draw(st.sampled_from([SIGNED, UNSIGNED, FLOAT] if width in {4, 8} else [SIGNED, UNSIGNED]))
    bits = 8 * width if kind == FLOAT else draw(st.integers(1, 8 * width))
    shift = 0 if kind == FLOAT else draw(st.integers(0, 8 * width - bits))
    scale, offset = draw(st.floats(-1e3, 1e3, width=32)), draw(st.floats(-1e6, 1e6, width=32))
    return (draw(st.integers(0, size - width)), width, kind, bits, shift, draw(st.booleans()), scale, offset)


PERIOD = 39062.5
"""ns between two samples at 25.6 kHz."""


def losses(stamps, period=PERIOD, piece=256, kind=Pace):
    """Feed stamps piece by piece as a driver does; return (index, lost) of every loss, and how many at the end are undecided."""
    pace = kind(period)
    found, begin, end = [], 0, 0
    while end < len(stamps):
        end = min(len(stamps), end + piece)
        while begin < end:
            good, lost = pace.judge(array("q", stamps[begin:end]))
            begin += good
            if lost:
                found.append((begin, lost))
            elif good < end:
                break
    return found, len(stamps) - begin


def even(n, period=PERIOD, start=1_700_000_000_000_000_000):
    return [start + round(i * period) for i in range(n)]


class TestPace:
    def test_even_stamps_have_no_loss(self):
        assert losses(even(2000)) == ([], 0)

    @pytest.mark.parametrize("lost", [1, 2, 100])
    @pytest.mark.parametrize("at", [1, 255, 256, 1000])
    def test_a_loss_is_found_in_its_place_and_counted(self, lost, at):
        stamps = even(2000)
        assert losses(stamps[:at] + stamps[at + lost :]) == ([(at, lost)], 0)

    @pytest.mark.parametrize("delay", [PERIOD, 7 * PERIOD, 20 * PERIOD])
    def test_stamps_that_are_late_for_a_moment_are_no_loss(self, delay):
        stamps = even(600)
        for i in range(20):
            stamps[300 + i] = max(stamps[300 + i], round(stamps[300] + delay) + i)
        assert losses(stamps) == ([], 0)

    @pytest.mark.parametrize("jitter", [0.5, 1.0, 1.5])
    def test_stamps_that_jitter_are_no_loss_and_hide_none(self, jitter):
        noise = random.Random(1)
        stamps = [stamp + round(noise.random() * jitter * PERIOD) for stamp in even(50_000)]
        assert losses(stamps[:40_000] + stamps[40_001:])[0] == [(pytest.approx(40_000, abs=20), 1)]

    def test_late_stamps_at_the_end_of_a_piece_wait_for_what_follows(self):
        stamps = even(256)
        stamps[-2] += round(PERIOD)
        stamps[-1] += round(PERIOD)
        pace = Pace(PERIOD)
        assert pace.judge(array("q", stamps)) == (254, 0)
        assert pace.judge(array("q", stamps[254:] + even(20, start=even(257)[-1]))) == (22, 0)

    @pytest.mark.parametrize("off", [-4e-4, 4e-4])
    def test_a_clock_that_is_a_little_off_is_followed(self, off):
        assert losses(even(50_000, PERIOD * (1 + off))) == ([], 0)

    def test_two_losses_close_together_are_two(self):
        stamps = even(1000)
        assert losses(stamps[:500] + stamps[501:504] + stamps[506:])[0] == [(500, 1), (503, 2)]

    @pytest.mark.parametrize("apart", [0, 2000])
    def test_a_batch_out_of_a_fifo_has_the_stamp_of_its_last_sample(self, apart):
        stamps = even(3200)
        batched = [stamps[i // 32 * 32 + 31] + i % 32 * apart for i in range(3200)]
        assert losses(batched) == ([], 0)
        lossy = stamps[:1600] + stamps[1605:]
        batched = [lossy[min(len(lossy) - 1, i // 32 * 32 + 31)] + i % 32 * apart for i in range(len(lossy))]
        found, _ = losses(batched)
        assert found == [(1600, 5)]

    def test_a_clock_that_is_set_back_is_a_break(self):
        assert losses(even(300) + even(300, start=5_000_000_000)) == ([(300, -1)], 0)

    def test_nothing_is_nothing(self):
        assert Pace(PERIOD).judge(array("q")) == (0, 0)

    @given(st.data())
    def test_equals_the_reference(self, data):
        steps = data.draw(st.lists(st.sampled_from([0, 1, 1, 1, 1, 1, 1, 2, 3, -30000]), max_size=150))
        jitter = data.draw(st.lists(st.integers(0, 60_000), min_size=len(steps), max_size=len(steps)))
        at, stamps = 10**15, []
        for step, late in zip(steps, jitter, strict=True):
            at += round(step * PERIOD)
            stamps.append(at + late)
        piece = data.draw(st.integers(1, 40))
        assert losses(stamps, piece=piece) == losses(stamps, piece=piece, kind=reference.Pace)
