"""What stands on the notice board: a topic per point, and JSON that explains itself. `docs/plain.md` documents it for people."""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.model import Feature, Quality, Reading, Stamp, TimeQuality

ONLINE, OFFLINE = b"online", b"offline"

Key = tuple[str, str]
"""Machine and point."""


class Topics:
    """The topics below a prefix. Names hold no `$`, so that no machine is taken for what is said of the gateway."""

    def __init__(self, prefix: str, gateway: str) -> None:
        self.prefix = prefix
        self.availability = f"{prefix}/$gateway/{gateway}"

    def value(self, machine: str, point: str) -> str:
        """Return where the value of a point stands."""
        return f"{self.prefix}/{machine}/{point}"


def encode(record: Reading | Feature, stamp: Stamp) -> bytes:
    """Return a value as JSON: value, unit, t (UTC, to the ms), quality; why it is not good, and whether its time is doubtful.

    Args:
        record: the value.
        stamp: when it was, by what is known now.
    """
    value, quality = _plain(record.value), record.quality
    if value is None and record.value is not None:
        quality = Quality.BAD
    moment = datetime.fromtimestamp(stamp.wall_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told: dict[str, Any] = {"value": value, "unit": record.unit, "t": moment, "quality": quality.word}
    if quality is not Quality.GOOD:
        told["reason"] = record.reason.name.lower()
    if stamp.quality is not TimeQuality.SYNCED:
        told["time"] = stamp.quality.value
    return msgspec.json.encode(told)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; None where it has no such thing."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return value if value is None or isinstance(value, bool | int) else None
