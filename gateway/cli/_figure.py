"""A figure of curves one above the other, as SVG: no library, and it opens in every browser."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from msgspec import Struct

WIDTH = 960
_LEFT, _RIGHT, _TOP, _HEIGHT, _BELOW = 78, 18, 40, 190, 62
_INK, _GRID, _CURVE = "#1f2933", "#d5dbe1", "#1f6fb2"
_COLOURS = ("#c2410c", "#15803d", "#7e22ce", "#a16207", "#0e7490")


class Mark(Struct, frozen=True):
    """A place on the horizontal axis worth looking at; marks of one group share a colour."""

    at: float
    label: str
    group: str = ""


class Panel(Struct, frozen=True, kw_only=True):
    """One curve: `ys` at even steps from `start` to `end`.

    Attributes:
        title: what it shows, with the unit of the vertical axis.
        start: where the horizontal axis begins.
        end: where it ends.
        ys: the values; with more of them than the figure has columns, a column shows the span of its values.
        axis: name and unit of the horizontal axis.
        marks: what is marked; those outside are left out.
        spread: the curve has two signs (a waveform), so the axis has zero in its middle; else it begins at zero.
    """

    title: str
    start: float
    end: float
    ys: Sequence[float]
    axis: str
    marks: Sequence[Mark] = ()
    spread: bool = False


def figure(title: str, panels: Sequence[Panel]) -> str:
    """Return the SVG document."""
    height = _TOP + len(panels) * (_HEIGHT + _BELOW)
    look = f'font-family="sans-serif" font-size="13" fill="{_INK}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {look}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, _TOP + number * (_HEIGHT + _BELOW))
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: int) -> Iterator[str]:
    left, right, bottom = _LEFT, WIDTH - _RIGHT, top + _HEIGHT
    finite = [value for value in panel.ys if math.isfinite(value)]
    most = max(map(abs, finite), default=0.0) or 1.0
    low, high = (-most, most) if panel.spread else (0.0, most)
    if not panel.spread and panel.marks:
        high *= 1.18  # room for the labels
    span = panel.end - panel.start or 1.0

    def across(x: float) -> float:
        return left + (x - panel.start) / span * (right - left)

    def up(y: float) -> float:
        return bottom - (min(max(y, low), high) - low) / (high - low) * (_HEIGHT - 22)

    yield f'<text x="{left}" y="{top + 14}" font-weight="bold">{escape(panel.title)}</text>'
    for y in ticks(low, high, 4):
        yield f'<path d="M{left} {up(y):.1f}H{right}" stroke="{_GRID}"/>'
        yield f'<text x="{left - 7}" y="{up(y) + 4:.1f}" text-anchor="end">{y:.4g}</text>'
    for x in ticks(panel.start, panel.end, 8):
        yield f'<path d="M{across(x):.1f} {bottom}v5" stroke="{_INK}"/>'
        yield f'<text x="{across(x):.1f}" y="{bottom + 19}" text-anchor="middle">{x:.5g}</text>'
    yield f'<text x="{(left + right) / 2}" y="{bottom + 37}" text-anchor="middle">{escape(panel.axis)}</text>'
    groups = list(dict.fromkeys(mark.group for mark in panel.marks))
    row = 0
    for mark in sorted(panel.marks, key=lambda mark: mark.at):
        if not panel.start <= mark.at <= panel.end:
            continue
        colour = _COLOURS[groups.index(mark.group) % len(_COLOURS)]
        x = across(mark.at)
        anchor = "end" if x > right - 60 else "start"
        yield f'<path d="M{x:.1f} {top + 22}V{bottom}" stroke="{colour}" stroke-dasharray="4 3"/>'
        yield (
            f'<text x="{x + (-4 if anchor == "end" else 4):.1f}" y="{top + 32 + 13 * (row % 3)}" font-size="11" '
            f'fill="{colour}" text-anchor="{anchor}">{escape(mark.label)}</text>'
        )
        row += 1
    points = " ".join(f"{left + column * (right - left):.1f},{up(y):.1f}" for column, y in _columns(panel.ys, right - left))
    if points:
        yield f'<polyline points="{points}" fill="none" stroke="{_CURVE}" stroke-width="1.1"/>'
    yield f'<path d="M{left} {top + 22}V{bottom}H{right}" fill="none" stroke="{_INK}"/>'


def _columns(ys: Sequence[float], columns: int) -> Iterator[tuple[float, float]]:
    """Yield place from 0 to 1 and value: every one, or of too many the lowest and the highest of each column."""
    last = len(ys) - 1
    if last < 2 * columns:
        yield from ((i / max(last, 1), y) for i, y in enumerate(ys) if math.isfinite(y))
        return
    for column in range(columns):
        piece = ys[column * len(ys) // columns : (column + 1) * len(ys) // columns]
        finite = [y for y in piece if math.isfinite(y)]
        if finite:
            low, high = min(finite), max(finite)
            yield column / columns, low
            if high > low:
                yield column / columns, high


def ticks(low: float, high: float, about: int) -> list[float]:
    """Return about so many round numbers from `low` to `high`."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    raw = (high - low) / about
    size = 10.0 ** math.floor(math.log10(raw))
    step = size * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * size >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]
