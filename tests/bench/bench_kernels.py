"""Time of the kernels beside the known libraries, as ratios: ours / theirs, both called from Python in turn, best of many rounds.

Run alone: `python -m tests.bench.bench_kernels`. FFTW, planned with MEASURE, is an anchor where Debian's
libfftw3-single3 is installed.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.signal
from pymodbus.client.mixin import ModbusClientMixin

import cython_ext
from cython_ext import reference
from cython_ext.envelope import Envelope
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
BUDGET_NUMPY = 1 / 5
BUDGET_STATISTICS = 1 / 30
BUDGET_WELCH = 1 / 10
BUDGET_DECODE = 1 / 30
BUDGET_GATE = 1 / 20

# theirs / ours at least
LEAST_FFT = 5.0
LEAST_INVERSE = 3.5
LEAST_ENVELOPE = 10.0

MOST_IMPORT_MIB = 1.0


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


def faster(name: str, ours: float, theirs: float, least: float) -> Row:
    return Row(name, theirs / ours, least, f"{theirs * 1e6:.2f} / {ours * 1e6:.2f} µs", at_least=True)


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
        yield row(f"rfft {n}, {best.backend} / numpy.fft", ours, with_numpy, BUDGET_NUMPY)
        yield faster(f"rfft {n}, {best.backend} / scipy", ours, with_scipy, LEAST_FFT)
        for fftw_s in with_fftw:
            if best.backend != plain.backend:
                yield row(f"rfft {n}, {best.backend} / FFTW", ours, fftw_s, BUDGET_FFTW["avx2"])
            yield row(f"rfft {n}, {plain.backend} / FFTW", ours_plain, fftw_s, BUDGET_FFTW["baseline"])


def inverse_rows() -> Iterator[Row]:
    for n in LENGTHS:
        plan, x, out = RealFFT(n), array("f", noise(n)), array("f", bytes(4 * n))
        bins = plan.forward(x)
        pairs = np.frombuffer(bins, np.complex64)
        ours, theirs = seconds(
            [lambda plan=plan, bins=bins, out=out: plan.inverse(bins, out), lambda pairs=pairs: scipy.fft.irfft(pairs)]
        )
        yield faster(f"irfft {n}, {plan.backend} / scipy", ours, theirs, LEAST_INVERSE)


def scipy_envelope(x: np.ndarray, outside: np.ndarray, window: np.ndarray, bins: int, *, prewhiten: bool) -> np.ndarray:
    """The spectrum of the squared envelope of a band as one writes it in numpy and scipy, in the type of `x`."""
    spectrum = scipy.fft.rfft(x - x.mean())
    spectrum[outside] = 0
    if prewhiten:
        inside = ~outside
        spectrum[inside] /= np.abs(spectrum[inside]) * (2 / len(x) * np.sqrt(np.count_nonzero(inside)))
    squared = np.abs(scipy.signal.hilbert(scipy.fft.irfft(spectrum, len(x)))) ** 2
    squared -= np.average(squared, weights=window)
    return np.abs(scipy.fft.rfft(squared * window))[:bins] * (2 / window.sum())


def envelope_rows() -> Iterator[Row]:
    for n in LENGTHS:
        for prewhiten in (False, True):
            plan = Envelope(n, RATE_HZ, 500.0, 12_160.0, 1000.0, prewhiten=prewhiten)
            x, window = noise(n), scipy.signal.get_window("hann", n).astype("f")
            hz = scipy.fft.rfftfreq(n, 1 / RATE_HZ)
            outside = (hz < plan.low_hz - 1e-6) | (hz > plan.high_hz + 1e-6)
            samples, out = array("f", x), array("f", bytes(4 * plan.bins))
            calls: list[Timed] = [
                lambda plan=plan, x=samples, out=out: plan.spectrum(x, out),
                lambda x=x, outside=outside, window=window, bins=plan.bins, prewhiten=prewhiten: scipy_envelope(
                    x, outside, window, bins, prewhiten=prewhiten
                ),
            ]
            exact = scipy_envelope(x.astype("d"), outside, window.astype("d"), plan.bins, prewhiten=prewhiten)
            if not np.allclose(plan.spectrum(samples), exact, rtol=0, atol=1e-5 * exact.max()):
                raise AssertionError(f"the envelope of {n} samples is not that of scipy")
            name = f"{'prewhitened ' if prewhiten else ''}envelope {n}, {plan.backend} / scipy"
            yield faster(name, *seconds(calls), LEAST_ENVELOPE)


IMPORTING = """
import array, asyncio, importlib, sys, typing
asyncio.run(asyncio.sleep(0))
import cython_ext

def rss_kib():
    with open("/proc/self/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))

before = rss_kib()
for name in sys.argv[1:]:
    importlib.import_module("cython_ext." + name)
print(rss_kib() - before)
"""


def import_rows() -> Iterator[Row]:
    """Memory that kernels take in a process that has asyncio already: those of the feature vector, and all there are."""
    everything = tuple(sorted(path.stem for path in Path(cython_ext.__file__).parent.glob("*.pyx")))
    for what, names, most_mib in (("the feature vector", ("ring", "vector"), MOST_IMPORT_MIB), ("every kernel", everything, None)):
        command = [sys.executable, "-c", IMPORTING, *names]
        mib = min(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(5)) / 1024
        yield Row(f"import of {what}, MiB", mib, most_mib, f"{mib:.2f} MiB more than asyncio")


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
    return [
        *fft_rows(),
        *inverse_rows(),
        *envelope_rows(),
        *import_rows(),
        *statistics_rows(),
        *welch_rows(),
        decode_row(),
        gate_row(),
    ]


def main() -> int:
    """Print a line per measurement; 1 when a budget was exceeded."""
    measured = rows()
    for measure in measured:
        print(f"{measure.line}  # {measure.note}")
    return int(any(measure.verdict not in {"", "ok"} for measure in measured))


if __name__ == "__main__":
    sys.exit(main())
