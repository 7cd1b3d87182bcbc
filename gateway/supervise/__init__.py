"""Starts, stops and replaces machines and recipients, one at a time; knows whether everything makes progress."""

from .machines import Change, Machines
from .pulse import Pulse, spawn
from .recipients import Recipients

__all__ = ["Change", "Machines", "Pulse", "Recipients", "spawn"]
