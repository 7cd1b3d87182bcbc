"""Fixtures of the gateway's tests."""

from __future__ import annotations

import pytest

from gateway.clock import ManualClock
from gateway.outbox import SegmentedOutbox


@pytest.fixture
async def make_outbox(tmp_path):
    """Open outboxes below `tmp_path`; all are closed at the end."""
    made = []

    async def make(name="outbox", **options):
        options = {"max_bytes": 10_000_000, "clock": ManualClock(), "commit_every_s": 0.01} | options
        outbox = SegmentedOutbox(tmp_path / name, **options)
        await outbox.open()
        made.append(outbox)
        return outbox

    yield make
    for outbox in made:
        await outbox.close()
