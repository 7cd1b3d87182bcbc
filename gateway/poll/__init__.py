"""Polling: one task per connection, fair shares for the machines on it; a dead one costs the others almost nothing."""

from .poller import LONGEST_BACKOFF_S, LONGEST_SILENCE_S, READ_S, STEADY_S, Poller
from .quarantine import LONGEST_REST_S, Quarantine
from .watched import Group, Health, Sink, Watched

__all__ = [
    "LONGEST_BACKOFF_S",
    "LONGEST_REST_S",
    "LONGEST_SILENCE_S",
    "READ_S",
    "STEADY_S",
    "Group",
    "Health",
    "Poller",
    "Quarantine",
    "Sink",
    "Watched",
]
