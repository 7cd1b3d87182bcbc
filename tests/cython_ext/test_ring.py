"""The ring: any order of pieces and windows gives what the reference gives, without loss that is not counted."""

from __future__ import annotations

import math
import tracemalloc
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cython_ext import reference
from cython_ext.ring import Ring

steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(0, 23)),
        st.tuples(st.just("advance"), st.integers(0, 15)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=40,
)


class TestRing:
    @given(st.integers(1, 12), steps)
    def test_any_steps_equal_the_reference(self, capacity, steps):
        ours, theirs = Ring(capacity), reference.Ring(capacity)
        count = 0
        for step, n in steps:
            if step == "push":
                samples = array("f", range(count, count + n))
                count += n
                ours.push(samples)
                theirs.push(samples)
            elif step == "advance":
                ours.advance(n)
                theirs.advance(n)
            else:
                ours.clear()
                theirs.clear()
            assert (ours.available, ours.skip, ours.position, ours.overflow) == (
                *(theirs.available, theirs.skip, theirs.position, theirs.overflow),
            )
            assert ours.window(ours.available) == theirs.window(theirs.available)

    def test_windows_that_overlap(self):
        ring, got = Ring(8), []
        for start in range(0, 30, 3):
            ring.push(array("f", range(start, start + 3)))
            while ring.available >= 4:
                got.append(list(ring.window(4)))
                ring.advance(2)
        assert got == [list(range(start, start + 4)) for start in range(0, 27, 2)]
        assert ring.overflow == 0

    def test_windows_with_samples_between_them(self):
        ring, got = Ring(4), []
        for sample in range(40):
            ring.push(array("f", [sample]))
            if ring.available == 4:
                got.append((ring.position, list(ring.window(4))))
                ring.advance(10)
        assert got == [(start, list(range(start, start + 4))) for start in (0, 10, 20, 30)]

    def test_what_does_not_fit_pushes_the_oldest_out_and_is_counted(self):
        ring = Ring(5)
        ring.push(array("f", range(4)))
        ring.push(array("f", range(4, 8)))
        assert (list(ring.window(5)), ring.overflow, ring.position) == ([3, 4, 5, 6, 7], 3, 3)
        ring.push(array("f", range(8, 28)))
        assert (list(ring.window(5)), ring.overflow, ring.position) == ([23, 24, 25, 26, 27], 23, 23)

    @pytest.mark.parametrize(
        ("kind", "extremes"), [("h", (-(2**15), 2**15 - 1)), ("i", (-(2**31), 2**31 - 1)), ("f", (-1.5, 3e38))]
    )
    def test_scales_every_type_exactly_to_float32(self, kind, extremes):
        samples = array(kind, [*extremes, 0, 1, -1, 77])
        for scale, offset in ((1.0, 0.0), (0.1, 0.0), (9.80665 / 2**15, -2.5)):
            ring = Ring(6)
            ring.push(samples, scale, offset)
            assert list(ring.window(6)) == [np.float32(v * scale + offset) for v in samples]

    def test_scale_across_the_end_of_the_ring(self):
        ring = Ring(5)
        ring.push(array("h", [1, 2, 3]), 2.0)
        ring.advance(3)
        ring.push(array("h", [4, 5, 6, 7]), 2.0, 1.0)
        assert list(ring.window(4)) == [9, 11, 13, 15]

    def test_what_is_no_number_passes(self):
        ring = Ring(3)
        ring.push(array("f", [math.nan, math.inf, 1.0]))
        assert math.isnan(ring.window(3)[0])

    def test_takes_numpy_slices_and_memory_as_well(self):
        ring = Ring(8)
        ring.push(np.arange(4, dtype=np.int32))
        ring.push(memoryview(array("h", range(4, 8)))[1:])
        assert list(ring.window(7)) == [0, 1, 2, 3, 5, 6, 7]

    @pytest.mark.parametrize("wrong", [array("d", [1.0]), b"ab", array("H", [1]), np.array([1], ">i2"), np.array([1], "i8")])
    def test_refuses_other_types(self, wrong):
        with pytest.raises(ValueError, match="it must be int16"):
            Ring(3).push(wrong)

    def test_refuses_what_is_not_in_one_piece(self):
        with pytest.raises((ValueError, BufferError)):
            Ring(9).push(np.arange(8, dtype="f")[::2])

    def test_writes_to_the_buffer_it_was_given(self):
        ring, out = Ring(4), array("f", bytes(8))
        ring.push(array("f", [1, 2, 3]))
        assert ring.window(2, out) is out
        assert list(out) == [1, 2]
        with pytest.raises(ValueError, match="out has 2 numbers; the window has 3"):
            ring.window(3, out)

    def test_words_for_what_cannot_be(self):
        ring = Ring(4)
        for length in (1, -1):
            with pytest.raises(ValueError, match="but there are 0"):
                ring.window(length)
        with pytest.raises(ValueError, match="must be 0 or more"):
            ring.advance(-1)
        for capacity in (0, -1, 2**28 + 1):
            with pytest.raises(ValueError, match="it must hold 1 to"):
                Ring(capacity)

    def test_allocates_nothing_once_it_runs(self):
        ring, piece, out = Ring(64), array("h", range(32)), array("f", bytes(4 * 64))

        def cycle() -> None:
            ring.push(piece, 0.5)
            ring.push(piece, 0.5)
            ring.window(64, out)
            ring.advance(64)

        for _ in range(100):
            cycle()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(1000):
                cycle()
            assert tracemalloc.get_traced_memory()[0] - before < 1000
        finally:
            tracemalloc.stop()
