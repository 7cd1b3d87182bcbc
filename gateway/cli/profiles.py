"""`gateway profiles`: the devices that are known as data: list them, search them, show one."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.config.catalogue import Known

SUMMARY = "list, search and show the devices that are known as data, ready for 'profile:' in a machine"

_NARROW = 72
"""A table needs that many columns; on fewer, as on a phone, each profile has lines of its own."""

TESTED = {
    "untested": "not tested yet",
    "image": "against a register image made from the source, not against a device",
    "device": "read from a device, and compared with what it shows",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    # on both levels, so that it may stand before and after the verb; only the one that is given counts
    common = argparse.ArgumentParser(add_help=False)
    for one in (parser, common):
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object instead of text")
        one.add_argument(
            "--beside",
            metavar="DIR",
            default=argparse.SUPPRESS,
            help="folder of a site file, whose own profiles/ come first (default: this folder)",
        )
    verbs = parser.add_subparsers(dest="verb", metavar="search | show")
    search = verbs.add_parser("search", parents=[common], help="those that have all words: maker, type, point, unit")
    search.add_argument("words", metavar="WORD", nargs="+", help="upper and lower case, blanks and dashes make no difference")
    show = verbs.add_parser("show", parents=[common], help="points, addresses, units, source and how far it was tested")
    show.add_argument("name", metavar="VENDOR/MODEL")


def run(args: argparse.Namespace) -> int:
    """Print a table, or one profile.

    0: done, 1: nothing was found, or a profile is broken, 2: there is no such profile or folder.
    """
    from gateway.config.catalogue import catalogue

    folder = Path(getattr(args, "beside", "."))
    if not folder.is_dir():
        print(f"gateway profiles: {folder} is no folder", file=sys.stderr)
        return 2
    known = catalogue(folder)
    as_json = getattr(args, "json", False)
    if args.verb == "show":
        return _show(known, args.name, as_json)
    words = args.words if args.verb == "search" else []
    chosen = [one for one in known if all(_squeezed(word) in _squeezed(one.words) for word in words)]
    if as_json:
        print(json.dumps({"profiles": [_plain(one, points=False) for one in chosen]}, ensure_ascii=False))
    elif chosen:
        print("\n".join(_table(chosen, shutil.get_terminal_size().columns)))
    if words and not chosen:
        print(f"gateway profiles: {_nothing(words, known)}", file=sys.stderr)
    broken = [one for one in chosen if not one.good]
    for one in broken:
        print(f"gateway profiles: {one.problems[0].head}", file=sys.stderr)
    return 1 if broken or (words and not chosen) else 0


def _show(known: Sequence[Known], name: str, as_json: bool) -> int:
    from gateway.config.problem import render
    from gateway.config.words import meant, quoted

    one = next((one for one in known if one.name == name), None)
    if one is None:
        guess = meant(name, [one.name for one in known])
        print(f"gateway profiles: there is no profile {quoted(name)}{guess}", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps(_plain(one, points=True), ensure_ascii=False))
    elif one.spec is not None:
        print("\n".join(_page(one, shutil.get_terminal_size().columns)))
    if one.problems:
        print(render(one.problems, one.sources), file=sys.stderr)
    return 0 if one.good else 1


def _squeezed(text: str) -> str:
    """Return letters and digits only, in small letters: 'UMG 96-RM' and 'umg96rm' are the same."""
    return re.sub(r"[\W_]+", "", text.casefold())


def _nothing(words: Sequence[str], known: Iterable[Known]) -> str:
    from gateway.config.words import nearest

    everything = [one.words for one in known]
    missing = [word for word in words if not any(_squeezed(word) in _squeezed(text) for text in everything)]
    if not missing:
        return f"no profile has all of {', '.join(repr(word) for word in words)}; search for fewer words"
    vocabulary = sorted({word for text in everything for word in re.findall(r"[^\W\d_][\w-]{2,}", text)})
    near = nearest(missing[0].casefold(), vocabulary)
    guess = f", did you mean '{near}'?" if near else "; 'gateway profiles' lists all, docs/profiles.md says how to write one"
    return f"no profile has {missing[0]!r}{guess}"


def _table(known: Sequence[Known], width: int) -> list[str]:
    if width < _NARROW:
        return [line for one in known for line in (one.name, *_told(one, width))]
    names = max(len(one.name) for one in known)
    room = max(width - names - len("  ") - len("  points  tested  "), 12)
    lines = [f"{'profile':<{names}}  {'device':<{room}}  points  tested"]
    for one in known:
        what = one.spec.name if one.spec else "broken"
        short = what if len(what) <= room else f"{what[: room - 1]}…"
        tested = one.spec.verified if one.spec else "no"
        lines.append(f"{one.name:<{names}}  {short:<{room}}  {len(one.points):>6}  {tested}")
    return lines


def _told(one: Known, width: int) -> list[str]:
    what = one.spec.name if one.spec else "broken"
    tested = f"    {len(one.points)} points, tested: {one.spec.verified if one.spec else 'no'}"
    return [*textwrap.wrap(what, width, initial_indent="    ", subsequent_indent="    "), tested]


def _page(one: Known, width: int) -> list[str]:
    spec = one.spec
    assert spec is not None
    lines = [f"{spec.name}", f"  profile: {one.name}", ""]
    facts = [("made by", spec.vendor), ("types", spec.model), ("tested", TESTED[spec.verified]), ("source", spec.source)]
    facts += [("compared", text) for text in spec.sources]
    facts += [("note", text) for text in spec.notes]
    facts += [("needs", f"{key}: {one.options.get(key, '')}, because {quirk.why}") for key, quirk in spec.quirks.items()]
    for label, text in facts:
        if text:
            lines += textwrap.wrap(text, width, initial_indent=f"  {label:<9} ", subsequent_indent=" " * 12, break_on_hyphens=False)
    rows = [("point", "by the manual", "wire", "type", "unit")]
    rows += [(name, *_place(point), _type(point), _unit(point)) for name, point in one.points.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines.append("")
    below = sum(widths[:4]) + 8 if width >= _NARROW else 4
    for row in rows:
        line = "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()
        lines += textwrap.wrap(line, width, subsequent_indent=" " * below, break_on_hyphens=False, break_long_words=False)
    return lines


def _place(point: Any) -> tuple[str, str]:
    """Return the number the manual prints and the address on the wire, of a Modbus point; otherwise where it is, once."""
    at = getattr(point, "at", None)
    if at is None:
        return str(getattr(point, "node", None) or getattr(point, "path", "")), ""
    bit = "" if point.bit_number is None else f".{point.bit_number}"
    return f"{at.table} {at.manual}{bit}", f"{at.wire}{bit}"


def _type(point: Any) -> str:
    kind = str(getattr(point, "kind", ""))
    return f"{kind} x {point.scale:g}" if point.scale != 1 else kind


def _unit(point: Any) -> str:
    if named := point.states or getattr(point, "bits", None):
        return ("" if point.states else "bit ") + ", ".join(f"{raw}: {name}" for raw, name in named.items())
    return "no dimension" if point.unit == "1" else point.unit


def _plain(one: Known, *, points: bool) -> dict[str, Any]:
    spec = one.spec
    told: dict[str, Any] = {"profile": one.name, "good": one.good}
    if spec is not None:
        told |= {"name": spec.name, "vendor": spec.vendor, "model": spec.model, "driver": spec.driver, "verified": spec.verified}
        told |= {"source": spec.source, "sources": spec.sources, "notes": spec.notes}
        told["quirks"] = {key: {"value": one.options.get(key), "why": quirk.why} for key, quirk in spec.quirks.items()}
    if not points:
        return told | {"points": len(one.points)}
    told["problems"] = [problem.head for problem in one.problems]
    rows = []
    for name, point in one.points.items():
        manual, wire = _place(point)
        row = {"point": name, "at": manual, "wire": wire, "type": str(getattr(point, "kind", "")), "unit": point.unit}
        rows.append(row | {"scale": point.scale, "offset": point.offset, "states": point.states})
    return told | {"points": rows}
