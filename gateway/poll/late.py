"""The share of a bus: a machine whose answers are late, or partly missing, costs the others a bounded part of their time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.driver import Probes
from gateway.model import Reason, Scan

from .quarantine import SHARE
from .watched import Watched

LATE_S: Final = 0.1
"""Answers that begin within this are never called late."""

LATE_FACTOR: Final = 4
"""A machine is late when its answers take this many times as long as those of the others."""

LONGEST_REST_S: Final = 60.0


def rest_after(driver: Probes, watched: Watched, scan: Scan, took_s: float, now_s: float, everyone: Iterable[Watched]) -> None:
    """Let a machine rest when its read was slow for want of answers and made another one miss a moment of its grid."""
    watched.warning = ""
    if took_s < LATE_S:
        return
    others = [other for other in everyone if other is not watched and not other.quarantine.active]
    if not any(now_s - group.due_s >= group.every_s for other in others for group in other.groups):
        return
    usual = sorted(driver.response_s(other.table) for other in others)
    late = driver.response_s(watched.table) >= max(LATE_S, LATE_FACTOR * usual[len(usual) // 2])
    if not late and Reason.TIMEOUT not in scan.reason:
        return
    rest_s = min(LONGEST_REST_S, took_s * (1 / SHARE - 1))
    watched.rests_until_s = now_s + rest_s
    words = "leaves requests unanswered" if Reason.TIMEOUT in scan.reason else "answers late"
    watched.warning = (
        f"{watched.machine.name} {words} and keeps the line busy for {took_s:.2g} s; "
        f"it is read every {rest_s:.2g} s, so that the others keep their rate"
    )
