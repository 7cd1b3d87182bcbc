"""Inputs made of any bytes: every check takes them, and the search by coverage counts what escapes and what hangs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaign.modbus import guided, guided_inputs


@pytest.mark.parametrize("target", guided_inputs.TARGETS)
@given(data=st.binary(max_size=guided_inputs.LONGEST))
def test_no_bytes_escape(target, data):
    check, _ = guided_inputs.TARGETS[target]
    check(data)


@pytest.mark.parametrize("target", guided_inputs.TARGETS)
def test_the_search_begins_with_inputs_that_are_sound(target):
    check, seeds = guided_inputs.TARGETS[target]
    assert seeds
    for seed in seeds:
        assert len(seed) <= guided_inputs.LONGEST
        check(seed)


def test_an_exhausted_source_gives_zeros():
    source = guided_inputs.Source(b"\x01\x02\x03")
    assert [source.number(255), source.number(65535), source.number(9), source.rest()] == [1, 0x0203, 0, b""]


LONGEST = 8


def escapes(data):
    if data.startswith(b"b"):
        raise KeyError(data)


def hangs(data):
    while data.startswith(b"ab"):
        pass


TARGETS = {"escapes": (escapes, [b"aa"]), "hangs": (hangs, [b"ab"]), "holds": (lambda data: None, [b""])}
"""What this module is to the search when it is its own MODULE."""


@pytest.mark.skipif(not guided.is_installed(), reason="atheris is not installed: pip install atheris, where it has a wheel")
def test_the_search_counts_what_escapes_and_what_hangs():
    held = guided.search("holds", 500, module=__name__)
    assert (held.inputs, held.uncaught, held.hangs, held.first) == (500, 0, 0, "")
    escaped = guided.search("escapes", 200_000, module=__name__)
    assert (escaped.uncaught, escaped.hangs) == (1, 0)
    assert "KeyError: b'b" in escaped.first
    hung = guided.search("hangs", 500, module=__name__, hang_s=1)
    assert (hung.uncaught, hung.hangs) == (0, 1)
    assert "input 6162" in hung.first


@pytest.mark.skipif(not guided.is_installed(), reason="atheris is not installed: pip install atheris, where it has a wheel")
def test_the_search_sees_the_branches_of_the_driver():
    found = guided.search("written address, raw value", 300)
    assert (found.inputs, found.uncaught, found.hangs) == (300, 0, 0), found.first
    assert found.branches > 50
