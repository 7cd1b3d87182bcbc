"""`share.yaml`: what may leave the shop. A rule that can never release anything is a mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from gateway.config.build import build
from gateway.config.found import BAD, Found
from gateway.config.load import load
from gateway.config.node import Mapping, Node, Scalar, Sequence
from gateway.config.outcome import Outcome
from gateway.config.spec import Contract, ShareFile, ShareRule
from gateway.config.words import meant, quoted

_PATTERN = re.compile(r"[A-Za-z0-9_.*?-]+")
_SITE = {"site", "gateway", "machines", "connections", "uplink", "uplinks", "metrics"}


def share_path(site: Path) -> Path:
    """Return the contract that belongs to a site file: `share.yaml` beside it, `share.example.yaml` beside `site.example.yaml`."""
    parts = site.name.split(".", 1)[-1].split(".")
    middle = f".{'.'.join(parts[:-1])}" if len(parts) > 1 else ""
    return site.with_name(f"share{middle}.yaml")


def site_of(share: Path) -> Path:
    """Return the site file that a contract belongs to."""
    return share.with_name(share.name.replace("share", "site", 1) if "share" in share.name else "site.yaml")


def is_contract(root: Mapping) -> bool:
    """Say whether a file was meant as a contract, whatever its name."""
    return "shares" in root.entries and not _SITE & root.entries.keys()


def fits(pattern: str, name: str) -> bool:
    """Say whether a pattern with `*` (any characters) and `?` (one character) covers a name."""
    parts = ("[^\\n]*" if char == "*" else "[^\\n]" if char == "?" else re.escape(char) for char in pattern)
    return re.fullmatch("".join(parts), name) is not None


def read_contract(
    site: Path, shown: Path, machines: list[Outcome], recipients: Iterable[str], found: Found, own: str = ""
) -> Contract | None:
    """Return the contract, empty when there is no file; None when something is wrong with it.

    `own` is the name of the gateway, which stands for a machine where it tells of its own troubles.
    """
    path, name = share_path(site), str(share_path(shown))
    if not path.exists():
        if path.is_symlink():
            words = "this link leads to a file that does not exist, so nothing leaves; mend or remove it"
            found.warning(Node(name, 0, 0), words)
        other = path.with_suffix(".yml")
        if other.exists():
            found.warning(Node(str(other.relative_to(site.parent)), 0, 0), f"this file is not read; rename it to {path.name}")
        return Contract()
    loaded = load(path, name)
    found.sources[name] = loaded.source
    found.problems += loaded.problems
    if loaded.root is None:
        return None if loaded.problems else Contract()
    if isinstance(loaded.root, Mapping) and "shares" not in loaded.root.entries and _SITE & loaded.root.entries.keys():
        found.error(
            loaded.root, "this is a site file; here stands what may leave, e.g. shares: [{to: …, machines: […], points: […]}]"
        )
        return None
    share = build(ShareFile, loaded.root, found)
    if not isinstance(loaded.root, Mapping):
        return None
    entry = loaded.root.entries.get("shares")
    before = len(found.problems)
    checker = _Rules(machines, list(recipients), found, own)
    for node in entry.value.items if entry and isinstance(entry.value, Sequence) else ():
        rule = build(ShareRule, node, Found())
        if rule is not BAD:
            checker.check(rule, cast("Mapping", node))
    errors = any(problem.level == "error" for problem in found.problems[before:])
    return None if share is BAD or errors or loaded.problems else Contract(tuple(share.shares))


class _Rules:
    def __init__(self, machines: list[Outcome], recipients: list[str], found: Found, own: str) -> None:
        self._own = own
        self._machines = machines
        self._recipients = recipients
        self._found = found

    def check(self, rule: ShareRule, node: Mapping) -> None:
        if rule.to not in self._recipients:
            to = node.entries["to"].value
            if self._recipients:
                self._found.error(to, f"there is no recipient {quoted(rule.to)}{meant(rule.to, self._recipients)}")
            else:
                key = "uplink:" if rule.to == "cooperative" else f"uplinks: {{{rule.to}: …}}"
                self._found.error(to, f"there is no recipient {quoted(rule.to)}; add {key} to the site file")
        names = [outcome.name for outcome in self._machines]
        chosen = [outcome for outcome in self._machines if any(fits(pattern, outcome.name) for pattern in rule.machines)]
        self._patterns(node.entries["machines"].value, names, "machine", "")
        if chosen:
            points = [point for outcome in chosen for point in (*outcome.points, *outcome.features)]
            self._patterns(node.entries["points"].value, list(dict.fromkeys(points)), "point", f" in {_these(chosen)}")

    def _patterns(self, node: Node, names: list[str], what: str, where: str) -> None:
        for item in cast("Sequence", node).items:
            pattern = cast("Scalar", item).text
            if not _PATTERN.fullmatch(pattern):
                self._found.error(
                    item, f"{quoted(pattern)} is not a name or a pattern; use letters, digits, '-', '_', '.', and * or ?"
                )
            elif any(fits(pattern, name) for name in names) or (what == "machine" and pattern == self._own):
                continue
            elif "*" in pattern or "?" in pattern:
                self._found.warning(item, f"no {what}{where} fits {quoted(pattern)}; this releases nothing")
            else:
                self._found.error(item, f"there is no {what} {quoted(pattern)}{where}{meant(pattern, names)}")


def _these(chosen: list[Outcome]) -> str:
    names = [f"'{name}'" for name in dict.fromkeys(outcome.name for outcome in chosen)]
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
