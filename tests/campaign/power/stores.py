"""The outbox under test, made the way the gateway makes it."""

from __future__ import annotations

from pathlib import Path

from gateway.clock import Clock
from gateway.outbox import SegmentedOutbox

MAX_BYTES = 50_000_000


def made(path: Path, clock: Clock) -> SegmentedOutbox:
    """Return the outbox in a folder, committing every few milliseconds so that there are many moments to be killed at."""
    return SegmentedOutbox(path / "outbox", max_bytes=MAX_BYTES, clock=clock, commit_every_s=0.002)
