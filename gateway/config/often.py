"""How often something may be done."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.config.quantity import Duration

SHORTEST_S = 0.01
"""Shortest time between two scans, windows or slopes."""


def too_often(every: Duration) -> Iterable[tuple[str, str]]:
    """Yield what is wrong with a time between two of something."""
    if every <= 0:
        yield "every", "must be longer than 0s"
    elif every < SHORTEST_S:
        yield "every", f"must be at least {Duration(SHORTEST_S).written}; what changes faster is no point but a waveform"
