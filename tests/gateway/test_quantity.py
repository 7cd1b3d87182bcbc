"""Scalars with their unit: what is read, and what is said when it cannot be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.quantity import Duration, LongDuration, Rate, Resolution, Size

KINDS = [Duration, Rate, Size]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Duration, "1s", 1.0),
        (Duration, "250ms", 0.25),
        (Duration, "5 min", 300.0),
        (Duration, " 2h ", 7200.0),
        (Duration, "30d", 2_592_000.0),
        (Duration, "10µs", 1e-5),
        (Duration, "10us", 1e-5),
        (Duration, "1e3s", 1000.0),
        (Duration, ".5s", 0.5),
        (Duration, "1.s", 1.0),
        (Duration, "+1s", 1.0),
        (Duration, "0s", 0.0),
        (Rate, "25.6kHz", 25600.0),
        (Rate, "1Hz", 1.0),
        (Rate, "5mHz", 0.005),
        (Rate, "1MHz", 1e6),
        (Size, "512MB", 512e6),
        (Size, "1MiB", 2.0**20),
        (Size, "10 B", 10.0),
        (Size, "1TB", 1e12),
        (LongDuration, "90s", 90.0),
    ],
)
def test_a_number_with_its_unit_is_kept_in_the_base_unit(kind, text, value):
    result = kind.parse(text)
    assert result == pytest.approx(value, rel=1e-12)
    assert type(result) is kind


@pytest.mark.parametrize(
    ("kind", "written", "message"),
    [
        (Duration, 5, "'5' has no unit; did you mean '5s'?"),
        (Duration, 0.5, "'0.5' has no unit; did you mean '0.5s'?"),
        (Duration, "5", "'5' has no unit; did you mean '5s'?"),
        (Rate, "100", "'100' has no unit; did you mean '100Hz'?"),
        (Size, 512, "'512' has no unit; did you mean '512MB'?"),
        (Size, "1tb", "unknown unit 'tb' in '1tb'; did you mean '1TB'?"),
        (LongDuration, 3, "'3' has no unit; did you mean '3d'?"),
        (Duration, "5S", "unknown unit 'S' in '5S'; did you mean '5s'?"),
        (Rate, "5khz", "unknown unit 'khz' in '5khz'; did you mean '5kHz'?"),
        (Duration, "5parsec", "unknown unit 'parsec' in '5parsec'; known units: s, ms, us, µs, min, h, d"),
        (Duration, "-5s", "'-5s' is negative"),
        (Duration, "1e999s", "'1e999s' is too large"),
        (Duration, "soon", "'soon' is not a duration; write it like '1s'"),
        (Size, "", "'' is not a size; write it like '512MB'"),
        (Duration, "1h30min", "unknown unit 'h30min' in '1h30min'"),
        (Duration, "1s\nx", "'1s\nx' is not a duration"),
        (Duration, True, "expected a duration such as '1s'"),
        (Rate, None, "expected a rate such as '25.6kHz'"),
        (Size, ["1MB"], "expected a size such as '512MB'"),
        (Duration, {}, "expected a duration"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence_with_a_cure(kind, written, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        kind.parse(written)


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(max_size=12) | st.from_regex(r"[-+]?\d*\.?\d*(e\d+)? ?[A-Za-z]{0,3}", fullmatch=True))
def test_any_text_is_read_or_refused_with_a_sentence_and_the_schema_agrees(kind, text):
    in_schema = re.search(kind.schema()["pattern"], text, re.ASCII)
    try:
        value = kind.parse(text)
    except ValueError as error:
        said = str(error)
        value = None
    if value is None:
        assert said
        assert not in_schema or said.endswith("too large")
    else:
        assert 0 <= value < float("inf")


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_shows_an_example_that_is_right_and_names_all_units(kind):
    schema = kind.schema()
    assert schema["type"] == "string"
    for example in schema["examples"]:
        assert re.search(schema["pattern"], example)
        assert kind.parse(example) > 0
    for unit in kind.units:
        assert unit in schema["description"]
        assert re.search(schema["pattern"], f"1{unit}")
    assert not re.search(schema["pattern"], "1")


@pytest.mark.parametrize(
    ("written", "most", "relative"), [("0.5%", 0.005, True), (" 2 % ", 0.02, True), (0.1, 0.1, False), (5, 5.0, False)]
)
def test_a_resolution_is_a_share_or_a_number_in_the_unit_of_the_point(written, most, relative):
    resolution = Resolution.parse(written)
    assert resolution == Resolution(most, relative)
    assert Resolution.parse(float(resolution.written) if not relative else resolution.written) == resolution


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("0.5", "a resolution in the unit of the point stands without quotes; did you mean 0.5, or '0.5%'?"),
        ("0.1 °C", "a resolution does not name the unit, it is that of the point; did you mean 0.1, or '0.1%'?"),
        ("0,5%", "'0,5%' is not a resolution; did you mean '0.5%'?"),
        ("fine", "'fine' is not a resolution; write '0.5%', or a number in the unit of the point"),
        (0, "a resolution must be above 0, not 0; leave the key out to send exact values"),
        (-1, "a resolution must be above 0, not -1; leave the key out to send exact values"),
        ("0%", "a resolution must be above 0, not 0%; leave the key out to send exact values"),
        ("50%", "a relative resolution lies between 0.0001% and 10%, not at 50%"),
        (float("inf"), "a resolution must be above 0, not inf; leave the key out to send exact values"),
        (True, "expected a resolution such as '0.5%', or a number in the unit of the point such as 0.1"),
        (None, "expected a resolution such as '0.5%', or a number in the unit of the point such as 0.1"),
    ],
)
def test_what_is_no_resolution_is_told_with_what_was_meant(written, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Resolution.parse(written)
