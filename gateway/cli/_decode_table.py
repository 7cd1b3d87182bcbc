"""A message as text: a line about it, and a table of its records; nothing in it can steer the terminal."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

from gateway.uplink.layout import Layout
from gateway.uplink.packing import describe
from gateway.uplink.wire import Wire

_WIDEST = 48


def heading(message: Wire | Layout, payload: bytes, rows: list[dict[str, Any]]) -> str:
    """Return whose message it is, its key, and how it was sent."""
    seqs = [row["seq"] for row in rows]
    span = f"seq {min(seqs)} to {max(seqs)}" if seqs else "empty"
    who = f"{message.site} / {message.gateway}, log {message.log}, epoch {message.epoch}, {span}"
    count = "1 record" if len(rows) == 1 else f"{len(rows)} records"
    how = f"{count}, version {message.version}, {describe(payload)}, {len(payload)} bytes"
    return printable(f"{who}: {how}")


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of the table; on a terminal, not wider than it."""
    cells: list[tuple[str, ...]] = [("time", "seq", "machine", "point", "value", "quality")]
    cells += [
        (row["t"].removesuffix("Z"), str(row["seq"]), row["machine"], row["point"], _value(row), _quality(row)) for row in rows
    ]
    return aligned(cells)


def metrics(shown: dict[str, Any], size: int) -> list[str]:
    """Return a line about a Sparkplug payload, and a table of its metrics."""
    found = shown["metrics"]
    about = f"Sparkplug B, seq {shown.get('seq', '-')}, {shown.get('timestamp', 'no time')}"
    cells: list[tuple[str, ...]] = [("time", "metric", "datatype", "value", "properties")]
    for metric in found:
        name = metric.get("name", "")
        name += (
            f" (alias {metric['alias']})" if name and "alias" in metric else f"alias {metric['alias']}" if "alias" in metric else ""
        )
        told = [f"{key} {value}" for key, value in metric.get("properties", {}).items()]
        told += ["historical"] if metric.get("historical") else []
        value = metric["value"]
        shown_value = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        time = str(metric.get("timestamp", "")).removesuffix("Z")
        cells.append((time, name, metric.get("datatype", "-"), shown_value, ", ".join(told)))
    count = "1 metric" if len(found) == 1 else f"{len(found)} metrics"
    return [printable(f"{about}: {count}, {size} bytes"), *aligned(cells)]


def aligned(cells: list[tuple[str, ...]]) -> list[str]:
    clean = [[printable(cell) for cell in line] for line in cells]
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(*clean, strict=True)]
    lines = ["  ".join(_fit(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in clean]
    most = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return [line[:most] for line in lines]


def _fit(cell: str, width: int) -> str:
    return cell.ljust(width) if len(cell) <= width else f"{cell[: width - 1]}…"


def _value(row: dict[str, Any]) -> str:
    if row["kind"] == "tombstone":
        return f"lost: {row['count']} of {row['lost']}, seq {row['first']} to {row['last']}"
    value, unit = row["value"], row["unit"] if row["unit"] != "1" else ""
    if row["kind"] == "event":
        measured = "" if value is None else f" at {value:g} {unit}".rstrip()
        return f"{row['severity']}: {row['event']} {row['before']} to {row['after']}{measured}"
    if value is None:
        return "-"
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    resolution = row.get("resolution", "")
    return f"{shown} {unit}".rstrip() + (f" ±{resolution}" if resolution else "")


def _quality(row: dict[str, Any]) -> str:
    """Return what is not as it should be; most often nothing."""
    told = [] if row["quality"] == "good" else [row["quality"]]
    told += [row["reason"].replace("_", " ")] if "reason" in row else []
    told += ["time uncertain"] if "time" in row else []
    return ", ".join(told)


def printable(text: str) -> str:
    """Return the text without what would steer a terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "·" for char in text)
