"""The uplink of the running gateway: what was measured arrives once by key and in order, whatever happens to broker and connection.

The real `gateway run`, Debian's libmodbus and mosquitto; 150 records a second.
"""

from __future__ import annotations

from tests.campaign import Job, Results
from tests.campaign.delivery import backlog as backlogs
from tests.campaign.delivery.outage import Result, away, drops
from tests.page import table

AWAY_S = 600.0
DROPS = 100
BACKLOG = 1_000_000
DRAIN_PER_S = 5000
LIVE_P99_S = 2.0
NOTICED = 100
"""Polling notices the uplink when it misses more than one poll in so many records; a busy computer costs one now and then."""


def jobs(scale: float) -> list[Job]:
    """Return what there is to do; all of it waits rather than computes."""
    return [
        Job("backlogs", "backlog", backlogs.backlog, (max(3000, round(scale * BACKLOG)),), alone=True),
        Job("outages", "broker away", away, (max(2.0, scale * AWAY_S),)),
        Job("outages", "drops", drops, (max(3, round(scale * DROPS)), 7)),
    ]


def broken(results: Results) -> list[str]:
    """Return which promises were not kept."""
    return [
        f"a backlog of {one.records:,}: {one.lost} lost, {one.disorder} out of order, {one.per_s:,}/s, live p99 {one.p99_s:.2f} s"
        for one in _backlogs(results)
        if one.lost or one.disorder or 0 < one.per_s < DRAIN_PER_S or one.p99_s > LIVE_P99_S
    ] + [
        f"{one.what}: {one.lost} lost, {one.doubled} doubled, {one.disorder} out of order, {one.missed} polls missed"
        for one in _outages(results)
        if one.lost or one.doubled or one.disorder or one.missed * NOTICED > one.records
    ]


def lines(results: Results) -> list[str]:
    """Return the section of the page."""
    head = ["what", "seconds", "records", "lost", "repeated under their key", "doubled", "out of order", "polls missed"]
    counts = ("records", "lost", "repeats", "doubled", "disorder", "missed")
    outages = [[one.what, f"{one.seconds:.0f}", *(f"{getattr(one, name):,}" for name in counts)] for one in _outages(results)]
    live = [
        [*(f"{count:,}" for count in one[:3]), f"{one.per_s:,}", f"{one.live:,}", *(f"{late:.2f}" for late in one[5:8])]
        for one in _backlogs(results)
    ]
    return [
        *table(head, outages),
        "",
        "### A backlog beside live values",
        f"Promise: {DRAIN_PER_S:,} records a second, and 99 of 100 live values (Sparkplug) seen within {LIVE_P99_S:g} s.",
        "",
        *table(["backlog", "lost", "out of order", "records/s", "live values", "p50 s", "p99 s", "latest s"], live),
    ]


def _backlogs(results: Results) -> list[backlogs.Result]:
    return [backlogs.Result(*row) for row in results["backlogs"].values()]


def _outages(results: Results) -> list[Result]:
    return [Result(*row) for row in results["outages"].values()]
