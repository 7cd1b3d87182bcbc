import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import TABLES, Address

tables = st.sampled_from(sorted(TABLES))
wires = st.integers(0, 65535)


@pytest.mark.parametrize(
    ("text", "table", "wire", "manual"),
    [
        ("holding 40001", "holding", 0, "40001"),
        ("holding 40017", "holding", 16, "40017"),
        ("holding 49999", "holding", 9998, "49999"),
        ("holding 400017", "holding", 16, "40017"),
        ("holding 410000", "holding", 9999, "410000"),
        ("holding 465536", "holding", 65535, "465536"),
        ("holding 16", "holding", 16, "40017"),
        ("holding 0", "holding", 0, "40001"),
        ("holding 0x10", "holding", 16, "40017"),
        ("holding 0X9c68", "holding", 40040, "440041"),
        ("holding wire 40072", "holding", 40072, "440073"),
        ("holding wire 0x10", "holding", 16, "40017"),
        ("holding 50000", "holding", 50000, "450001"),
        ("input 30017", "input", 16, "30017"),
        ("input 300017", "input", 16, "30017"),
        ("input 365536", "input", 65535, "365536"),
        ("discrete 10017", "discrete", 16, "10017"),
        ("discrete 100017", "discrete", 16, "10017"),
        ("discrete 16", "discrete", 16, "10017"),
        ("coil 17", "coil", 16, "00017"),
        ("coil 00017", "coil", 16, "00017"),
        ("coil 000017", "coil", 16, "00017"),
        ("coil 012345", "coil", 12344, "012345"),
        ("coil 65536", "coil", 65535, "065536"),
        ("coil wire 17", "coil", 17, "00018"),
        ("coil 0x0", "coil", 0, "00001"),
        ("Holding  register 40017 ", "holding", 16, "40017"),
    ],
)
def test_every_written_form(text, table, wire, manual):
    address = Address.parse(text)
    assert (address.table, address.wire, address.manual, address.bit) == (table, wire, manual, None)
    assert str(address) == f"{table} {manual} (wire {wire})"


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("holding 30017", "did you mean 'input 30017' or 'holding wire 30017'?"),
        ("holding 10017", "did you mean 'discrete 10017' or 'holding wire 10017'?"),
        ("holding 300017", "did you mean 'input 300017'?"),
        ("holding 00017", "did you mean 'coil 00017' or 'holding wire 17'?"),
        ("input 40017", "did you mean 'holding 40017' or 'input wire 40017'?"),
        ("coil 10017", "did you mean 'discrete 10017' or 'coil wire 10017'?"),
        ("coil 40017", "did you mean 'holding 40017'"),
        ("discrete 40017", "did you mean 'holding 40017'"),
        ("holding 40000", "did you mean 'holding 40001' or 'holding wire 40000'?"),
        ("holding 465537", "40001-49999, 400001-465536"),
        ("holding 70000", "40001-49999, 400001-465536"),
        ("holding wire 65536", "wire addresses end at 65535"),
        ("holding wire 400017", "did you mean 'holding 400017'?"),
        ("coil 0", "did you mean 'coil wire 0'?"),
        ("coil 65537", "numbered 1 to 65536"),
        ("coil 17.3", "did you mean 'coil 17'?"),
        ("holding 40017.16", "bits 0 to 15"),
        ("40017", "did you mean 'holding 40017'?"),
        (40017, "did you mean 'holding 40017'?"),
        (300017, "did you mean 'input 300017'?"),
        ("17", "names no table"),
        ("0x10", "names no table"),
        ("hr 17", "did you mean 'holding 17'?"),
        ("holdng 40017", "did you mean 'holding 40017'?"),
        ("discrete_input 10017", "did you mean 'discrete 10017'?"),
        ("register 40017", "did you mean 'holding 40017'?"),
        ("plutonium 40017", "known: coil, discrete, input, holding"),
        ("holding:40017", "did you mean 'holding 40017'?"),
        ("holding40017", "did you mean 'holding 40017'?"),
        ("holding", "write it like 'holding 40017'"),
        ("", "write it like 'holding 40017'"),
        (True, "write it like 'holding 40017'"),
        ("holding -1", "write it like"),
        ("holding 4001٧", "write it like"),
    ],
)
def test_mistakes_get_a_cure(text, cure):
    with pytest.raises(ValueError, match=re.escape(cure)):
        Address.parse(text)


@given(tables, wires)
def test_both_echoes_lead_back_to_the_same_place(table, wire):
    address = Address(table, wire)
    assert Address.parse(f"{table} {address.manual}") == address
    assert Address.parse(f"{table} wire {wire}") == address
    assert Address.parse(f"{table} 0x{wire:x}") == address


@given(tables, wires, st.integers(0, 15))
def test_a_bit_belongs_to_a_register(table, wire, bit):
    text = f"{table} wire {wire}.{bit}"
    if TABLES[table].bits:
        with pytest.raises(ValueError, match="single bit"):
            Address.parse(text)
    else:
        assert Address.parse(text) == Address(table, wire, bit)
        assert f".{bit} (wire {wire})" in str(Address.parse(text))


@given(st.one_of(st.text(max_size=30), st.integers(), st.floats(), st.none(), st.booleans()))
def test_anything_else_is_a_sentence_and_never_a_crash(value):
    try:
        address = Address.parse(value)
    except ValueError as error:
        sentence = str(error)
    else:
        sentence = str(address)
        assert 0 <= address.wire <= 65535
    assert len(sentence) > 16


@given(st.from_regex(r"(coil|discrete|input|holding|hr|reg) ?(wire )?(0x[0-9a-f]{1,5}|[0-9]{1,7})(\.[0-9]{1,2})?", fullmatch=True))
def test_the_schema_lets_through_all_that_is_good(text):
    try:
        Address.parse(text)
    except ValueError:
        return
    jsonschema.validate(text, Address.schema())
