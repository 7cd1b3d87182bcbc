"""The whole feature vector of a window of vibration beside numpy and scipy, statistics beside memcpy, and what three sensors cost.

Run alone: `python -m tests.bench.bench_vector`. The vector is every statistic, Welch's density, five bands, velocity and
displacement RMS, ten shaft harmonics, the spectrum of the prewhitened squared envelope and four bearing scores; both sides give
the same numbers.
Instructions are counted by valgrind where it is installed: they do not depend on what else the computer does, and scale to a Pi.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator

import numpy as np

from cython_ext.ring import Ring
from cython_ext.statistics import statistics
from cython_ext.vector import Channel
from tests.bench import Row
from tests.bench.bench_kernels import RATE_HZ, Timed, baseline, seconds
from tests.cython_ext.scipy_vector import ScipyVector

LENGTHS = (4096, 8192, 25_600)
SHAFT_HZ = 29.53
NFFT = 4096
BANDS = [(10.0, 100.0), (100.0, 500.0), (500.0, 2000.0), (2000.0, 5000.0), (5000.0, 12_000.0)]
BEARING = (3.5848, 5.4152, 2.3567, 0.39828)
OPTIONS = {"nfft": NFFT, "bands": BANDS, "envelope": (500.0, 12_160.0), "envelope_max_hz": 1000.0, "bearing": BEARING}

LEAST_TIMES_FASTER = 30.0
LEAST_SHARE_OF_MEMCPY = 0.6
MOST_OF_A_CORE = 0.03

ROUNDS = 120
ROUND_S = 0.003  # long enough that the other side's megabytes have left the cache again

BIG = 16_777_216  # samples: 64 MB, more than the caches hold
SENSORS = 3
PIECE = 2560  # samples that a sensor hands over at a time
SIGNAL_S = 40


def vibration(n: int) -> np.ndarray:
    """A shaft on gravity, in noise."""
    t = np.arange(n) / RATE_HZ
    shaft = sum(np.sin(2 * np.pi * k * SHAFT_HZ * t + k) / k for k in range(1, 11))
    return (9.81 + np.random.default_rng(n).standard_normal(n) + shaft).astype("f")


def channel(n: int) -> Channel:
    return Channel(n, RATE_HZ, unit_m_s2=1.0, **OPTIONS)


def checked(n: int, x: np.ndarray, ours: Channel, theirs: ScipyVector) -> None:
    """Raise when the two do not give the same numbers: a comparison of different things is none."""
    for name, a, b in zip(ours.names, ours.measure(x, SHAFT_HZ), theirs.measure(x.astype("d"), SHAFT_HZ), strict=True):
        if not np.isclose(a, b, rtol=1e-3, atol=1e-4):
            raise AssertionError(f"{name} of {n} samples: {a}, but numpy and scipy say {b}")


def vector_rows() -> Iterator[Row]:
    for n in LENGTHS:
        x = vibration(n)
        best, theirs = channel(n), ScipyVector(n, RATE_HZ, **OPTIONS)
        checked(n, x, best, theirs)
        with baseline():
            plain = channel(n)
        out = array("d", bytes(8 * len(best)))
        calls: list[Timed] = [
            lambda own=best, x=x, out=out: own.measure(x, SHAFT_HZ, out),
            lambda own=plain, x=x, out=out: own.measure(x, SHAFT_HZ, out),
            lambda theirs=theirs, x=x: theirs.measure(x, SHAFT_HZ),
        ]
        ours, ours_plain, with_scipy = seconds(calls, ROUNDS, ROUND_S)
        figures = f"{with_scipy * 1e6:.0f} / {ours * 1e6:.1f} µs; {best.backend}"
        yield Row(f"vector {n} / scipy", with_scipy / ours, LEAST_TIMES_FASTER, figures, at_least=True)
        if plain.backend != best.backend:
            figures = f"{with_scipy * 1e6:.0f} / {ours_plain * 1e6:.1f} µs"
            yield Row(f"vector {n}, {plain.backend} / scipy", with_scipy / ours_plain, None, figures, at_least=True)


def bandwidth_row() -> Row:
    """Bytes of 64 MB read per second by the statistics, and by memcpy, which writes as many besides."""
    x = np.random.default_rng(1).standard_normal(BIG).astype("f")
    copy = np.zeros_like(x)
    copies = ctypes.CDLL(None).memcpy
    copies.restype, copies.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    ours, theirs = seconds([lambda: statistics(x), lambda: copies(copy.ctypes.data, x.ctypes.data, x.nbytes)], 60)
    figures = f"{x.nbytes / ours / 1e9:.1f} / {x.nbytes / theirs / 1e9:.1f} GB/s read"
    return Row("statistics of 64 MB / memcpy", theirs / ours, LEAST_SHARE_OF_MEMCPY, figures, at_least=True)


def core_row() -> Row:
    """Time of a processor for three sensors: int16 pieces through the ring into windows of a second, all features of each."""
    n = int(RATE_HZ)
    sensors = [(Ring(2 * n), channel(n)) for _ in range(SENSORS)]
    pieces = array("h", (1000 * vibration(n)).astype(np.int16))
    window, out = array("f", bytes(4 * n)), array("d", bytes(8 * len(sensors[0][1])))
    used = []
    for _ in range(SIGNAL_S):
        start = time.process_time()
        for ring, own in sensors:
            for at in range(0, n, PIECE):
                ring.push(memoryview(pieces)[at : at + PIECE], 0.001)
            ring.window(n, window)
            ring.advance(n)
            own.measure(window, SHAFT_HZ, out)
        used.append(time.process_time() - start)
    share = sorted(used)[len(used) // 2]
    figures = f"{share * 1e3:.2f} ms per second; the worst {max(used) * 1e3:.2f} ms"
    return Row(f"{SENSORS} channels of 25.6 kHz, share of a core", share, MOST_OF_A_CORE, figures)


COUNTED = """
import random
from array import array
from cython_ext.vector import Channel
n, count = 25_600, 4
noise = random.Random(1)
x = array("f", (noise.gauss(0.0, 1.0) for _ in range(n)))
channel = Channel(n, 25_600.0, unit_m_s2=1.0, **{options})
out = array("d", bytes(8 * len(channel)))
for _ in range(count):
    channel.measure(x, {shaft}, out)
