"""Records and small helpers for the tests of the outbox."""

from __future__ import annotations

from gateway.model import Event, Feature, Log, Reading, Severity, Stamp, Tombstone

SMALL = 64 * 1024
STAMP = Stamp(1_700_000_000_000_000_000, 1, "b" * 32)


def reading(value=1.0, point="p", stamp=STAMP):
    return Reading(machine="m", point=point, value=value, stamp=stamp, unit="°C")


def event(after="alarm", stamp=STAMP):
    return Event(machine="m", point="p", kind="limit", severity=Severity.ALARM, before="ok", after=after, stamp=stamp)


def feature(value=1.0):
    return Feature(machine="m", point="vibration.rms", value=value, stamp=STAMP, unit="mm/s", window_s=1.0, band_hz=(10.0, 1000.0))


async def drain(outbox, n=100):
    """Take everything out and return it."""
    taken = []
    while claim := await outbox.claim(n):
        taken += claim.records
        await outbox.acknowledge(claim.token)
    return taken


def account(records):
    """Return by log the numbers that arrived and those told as lost, expanded."""
    arrived = {log: set() for log in Log}
    lost = {log: set() for log in Log}
    for row in records:
        assert row.seq not in arrived[row.log], "a number twice"
        arrived[row.log].add(row.seq)
        if isinstance(row.record, Tombstone):
            lost[row.record.lost] |= set(range(row.record.first, row.record.last + 1))
    return arrived, lost
