"""The table of zone boundaries that comes with the program, `configs/iso-zones.yaml`, as one row per group of machines."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta, Struct, field

from gateway.config.base import Spec
from gateway.config.data import data_folder
from gateway.config.zones import Boundaries, IsoGroup

FILE = "iso-zones.yaml"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Limit = Annotated[float, Meta(gt=0)]


class _Group(Spec, frozen=True, kw_only=True):
    group: Annotated[str, Meta(min_length=1)]
    velocity_mm_s: tuple[_Limit, _Limit, _Limit]
    verified: bool
    sources: list[str] = field(default_factory=list)
    displacement_um: tuple[_Limit, _Limit, _Limit] | None = None
    displacement_verified: bool = False


class _Standard(Spec, frozen=True, kw_only=True):
    standard: Annotated[str, Meta(pattern=r"^ISO \d+-\d+:\d{4}$")]
    lowest_rpm: _Limit
    highest_rpm: _Limit
    groups: dict[IsoGroup, _Group]


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sources: dict[str, str]
    standards: list[_Standard]


@functools.cache
def boundaries() -> dict[str, Boundaries]:
    """Return the rows by the name that stands after `iso:`.

    Raises:
        FileNotFoundError: the installation is not complete.
        ValueError: the table is not sound: a shape, an order, a source that is not named, or a mark without its sources.
    """
    text = (data_folder() / FILE).read_text(encoding="utf-8")
    return read(text)


def read(text: str) -> dict[str, Boundaries]:
    """Return the rows of a table, see `boundaries`.

    Raises:
        ValueError: it is not sound.
    """
    try:
        table = msgspec.convert(yaml.load(text, Loader=_Loader), _Table)  # noqa: S506  (a safe loader)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ValueError(f"{FILE}: {error}") from error
    rows: dict[str, Boundaries] = {}
    for standard in table.standards:
        for name, group in standard.groups.items():
            where = f"{FILE}: {name}"
            for limits in filter(None, (group.velocity_mm_s, group.displacement_um)):
                if not limits[0] < limits[1] < limits[2]:
                    raise ValueError(f"{where}: boundaries rise from A/B to C/D, these do not: {limits}")
            if unknown := [source for source in group.sources if source not in table.sources]:
                raise ValueError(f"{where}: no source is called {unknown[0]!r}")
            if group.verified and len(set(group.sources)) < 2:
                raise ValueError(f"{where}: verified needs two sources, it names {len(group.sources)}")
            if name in rows:
                raise ValueError(f"{where}: stands twice")
            rows[name] = Boundaries(
                name,
                standard.standard,
                group.group,
                group.velocity_mm_s,
                group.displacement_um,
                group.verified,
                group.displacement_verified,
                tuple(table.sources[source] for source in group.sources),
                standard.lowest_rpm,
                standard.highest_rpm,
            )
    return rows
