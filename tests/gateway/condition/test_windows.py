"""Windows: however the waveform is cut into Blocks, the windows are the same."""

from __future__ import annotations

import tracemalloc
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.condition.windows import Windower, later
from gateway.model import Block

RATE_HZ = 100.0


def blocks(total: int, cuts: list[int], gaps: set[int] = frozenset()) -> list[Block]:  # type: ignore[assignment]
    start = ManualClock().stamp()
    result, position = [], 0
    for cut in [*cuts, total]:
        if cut > position:
            samples = array("f", [float(n) for n in range(position, min(cut, total))])
            result.append(Block("m", "vibration", later(start, position / RATE_HZ), RATE_HZ, samples, "g", position in gaps))
            position = min(cut, total)
    return result


def windows(length: int, hop: int, given_blocks: list[Block]) -> list[tuple[int, list[float]]]:
    windower = Windower(length, hop, RATE_HZ)
    start_ns = ManualClock().stamp().wall_ns
    return [
        (round((window.start.wall_ns - start_ns) / 1e9 * RATE_HZ), list(window.samples))
        for block in given_blocks
        for window in windower.push(block)
    ]


@given(
    st.integers(1, 40),
    st.integers(1, 90),
    st.integers(0, 300),
    st.lists(st.integers(0, 300), max_size=30).map(sorted),
)
def test_windows_do_not_depend_on_how_the_waveform_is_cut(length: int, hop: int, total: int, cuts: list[int]) -> None:
    expected = [(k, [float(n) for n in range(k, k + length)]) for k in range(0, total - length + 1, hop)]
    assert windows(length, hop, blocks(total, cuts)) == expected


def test_a_window_never_spans_a_gap() -> None:
    got = windows(10, 10, blocks(40, [15], gaps={15}))
    assert [first for first, _ in got] == [0, 15, 25]


def test_a_gap_while_samples_are_passed_over_starts_a_window_at_once() -> None:
    got = windows(5, 30, blocks(40, [10, 12], gaps={12}))
    assert [first for first, _ in got] == [0, 12]


@pytest.mark.parametrize("hop_s", [4, 8, 60])
def test_a_window_of_8_s_at_25_6_khz_is_cut_with_one_copy_of_its_samples_and_nothing_else(hop_s: int) -> None:
    rate, axes = 25600.0, 3
    length, hop = 8 * 25600, hop_s * 25600
    start = ManualClock().stamp()
    pieces = [array("f", bytes(4 * 2560)) for _ in range(round((length + hop) / 2560))]
    windowers = [Windower(length, hop, rate) for _ in range(axes)]
    cut = 0
    tracemalloc.start()
    try:
        for number, samples in enumerate(pieces):
            for windower in windowers:
                block = Block("m", "vibration", later(start, number * 0.1), rate, samples, "g")
                cut += sum(1 for _ in windower.push(block))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cut == 2 * axes
    held = axes * 4 * length * (2 if hop < length else 1)  # of two that overlap, one is handed over while the next one is begun
    assert peak < held + 100_000, "a second copy would be another 800 kB"


def test_the_samples_of_a_block_are_not_kept_and_a_window_is_not_changed_any_more() -> None:
    windower = Windower(4, 2, RATE_HZ)
    samples = array("f", [1, 2, 3, 4])
    (window,) = windower.push(Block("m", "vibration", ManualClock().stamp(), RATE_HZ, samples, "g"))
    samples[2] = 99.0
    following = list(windower.push(Block("m", "vibration", ManualClock().stamp(), RATE_HZ, array("f", [5, 6]), "g")))
    assert list(window.samples) == [1, 2, 3, 4]
    assert [list(each.samples) for each in following] == [[3, 4, 5, 6]]
