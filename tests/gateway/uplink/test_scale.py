"""No number is further off than its resolution allows, whatever it is; what is exact stays exact."""

import math
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.config.quantity import Resolution
from gateway.uplink.scale import WHOLE, coded, decimals, rounded, scale_of

finite = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=True)
numbers = finite | st.integers(-(2**63), 2**64 - 1) | st.floats(-1e4, 1e4) | st.floats(0, 5e-320)
relative = st.floats(1e-6, 0.1).map(lambda most: Resolution(most, True)) | st.sampled_from(["0.5%", "2%", "10%"]).map(
    Resolution.parse
)
absolute = st.floats(5e-324, 1e300).map(lambda most: Resolution(most, False)) | st.sampled_from(
    [0.1, 0.25, 1 / 3, 5, 20.0, 1e-7]
).map(Resolution.parse)


def off(number, sent):
    """How far it is off, exactly."""
    return abs(Fraction(number) - Fraction(sent))


def allowed(number, resolution):
    return Fraction(resolution.most) * (abs(Fraction(number)) if resolution.relative else 1)


def decoded(column, scale):
    """Read a column as a receiver does."""
    code = coded(column, scale)
    signs = code.signs or [1] * len(column)
    return [
        code.exact[i] if i in code.exact else scale.number(k) * sign for i, (k, sign) in enumerate(zip(code.k, signs, strict=True))
    ]


@settings(max_examples=300, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=8), relative | absolute)
@example([0.0, -0.0, 0, 5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 2**64 - 1], Resolution(0.005, True))
@example([1.6e-322], Resolution(0.02, True))
@example([0.05, 0.15, 0.25, -0.35, 21.25, 1e16, 4503599627370497.5], Resolution(0.1, False))
def test_every_number_is_within_the_resolution(column, resolution):
    scale = scale_of(resolution)
    assert scale.error == resolution.most
    for number, sent in zip(column, decoded(column, scale), strict=True):
        assert off(number, sent) <= allowed(number, resolution) * (1 + Fraction(1, 2**50))
        if number:
            assert not resolution.relative or math.copysign(1, sent) == math.copysign(1, number)
    for number in column:
        assert off(number, rounded(number, resolution)) <= allowed(number, resolution) * (1 + Fraction(1, 2**50))
        assert type(rounded(number, resolution)) is type(number)


def test_nearly_every_number_fits_on_a_relative_scale():
    """Else the scale would be right and useless."""
    column = [sign * 10.0**exponent * (1 + i / 97) for exponent in range(-300, 308, 19) for i in range(20) for sign in (1, -1)]
    for text in ("0.5%", "0.01%", "10%"):
        assert coded(column, scale_of(Resolution.parse(text))).exact == {}


@pytest.mark.parametrize(("text", "number", "sent"), [("0.5%", 1.23456789, 1.23), ("0.5%", 9.87654, 9.9), ("2%", 1234.5, 1230.0)])
def test_text_gets_as_few_digits_as_the_resolution_allows(text, number, sent):
    assert rounded(number, Resolution.parse(text)) == sent
    assert rounded(-number, Resolution.parse(text)) == -sent


def test_an_absolute_resolution_gives_its_own_multiples():
    scale = scale_of(Resolution(0.1, False))
    assert decoded([0.30000001, 20.96, -7.04], scale) == [0.3, 21.0, -7.0]
    assert [rounded(number, Resolution(0.1, False)) for number in (0.30000001, 20.96, 12)] == [0.3, 21.0, 12]
    assert decoded([1237], scale_of(Resolution(5, False))) == [1235.0]


def test_a_relative_resolution_gives_numbers_that_are_short_to_look_at():
    for number in decoded([math.pi * 10.0**exponent for exponent in range(-6, 7)], scale_of(Resolution(0.005, True))):
        assert len(f"{number:.4e}") <= 11
        assert float(f"{number:.4e}") == number


def test_a_finer_resolution_needs_more_steps():
    column = [1 + i / 50 for i in range(50)]
    spans = [max(k) - min(k) for k in (coded(column, scale_of(Resolution.parse(text))).k for text in ("2%", "0.5%", "0.1%"))]
    assert spans == sorted(spans)
    assert spans[1] == pytest.approx(math.log(1.98) / math.log(1.005**2), abs=2)


shifted = st.builds(lambda k, digits: round(k / 10**digits, digits), st.integers(-(10**9), 10**9), st.integers(0, 6))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | shifted.filter(lambda number: number == 0 or abs(number) >= 1e-4)))
def test_decimals_are_found_and_stay_exact(column):
    scale = decimals(column)
    assert scale is not None
    assert [repr(number) for number in decoded(column, scale)] == [repr(number) for number in column]


@settings(max_examples=200, deadline=None)
@given(st.lists(finite, min_size=1, max_size=5))
def test_floats_are_decimals_only_when_they_are_exactly(column):
    scale = decimals(column)
    if scale is not None:
        assert [repr(number) for number in decoded(column, scale)] == [repr(number) for number in column]


@given(st.lists(st.none() | st.integers(-(2**63), 2**64 - 1)))
def test_whole_numbers_stay_exact(column):
    assert decoded(column, WHOLE) == column
