"""Spectra of waveforms in plain Python."""

from __future__ import annotations

import cmath
import math
from array import array
from collections.abc import Sequence


def _smallest_factor(n: int) -> int:
    return next((factor for factor in (2, 3, 5) if n % factor == 0), n)


def _is_fast_length(n: int) -> bool:
    if n < 2 or n % 2:
        return False
    while n > 1 and (factor := _smallest_factor(n)) <= 5:
        n //= factor
    return n == 1


def next_fast_length(n: int) -> int:
    """Return the smallest even length >= n without a prime factor above 5."""
    if n < 1:
        raise ValueError("the length must be 1 or more")
    return next(length for length in range(n + n % 2, 4 * n + 4, 2) if _is_fast_length(length))


def _dft(x: Sequence[complex]) -> list[complex]:
    """Transform every p-th sample on its own, p the smallest prime factor, and put the parts together."""
    n = len(x)
    if n == 1:
        return [complex(x[0])]
    p = _smallest_factor(n)
    parts = [_dft(x[first::p]) for first in range(p)]
    return [sum(cmath.rect(1, -2 * math.pi * (k * j % n) / n) * parts[j][k % (n // p)] for j in range(p)) for k in range(n)]


def _inverse(spectrum: Sequence[complex]) -> list[complex]:
    """The transform read backwards."""
    backwards = _dft(spectrum)
    return [value / len(backwards) for value in backwards[:1] + backwards[:0:-1]]


def _bins(x: Sequence[float]) -> list[complex]:
    return _dft([complex(v) for v in x])[: len(x) // 2 + 1]


class RealFFT:
    """FFT of `n` real samples; see `cython_ext.spectrum.RealFFT`."""

    def __init__(self, n: int) -> None:
        if not _is_fast_length(n):
            raise ValueError(f"{n} samples: the next good length is {next_fast_length(max(n, 1))}")
        self.n = n

    def forward(self, x: Sequence[float], out: array[float] | None = None) -> array[float]:
        """Return the n//2 + 1 bins as float32 pairs real, imaginary."""
        if len(x) != self.n:
            raise ValueError("the number of samples does not fit")
        out = array("f", bytes(4 * (self.n + 2))) if out is None else out
        for k, value in enumerate(_bins(x)):
            out[2 * k], out[2 * k + 1] = value.real, value.imag
        return out

    def inverse(self, spectrum: Sequence[float], out: array[float] | None = None) -> array[float]:
        """Return the n samples whose spectrum this is."""
        if len(spectrum) != self.n + 2:
            raise ValueError("the number of bins does not fit")
        bins = [complex(*spectrum[k : k + 2]) for k in range(0, self.n + 2, 2)]
        bins[0], bins[-1] = complex(bins[0].real), complex(bins[-1].real)
        mirrored = [value.conjugate() for value in bins[-2:0:-1]]
        out = array("f", bytes(4 * self.n)) if out is None else out
        for i, value in enumerate(_inverse(bins + mirrored)):
            out[i] = value.real
        return out


class ComplexFFT:
    """FFT of `n` complex points; see `cython_ext.spectrum.ComplexFFT`."""

    def __init__(self, n: int) -> None:
        if n < 1 or not _is_fast_length(2 * n):
            raise ValueError(f"{n} points: the length must be without a prime factor above 5")
        self.n = n

    def forward(self, x: Sequence[float], out: array[float] | None = None) -> array[float]:
        """Return the n bins as float32 pairs real, imaginary."""
        return self._pairs(_dft(self._points(x)), out)

    def inverse(self, x: Sequence[float], out: array[float] | None = None) -> array[float]:
        """Return the n points whose spectrum `x` is."""
        return self._pairs(_inverse(self._points(x)), out)

    def _points(self, x: Sequence[float]) -> list[complex]:
        if len(x) != 2 * self.n:
            raise ValueError("the number of points does not fit")
        return [complex(*x[k : k + 2]) for k in range(0, 2 * self.n, 2)]

    def _pairs(self, points: list[complex], out: array[float] | None) -> array[float]:
        out = array("f", bytes(8 * self.n)) if out is None else out
        for k, value in enumerate(points):
            out[2 * k], out[2 * k + 1] = value.real, value.imag
        return out


class Welch:
    """Power spectral density; see `cython_ext.spectrum.Welch`."""

    def __init__(self, nfft: int, rate_hz: float) -> None:
        if not _is_fast_length(nfft):
            raise ValueError(f"{nfft} samples: the next good length is {next_fast_length(max(nfft, 1))}")
        self.nfft = nfft
        self.rate_hz = rate_hz
        self._window = [0.5 - 0.5 * math.cos(2 * math.pi * i / nfft) for i in range(nfft)]

    @property
    def bin_hz(self) -> float:
        """Distance of two bins in Hz."""
        return self.rate_hz / self.nfft

    def psd(self, x: Sequence[float], out: array[float] | None = None) -> array[float]:
        """Return the one-sided density of the mean of all half-overlapping segments."""
        if len(x) < self.nfft:
            raise ValueError("too few samples for a segment")
        starts = range(0, len(x) - self.nfft + 1, self.nfft // 2)
        segments = [self._power(x[start : start + self.nfft]) for start in starts]
        scale = 2 / (self.rate_hz * math.fsum(w * w for w in self._window) * len(segments))
        out = array("d", bytes(8 * (self.nfft // 2 + 1))) if out is None else out
        for k, powers in enumerate(zip(*segments, strict=True)):
            out[k] = math.fsum(powers) * scale
        out[0] /= 2
        out[self.nfft // 2] /= 2
        return out

    def _power(self, segment: Sequence[float]) -> list[float]:
        mean = math.fsum(segment) / self.nfft
        return [abs(value) ** 2 for value in _bins([(v - mean) * w for v, w in zip(segment, self._window, strict=True)])]
