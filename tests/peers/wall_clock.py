"""A wall clock that a test sets while a program runs on it; the monotonic clock stays the true one (`wall_clock.c`)."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path


class WallClock:
    """The clock of one program: put `env` into its environment."""

    def __init__(self, folder: Path) -> None:
        library, self._file = folder / "wall_clock.so", folder / "wall_clock"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, timeout=60)
        self._file.write_bytes(bytes(16))
        self.env = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._file)}

    def set(self, ahead_s: float, *, synced: bool) -> None:
        """Make the wall clock differ from the true time, and the kernel say whether something keeps it in step."""
        descriptor = os.open(self._file, os.O_WRONLY)
        os.pwrite(descriptor, struct.pack("=qq", round(ahead_s * 1e9), synced), 0)
        os.close(descriptor)
