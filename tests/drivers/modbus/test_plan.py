import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.cost import Cost
from drivers.modbus.plan import Limits, Span, block, halves, plan, spans
from drivers.modbus.request import MAX_COUNT, REGISTER_FUNCTIONS
from tests.drivers.modbus.tables import link, point


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


costs = st.builds(Cost, request_ns=st.integers(0, 60_000_000), byte_ns=st.integers(1, 2_000_000), framing=st.just(13))
limits = st.builds(Limits, max_registers=st.integers(8, 125), max_gap=st.none() | st.integers(0, 125), cost=costs)
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
            assert limits.max_gap is None or span.start - reached <= limits.gap(b.request.function)
            reached = max(reached, span.end)
        for function, at in cuts:
            assert function != b.request.function or not (first < at and any(span.start >= at for span in b.spans))


def time_of(blocks, limits):
    """Time of a plan in eighths of a nanosecond, a bit being an eighth of a byte."""
    return sum(w[0] + w[1] * b.request.count for b in blocks for w in [limits.cost.weights(b.request.function)])


def with_gap(wanted, limits, gap):
    """The plan that reads every gap of up to so many registers along and no larger one, filled from the left."""
    groups = []
    for span in sorted(wanted, key=lambda span: (span.function, span.start, span.end)):
        group = groups[-1] if groups else []
        end = max((s.end for s in group), default=0)
        near = group and span.function == group[0].function and span.start - end <= gap * (1 if span.function in (3, 4) else 16)
        if near and max(end, span.end) - group[0].start <= limits.count(span.function):
            group.append(span)
        else:
            groups.append([span])
    return [block(1, group) for group in groups]


@given(wanted(), limits)
def test_no_plan_with_a_fixed_gap_is_faster(wanted, limits):
    ours = time_of(plan(1, wanted, limits), limits)
    largest = 125 if limits.max_gap is None else limits.max_gap
    for gap in {0, 1, 12, 32, 100, largest}:
        if gap <= largest:
            assert ours <= time_of(with_gap(wanted, limits, gap), limits)
    assert ours <= sum(limits.cost.weights(s.function)[0] + limits.cost.weights(s.function)[1] * (s.end - s.start) for s in wanted)


def partitions(items):
    """Every way to put items into groups."""
    if not items:
        yield []
        return
    for rest in partitions(items[1:]):
        yield [[items[0]], *rest]
        for i, group in enumerate(rest):
            yield [*rest[:i], [items[0], *group], *rest[i + 1 :]]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 8)), min_size=1, max_size=6),
    st.integers(8, 20),
    st.integers(0, 40),
    st.sampled_from((3, 4)),
)
def test_of_all_ways_to_group_the_points_none_is_faster(places, longest, worth, function):
    limits = Limits(longest, None, Cost(2 * worth, 1, 13))
    wanted = [Span(row, function, at, at + width) for row, (at, width) in enumerate(places)]
    best = min(
        time_of(blocks, limits)
        for groups in partitions(wanted)
        for blocks in [[block(1, sorted(group, key=lambda span: span.start)) for group in groups]]
        if all(b.request.count <= longest for b in blocks)
    )
    assert time_of(plan(1, wanted, limits), limits) == best


def test_of_two_gaps_the_smaller_one_is_read_where_only_one_fits():
    wanted = [Span(0, 1, 0, 1), Span(1, 1, 65, 66), Span(2, 1, 128, 129)]
    assert requests(plan(1, wanted, Limits(max_registers=8))) == [(1, 0, 1), (1, 65, 64)]


def test_a_gap_is_read_along_as_long_as_it_costs_no_more_than_a_request():
    cost = Cost.of(link("modbus-rtu", "/dev/ttyS0", baud=9600))
    worth = cost.gap(3)
    assert len(plan(1, registers(0, worth + 1), Limits(cost=cost))) == 1
    assert len(plan(1, registers(0, worth + 2), Limits(cost=cost))) == 2
    assert len(plan(1, registers(0, worth + 2), Limits())) == 1, "on TCP the same gap is cheaper"


def test_many_points_are_planned_at_once():
    coils = [Span(row, 1, row, row + 1) for row in range(65536)]
    assert len(plan(1, coils, Limits())) == 33


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
