"""What a configuration needs of the computer, files and a library: whether this one has it; the gateway may run on another."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import driver
from gateway.config.found import Found
from gateway.config.node import Mapping, Node
from gateway.config.spec import Link, Tls, Uplink
from gateway.driver import LocalFile

if TYPE_CHECKING:
    from gateway.config.outcome import Outcome

_FROM_OPERATOR = "get it from the operator of the broker and put it there"


def of_link(link: Link) -> Iterator[LocalFile]:
    """Yield the files a connection needs; nothing when its driver does not say."""
    plugin = driver.find(link.scheme)
    if plugin.files is not None:
        yield from plugin.files(link)


def of_tls(tls: Tls) -> Iterator[LocalFile]:
    """Yield the files an encrypted uplink needs."""
    if tls.ca:
        yield LocalFile("certificate authority", tls.ca, "ca", _FROM_OPERATOR)
    if tls.certificate:
        yield LocalFile("client certificate", tls.certificate, "certificate", _FROM_OPERATOR)


def trouble(file: LocalFile, base: Path) -> tuple[str, str]:
    """Return in words what is wrong with a file, and the cure; two empty texts when it is there and this user may read it."""
    path = base / file.path
    what = f"the {file.what} '{file.path}'"
    try:
        path.stat()
    except PermissionError:
        return f"{what} lies in a folder this user may not look into", f"see the permissions: namei -l '{path}'"
    except (OSError, ValueError):
        link = " (a link that leads nowhere)" if path.is_symlink() else ""
        return f"{what} does not exist{link}", f"{_meant(path)}{file.cure}"
    if path.is_dir():
        return f"{what} is a folder", "name the file in it"
    if not os.access(path, os.R_OK):
        return f"{what} may not be read by this user", f"let the user of the gateway read it: ls -l '{path}'"
    return "", ""


def _meant(path: Path) -> str:
    """Return a guess, in front of the cure: a file beside it of nearly this name, or the folder that is missing."""
    try:
        there = [item.name for item in path.parent.iterdir() if item.is_file()]
    except OSError:
        return f"the folder {path.parent} is missing, too; " if not path.parent.exists() else ""
    near = difflib.get_close_matches(path.name, there, 1, 0.75)
    return f"did you mean '{near[0]}'? Else " if near else ""


def check_files(outcomes: Iterable[Outcome], uplinks: dict[str, Uplink], root: Mapping, base: Path, found: Found) -> None:
    """Warn of files, and of a library, that are not there; once for each, where it is named first."""
    told: set[tuple[str, str]] = set()
    for outcome in outcomes:
        for file in outcome.files:
            _warn(file, outcome.place, base, told, found)
    for name, uplink in uplinks.items():
        node = _below(root, "uplinks", name) or _below(root, "uplink") or root
        tls = _below(node, "tls") if isinstance(node, Mapping) else None
        for file in of_tls(uplink.tls):
            _warn(file, (_below(tls, file.key) if isinstance(tls, Mapping) else None) or node, base, told, found)
        if uplink.compress and importlib.util.find_spec("zstandard") is None:
            words = f"'compress: {uplink.compress}' needs the package 'zstandard', which is not installed on this computer"
            found.warning(
                _below(node, "compress") or node,
                f"{words}, so messages would go out uncompressed; install it: pip install 'retrofit-gateway[zstd]'",
            )


def _warn(file: LocalFile, place: Node, base: Path, told: set[tuple[str, str]], found: Found) -> None:
    if (file.what, file.path) in told:
        return
    told.add((file.what, file.path))
    message, cure = trouble(file, base)
    if message:
        found.warning(place, f"{message} on this computer; {cure}")


def _below(node: Node, *keys: str) -> Node | None:
    """Return what stands below a node under these keys, one in the other; None when something else stands there."""
    at: Node | None = node
    for key in keys:
        entry = at.entries.get(key) if isinstance(at, Mapping) else None
        at = entry.value if entry else None
    return at
