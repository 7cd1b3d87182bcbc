from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.plan import Limits, Span, halves, plan, spans
from drivers.modbus.request import MAX_COUNT, REGISTER_FUNCTIONS
from tests.drivers.modbus.tables import point


def registers(*wires):
    return [Span(row, 3, wire, wire + 1) for row, wire in enumerate(wires)]


def requests(blocks):
    return [(b.request.function, b.request.address, b.request.count) for b in blocks]


@st.composite
def wanted(draw):
    result = []
    for row in range(draw(st.integers(0, 60))):
        function = draw(st.sampled_from((1, 2, 3, 4)))
        width = draw(st.sampled_from((1, 1, 2, 4, 8))) if function in REGISTER_FUNCTIONS else 1
        start = draw(st.one_of(st.integers(0, 300), st.integers(0, 65536 - width)))
        result.append(Span(row, function, start, start + width))
    return result


limits = st.builds(Limits, max_registers=st.integers(8, 125), max_gap=st.integers(0, 125))
cuts = st.sets(st.tuples(st.sampled_from((1, 2, 3, 4)), st.integers(0, 300)), max_size=8)


@given(wanted(), limits, cuts)
def test_every_point_is_read_exactly_once_within_the_limits(wanted, limits, cuts):
    blocks = plan(7, wanted, limits, cuts)
    assert sorted(row for b in blocks for row in b.rows) == sorted(span.row for span in wanted)
    for b in blocks:
        first, end = b.request.address, b.request.address + b.request.count
        assert b.request.unit == 7
        assert 1 <= b.request.count <= min(limits.count(b.request.function), MAX_COUNT[b.request.function])
        assert end <= 65536
        assert all(span.function == b.request.function and first <= span.start < span.end <= end for span in b.spans)
        assert first == min(span.start for span in b.spans)
        assert end == max(span.end for span in b.spans)
        reached = first
        for span in b.spans:
            assert span.start - reached <= limits.gap(b.request.function)
            reached = max(reached, span.end)
        for function, at in cuts:
            assert function != b.request.function or not (first < at and any(span.start >= at for span in b.spans))


@given(wanted(), limits)
def test_neighbours_within_the_gap_share_a_request(wanted, limits):
    blocks = plan(1, wanted, limits)
    for left, right in pairwise(blocks):
        if left.request.function != right.request.function:
            continue
        gap = right.request.address - (left.request.address + left.request.count)
        first = right.spans[0]
        together = max(left.request.address + left.request.count, first.end) - left.request.address
        assert gap > limits.gap(left.request.function) or together > limits.count(left.request.function)


@given(wanted())
def test_halves_read_the_same_points_and_never_cut_one(wanted):
    for whole in plan(1, wanted, Limits()):
        pieces = halves(whole)
        if pieces is None:
            starts, ends = [s.start for s in whole.spans], [s.end for s in whole.spans]
            # one value, or values that all hang together by shared registers
            assert all(max(ends[:i]) > starts[i] for i in range(1, len(starts)))
            continue
        left, right = pieces
        assert left.spans + right.spans == whole.spans
        assert left.request.address + left.request.count <= right.request.address


def test_a_contiguous_thousand_is_eight_requests():
    assert requests(plan(1, registers(*range(1000)), Limits()))[::7] == [(3, 0, 125), (3, 875, 125)]
    assert len(plan(1, registers(*range(1000)), Limits())) == 8


@pytest.mark.parametrize(("gap", "count"), [(9, 1), (8, 2)])
def test_the_gap_limit_is_exact(gap, count):
    assert len(plan(1, registers(0, 10), Limits(max_gap=gap))) == count


def test_a_wide_value_is_not_split_at_the_limit():
    wide = [Span(0, 3, 0, 124), Span(1, 3, 124, 126)]
    assert requests(plan(1, wide, Limits())) == [(3, 0, 124), (3, 124, 2)]


def test_bits_are_limited_by_bits():
    coils = [Span(row, 1, row, row + 1) for row in range(2500)]
    assert requests(plan(1, coils, Limits())) == [(1, 0, 2000), (1, 2000, 500)]


def test_where_points_stand():
    points = [point("holding 40017", type="float32"), point("coil 3"), point("input 30001", type="string", length=8)]
    assert spans(points) == [Span(0, 3, 16, 18), Span(1, 1, 2, 3), Span(2, 4, 0, 8)]


def test_a_block_is_halved_at_its_widest_gap():
    (whole,) = plan(1, registers(0, 1, 2, 20, 21), Limits())
    left, right = halves(whole)
    assert (left.rows, right.rows) == ((0, 1, 2), (3, 4))
