"""Which packaged profile fits a unit that said who it is."""

from __future__ import annotations

import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from drivers.modbus.identify import Identity
from gateway.config.data import data_folder

_TEXTS = ("vendor", "product", "revision", "server_id")


def profile_for(identity: Identity) -> str:
    """Return the profile whose `identify:` fits best, as `vendor/model`; "" when none does."""
    rated = [(score(patterns, identity), name) for name, patterns in _packaged().items()]
    best = max(rated, default=(0, ""))
    return best[1] if best[0] else ""


def score(patterns: Any, identity: Identity) -> int:
    """Return how specifically the patterns fit (0: not at all); all that are given must fit.

    Patterns are compared without regard to case, with * and ?; a list holds alternatives. `sunspec: true` asks for the
    SunSpec mark.
    """
    if isinstance(patterns, list):
        return max((score(item, identity) for item in patterns), default=0)
    if not isinstance(patterns, dict):
        return 0
    total = 0
    for key, pattern in patterns.items():
        if key == "sunspec":
            if bool(pattern) != (identity.sunspec is not None):
                return 0
            total += 1
        elif key in _TEXTS:
            alternatives = pattern if isinstance(pattern, list) else [pattern]
            fitting = [len(str(one).strip("*")) for one in alternatives if _fits(str(one), _said(identity, key))]
            if not fitting:
                return 0
            total += 10 + max(fitting)
    return total


def _said(identity: Identity, key: str) -> list[str]:
    said = [str(getattr(identity, key))]
    if key == "product":
        said += [identity.product_name, identity.model]
    return [text for text in said if text]


def _fits(pattern: str, said: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(text.lower(), pattern.lower()) for text in said)


@cache
def _packaged() -> dict[str, Any]:
    """Return the `identify:` of every packaged profile that has one."""
    try:
        folder = data_folder() / "profiles"
    except FileNotFoundError:
        return {}
    return {f"{path.parent.name}/{path.stem}": found for path in sorted(folder.glob("*/*.yaml")) if (found := _identify(path))}


def _identify(path: Path) -> Any:
    try:
        document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    except (OSError, yaml.YAMLError):
        return None
    return document.get("identify") if isinstance(document, dict) else None
