"""The byte-order wizard: whatever a device really does, the wizard finds it."""

from __future__ import annotations

import math
import struct
from array import array

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cython_ext import registers
from drivers.modbus.decode import _CODES
from drivers.modbus.guess import SCALES, Fit, Shown, alike, arranged, encoded, guess, value_of
from drivers.modbus.spec import REGISTERS, swaps

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
RANGES = {
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**53), 2**53),
    "uint64": (0, 2**53),
}
NEIGHBOURS = st.binary(min_size=2, max_size=2)


@st.composite
def devices(draw):
    """A device: type, order, scale, raw number and its neighbours in memory."""
    kind = draw(st.sampled_from([*RANGES, "float32", "float64"]))
    order = draw(st.sampled_from(ORDERS))
    scale = draw(st.sampled_from(SCALES))
    if kind in RANGES:
        raw = draw(st.integers(*RANGES[kind]))
    else:
        raw = draw(st.floats(-1e6, 1e6, width=32 if kind == "float32" else 64))
    before, behind = draw(NEIGHBOURS), draw(st.binary(min_size=8, max_size=8))
    return kind, order, scale, raw, before, behind


@given(devices(), st.integers(0, 3))
def test_the_truth_is_found_and_nothing_fits_better(device, places):
    kind, order, scale, raw, before, behind = device
    display = f"{raw * scale:.{places}f}"
    found = guess(before + encoded(raw, kind, order) + behind, 1, Shown.parse(display))
    if REGISTERS[kind] == 1:
        order = "BADC" if swaps(order)[1] else "ABCD"  # a single register has no word order
    truth = [one for one in found if (one.type, one.order, one.scale, one.shift) == (kind, order, scale, 0)]
    assert len(truth) == 1
    assert truth[0].fit is found[0].fit is Fit.EXACT
    assert math.isclose(truth[0].value, raw * scale)


@given(st.sampled_from(ORDERS), st.floats(1, 1e6, width=32), NEIGHBOURS)
def test_a_plain_float_is_first_in_any_order(order, number, before):
    """Seven digits leave no room for chance."""
    assume(abs(number - round(number)) > 1e-3)
    found = guess(before + encoded(number, "float32", order) + bytes(8), 1, Shown.parse(f"{number:.7g}"))
    best = [found[0], *alike(found[0], found)]
    assert ("float32", order, 1.0) in {(one.type, one.order, one.scale) for one in best}


@given(st.sampled_from([*RANGES, "float32", "float64"]), st.sampled_from(ORDERS), st.binary(min_size=8, max_size=8))
def test_it_reads_bytes_as_the_driver_does(kind, order, data):
    values, quality, reason = array("d", [0.0]), bytearray(1), bytearray(1)
    word_swap, byte_swap = swaps(order)
    decoder = registers.Decoder([(0, 0, _CODES[kind], word_swap, byte_swap, 0, 1.0, 0.0)])
    exact = dict(decoder.decode(data, values, quality, reason) or [])
    ours = value_of(data, kind, order)
    if math.isfinite(ours):
        assert exact.get(0, values[0]) == ours


@given(st.sampled_from(ORDERS), st.integers(1, 4))
def test_bringing_into_an_order_twice_changes_nothing(order, count):
    raw = bytes(range(2 * count))
    assert arranged(arranged(raw, order), order) == raw


@given(st.binary(min_size=0, max_size=12), st.integers(0, 6), st.floats(allow_nan=False, allow_infinity=False))
def test_any_bytes_are_a_list_best_first(data, at, number):
    found = guess(data, at, Shown(number, 0.1))
    assert [one.rank for one in found] == sorted(one.rank for one in found)


