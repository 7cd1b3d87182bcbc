"""Once they run, the kernels ask the C library for no memory: a hook under malloc counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HOOK = """
#include <stddef.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
static long count;
long allocations(void) { return count; }
void *malloc(size_t n) { count++; return __libc_malloc(n); }
void *calloc(size_t n, size_t size) { count++; return __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { count++; return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { count++; return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { count++; return __libc_memalign(a, n); }
int posix_memalign(void **to, size_t a, size_t n) { count++; *to = __libc_memalign(a, n); return *to ? 0 : 12; }
"""

PROGRAM = """
import ctypes, random
from array import array
from cython_ext import bands, bearing, cepstrum, comb, envelope, gears, kurtogram, orders
from cython_ext import ring, spectrum, statistics, trackers, vector
allocations = ctypes.CDLL(None).allocations
allocations.restype = ctypes.c_long
noise = random.Random(1)
n, rate, faults = 8192, 25_600.0, (3.58, 5.41, 2.36, 0.398)
x = array("f", (noise.gauss(0.0, 1.0) for _ in range(n)))
pieces, window = array("h", range(n)), array("f", bytes(4 * n))
fft, welch = spectrum.RealFFT(n), spectrum.Welch(1024, rate)
bins, psd = fft.forward(x), welch.psd(x)
squared = envelope.Envelope(n, rate, 500.0, 12_000.0, 1000.0, prewhiten=True)
amplitudes = squared.spectrum(x)
scores = bearing.BearingScores(squared.bins, squared.bin_hz, *faults)
found, five, ten = scores.scores(amplitudes, 29.5), array("d", bytes(40)), array("d", bytes(80))
edges = array("d", [10, 100, 100, 500, 500, 2000, 2000, 5000, 5000, 12_000])
moments, held, chart = statistics.Moments(), ring.Ring(2 * n), trackers.Cusum(0.0, 1.0)
channel = vector.Channel(n, rate, unit_m_s2=1.0, bearing=faults)
features = channel.measure(x, 29.5)
points, complex_fft = fft.inverse(bins), spectrum.ComplexFFT(n // 2)
kurtogram = kurtogram.Kurtogram(n, rate, 4)
table, cepstrum = kurtogram.table(x), cepstrum.Cepstrum(n, rate)
quefrencies, squares = cepstrum.power(x), squared.envelope(x)
turns, revolution, steps = orders.AngleResampler(64, rate), array("d", bytes(8 * 64)), array("f", bytes(4 * n))
gear, speeds = gears.Gear(64, 8), comb.SpeedComb(len(psd), welch.bin_hz, 200.0, 400.0)

def windows():
    held.push(pieces, 0.1)
    held.window(n, window)
    held.advance(n)

CALLS = {
    "statistics": lambda: statistics.statistics(x), "moments": lambda: moments.update(x), "result": moments.result,
    "fft": lambda: fft.forward(x, bins), "inverse": lambda: fft.inverse(bins, window), "welch": lambda: welch.psd(x, psd),
    "velocity": lambda: bands.velocity_rms(psd, welch.bin_hz),
    "energies": lambda: bands.band_energies(psd, welch.bin_hz, edges, five),
    "harmonics": lambda: bands.harmonics(psd, welch.bin_hz, 120.0, 1.0, 1.0, ten),
    "high frequency": lambda: bands.high_frequency_index(x, psd, welch.bin_hz),
    "envelope": lambda: squared.spectrum(x, amplitudes), "scores": lambda: scores.scores(amplitudes, 29.5, found),
    "ring": windows, "chart": lambda: chart.update(0.1), "goertzel": lambda: trackers.goertzel(x, rate, 50.0),
    "complex": lambda: complex_fft.inverse(points, points), "kurtogram": lambda: kurtogram.table(x, table),
    "cepstrum": lambda: cepstrum.power(x, quefrencies), "envelope in time": lambda: squared.envelope(x, squares),
    "angle": lambda: turns.constant(x, 29.5, steps), "average": lambda: orders.synchronous_average(steps, revolution),
    "gear": lambda: gear.measure(revolution), "comb": lambda: speeds.estimate(psd),
    "vector": lambda: channel.measure(x, 29.5, features),
}
moments.update(x)
for name, call in CALLS.items():
    for _ in range(20):
        call()
    before = allocations()
    for _ in range(200):
        call()
    print(name, allocations() - before, sep=": ")
print("control", (before := allocations()) and fft.forward(x) and allocations() - before > 0, sep=": ")
"""


@pytest.mark.parametrize("build", ["", "baseline"], ids=["best", "baseline"])
def test_no_kernel_allocates_per_window(tmp_path, build):
    (tmp_path / "hook.c").write_text(HOOK)
    hook = tmp_path / "hook.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-fno-builtin", "-o", hook, tmp_path / "hook.c"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(hook), "GATEWAY_KERNELS": build, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONMALLOC", None)
    said = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    counted = dict(line.split(": ") for line in said.stdout.splitlines())
    assert counted.pop("control") == "True", "the hook sees an array that is not given"
    assert len(counted) == 24
    assert set(counted.values()) == {"0"}, counted
