"""The options of a driver: parameters in a URL, keys beside it, defaults from a profile; told apart and put together."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable
from collections.abc import Mapping as Dictionary
from typing import Any, cast

from msgspec import Struct

from gateway.config.build import build, report_unknown
from gateway.config.found import HOW_TO_KEEP_SECRETS, Found
from gateway.config.node import Entry, Mapping, Node, Scalar
from gateway.config.problem import looks_secret
from gateway.config.url import Url
from gateway.config.values import loose
from gateway.config.words import meant, nearest, quoted

Entries = dict[Hashable, Entry]


def accept(
    entries: Entries,
    allowed: Iterable[str],
    found: Found,
    *,
    elsewhere: Dictionary[str, str] | None = None,
    beside: Iterable[str] = (),
    driver: str = "",
) -> tuple[Entries, bool]:
    """Return the entries that are allowed, and whether that was all; the others are reported.

    Args:
        entries: what was written.
        allowed: the options that may stand here.
        found: takes the problems.
        elsewhere: options that exist but belong to another place: what to say about each.
        beside: keys that are known here although they are no options, for suggestions.
        driver: name of the driver when the entries are parameters of a URL.
    """
    known = list(allowed)
    good: Entries = {}
    for key, entry in entries.items():
        if key in known:
            good[key] = entry
        elif elsewhere and key in elsewhere:
            found.error(entry.key, f"'{key}' {elsewhere[cast('str', key)]}")
        elif driver:
            found.error(entry.key, f"{driver} has no option {quoted(key)}{meant(key, known, what='its options')}")
        else:
            report_unknown(entry, [*beside, *known], found)
    return good, len(good) == len(entries)


def together(url: Url, beside: Entries, found: Found) -> tuple[Entries, bool]:
    """Return the options from a URL and from the keys beside it; one that stands in both must have the same value."""
    good = True
    for key, entry in beside.items():
        param = url.params.get(key)
        if param is None:
            continue
        value, other = entry.value, cast("Scalar", param.value)
        if isinstance(value, Scalar) and (value.text == other.text or value.value == loose(other)):
            continue
        here = f" ({other.text} there, {value.text} here)" if isinstance(value, Scalar) else ""
        found.error(value, f"'{key}' also stands in the URL, with another value{here}; keep one")
        good = False
    return {**url.params, **beside}, good


def options(struct: type[Struct], allowed: Container[object], entries: Entries, place: Node, cure: str, found: Found) -> Any:
    """Return a driver's option struct made of those entries that are its own, or BAD; what is missing is reported at `place`."""
    own = {key: entry for key, entry in entries.items() if key in allowed}
    node = Mapping(place.file, place.line, place.column, own)
    node.cure = cure
    return build(struct, node, found)


def hopeless(entries: Entries, known: Iterable[str], found: Found) -> None:
    """Report what looks like a slip of the pen where the driver is not known: any other key may be an option of it."""
    for key, entry in entries.items():
        secret = looks_secret(key) and isinstance(entry.value, Scalar)
        if secret:
            found.error(entry.key, f"'{key}': {HOW_TO_KEEP_SECRETS}")
        elif nearest(key, known):
            report_unknown(entry, known, found)
