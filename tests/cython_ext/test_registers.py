"""Decoding and CRC against struct, worked frames and the reference."""

from __future__ import annotations

import math
import struct
from array import array

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cython_ext import reference, registers
from cython_ext.registers import BIT, BOOL, FLOAT32, FLOAT64, INT16, INT32, INT64, UINT16, UINT32, UINT64

FORMATS = {INT16: "h", UINT16: "H", INT32: "i", UINT32: "I", INT64: "q", UINT64: "Q", FLOAT32: "f", FLOAT64: "d"}
KINDS = [BOOL, BIT, *FORMATS]
orders = st.tuples(st.booleans(), st.booleans())


def columns(n, *, value=-1.0):
    return array("d", [value]) * n, bytearray([77]) * n, bytearray([88]) * n


def decode(items, data, n=None, module=registers):
    decoder = module.Decoder(items)
    out = columns(decoder.columns if n is None else n)
    exact = decoder.decode(data, *out)
    return (*out, exact)


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def reordered(value: bytes, word_swap: bool, byte_swap: bool) -> bytes:
    """A big-endian value as a device with this order sends it."""
    words = [value[i : i + 2] for i in range(0, len(value), 2)]
    if word_swap:
        words.reverse()
    return b"".join(word[::-1] if byte_swap else word for word in words)


class TestCrc:
    @pytest.mark.parametrize(
        ("frame", "crc"),
        [
            (b"", 0xFFFF),
            (b"123456789", 0x4B37),  # the check value of CRC-16/MODBUS
            (bytes.fromhex("010300000001"), 0x0A84),  # sent as 84 0A
            (bytes.fromhex("1103006b0003"), 0x8776),
        ],
    )
    def test_known_frames(self, frame, crc):
        assert registers.crc16(frame) == crc

    def test_of_a_whole_frame_is_zero(self):
        assert registers.crc16(bytes.fromhex("010300000001840a")) == 0

    @given(st.binary(max_size=300))
    def test_equals_the_reference(self, data):
        assert registers.crc16(data) == reference.crc16(data)

    def test_takes_any_bytes(self):
        assert registers.crc16(bytearray(b"123456789")) == registers.crc16(memoryview(b"123456789")) == 0x4B37


class TestOrder:
    @pytest.mark.parametrize(
        ("data", "word_swap", "byte_swap"),
        [("12345678", False, False), ("56781234", True, False), ("34127856", False, True), ("78563412", True, True)],
    )
    def test_the_four_orders_of_manuals(self, data, word_swap, byte_swap):
        values, *_ = decode([(0, 0, UINT32, word_swap, byte_swap, 0, 1.0, 0.0)], bytes.fromhex(data))
        assert values[0] == 0x12345678

    @given(st.sampled_from(list(FORMATS)), orders, st.integers(0, 9), st.data())
    def test_round_trip_with_struct(self, kind, order, at, data):
        form = ">" + FORMATS[kind]
        packed = data.draw(st.binary(min_size=struct.calcsize(form), max_size=struct.calcsize(form)))
        (expected,) = struct.unpack(form, packed)
        values, quality, reason, exact = decode([(0, at, kind, *order, 0, 1.0, 0.0)], bytes(at) + reordered(packed, *order))
        if math.isfinite(expected):
            assert values[0] == float(expected)
            assert (quality[0], reason[0]) == (192, 0)
        else:
            assert math.isnan(values[0])
            assert (quality[0], reason[0]) == (0, 9)
        assert exact == ([(0, expected)] if kind in (INT64, UINT64) and abs(expected) > 2**53 else None)