@pytest.mark.parametrize(
    ("data", "display", "first"),
    [
        (struct.pack(">HHHHHH", 5, 419, 7, 9, 1, 2), "41.9", ("int16", "ABCD", 0.1, 0)),
        (struct.pack(">HHHHHH", 5, 65117, 7, 9, 1, 2), "-41.9", ("int16", "ABCD", 0.1, 0)),
        (struct.pack(">HHHHHH", 5, 61234, 7, 9, 1, 2), "61234", ("uint16", "ABCD", 1.0, 0)),
        (struct.pack(">HIHHH", 5, 8765432, 9, 1, 2), "87654.32", ("uint32", "ABCD", 0.01, 0)),
        (struct.pack(">HfHHH", 5, 41.9, 9, 1, 2), "41,9 °C", ("float32", "ABCD", 1.0, 0)),
        (b"\x00\x05\x99\x9a\x42\x27\x00\x09\x00\x01", "41.9", ("float32", "CDAB", 1.0, 0)),
        (b"\x00\x05\x9a\x99\x27\x42\x00\x09\x00\x01", "41.9", ("float32", "DCBA", 1.0, 0)),
        (b"\x00\x05\x27\x42\x9a\x99\x00\x09\x00\x01", "41.9", ("float32", "BADC", 1.0, 0)),
        (struct.pack(">HdH", 5, -273.15, 9), "-273.15", ("float64", "ABCD", 1.0, 0)),
        (b"\x01\xa3\xff\x10\x33\x44\x55\x66\x77\x88", "41.9", ("int16", "ABCD", 0.1, -1)),
        (b"\x77\x10\xff\x10\x42\x27\x99\x9a\x77\x88", "41.9", ("float32", "ABCD", 1.0, 1)),
    ],
)
def test_what_devices_really_do_comes_first(data, display, first):
    best = guess(data, 1, Shown.parse(display))[0]
    assert (best.type, best.order, best.scale, best.shift) == first


def test_a_value_that_moved_is_still_found():
    best = guess(struct.pack(">HfHHH", 5, 42.3, 9, 1, 2), 1, Shown.parse("41.9"))[0]
    assert (best.type, best.fit) == ("float32", Fit.NEAR)


def test_a_display_that_cuts_off_is_told_from_one_that_rounds():
    best = guess(struct.pack(">HfHHH", 5, 41.98, 9, 1, 2), 1, Shown.parse("41.9"))[0]
    assert (best.type, best.fit) == ("float32", Fit.LAST_DIGIT)


def test_what_gives_the_same_now_is_named():
    found = guess(struct.pack(">HHHH", 5, 419, 7, 9), 1, Shown.parse("41.9"))
    assert {one.type for one in alike(found[0], found)} == {"uint16"}


def test_nothing_that_fits_is_an_empty_list():
    assert guess(bytes(12), 1, Shown.parse("41.9")) == []


@pytest.mark.parametrize(
    ("text", "value", "step", "unit", "digits"),
    [
        ("41.9", 41.9, 0.1, "", 3),
        ("41,90", 41.9, 0.01, "", 4),
        (" -12 bar ", -12, 1, "bar", 2),
        ("−3.5°C", -3.5, 0.1, "°C", 2),
        ("0", 0, 1, "", 0),
        ("1.5e3", 1500, 100, "", 2),
        (".5", 0.5, 0.1, "", 1),
    ],
)
def test_displays_are_read_as_they_are_written(text, value, step, unit, digits):
    shown = Shown.parse(text)
    assert (shown.value, shown.unit, shown.digits) == (value, unit, digits)
    assert math.isclose(shown.step, step)


@pytest.mark.parametrize("text", ["", "abc", "1,234.5", "12 34", "°C"])
def test_what_is_no_number_gets_a_sentence(text):
    with pytest.raises(ValueError, match="is no number; write what the display says"):
        Shown.parse(text)


@pytest.mark.parametrize(("text", "words"), [("0", "fits almost everything"), ("4", "so few digits"), ("4.19", "")])
def test_a_weak_display_is_told(text, words):
    weak = Shown.parse(text).weak
    assert words in weak
    assert bool(weak) == bool(words)
