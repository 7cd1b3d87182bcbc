"""Which site file a command means, and which machine in it; every way it can go wrong gets a sentence."""

from __future__ import annotations

import difflib
import os
import stat
import sys
from pathlib import Path
from typing import Final

from gateway.config import ConfigError, load_config
from gateway.config.spec import Config, Machine

PLACES: Final = "./site.yaml, else $GATEWAY_SITE, else /etc/retrofit-gateway/site.yaml"
_SYSTEM: Final = Path("/etc/retrofit-gateway/site.yaml")


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


class Usage(Exception):  # noqa: N818  (a user's mistake, not a fault)
    """A command cannot do what was written; `str()` is what the user reads."""


def site_path(named: str | None) -> Path:
    """Return the site file to use.

    Raises:
        Usage: it does not exist, or none was named and none found.
    """
    if named is not None:
        if words := trouble(named):
            raise Usage(words)
        return Path(named)
    if (here := Path("site.yaml")).is_file():
        return here
    if meant := os.environ.get("GATEWAY_SITE"):
        if not Path(meant).is_file():
            raise Usage(f"$GATEWAY_SITE names {meant}, which does not exist")
        return Path(meant)
    if _SYSTEM.is_file():
        return _SYSTEM
    raise Usage(f"no site file was named and none found; looked for {PLACES}")


def load(path: Path) -> Config:
    """Return the configuration in `path`.

    Raises:
        Usage: it has problems; all of them stand in the message.
    """
    try:
        return load_config(path)
    except ConfigError as error:
        raise Usage(f"{path} cannot be used as it is:\n{error}") from None


def machine_of(config: Config, path: Path, name: str | None) -> Machine:
    """Return the machine of that name; the only one when none was named.

    Raises:
        Usage: there is no such machine, or several to choose from.
    """
    machines = config.machines
    known = ", ".join(machines) or "none"
    if name is None:
        if len(machines) == 1:
            return next(iter(machines.values()))
        raise Usage(f"which machine? {path} has: {known}")
    if name not in machines:
        near = difflib.get_close_matches(name, machines, 1, 0.5)
        guess = f", did you mean '{near[0]}'?" if near else ";"
        raise Usage(f"{path} has no machine '{name}'{guess} it has: {known}")
    return machines[name]
