"""What every command that takes a `site.yaml` says when there is none."""

from __future__ import annotations

import sys
from pathlib import Path

MISSING = 2
"""Exit code for a file that is not there: a mistake in the command, not in the configuration."""


def is_missing(verb: str, site: str) -> bool:
    """Say on stderr, and return, that there is no such file."""
    path = Path(site)
    if path.is_file():
        return False
    what = "is a folder; name the file in it" if path.is_dir() else "does not exist"
    print(f"gateway {verb}: {site} {what}", file=sys.stderr)
    return True
