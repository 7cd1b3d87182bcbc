"""What every command that takes a `site.yaml` says when there is none."""

from __future__ import annotations

import difflib
import stat
import sys
from pathlib import Path

MISSING = 2
"""Exit code for a file that is not there: a mistake in the command, not in the configuration."""

_DEVICES = Path("/dev")
_SAVE = "the contract and profiles lie beside the configuration, so save it as a file and name that"


def is_missing(verb: str, site: str) -> bool:
    """Say on stderr, and return, that there is no such file."""
    words = trouble(site)
    if words:
        print(f"gateway {verb}: {words}", file=sys.stderr)
    return bool(words)


def trouble(site: str) -> str:
    """Return in one sentence why a site file cannot be opened under this name; "" when it is an ordinary file."""
    if not site:
        return "the name of the configuration is empty; name the file, e.g. site.yaml"
    path = Path(site)
    if site == "-" and not path.exists():
        return f"'-' is not a file; {_SAVE}"
    try:
        mode = path.stat().st_mode
    except PermissionError:
        return f"{site} lies in a folder this user may not look into; see its permissions with ls -l"
    except (OSError, ValueError):
        if path.is_symlink():
            return f"{site} is a link to a file that does not exist; see where it leads with ls -l"
        return f"{site} does not exist{_meant(path)}"
    if stat.S_ISDIR(mode):
        return f"{site} is a folder; name the file in it"
    # a shell's /dev/stdin can lead to an ordinary file, but not to what lies beside it
    if not stat.S_ISREG(mode) or _DEVICES in path.absolute().parents:
        return f"{site} is not an ordinary file; {_SAVE}"
    return ""


def _meant(path: Path) -> str:
    """Return the end of the sentence: a file beside it that was probably meant."""
    try:
        there = [item.name for item in path.parent.iterdir() if item.suffix in {".yaml", ".yml"} and item.is_file()]
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, there, 1, 0.7)
    return f"; did you mean {path.with_name(near[0])}?" if near else ""
