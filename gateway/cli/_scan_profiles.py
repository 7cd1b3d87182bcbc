"""Which packaged profile fits a unit that said who it is."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from drivers.modbus.address import TABLES, Address
from drivers.modbus.identify import SUNSPEC_PLACES, Identity, TypeRegister
from gateway.config.data import data_folder

_TEXTS = ("vendor", "product", "server_id")
_PATTERN_WEIGHT = 10


def profile_for(identity: Identity) -> str:
    """Return the profile whose `identify:` fits best, as `vendor/model`; "" when none does."""
    best = max(((score(patterns, identity), name) for name, patterns in packaged().items()), default=(0, ""))
    return best[1] if best[0] else ""


def score(patterns: Mapping[str, Any], identity: Identity) -> int:
    """Return how specifically the patterns of a profile fit, 0 when not; everything that is given must fit.

    `vendor`, `product` and `server_id` are compared without regard to case, with * and ?; `sunspec` is the number of a model;
    `register` and `values` are a type number.
    """
    total = 0
    for key in _TEXTS:
        if pattern := str(patterns.get(key) or ""):
            if not any(fnmatchcase(text.casefold(), pattern.casefold()) for text in _said(identity, key)):
                return 0
            total += _PATTERN_WEIGHT + len(pattern.strip("*"))
    if model := patterns.get("sunspec"):
        # the points of a profile stand at fixed addresses, so the map must begin where nearly all do
        if model not in identity.models or identity.sunspec != SUNSPEC_PLACES[0]:
            return 0
        total += 1
    if register := patterns.get("register"):
        if identity.types.get(str(register)) not in (patterns.get("values") or ()):
            return 0
        total += 1
    return total


def type_registers() -> list[TypeRegister]:
    """Return the registers in which packaged profiles look for a type number, each once."""
    found: dict[str, TypeRegister] = {}
    for patterns in packaged().values():
        if text := str(patterns.get("register") or ""):
            address = Address.parse(text)
            found[text] = (text, TABLES[address.table].function, address.wire)
    return list(found.values())


def _said(identity: Identity, key: str) -> list[str]:
    said = [str(getattr(identity, key))]
    if key == "product":
        said += [identity.product_name, identity.model]
    return [text.strip() for text in said if text.strip()]


@cache
def packaged() -> dict[str, dict[str, Any]]:
    """Return the `identify:` of every packaged profile that has one, by `vendor/model`."""
    try:
        folder = data_folder() / "profiles"
    except FileNotFoundError:
        return {}
    return {f"{path.parent.name}/{path.stem}": found for path in sorted(folder.glob("*/*.yaml")) if (found := _identify(path))}


def _identify(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    except (OSError, yaml.YAMLError):
        return {}
    found = document.get("identify") if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}
