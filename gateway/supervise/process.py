"""What the program itself costs."""

from __future__ import annotations

import asyncio
import os
import resource
from pathlib import Path
from typing import Any

_PAGE_BYTES = os.sysconf("SC_PAGESIZE")


def process() -> dict[str, Any]:
    """Return computing time in s and resident memory in bytes of this process, as plain JSON values."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {"cpu_s": round(used.ru_utime + used.ru_stime, 3), "resident_bytes": pages * _PAGE_BYTES}


def loop_name() -> str:
    """Return the name of the running event loop: `asyncio` or `uvloop`."""
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]
