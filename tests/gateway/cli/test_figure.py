"""A figure: well-formed SVG, every mark in its place, and a long curve keeps its extremes."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from gateway.cli._figure import WIDTH, Mark, Panel, figure, ticks

SVG = "{http://www.w3.org/2000/svg}"


def drawn(panel: Panel) -> ET.Element:
    return ET.fromstring(figure("a < b & c", [panel]))


def points(root: ET.Element) -> list[tuple[float, float]]:
    line = root.find(f"{SVG}polyline")
    assert line is not None
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.attrib["points"].split())]


def test_the_title_is_escaped_and_the_axis_named() -> None:
    root = drawn(Panel(title="acceleration, m/s²", start=0, end=1, ys=[0.0, 1.0], axis="time, s"))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "a < b & c" in texts
    assert {"acceleration, m/s²", "time, s"} <= set(texts)


def test_a_mark_stands_where_it_belongs_and_one_outside_is_left_out() -> None:
    marks = [Mark(25.0, "1x", "outer"), Mark(75.0, "3x", "outer"), Mark(101.0, "4x", "outer")]
    root = drawn(Panel(title="t", start=0, end=100, ys=[0.0] * 101, axis="Hz", marks=marks))
    texts = {text.text: float(text.attrib["x"]) for text in root.iter(f"{SVG}text")}
    assert "4x" not in texts
    assert texts["3x"] - texts["1x"] > (WIDTH - 100) / 2 * 0.9


def test_a_long_curve_keeps_its_extremes() -> None:
    ys = [math.sin(i) for i in range(200_000)]
    ys[123_456] = 9.0
    got = points(drawn(Panel(title="t", start=0, end=1, ys=ys, axis="s", spread=True)))
    assert len(got) <= 2 * WIDTH
    top = min(got, key=lambda point: point[1])
    assert abs(top[0] - (78 + 123_456 / 200_000 * (WIDTH - 96))) < 2


def test_nothing_finite_draws_axes_only() -> None:
    root = drawn(Panel(title="t", start=0, end=0, ys=[math.nan, math.inf], axis="s"))
    assert root.find(f"{SVG}polyline") is None


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 12))
def test_ticks_are_round_rising_and_within(low: float, width: float, about: int) -> None:
    got = ticks(low, low + width, about)
    assert got == sorted(got)
    assert len(got) <= 2 * about + 2
    assert all(low - width * 1e-6 <= tick <= low + width * (1 + 1e-6) for tick in got)
