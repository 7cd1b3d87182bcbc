"""A thousand gateways lose one broker together: each calls about once, and they do not come back all at once."""

from __future__ import annotations

import asyncio

from tests.campaign import Job, Results
from tests.campaign.reconnect.fleet import Result, fleet
from tests.page import table

GATEWAYS, WITHIN_S = 1000, 30.0
MOST_CALLS, MOST_PEAK = 1.1, 2.0


def jobs(scale: float) -> list[Job]:
    """Return the restarts: a short one, a longer one, and a control."""
    gateways, within_s = max(200, round(scale * GATEWAYS)), max(8.0, scale * WITHIN_S)
    return [
        Job("restart", "short", on_restart, (gateways, within_s, 0.0), alone=True),
        Job("restart", "a tenth of the time", on_restart, (gateways, within_s, within_s / 11), alone=True),
        Job("control", "calls at once", on_restart, (gateways, within_s, 0.0, False), alone=True),
    ]


def on_restart(gateways: int, within_s: float, down_s: float, spread: bool = True) -> Result:
    """Kill and restart the broker of a fleet; see `fleet`."""
    return asyncio.run(fleet(gateways, within_s, down_s, spread))


def broken(results: Results) -> list[str]:
    """Return which promises were not kept."""
    found = []
    for name, one in _named(results, "restart"):
        # who calls while the broker is away calls again, so the time away must be short beside the time within which they call
        most = max(MOST_CALLS, 1 + 1.5 * one.down_s / one.within_s)
        if one.connected < one.gateways or one.calls > most or one.peak > MOST_PEAK:
            found.append(f"{name}: {one}")
    found += [
        f"{name} keeps the promise, too: the count is blind" for name, one in _named(results, "control") if one.peak <= MOST_PEAK
    ]
    return found


def lines(results: Results) -> list[str]:
    """Return the section of the page."""
    rows = [
        [
            name,
            str(one.gateways),
            f"{one.within_s:g}",
            f"{one.down_s:.1f}",
            f"{one.calls:.3f}",
            f"{one.peak:.2f}",
            f"{one.all_back_s:.0f}",
        ]
        for part in ("restart", "control")
        for name, one in _named(results, part)
    ]
    return [
        "The real caller, session and TCP connection of every gateway, in one process, at mosquitto on the same computer, which is",
        f"killed (SIGKILL) and started again. Promise: at most {MOST_CALLS} calls per gateway until all are back, and at most",
        f"{MOST_PEAK:g} times the mean of calls at once, counted in tenths of the time within which they are made. The control",
        "calls at once and backs off from 1 s, as many clients do; it must break the promise.",
        "",
        *table(["restart", "gateways", "first within s", "away s", "calls per gateway", "peak / mean", "all back s"], rows),
    ]


def _named(results: Results, part: str) -> list[tuple[str, Result]]:
    return [(name, Result(*row)) for name, row in results[part].items()]
