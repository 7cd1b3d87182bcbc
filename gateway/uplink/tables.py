"""Version 2: records become tables, whose numbers stand on scales; `rows` reads them."""

from __future__ import annotations

from itertools import accumulate, chain, pairwise
from typing import Any, TypeVar

from msgspec import NODEFAULT, Struct

from gateway.config.quantity import Resolution
from gateway.model import Quality, Reason, Sequenced, TimeQuality
from gateway.uplink import words
from gateway.uplink.layout import VERSION, Layout, Places, Plane, Rhythm, Steps, Table
from gateway.uplink.scale import WHOLE, Coded, Scale, coded, decimals, scale_of
from gateway.uplink.series import events_and_losses
from gateway.uplink.wire import FORMAT, Base
from gateway.uplink.words import QUALITY, REASON, TIME, Column, Origin, Resolve

K = TypeVar("K")
S = TypeVar("S", bound=Struct)


class _Member(Struct):
    """A point in a table to be: where it comes from, its column, its scale, and its numbers on it where it has one."""

    origin: Origin
    column: Column
    scale: Scale
    code: Coded | None


def make(site: str, gateway: str, run: list[Sequenced], resolve: Resolve) -> Layout:
    """Return the message that holds a run of records of one log and epoch."""
    base = Base(run[0].seq, run[0].record.stamp.wall_ns // 1000)
    layout = Layout(FORMAT, VERSION, site, gateway, run[0].log.value, words.text(run[0].epoch), base)
    columns, others = words.columns(run, words.plain)
    groups: dict[Any, list[_Member]] = {}
    for origin, column in columns.items():
        machine, point, _, window = origin
        kind, scale, code = _on_scale(column.value, resolve(machine, point))
        key = (machine, window and window[0], kind, tuple(column.t))
        groups.setdefault(key, []).append(_Member(origin, column, scale, code))
    layout.tables = [_lean(_table(base, members)) for members in _gathered(groups)]
    layout.events, layout.losses = events_and_losses(base, others)
    return layout


def _lean(made: S) -> S:
    """Return a struct in which what equals its default is the default: only then it is left out."""
    for name, default in zip(made.__struct_fields__[-len(made.__struct_defaults__) :], made.__struct_defaults__, strict=True):
        if default is not NODEFAULT and getattr(made, name) == default:
            setattr(made, name, default)
    return made


def _gathered(groups: dict[Any, list[_Member]]) -> list[list[_Member]]:
    """Return the tables to be; points that share their times with no other share one all the same, with times of their own."""
    together: dict[Any, list[_Member]] = {}
    for (*rest, ts), members in groups.items():
        together.setdefault((*rest, ts if len(members) > 1 else None), []).extend(members)
    return list(together.values())


def _on_scale(values: list[Any], resolution: Resolution | None) -> tuple[str, Scale, Coded | None]:
    """Choose how a column is written: on a scale (and which), as floats, or value by value; columns of one kind share tables."""
    kinds = set(map(type, values)) - {type(None)}
    if kinds and kinds <= {int, float}:
        scale = None
        if resolution is not None:
            scale = scale_of(resolution)
        elif kinds == {int}:
            scale = WHOLE
        elif kinds == {float}:
            scale = decimals(values)
        if scale is not None:
            code = coded(values, scale)
            if 2 * len(code.exact) <= len(values):
                return scale.mode, scale, code
        if kinds == {float}:
            return "float", WHOLE, None
    return "any", WHOLE, None


def _table(base: Base, members: list[_Member]) -> Table:
    head = members[0]
    machine, _, _, window = head.origin
    columns = [member.column for member in members]
    shared = all(column.t == head.column.t for column in columns)
    bands = [words.band(member.origin[3][1]) if member.origin[3] else None for member in members]
    coarse = all(member.scale.error > 0 for member in members)
    ts = [_to_ms(t - base.t) if coarse else t - base.t for column in columns[: 1 if shared else None] for t in column.t]
    return Table(
        machine=words.text(machine),
        kind="reading" if window is None else "feature",
        points=[words.text(member.origin[1]) for member in members],
        unit=_one_or_all([words.text(member.origin[2]) for member in members]),
        window_s=words.finite(window[0]) or 0.0 if window else 0.0,
        band_hz=bands if any(band is not None for band in bands) else None,
        rows=None if shared else [len(column.t) for column in columns],
        quality=_places([code for column in columns for code in column.quality], QUALITY, Quality.GOOD),
        reason=_places([code for column in columns for code in column.reason], REASON, Reason.NONE),
        time=_places([code for column in columns for code in column.time], TIME, TimeQuality.SYNCED),
        seq=_numbering([[seq - base.seq for seq in column.seq] for column in columns]),
        t=_times(ts) if shared else _deltas(ts),
        value=_lean(_steps(members)) if head.code else [value for column in columns for value in column.value],
    )


def _numbering(seqs: list[list[int]]) -> Plane | list[int]:
    """Return the seq of all values, point after point."""
    head = seqs[0]
    row = head[1] - head[0] if len(head) > 1 else 0
    point = seqs[1][0] - head[0] if len(seqs) > 1 else 0
    if len(seqs) * len(head) > 2 and all(
        len(column) == len(head) and column == [head[0] + j * point + i * row for i in range(len(head))]
        for j, column in enumerate(seqs)
    ):
        return Plane(head[0], row, point)
    return _deltas(list(chain.from_iterable(seqs)))


def _times(ts: list[int]) -> Rhythm | list[int]:
    deltas = _deltas(ts)
    if len(ts) < 3:
        return deltas
    steps = {round((ts[-1] - ts[0]) / (len(ts) - 1)), sorted(deltas[1:])[(len(ts) - 1) // 2]}
    rhythms = [(step, [t - ts[0] - i * step for i, t in enumerate(ts)]) for step in sorted(steps)]
    step, off = min(rhythms, key=lambda rhythm: _bits(rhythm[1]))
    if not any(off):
        return Rhythm(ts[0], step)
    return Rhythm(ts[0], step, off) if _bits(off) < _bits(deltas) else deltas


def _bits(numbers: list[int]) -> int:
    return sum(map(int.bit_length, numbers))


def _to_ms(t_us: int) -> int:
    """Return a time to the ms: who gives away digits of the values does not need it closer."""
    return round(t_us / 1000) * 1000


def _deltas(numbers: list[int]) -> list[int]:
    return [numbers[0], *(b - a for a, b in pairwise(numbers))]


def _one_or_all(items: list[K]) -> K | list[K]:
    return items[0] if items.count(items[0]) == len(items) else items


def _places(codes: list[K], meaning: dict[K, str], default: K) -> str | Places:
    """Return the word of all, or the places of those whose word is not the default."""
    if codes.count(codes[0]) == len(codes):
        return meaning[codes[0]]
    places: Places = {}
    for i, code in enumerate(codes):
        if code is not default:
            places.setdefault(meaning[code], []).append(i)
    return places


def _steps(members: list[_Member]) -> Steps:
    """Return the numbers as steps from a middle, or from one to the next: whichever are smaller."""
    codes = [member.code for member in members if member.code is not None]
    scales = [member.scale for member in members]
    filled = [_filled(code) for code in codes]
    middles = [sorted(ks)[len(ks) // 2] for ks in filled]
    flat = [k - middle for ks, middle in zip(filled, middles, strict=True) for k in ks]
    running = [delta for ks in filled for delta in (0, *(b - a for a, b in pairwise(ks)))]
    runs = _bits(running) < _bits(flat)
    begins = list(accumulate(map(len, filled), initial=0))
    signs = [sign for code in codes for sign in code.signs]
    return Steps(
        mode=scales[0].mode,
        step=_one_or_all([scale.step for scale in scales]),
        digits=_one_or_all([scale.digits for scale in scales]),
        error=_one_or_all([scale.error for scale in scales]),
        running=runs,
        start=[ks[0] for ks in filled] if runs else middles,
        sign=1 if not signs else signs[0] if signs[0] and signs.count(signs[0]) == len(signs) else signs,
        exact=[(begin + i, value) for begin, code in zip(begins, codes, strict=False) for i, value in code.exact.items()],
        steps=running if runs else flat,
    )


def _filled(code: Coded) -> list[int]:
    """Return the whole numbers; where there is none, the one before, so that it costs nothing."""
    blank = {*code.exact, *(i for i, sign in enumerate(code.signs) if sign == 0)}
    if not blank:
        return code.k
    ks, last = [], next((k for i, k in enumerate(code.k) if i not in blank), 0)
    for i, k in enumerate(code.k):
        last = last if i in blank else k
        ks.append(last)
    return ks
