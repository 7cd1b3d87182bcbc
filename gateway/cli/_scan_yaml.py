"""What was found, as a site file that can be used at once; it passes `gateway check`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from drivers.modbus.scan import Found

_NAME_LENGTH = 24
_COMMENT_LENGTH = 72


class Place(Struct, frozen=True, kw_only=True):
    """Where units were found: a URL without options, and the options of the line.

    `shared`: several units may hang on it, so it becomes a connection of its own.
    """

    url: str
    options: tuple[tuple[str, str], ...] = ()
    shared: bool = False


class Item(Struct, frozen=True, kw_only=True):
    """One machine of the site file; `unit` is None for a machine without Modbus units (OPC UA), `found` then too."""

    place: Place
    name: str
    unit: int | None = None
    profile: str = ""
    comment: str = ""
    point: str = ""
    value: int | None = None


def items_of(place: Place, found: Sequence[Found], profiles: Sequence[str]) -> list[Item]:
    """Return the machines for the units found at one place; their names still may be the same."""
    items = []
    for unit, profile in zip(found, profiles, strict=True):
        identity = unit.identity
        stem = slug(identity.model or identity.product_name or identity.product or identity.vendor) or "unit"
        items.append(
            Item(
                place=place,
                name=f"{stem}-{unit.unit}",
                unit=unit.unit,
                profile=profile,
                comment=identity.words or f"says no name; {unit.proof}",
                point=unit.at or "",
                value=unit.value,
            )
        )
    return items


def slug(text: str) -> str:
    """Return a text as part of a machine name: small letters, digits and '-'."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_NAME_LENGTH].strip("-")


def site_yaml(items: Sequence[Item]) -> str:
    """Return the site file, "" when there is nothing to put into it."""
    if not items:
        return ""
    lines = [
        "# Found by gateway scan. Give site, gateway and machines names of your own.",
        "# Then: gateway check FILE finds every mistake, gateway run FILE runs it.",
        "site: my-shop",
        "gateway: gateway-1",
    ]
    shared = list(dict.fromkeys(item.place for item in items if item.place.shared))
    buses = {place: f"line-{i}" for i, place in enumerate(shared, 1)}
    if buses:
        lines += ["connections:", *(f"  {name}: {{url: {json.dumps(_url(place))}}}" for place, name in buses.items())]
    # a machine without a unit is an OPC UA server: how it is to be trusted is for its owner to say, so it is only proposed
    lines.append("machines:" if any(item.unit is not None for item in items) else "machines: []")
    names: set[str] = set()
    for item in items:
        machine = _machine(item, _unique(item.name, names), buses.get(item.place))
        lines += machine if item.unit is not None else [f"  # {line[2:]}" if line[2:3] != "#" else line for line in machine]
    return "\n".join(lines) + "\n"


def _machine(item: Item, name: str, bus: str | None) -> list[str]:
    comment = " ".join("".join(c if c.isprintable() else " " for c in item.comment).split())
    comment = comment if len(comment) <= _COMMENT_LENGTH else f"{comment[:_COMMENT_LENGTH]}…"
    lines = [f"  # {comment}"] if comment else []
    lines.append(f"  - name: {name}")
    lines.append(f"    connect: {bus or json.dumps(_url(item.place), ensure_ascii=False)}")
    if item.unit is None:
        lines += ["    security: Aes256Sha256RsaPss   # see drivers/opcua/README.md"]
    else:
        lines.append(f"    unit: {item.unit}")
    if item.profile:
        lines.append(f"    profile: {item.profile}")
    elif item.point:
        lines += [
            f"    points:   # from the manual; this one only shows that it can be read: {item.value}",
            f"      first: {{at: {item.point}}}",
        ]
    elif item.unit is not None:
        lines += [
            "    # points: from the manual, such as",
            "    #   oil_temp: {at: holding 40017, type: int16, scale: 0.1, unit: °C}",
        ]
    return lines


def _url(place: Place) -> str:
    return place.url + ("?" + "&".join(f"{key}={quote(value)}" for key, value in place.options) if place.options else "")


def _unique(name: str, names: set[str]) -> str:
    """Return the name, with a number behind it where it is taken."""
    chosen, i = name, 1
    while chosen in names:
        i += 1
        chosen = f"{name}-{i}"
    names.add(chosen)
    return chosen


def stable_port(path: str, by_id: Path = Path("/dev/serial/by-id")) -> str:
    """Return the name of a serial port that stays when ports are swapped, the given one where there is none."""
    real = Path(path).resolve()
    return next((str(link) for link in sorted(by_id.glob("*")) if link.resolve() == real), path)