"""


def instruction_rows() -> Iterator[Row]:
    """Instructions per second of signal of the three sensors, in millions; a core of a Pi 4 does about 1500 million a second."""
    if not shutil.which("valgrind"):
        return
    code = COUNTED.format(options=OPTIONS, shaft=SHAFT_HZ)
    for build in ("", "baseline"):
        environment = {**os.environ, "GATEWAY_KERNELS": build}
        measure = "--toggle-collect=__pyx_f_10cython_ext_6vector_7Channel__measure"
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", measure, sys.executable, "-c", code]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
        (counted,) = re.findall(r"Collected : (\d+)", said)
        if counted == "0":
            raise RuntimeError("valgrind has counted nothing: the function to look at has another name now")
        millions = SENSORS * int(counted) / 4 / 1e6
        name = f"{SENSORS} channels of 25.6 kHz, {build or 'best'} build, million instructions per second"
        yield Row(name, millions, None, f"{millions / SENSORS:.2f} million per window of 25600")


def rows() -> list[Row]:
    """Measure everything."""
    return [*vector_rows(), bandwidth_row(), core_row(), *instruction_rows()]


def main() -> int:
    """Print a line per measurement; 1 when one is not what was promised."""
    measured = rows()
    for row in measured:
        print(f"{row.line}  # {row.note}")
    return int(any(row.verdict not in {"", "ok"} for row in measured))


if __name__ == "__main__":
    sys.exit(main())
