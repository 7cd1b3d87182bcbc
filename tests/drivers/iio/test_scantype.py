"""The form of a sample and where it stands: the kernel's own examples, and every type that can be written."""

import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cython_ext.scans import Decoder
from drivers.iio.scantype import ScanType, layout

widths = st.sampled_from([8, 16, 32, 64])


@st.composite
def types(draw):
    storage = draw(widths)
    bits = draw(st.integers(1, storage))
    return ScanType(draw(st.sampled_from("su")), bits, storage, draw(st.integers(0, storage - bits)), 1, draw(st.booleans()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("le:s20/32>>12", ScanType("s", 20, 32, 12)),
        ("be:u12/16>>4\n", ScanType("u", 12, 16, 4, big=True)),
        ("le:s64/64>>0", ScanType("s", 64, 64)),
        ("le:s16/16", ScanType("s", 16, 16)),
        ("be:s30/32X4>>2", ScanType("s", 30, 32, 2, 4, big=True)),
        ("le:f32/32>>0", ScanType("f", 32, 32)),
    ],
)
def test_types_as_the_kernel_writes_them(text, expected):
    assert ScanType.parse(text) == expected


@given(types())
def test_what_is_written_is_read_back(form):
    assert ScanType.parse(form.written) == form


@pytest.mark.parametrize(
    "text", ["", "s16/16", "le:s16", "xe:s16/16", "le:s16/16>>", "le:s20/16>>0", "le:s16/16>>1", "le:s0/16>>0"]
)
@pytest.mark.parametrize("tail", ["", "!"])
def test_what_is_no_type_is_refused(text, tail):
    with pytest.raises(ValueError, match=r"is not a type of sample|contradicts itself"):
        ScanType.parse(text + tail)


@pytest.mark.parametrize("text", ["le:s12/12>>0", "le:s65/128>>0", "le:f16/32>>0", "le:f16/16>>0", "le:s16/16X0>>0"])
def test_what_contradicts_itself_is_refused(text):
    with pytest.raises(ValueError, match="contradicts itself"):
        ScanType.parse(text)


@given(st.text(max_size=30))
def test_any_text_is_a_type_or_refused_in_words(text):
    try:
        ScanType.parse(text)
    except ValueError as error:
        assert "type of sample" in str(error) or "contradicts itself" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("forms", "places", "size"),
    [
        (["le:s16/16", "le:s16/16", "le:s16/16", "le:s64/64"], [0, 2, 4, 8], 16),  # the example of the kernel's documentation
        (["le:s16/16"], [0], 2),
        (["le:s16/16", "le:s64/64"], [0, 8], 16),
        (["be:s20/32>>12", "le:s64/64"], [0, 8], 16),
        (["le:s16/16", "le:s32/32", "le:s16/16"], [0, 4, 8], 12),
        (["le:u8/8", "le:s16/16"], [0, 2], 4),
        ([], [], 0),
    ],
)
def test_elements_are_aligned_to_their_own_size_and_the_scan_to_the_largest(forms, places, size):
    assert layout([ScanType.parse(form) for form in forms]) == (places, size)


@given(st.lists(types(), max_size=6))
def test_a_scan_is_laid_out_as_a_c_struct_of_the_same_members(forms):
    """struct's native mode has the alignment of C, which the kernel's rule comes to for sizes of 1, 2, 4 and 8."""
    codes = "".join({8: "B", 16: "H", 32: "I", 64: "Q"}[form.storage] for form in forms)
    places, size = layout(forms)
    largest = max((form.size for form in forms), default=1)
    assert size == -(-struct.calcsize("@" + codes) // largest) * largest
    assert places == [struct.calcsize("@" + codes[: i + 1]) - form.size for i, form in enumerate(forms)]


@given(st.lists(types(), min_size=1, max_size=5), st.data())
def test_samples_packed_by_the_rule_are_decoded_to_what_they_were(forms, data):
    places, size = layout(forms)
    ranges = [(-(1 << f.bits - 1), (1 << f.bits - 1) - 1) if f.kind == "s" else (0, (1 << f.bits) - 1) for f in forms]
    rows = data.draw(st.lists(st.tuples(*(st.integers(*r) for r in ranges)), max_size=4))
    packed = bytearray(data.draw(st.binary(min_size=size * len(rows), max_size=size * len(rows))))  # any rubbish in the padding
    for i, row in enumerate(rows):
        for form, place, value in zip(forms, places, row, strict=True):
            noise = data.draw(st.integers(0, 2**form.storage - 1)) & ~(((1 << form.bits) - 1) << form.shift)
            stored = noise | (value & (1 << form.bits) - 1) << form.shift
            at = i * size + place
            packed[at : at + form.size] = stored.to_bytes(form.size, "big" if form.big else "little")
    outs = [array("f", bytes(4 * len(rows))) for _ in forms]
    Decoder(size, [form.channel(place) for form, place in zip(forms, places, strict=True)]).decode(packed, outs)
    for column, out in enumerate(outs):
        assert out == array("f", [row[column] for row in rows])
