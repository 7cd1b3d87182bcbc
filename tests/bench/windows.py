"""Measures so many windows and ends: the program whose instructions `bench_aarch64` counts. Imports nothing but the kernels.

Usage: python -S tests/bench/windows.py FOLDER COUNT OPTIONS

FOLDER holds `cython_ext`, OPTIONS are those of a Channel as JSON. A window is a second of one channel at 25.6 kHz. Prints first
where in memory the kernels lie.
"""

import json
import sys
from array import array

sys.path.insert(0, sys.argv[1])
from cython_ext.vector import Channel

RATE_HZ = 25_600
SHAFT_HZ = 29.53


def samples(n: int) -> array:
    """Return noise, from a generator that needs no library, on a saw tooth."""
    x, state = array("f", bytes(4 * n)), 1
    for i in range(n):
        state = (1_103_515_245 * state + 12_345) & 0x7FFFFFFF
        x[i] = state / 2**30 - 1 + (i % 1024) / 1024
    return x


def main() -> None:
    """Measure the windows."""
    with open("/proc/self/maps") as file:  # noqa: PTH123  (the instructions of pathlib take an emulator longer than all of this)
        print(*(line.split()[0] for line in file if "/cython_ext/" in line), flush=True)
    channel = Channel(RATE_HZ, float(RATE_HZ), unit_m_s2=1.0, **json.loads(sys.argv[3]))
    x, out = samples(RATE_HZ), array("d", bytes(8 * len(channel)))
    for _ in range(int(sys.argv[2])):
        channel.measure(x, SHAFT_HZ, out)


main()
