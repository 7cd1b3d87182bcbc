"""Instructions of the feature vector on aarch64, counted by qemu-user on the kernels that `make test-aarch64` has built.

Run alone: `python -m tests.bench.bench_aarch64`. Of the same vector `bench_vector` counts them on x86-64. How fast an emulator is
says nothing of a processor, how much it has to do does: a core of a Raspberry Pi 4 does about 1500 million a second.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.bench import Row

ROOT = Path(__file__).parents[2]
WINDOWS = ROOT / "tests/bench/windows.py"
AARCH64 = ROOT / "build/aarch64"
"""Where `make test-aarch64` builds."""

SENSORS = 3
FEW, MANY = 1, 3
"""Windows of the two runs whose difference is counted, so that what is done once does not count."""


def options() -> str:
    """Return the options of the channel of `bench_vector`, as JSON."""
    from tests.bench.bench_vector import OPTIONS

    return json.dumps(OPTIONS)


def counted(windows: int, start: int, end: int) -> tuple[int, str]:
    """Return the instructions of a run between two addresses, for each of which qemu writes a line, and what the run printed."""
    read, write = os.pipe()
    # one instruction per translated block, and a line for every block that is run
    log = {"QEMU_SINGLESTEP": "1", "QEMU_LOG": "exec,nochain", "QEMU_DFILTER": f"{start:#x}..{end - 1:#x}"}
    log["QEMU_LOG_FILENAME"] = f"/dev/fd/{write}"
    command = [AARCH64 / "python", "-S", WINDOWS, AARCH64 / "tree", str(windows), options()]
    with subprocess.Popen(command, env=os.environ | log, pass_fds=[write], stdout=subprocess.PIPE, text=True) as process:
        os.close(write)
        lines = 0
        while data := os.read(read, 1 << 20):
            lines += data.count(b"Trace ")  # the few that a piece cuts in two are in both runs
        os.close(read)
        said = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"the emulated run ended with {process.returncode}")
    return lines, said


def bounds(said: str) -> tuple[int, int]:
    """Return first and last address of the kernels, from what the program printed."""
    places = [int(address, 16) for place in said.split() for address in place.split("-")]
    return min(places), max(places)


def row(few: int, many: int) -> Row:
    """Return the row of two counts."""
    millions = (many - few) / (MANY - FEW) / 1e6
    name = f"{SENSORS} channels of 25.6 kHz, neon build, million instructions per second"
    return Row(name, SENSORS * millions, None, f"{millions:.2f} million per window of 25600")


def rows() -> list[Row]:
    """Count."""
    if not (AARCH64 / "python").exists():
        raise SystemExit("there is no build for aarch64 yet: 'make test-aarch64' makes it")
    place = bounds(counted(0, 0, 1)[1])
    counts = []
    for windows in (FEW, MANY):
        count, said = counted(windows, *place)
        if bounds(said) != place:
            raise RuntimeError("the emulator has put the kernels elsewhere")
        counts.append(count)
    return [row(*counts)]


if __name__ == "__main__":
    for measured in rows():
        print(measured.name, measured.ratio, measured.note)
