import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import TABLES, Address
from drivers.modbus.area import Area


@pytest.mark.parametrize(
    ("written", "table", "first", "last"),
    [
        ("holding 40001-40100", "holding", 0, 99),
        ("input 300017-300032", "input", 16, 31),
        ("holding 49999-410001", "holding", 9998, 10000),
        ("holding wire 16-31", "holding", 16, 31),
        ("holding 16-31", "holding", 16, 31),
        ("holding 0x10-0x1F", "holding", 16, 31),
        ("holding 0x10-31", "holding", 16, 31),
        ("coil 1-16", "coil", 0, 15),
        ("coil wire 1-16", "coil", 1, 16),
        ("discrete 10001", "discrete", 0, 0),
        (" Holding   registers 40001 - 40002 ", "holding", 0, 1),
        ("coil", "coil", 0, 65535),
        ("holding wire 0-65535", "holding", 0, 65535),
    ],
)
def test_both_countings_lead_to_the_same_registers(written, table, first, last):
    area = Area.parse(written)
    assert (area.table, area.first.wire, area.last.wire) == (table, first, last)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (17, "expected a range of registers; write it like 'holding 40001-40100'"),
        ("", "'' is no range of registers; write it like"),
        ("holding 40001-", "'holding 40001-' is no range of registers; write it like"),
        ("holding 40100-40001", "'holding 40100-40001' runs backwards; did you mean 'holding 40001-40100'?"),
        ("holding wire 31-16", "did you mean 'holding wire 16-31'?"),
        ("40001-40100", "'40001-40100' names no table; did you mean 'holding 40001-40100'?"),
        ("300017", "'300017' names no table; did you mean 'input 300017'?"),
        ("1-5", "'1-5' names no table; did you mean 'holding 1-5'?"),
        ("holdng 1-5", "unknown table 'holdng'; did you mean 'holding 1-5'?"),
        ("valves 1-5", "unknown table 'valves'; known: coil, discrete, input, holding"),
        ("holding 40001..40100", "did you mean 'holding 40001-40100'?"),
        ("holding 40001 to 40100", "did you mean 'holding 40001-40100'?"),
        ("holding 40001–40100", "did you mean 'holding 40001-40100'?"),
        ("holding wire 16-wire 31", "did you mean 'holding wire 16-31'?"),
        ("holding 40001-holding 40100", "did you mean 'holding 40001-40100'?"),
        ("holding 40017.3-40020", "a range is made of whole registers; leave the bit out"),
        ("holding 40001-30100", "30100 is a reference number of table 'input'; a range stays in one table"),
        ("input 40001-40100", "40001 is a reference number of table 'holding'; did you mean 'holding 40001'"),
        (
            "holding 40001-100",
            "one end is a reference number of a manual, the other a wire address; did you mean 'holding 40001-40100'?",
        ),
        ("holding 400001-100", "did you mean 'holding 400001-400100'?"),
        ("holding 16-40032", "such as 'holding 40017-40032' or 'holding wire 16-31'"),
        ("coil 1-0x10", "write both in one counting, such as 'coil 00001-00017' or 'coil wire 0-16'"),
        ("holding wire 0-65536", "wire addresses end at 65535"),
        ("holding 0-70000", "70000 is no reference number of table 'holding'"),
    ],
)
def test_a_mistake_gets_a_cure(written, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Area.parse(written)


areas = st.builds(
    lambda table, first, count: Area(Address(table, first), Address(table, min(65535, first + count))),
    st.sampled_from(sorted(TABLES)),
    st.integers(0, 65535),
    st.integers(0, 3000) | st.integers(0, 65535),
)


@given(areas)
def test_what_is_shown_can_be_written(area):
    shown = str(area)
    assert Area.parse(shown.removeprefix("all of ").split(" (")[0].strip("'")) == area
    if match := re.search(r"\(wire (.*)\)", shown):
        assert Area.parse(f"{area.table} wire {match[1]}") == area


@given(st.text(alphabet="holdingcw 0123456789-.xX:", max_size=30) | st.text(max_size=90))
def test_nothing_else_than_a_sentence_comes_of_a_slip(text):
    with contextlib.suppress(ValueError):
        area = Area.parse(text)
        assert 0 <= area.first.wire <= area.last.wire <= 65535


def test_the_schema_knows_the_same_form():
    pattern = Area.schema()["pattern"]
    for text in Area.schema()["examples"]:
        assert re.search(pattern, text)
        assert Area.parse(text)
    assert not re.search(pattern, "40001-40100")
