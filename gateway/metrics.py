"""What an operator alarms on, as OpenMetrics text made from the status; no points and no values, so it tells nothing of the work.

`FAMILIES` declares every metric once; the text, `docs/metrics.md` and the test that compares them come from it. A metric is named
`gateway_<noun>_<unit>`, a counter with `_total` behind. Format: OpenMetrics 1.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

from msgspec import Struct

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Status = dict[str, Any]
Sample = tuple[dict[str, str], float | None]


class Family(Struct, frozen=True):
    """One metric: its name without `_total`, its kind, what it means, when to alarm, and how to find its samples in a status."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    alarm: str
    samples: Callable[[Status], Iterator[Sample]]

    @property
    def unit(self) -> str:
        """The unit, where the name ends in one."""
        return next((unit for unit in ("seconds", "bytes", "records", "messages") if self.name.endswith(f"_{unit}")), "")


def _whole(*path: str) -> Callable[[Status], Iterator[Sample]]:
    """Return a finder of one number of the whole gateway."""
    return lambda status: iter([({}, _number(status, path))])


def _each(group: str, label: str, *path: str) -> Callable[[Status], Iterator[Sample]]:
    """Return a finder of one number per machine or recipient."""
    return lambda status: (({label: name}, _number(entry, path)) for name, entry in status.get(group, {}).items())


def _machine(*path: str) -> Callable[[Status], Iterator[Sample]]:
    return _each("machines", "machine", *path)


def _recipient(*path: str) -> Callable[[Status], Iterator[Sample]]:
    return _each("recipients", "recipient", *path)


def _available(status: Status) -> Iterator[Sample]:
    return (({"machine": name}, float(entry["state"] != "bad")) for name, entry in status.get("machines", {}).items())


def _number(entry: Any, path: tuple[str, ...]) -> float | None:
    """Return what stands under a path: a number, truth as 1 or 0, how long a list is, whether a text says something; else None."""
    for key in path:
        entry = entry.get(key) if isinstance(entry, dict) else None
    if entry is None or isinstance(entry, bool | int | float):
        return None if entry is None else float(entry)
    return float(len(entry)) if isinstance(entry, list) else float(bool(entry))


FAMILIES = (
    Family("gateway_uptime_seconds", "gauge", "since the start of the program", "falls: it was restarted", _whole("uptime_s")),
    Family("gateway_cpu_seconds", "counter", "computing time of the program", "", _whole("process", "cpu_s")),
    Family("gateway_resident_bytes", "gauge", "memory of the program", "grows for days", _whole("process", "resident_bytes")),
    Family("gateway_loops_stuck", "gauge", "parts of the program that make no progress", "> 0 for a minute", _whole("stuck")),
    Family(
        "gateway_clock_synchronised",
        "gauge",
        "whether something keeps the clock in step (1) or not (0)",
        "0 for a day",
        _whole("clock", "in_step"),
    ),
    Family("gateway_alarms_active", "gauge", "alarms that stand and limits that are crossed now", "> 0", _whole("alarms")),
    Family("gateway_machine_available", "gauge", "whether the machine answers (1) or not (0)", "0 for 5 min", _available),
    Family("gateway_machine_age_seconds", "gauge", "since the machine gave something", "> 3 x its period", _machine("age_s")),
    Family("gateway_machine_scans", "counter", "scans that gave something", "", _machine("scans")),
    Family("gateway_machine_missed_scans", "counter", "moments of the grid that were missed", "grows", _machine("missed")),
    Family("gateway_machine_errors", "counter", "reads that failed", "grows by more than a tenth of the scans", _machine("errors")),
    Family("gateway_share_withheld_records", "counter", "kept in the shop by the contract", "", _recipient("door", "withheld")),
    Family(
        "gateway_share_dropped_records",
        "counter",
        "lost before the outbox took them, for want of memory",
        "grows",
        _recipient("door", "dropped"),
    ),
    Family("gateway_outbox_waiting_records", "gauge", "not yet accepted", "grows for a day", _recipient("outbox", "waiting")),
    Family("gateway_outbox_used_bytes", "gauge", "of the outbox on disk", "", _recipient("outbox", "used_bytes")),
    Family("gateway_outbox_limit_bytes", "gauge", "what the outbox may grow to", "", _recipient("outbox", "max_bytes")),
    Family(
        "gateway_outbox_lost_records",
        "counter",
        "dropped by the outbox since it was made, each told to the recipient",
        "grows",
        _recipient("outbox", "lost"),
    ),
    Family("gateway_outbox_trouble", "gauge", "1 while the store is in trouble", "1", _recipient("outbox", "trouble")),
    Family("gateway_live_connected", "gauge", "1 while its live lane is", "0 for an hour", _recipient("live", "connected")),
    Family(
        "gateway_live_skipped_values",
        "counter",
        "changes that were not told, as the line was too slow; only the last of each was",
        "grows",
        _recipient("live", "skipped"),
    ),
    Family("gateway_uplink_connected", "gauge", "1 while connected", "0 for an hour", _recipient("uplink", "connected")),
    Family("gateway_uplink_trouble", "gauge", "1 while the uplink is in trouble", "1", _recipient("uplink", "trouble")),
    Family(
        "gateway_uplink_published_records",
        "counter",
        "accepted by the broker since the start",
        "stands still while records wait",
        _recipient("uplink", "published_records"),
    ),
    Family(
        "gateway_uplink_published_messages", "counter", "accepted by the broker", "", _recipient("uplink", "published_messages")
    ),
    Family(
        "gateway_uplink_published_bytes",
        "counter",
        "payload accepted by the broker since the start",
        "beyond what the mobile contract holds",
        _recipient("uplink", "published_bytes"),
    ),
    Family("gateway_history_used_bytes", "gauge", "of the local history on disk", "", _whole("history", "used_bytes")),
)


def render(status: Status) -> str:
    """Return a status (`Runtime.status`) as OpenMetrics text; what a status does not have is left out."""
    lines = [
        "# TYPE gateway_build info",
        "# HELP gateway_build which gateway this is",
        f"gateway_build_info{_labels({name: str(status.get(name, '')) for name in ('version', 'site', 'gateway')})} 1",
    ]
    for family in FAMILIES:
        samples = [(labels, value) for labels, value in family.samples(status) if value is not None]
        if not samples:
            continue
        lines.append(f"# TYPE {family.name} {family.kind}")
        if family.unit:
            lines.append(f"# UNIT {family.name} {family.unit}")
        lines.append(f"# HELP {family.name} {_escaped(family.meaning)}")
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        lines.extend(f"{name}{_labels(labels)} {_shown(value)}" for labels, value in samples)
    return "\n".join([*lines, "# EOF", ""])


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}" if labels else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _shown(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value.is_integer() else repr(value)
