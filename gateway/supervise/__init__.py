"""Starts, stops and replaces machines and recipients, one at a time; knows whether everything makes progress."""

from .machines import Change, Machines
from .process import loop_name, process
from .pulse import Pulse, spawn
from .recipients import Recipients
from .watchdog import Watchdog

__all__ = ["Change", "Machines", "Pulse", "Recipients", "Watchdog", "loop_name", "process", "spawn"]
