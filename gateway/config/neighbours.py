"""Machines on one line: a serial port has one set of options, a device may accept one connection, a unit is one device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from gateway.config.build import fields_of
from gateway.config.found import Found
from gateway.config.spec import Link

if TYPE_CHECKING:
    from gateway.config.outcome import Outcome


def check_neighbours(outcomes: Iterable[Outcome], found: Found) -> None:
    """Report machines that are on one line and do not get along there; those with mistakes of their own are left out."""
    lines: dict[tuple[str, str], list[tuple[Link, Outcome]]] = {}
    for outcome in outcomes:
        if outcome.link is not None and outcome.medium:
            lines.setdefault((outcome.medium, outcome.link.address), []).append((outcome.link, outcome))
    for (medium, address), members in lines.items():
        _options(medium, address, members, found)
        _units(address, [outcome for _, outcome in members], found)


def _options(medium: str, address: str, members: list[tuple[Link, Outcome]], found: Found) -> None:
    """Report every machine that asks for a connection of its own to the same place."""
    link, first = members[0]
    told = [link]
    for other, outcome in members[1:]:
        if other in told:
            continue
        told.append(other)
        mine, theirs = _differences(link, other)
        both = f"{mine} by '{first.name}' (line {first.place.line}) and {theirs} by '{outcome.name}'"
        cure = "define the line under 'connections:' and write its name in both machines"
        if medium == "serial":
            found.error(outcome.place, f"{address} is used with {both}: one line has one set of options; {cure}")
        else:
            words = (
                f"two connections to {address}, with {both}; many devices accept only one: give both the same options, or {cure}"
            )
            found.warning(outcome.place, words)


def _differences(one: Link, two: Link) -> tuple[str, str]:
    """Return how two links to the same place differ, as each would write it."""
    if one.scheme != two.scheme or type(one.options) is not type(two.options):
        return one.scheme, two.scheme
    mine, theirs = [], []
    options: type[Struct] = type(one.options)
    for key, field in fields_of(options).items():
        here, there = getattr(one.options, field.name), getattr(two.options, field.name)
        if here != there:
            mine.append(_written(key, here))
            theirs.append(_written(key, there))
    return ", ".join(mine), ", ".join(theirs)


def _written(key: str, value: object) -> str:
    if value is None:
        return f"no {key}"
    if isinstance(value, bool):
        return f"{key}={'true' if value else 'false'}"
    return f"{key}={getattr(value, 'written', value)}"


def _units(address: str, members: list[Outcome], found: Found) -> None:
    """Warn of a unit that two machines read; two machines in one controller are possible, a slip of the pen is likelier."""
    seen: dict[object, Outcome] = {}
    for outcome in members:
        number = getattr(outcome.unit, "unit", None)
        if number is None:
            continue
        first = seen.setdefault(number, outcome)
        if first.name != outcome.name:  # two of one name are told elsewhere
            words = f"unit {number} of {address} is also read by '{first.name}' (line {first.place.line})"
            cure = "give this machine the unit of its own device, or, if both are one device, put the points into one machine"
            found.warning(outcome.place, f"{words}; {cure}")
