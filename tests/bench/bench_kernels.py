"""Time of the kernels beside the known libraries, as ratios: ours / theirs, both called from Python in turn, best of many rounds.

Run alone: `python -m tests.bench.bench_kernels`. FFTW, planned with MEASURE, is an anchor where Debian's
libfftw3-single3 is installed.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import scipy.fft
import scipy.signal
from pymodbus.client.mixin import ModbusClientMixin

from cython_ext import reference
from cython_ext.gate import Gate
from cython_ext.registers import UINT16, Decoder
from cython_ext.spectrum import RealFFT, Welch, backend
from cython_ext.statistics import statistics
from tests.bench import Row

Timed = Callable[[], object]

RATE_HZ = 25_600.0
LENGTHS = (4096, 8192, 25_600, 65_536)
ROUNDS = 300
ROUND_S = 0.0004  # short enough to run undisturbed now and then on a busy machine

# ours / theirs at most
BUDGET_FFTW = {"avx2": 1.0, "baseline": 1.6}
BUDGET_FFT = 1 / 4
BUDGET_STATISTICS = 1 / 30
BUDGET_WELCH = 1 / 10
BUDGET_DECODE = 1 / 30
BUDGET_GATE = 1 / 20


@contextmanager
def baseline() -> Iterator[None]:
    """Plans made inside are of the baseline build."""
    before = os.environ.get("GATEWAY_KERNELS")
    os.environ["GATEWAY_KERNELS"] = "baseline"
    try:
        yield
    finally:
        del os.environ["GATEWAY_KERNELS"]
        if before is not None:
            os.environ["GATEWAY_KERNELS"] = before


def seconds(calls: list[Timed], rounds: int = ROUNDS, round_s: float = ROUND_S) -> list[float]:
    """Best time of each, measured in turn, so that all of them meet the same disturbances."""
    repeats = []
    for call in calls:
        start = time.perf_counter()
        call()
        repeats.append(max(1, int(round_s / max(time.perf_counter() - start, 1e-7))))
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            loops = range(repeats[i])
            start = time.perf_counter()
            for _ in loops:
                call()
            best[i] = min(best[i], (time.perf_counter() - start) / repeats[i])
    return best


def row(name: str, ours: float, theirs: float, budget: float) -> Row:
    return Row(name, ours / theirs, budget, f"{ours * 1e6:.2f} / {theirs * 1e6:.2f} µs")


class Fftw:
    """A single-precision real FFT of FFTW 3, planned with MEASURE."""

    MEASURE = 0

    def __init__(self, library: ctypes.CDLL, n: int) -> None:
        library.fftwf_malloc.restype = library.fftwf_plan_dft_r2c_1d.restype = ctypes.c_void_p
        library.fftwf_malloc.argtypes = [ctypes.c_size_t]
        library.fftwf_plan_dft_r2c_1d.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint]
        library.fftwf_execute.argtypes = [ctypes.c_void_p]
        self._samples = library.fftwf_malloc(4 * n)
        bins = library.fftwf_malloc(4 * (n + 2))
        self._plan = ctypes.c_void_p(library.fftwf_plan_dft_r2c_1d(n, self._samples, bins, self.MEASURE))
        self._execute = library.fftwf_execute

    def load(self, x: np.ndarray) -> None:
        """Copy samples in; planning has overwritten what was there."""
        ctypes.memmove(self._samples, x.ctypes.data, x.nbytes)

    def __call__(self) -> None:
        self._execute(self._plan)


def fftw_library() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("libfftw3f.so.3")
    except OSError:
        return None


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(n).standard_normal(n).astype("f")


def fft_rows() -> Iterator[Row]:
    library = fftw_library()
    for n in LENGTHS:
        x = noise(n)
        samples, out = array("f", x), array("f", bytes(4 * (n + 2)))
        best = RealFFT(n)
        with baseline():
            plain = RealFFT(n)
        calls: list[Timed] = [
            lambda plan=best, x=samples, out=out: plan.forward(x, out),
            lambda plan=plain, x=samples, out=out: plan.forward(x, out),
            lambda x=x: np.fft.rfft(x),
            lambda x=x: scipy.fft.rfft(x),
        ]
        if library is not None:
            anchor = Fftw(library, n)
            anchor.load(x)
            calls.append(anchor)
        ours, ours_plain, with_numpy, with_scipy, *with_fftw = seconds(calls)
        yield row(f"rfft {n}, {best.backend} / numpy.fft", ours, with_numpy, BUDGET_FFT)
        yield row(f"rfft {n}, {best.backend} / scipy.fft", ours, with_scipy, BUDGET_FFT)
        for fftw_s in with_fftw:
            if best.backend != plain.backend:
                yield row(f"rfft {n}, {best.backend} / FFTW", ours, fftw_s, BUDGET_FFTW["avx2"])
            yield row(f"rfft {n}, {plain.backend} / FFTW", ours_plain, fftw_s, BUDGET_FFTW["baseline"])


def naive_statistics(x: np.ndarray) -> tuple[float, ...]:
    """What one writes in numpy without thinking of speed."""
    d = x - x.mean()
    rms = np.sqrt(np.mean(d**2))
    peak = np.max(np.abs(d))
    return x.mean(), rms, peak, x.max() - x.min(), peak / rms, np.mean(d**3) / rms**3, np.mean(d**4) / rms**4, x.min(), x.max()


def statistics_rows() -> Iterator[Row]:
    for n in LENGTHS:
        x = noise(n)
        samples = array("f", x)
        ours, theirs = seconds([lambda x=samples: statistics(x), lambda x=x: naive_statistics(x)])
        yield row(f"statistics of {n}, {backend()} / numpy", ours, theirs, BUDGET_STATISTICS)


def welch_rows() -> Iterator[Row]:
    for n in LENGTHS:
        x = noise(n)
        samples, nfft = array("f", x), 4096
        plan, out = Welch(nfft, RATE_HZ), array("d", bytes(8 * (nfft // 2 + 1)))
        ours, theirs = seconds(
            [
                lambda plan=plan, x=samples, out=out: plan.psd(x, out),
                lambda x=x, nfft=nfft: scipy.signal.welch(x, RATE_HZ, nperseg=nfft),
            ]
        )
        yield row(f"Welch 4096 over {n}, {plan.backend} / scipy", ours, theirs, BUDGET_WELCH)


def decode_row() -> Row:
    count = 125
    words = [(7919 * i) & 0xFFFF for i in range(count)]
    data = b"".join(word.to_bytes(2, "big") for word in words)
    decoder = Decoder([(i, 2 * i, UINT16, False, False, 0, 0.1, 0.0) for i in range(count)])
    values, quality, reason = array("d", bytes(8 * count)), bytearray(count), bytearray(count)

    def theirs() -> list[float]:
        return [ModbusClientMixin.convert_from_registers([word], ModbusClientMixin.DATATYPE.UINT16) * 0.1 for word in words]

    best = seconds([lambda: decoder.decode(data, values, quality, reason), theirs])
    return row(f"decode and scale {count} registers / pymodbus", *best, BUDGET_DECODE)


def gate_row() -> Row:
    count = 1000
    rng = np.random.default_rng(5)
    scans = [array("d", np.round(rng.standard_normal(count), 1)) for _ in range(2)]
    quality, reason, out = bytes([192]) * count, bytes(count), array("i", bytes(4 * count))
    rules = array("d", [0.5]) * count, array("d", [600.0]) * count, bytearray(count)

    def alternately(gate: Gate | reference.Gate) -> Timed:
        return lambda: [gate.select(0.0, values, quality, reason, None, out) for values in scans]

    best = seconds([alternately(Gate(*rules)), alternately(reference.Gate(*rules))])
    return row(f"gate over {count} points / plain Python", *best, BUDGET_GATE)


def rows() -> list[Row]:
    """Measure everything."""
    return [*fft_rows(), *statistics_rows(), *welch_rows(), decode_row(), gate_row()]


def main() -> int:
    """Print a line per measurement; 1 when a budget was exceeded."""
    measured = rows()
    for measure in measured:
        print(f"{measure.line}  # {measure.note}")
    return int(any(measure.verdict not in {"", "ok"} for measure in measured))


if __name__ == "__main__":
    sys.exit(main())
