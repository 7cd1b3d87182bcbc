"""Which site file a command means when none is named, and which machine; every way it can go wrong gets a sentence."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Final

from gateway.config import ConfigError, load_config
from gateway.config.spec import Config, Machine

PLACES: Final = "./site.yaml, else $GATEWAY_SITE, else /etc/retrofit-gateway/site.yaml"
_SYSTEM: Final = Path("/etc/retrofit-gateway/site.yaml")


class Usage(Exception):  # noqa: N818  (a user's mistake, not a fault)
    """A command cannot do what was written; `str()` is what the user reads."""


def site_path(named: str | None) -> Path:
    """Return the site file to use.

    Raises:
        Usage: it does not exist, or none was named and none found.
    """
    if named is not None:
        path = Path(named)
        if not path.is_file():
            what = "is a folder; name the file in it" if path.is_dir() else "does not exist"
            raise Usage(f"{named} {what}")
        return path
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
