"""CBOR goes there and back; of what comes in, nothing is believed, and nothing takes time or memory that was not sent."""

import math
from contextlib import suppress

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.uplink.cbor import MAGIC, dump, load
from gateway.uplink.errors import FormatError

scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
columns = (
    st.lists(st.integers(-(2**63), 2**63 - 1))
    | st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False))
    | st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False))
)
plain = st.recursive(
    scalars | st.binary() | columns,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(plain)
def test_what_goes_in_comes_out(message):
    payload, cut = dump({"m": message})
    assert payload.startswith(MAGIC)
    assert 0 <= cut < len(payload)
    assert repr(load(payload)) == repr({"m": message})


@pytest.mark.parametrize(
    ("column", "tag", "width"),
    [
        ([1, -2, 3, 127, -128], 72, 1),
        ([1, -2, 3, 128], 77, 2),
        ([0, 0, 0, 40_000], 78, 4),
        ([0, 0, 0, -(2**40)], 79, 8),
        ([0.5, None, 1.25, -3.0], 85, 4),
        ([0.1, 0.2, 0.3, None], 86, 8),
        ([0.0, 0.0, 0.0, 1e300], 86, 8),
    ],
)
def test_a_column_of_numbers_becomes_the_smallest_typed_array_that_holds_it(column, tag, width):
    payload, cut = dump({"column": column})
    typed = cbor2.loads(payload[len(MAGIC) :])["column"]
    assert (typed.tag, len(typed.value)) == (tag, width * len(column))
    assert payload[cut : cut + len(typed.value)] == typed.value
    assert load(payload) == {"column": column}


def test_short_lists_and_lists_of_other_things_stay_lists():
    for column in ([1, 2, 3], [1.5], [True, False, True, True], [1, 2, 3, 4.0], [2**64 - 1] * 4, [None] * 5):
        assert cbor2.loads(dump({"column": column})[0][len(MAGIC) :])["column"] == column


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "premature end"),
        (bytes.fromhex("9b7fffffffffffffff"), "premature end"),
        (bytes.fromhex("7a7fffffff"), "premature end"),
        (bytes.fromhex("5b00000fffffffffff00"), "premature end"),
        (b"\x81" * 100_000, "nesting depth"),
        (b"\xc6" * 100_000 + b"\0", "nesting depth"),
        (bytes.fromhex("9f01ff"), "indefinite"),
        (bytes.fromhex("a2616101616102"), "[Dd]uplicate"),
        (bytes.fromhex("a10102"), "unhashable|hashable|key"),
        (cbor2.dumps(math.nan), "not finite"),
        (cbor2.dumps([math.inf]), "not finite"),
        (cbor2.dumps(cbor2.CBORTag(72, [1])), "tag 72"),
        (cbor2.dumps(cbor2.CBORTag(77, b"\1\2\3")), "middle of a number"),
        (cbor2.dumps(cbor2.undefined), "something that no message has"),
        (cbor2.dumps(cbor2.CBORSimpleValue(99)), "something that no message has"),
        (bytes.fromhex("d81c81d81d00"), "tag"),  # a list that contains itself
        (cbor2.dumps(cbor2.CBORTag(4, [10**9, 1])), "tag"),
    ],
)
def test_what_we_never_send_is_refused_with_a_sentence(payload, words):
    with pytest.raises(FormatError, match=words):
        load(MAGIC + payload)


def test_no_tag_but_those_of_typed_arrays_is_accepted():
    for tag in [*range(2000), 43000, 55799, 2**32, 2**64 - 1]:
        for content in (b"12345678", "12345678", [1, 2], 5):
            if tag in {72, 77, 78, 79, 85, 86} and isinstance(content, bytes):
                continue
            with pytest.raises(FormatError):
                load(MAGIC + cbor2.dumps(cbor2.CBORTag(tag, content)))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_rubbish_raises_nothing_else(payload):
    with suppress(FormatError):
        load(MAGIC + payload)
