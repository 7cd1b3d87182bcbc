"""What the user writes: the structs (spec), reading them with line numbers (load), checking, profiles and secrets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.problem import ConfigError, Problem

if TYPE_CHECKING:
    from gateway.config.spec import Config

__all__ = ["ConfigError", "Problem", "load_config"]


def load_config(path: str | Path) -> Config:
    """Return the checked configuration in `path` and the `share.yaml` beside it; offline, touches no device.

    Warnings do not stop it; `gateway.config.check.check` returns those too.

    Raises:
        ConfigError: there are problems; its text lists all of them with their places.
    """
    from gateway.config.check import check  # this package is imported by every leaf, the checker only by who checks

    checked = check(path)
    if checked.config is None:
        raise ConfigError(checked.problems, checked.sources)
    return checked.config