class TestBits:
    @given(st.integers(0, 0xFFFF), st.integers(0, 15), st.booleans())
    def test_bit_of_a_register_counts_from_the_least_significant(self, register, bit, byte_swap):
        data = register.to_bytes(2, "little" if byte_swap else "big")
        values, *_ = decode([(0, 0, BIT, False, byte_swap, bit, 1.0, 0.0)], data)
        assert values[0] == register >> bit & 1

    @given(st.binary(min_size=1, max_size=20), st.data())
    def test_coils_are_packed_least_significant_first(self, data, draw):
        at = draw.draw(st.integers(0, len(data) - 1))
        coil = draw.draw(st.integers(0, 8 * (len(data) - at) - 1))
        values, *_ = decode([(0, at, BOOL, False, False, coil, 1.0, 0.0)], data)
        assert values[0] == int.from_bytes(data[at:], "little") >> coil & 1

    def test_coil_beyond_the_answer_is_refused(self):
        decoder = registers.Decoder([(0, 1, BOOL, False, False, 8, 1.0, 0.0)])
        assert decoder.needed == 3
        with pytest.raises(ValueError, match="2 bytes where 3 are needed"):
            decoder.decode(b"\xff\xff", *columns(1))


class TestScale:
    @pytest.mark.parametrize(
        ("raw", "scale", "offset", "expected"),
        [
            (401, 0.1, 0.0, 40.1),
            (3, 0.1, 0.0, 0.3),
            (401, 0.1, -40.0, 0.1),
            (23145, 0.01, 0.0, 231.45),
            (7, 2.5, 1.25, 18.75),
            (7, -0.3, 0.0, -2.1),
        ],
    )
    def test_decimal_scales_give_the_decimal_number(self, raw, scale, offset, expected):
        values, *_ = decode([(0, 0, UINT16, False, False, 0, scale, offset)], raw.to_bytes(2, "big"))
        assert values[0] == expected

    @given(
        st.integers(-(2**31), 2**31 - 1), st.integers(-9999, 9999), st.integers(-9999, 9999), st.integers(0, 4), st.integers(0, 4)
    )
    def test_decimal_scales_round_once(self, raw, scale, offset, scale_decimals, offset_decimals):
        item = (0, 0, INT32, False, False, 0, scale / 10**scale_decimals, offset / 10**offset_decimals)
        data = raw.to_bytes(4, "big", signed=True)
        assert decode([item], data)[0] == decode([item], data, module=reference)[0]

    @given(st.integers(-(2**31), 2**31 - 1), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
    @example(raw=1, scale=1 / 3, offset=0.0)
    def test_any_scale(self, raw, scale, offset):
        values, *_ = decode([(0, 0, INT32, False, False, 0, scale, offset)], raw.to_bytes(4, "big", signed=True))
        assert math.isclose(values[0], raw * scale + offset, rel_tol=1e-15, abs_tol=4e-16 * (abs(raw * scale) + abs(offset)))

    def test_a_large_float64_does_not_overflow_on_the_way(self):
        values, quality, *_ = decode([(0, 0, FLOAT64, False, False, 0, 0.5, 0.0)], struct.pack(">d", 1.6e308))
        assert values[0] == 0.8e308
        assert quality[0] == 192

    def test_an_overflow_is_bad(self):
        values, quality, reason, _ = decode([(0, 0, FLOAT64, False, False, 0, 10.0, 0.0)], struct.pack(">d", 1.6e308))
        assert math.isnan(values[0])
        assert (quality[0], reason[0]) == (0, 9)


class TestExact:
    @pytest.mark.parametrize("value", [2**53, -(2**53), 0, -1])
    def test_what_a_float_holds_is_not_listed(self, value):
        assert decode([(0, 0, INT64, False, False, 0, 1.0, 0.0)], value.to_bytes(8, "big", signed=True))[3] is None

    def test_the_rest_is(self):
        items = [
            (2, 0, UINT64, False, False, 0, 1.0, 0.0),
            (0, 8, INT64, True, True, 0, 1.0, 0.0),
            (1, 0, UINT64, False, False, 0, 0.1, 0.0),
        ]
        data = (2**64 - 1).to_bytes(8, "big") + (-(2**53) - 1).to_bytes(8, "little", signed=True)
        values, _, _, exact = decode(items, data)
        assert exact == [(2, 2**64 - 1), (0, -(2**53) - 1)]
        assert values[2] == 2.0**64

    def test_numbers_that_are_not_64_bit_never_are(self):
        assert decode([(0, 0, FLOAT64, False, False, 0, 1.0, 0.0)], struct.pack(">d", 1e300))[3] is None


items_and_data = st.integers(0, 24).flatmap(
    lambda size: st.tuples(
        st.lists(
            st.tuples(
                st.integers(0, 6),
                st.integers(0, 20),
                st.sampled_from(KINDS),
                st.booleans(),
                st.booleans(),
                st.integers(0, 15),
                st.sampled_from([1.0, 0.1, -2.5]),
                st.sampled_from([0.0, 3.5]),
            ),
            max_size=8,
        ),
        st.binary(min_size=size, max_size=size),
    )
)


class TestWholeAnswers:
    @given(items_and_data)
    def test_equals_the_reference_or_refuses_with_it(self, case):
        items, data = case
        try:
            expected = decode(items, data, n=7, module=reference)
        except ValueError:
            decoder, out = registers.Decoder(items), columns(7)
            with pytest.raises(ValueError, match="are needed"):
                decoder.decode(data, *out)
            assert out == columns(7)
            return
        values, quality, reason, exact = decode(items, data, n=7)
        rounded = {column for column, _, kind, *_, scale, _ in items if kind in (INT64, UINT64, FLOAT32, FLOAT64) and scale != 1.0}
        for column in range(7):
            close = column in rounded and math.isclose(values[column], expected[0][column], rel_tol=1e-15, abs_tol=1e-14)
            assert close or same(values[column], expected[0][column])
        assert (quality, reason, exact) == expected[1:]

    @given(st.sampled_from(KINDS), orders, st.integers(0, 5))
    def test_short_data_is_refused_before_anything_is_written(self, kind, order, at):
        decoder = registers.Decoder([(0, 0, BOOL, False, False, 0, 1.0, 0.0), (1, at, kind, *order, 3, 1.0, 0.0)])
        out = columns(2)
        for size in range(decoder.needed):
            with pytest.raises(ValueError, match=f"{size} bytes where {decoder.needed} are needed"):
                decoder.decode(bytes(size), *out)
        assert out == columns(2)

    @pytest.mark.parametrize("short", range(3))
    def test_short_columns_are_refused_before_anything_is_written(self, short):
        decoder = registers.Decoder([(0, 0, INT16, False, False, 0, 1.0, 0.0), (4, 0, INT16, False, False, 0, 1.0, 0.0)])
        out = [part[: 4 if part_index == short else 5] for part_index, part in enumerate(columns(5))]
        before = [part[:] for part in out]
        with pytest.raises(ValueError, match="5 columns are needed"):
            decoder.decode(b"\0\1", *out)
        assert out == before

    def test_other_columns_stay(self):
        values, quality, reason, _ = decode([(1, 0, INT16, False, False, 0, 1.0, 0.0)], b"\0\1", n=3)
        assert list(values) == [-1, 1, -1]
        assert list(quality) == [77, 192, 77]
        assert list(reason) == [88, 0, 88]

    def test_without_items_nothing_is_needed(self):
        decoder = registers.Decoder([])
        assert (len(decoder), decoder.needed, decoder.columns) == (0, 0, 0)
        assert decoder.decode(b"", *columns(0)) is None


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ((-1, 0, INT16, False, False, 0, 1.0, 0.0), "item 1: column -1"),
        ((0, -2, INT16, False, False, 0, 1.0, 0.0), "byte offset -2"),
        ((0, 0, 10, False, False, 0, 1.0, 0.0), "unknown type code 10"),
        ((0, 0, -1, False, False, 0, 1.0, 0.0), "unknown type code -1"),
        ((0, 0, BIT, False, False, 16, 1.0, 0.0), "bit 16 of a register; it has bits 0 to 15"),
        ((0, 0, BOOL, False, False, -1, 1.0, 0.0), "coil -1"),
        ((0, 0, INT16, False, False, 0, math.inf, 0.0), "must be finite"),
        ((0, 0, INT16, False, False, 0, 1.0, math.nan), "must be finite"),
    ],
)
def test_a_wrong_item_is_named(item, message):
    with pytest.raises(ValueError, match=message):
        registers.Decoder([(0, 0, INT16, False, False, 0, 1.0, 0.0), item])
