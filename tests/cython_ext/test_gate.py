"""What is worth reporting, case by case and against the reference over long random histories."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.gate import Gate

GOOD, UNCERTAIN, BAD = 192, 64, 0


def gate(deadband=0.0, heartbeat_s=0.0, always=0, rows=1):
    return Gate(array("d", [deadband]) * rows, array("d", [heartbeat_s]) * rows, bytearray([always]) * rows)


def select(gate, now_s, values, quality=None, reason=None, rows=None):
    n = len(values)
    out = array("i", [-1]) * n
    quality = bytes([GOOD] * n) if quality is None else bytes(quality)
    reason = bytes(n) if reason is None else bytes(reason)
    count = gate.select(now_s, array("d", values), quality, reason, None if rows is None else array("i", rows), out)
    assert list(out[count:]) == [-1] * (n - count)
    return list(out[:count])


def test_the_first_time_is_reported_even_when_bad():
    assert select(gate(deadband=1e9, rows=3), 0, [1.0, math.nan, 0.0], [GOOD, BAD, GOOD], [0, 1, 0]) == [0, 1, 2]


def test_deadband_counts_from_the_value_reported_last():
    g = gate(deadband=0.5)
    assert [bool(select(g, t, [v])) for t, v in enumerate([10, 10.3, 10.5, 10.6, 10.2, 10.0])] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]


def test_without_deadband_any_difference_counts():
    g = gate()
    assert [bool(select(g, 0, [v])) for v in (1.0, 1.0, math.nextafter(1.0, 2), 1.0)] == [True, False, True, True]


@pytest.mark.parametrize("deadband", [0.0, 5.0, math.inf])
def test_nan_equals_nan_and_differs_from_numbers(deadband):
    g = gate(deadband=deadband)
    assert [bool(select(g, 0, [v])) for v in (math.nan, math.nan, 1.0, 1.0, math.nan)] == [True, False, True, False, True]


def test_infinities_are_values():
    g = gate(deadband=1.0)
    assert [bool(select(g, 0, [v])) for v in (math.inf, math.inf, -math.inf, 0.0)] == [True, False, True, True]


def test_quality_and_reason_count():
    g = gate(deadband=100.0)
    steps = [(GOOD, 0), (BAD, 2), (BAD, 2), (BAD, 3), (UNCERTAIN, 3), (GOOD, 0)]
    assert [bool(select(g, 0, [1.0], [q], [r])) for q, r in steps] == [True, True, False, True, True, True]


def test_a_bad_value_does_not_move():
    g = gate()
    assert [bool(select(g, 0, [v], [BAD], [2])) for v in (1.0, 2.0, math.nan)] == [True, False, False]


def test_an_uncertain_value_does():
    g = gate()
    assert [bool(select(g, 0, [v], [UNCERTAIN], [14])) for v in (1.0, 1.0, 2.0)] == [True, False, True]


def test_heartbeat_counts_from_the_last_report():
    g = gate(deadband=1.0, heartbeat_s=10.0)
    history = [(0, 0.0), (9.9, 0.0), (10, 0.0), (15, 5.0), (20, 5.0), (24.9, 5.0), (25, 5.0)]
    assert [bool(select(g, t, [v])) for t, v in history] == [True, False, True, True, False, False, True]


def test_heartbeat_repeats_bad_points():
    g = gate(heartbeat_s=10.0)
    assert [bool(select(g, t, [math.nan], [BAD], [1])) for t in (0, 5, 10, 15)] == [True, False, True, False]


@pytest.mark.parametrize("heartbeat_s", [0.0, -1.0, math.inf, math.nan])
def test_no_heartbeat(heartbeat_s):
    g = gate(heartbeat_s=heartbeat_s)
    assert [bool(select(g, t, [1.0])) for t in (0, 1e12)] == [True, False]


def test_always():
    g = gate(always=1, deadband=100.0)
    assert [bool(select(g, t, [1.0])) for t in range(3)] == [True] * 3


def test_force_reports_once_more():
    g = gate(rows=2)
    select(g, 0, [1.0, 2.0])
    g.force(1)
    assert select(g, 1, [1.0, 2.0]) == [1]
    assert select(g, 2, [1.0, 2.0]) == []


def test_touch_stands_for_a_report():
    g = gate(deadband=1.0, heartbeat_s=10.0)
    g.touch(0, 5.0, GOOD, 0, 100.0)
    assert select(g, 105.0, [5.5]) == []
    assert select(g, 110.0, [5.5]) == [0]


def test_partial_scans_remember_by_row():
    g = gate(rows=4)
    assert select(g, 0, [1.0, 2.0], rows=[3, 1]) == [0, 1]
    assert select(g, 1, [0.0, 2.0, 0.0, 1.0]) == [0, 2]
    assert select(g, 2, [1.0, 9.0], rows=[3, 0]) == [1]


def test_a_row_twice_in_a_scan_is_two_readings():
    g = gate()
    assert select(g, 0, [1.0, 1.0, 2.0], rows=[0, 0, 0]) == [0, 2]


class TestRefuses:
    def test_a_row_outside_the_table_and_remembers_nothing(self):
        g = gate(rows=2)
        for rows in ([0, 2], [0, -1]):
            with pytest.raises(IndexError, match="column 1: row"):
                select(g, 0, [1.0, 1.0], rows=rows)
        assert select(g, 0, [1.0, 1.0]) == [0, 1]

    def test_more_columns_than_rows(self):
        with pytest.raises(IndexError, match="the table has 1 rows"):
            select(gate(), 0, [1.0, 2.0])

    def test_lengths_that_differ(self):
        g, values, two = gate(rows=2), array("d", [1.0, 2.0]), bytes(2)
        out = array("i", [0, 0])
        for arguments in (
            (values, two[:1], two, None, out),
            (values, two, two[:1], None, out),
            (values, two, two, array("i", [0]), out),
        ):
            with pytest.raises(ValueError, match="column"):
                g.select(0.0, *arguments)
        with pytest.raises(ValueError, match="out has room for 1"):
            g.select(0.0, values, two, two, None, array("i", [0]))

    def test_a_table_that_does_not_fit_together(self):
        with pytest.raises(ValueError, match="one each per row"):
            Gate(array("d", [0.0]), array("d"), bytearray(1))

    @pytest.mark.parametrize("deadband", [-0.1, math.nan])
    def test_a_deadband_below_zero(self, deadband):
        with pytest.raises(ValueError, match="row 0: deadband"):
            gate(deadband=deadband)

    @pytest.mark.parametrize("row", [-1, 2])
    def test_force_and_touch_outside_the_table(self, row):
        g = gate(rows=2)
        with pytest.raises(IndexError, match="not in the table of 2 rows"):
            g.force(row)
        with pytest.raises(IndexError, match="not in the table of 2 rows"):
            g.touch(row, 0.0, GOOD, 0, 0.0)


def test_an_empty_scan_of_an_empty_table():
    assert select(gate(rows=0), 0, []) == []
    assert select(gate(rows=2), 0, [], rows=[]) == []


ROWS = 4
value = st.sampled_from([0.0, -0.0, 0.5, 1.0, 1.5, 3.0, math.nan, math.inf, -math.inf]) | st.floats(-2, 2)
column = st.tuples(value, st.sampled_from([GOOD, GOOD, GOOD, UNCERTAIN, BAD]), st.sampled_from([0, 0, 2]))
scan = st.tuples(
    st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    st.lists(st.tuples(st.integers(0, ROWS - 1), column), max_size=6)
    | st.lists(column, min_size=ROWS, max_size=ROWS).map(lambda full: list(enumerate(full))),
    st.sampled_from(["select"] * 6 + ["force", "touch"]),
)
rule = st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 1.0, 2.5]), st.sampled_from([0, 0, 0, 1]))


@settings(max_examples=200)
@given(st.lists(rule, min_size=ROWS, max_size=ROWS), st.lists(scan, max_size=25))
def test_equals_the_reference_over_any_history(rules, history):
    deadbands, heartbeats, always = zip(*rules, strict=True)
    gates = [kind(array("d", deadbands), array("d", heartbeats), bytearray(always)) for kind in (Gate, reference.Gate)]
    now_s = 0.0
    for step_s, columns, action in history:
        now_s += step_s
        rows = [row for row, _ in columns]
        if action == "select":
            values, quality, reason = ([c[part] for _, c in columns] for part in range(3))
            complete = None if rows == list(range(ROWS)) else rows
            selected = [select(g, now_s, values, quality, reason, complete) for g in gates]
            assert selected[0] == selected[1]
        elif rows:
            for g in gates:
                if action == "force":
                    g.force(rows[0])
                else:
                    g.touch(rows[0], *columns[0][1], now_s)
