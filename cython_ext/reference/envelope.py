"""The squared envelope of a band in plain Python, on all samples of the record."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from .spectrum import ComplexFFT, next_fast_length


def analytic(x: Sequence[float], n: int, first: int, last: int, *, prewhiten: bool = False) -> list[complex]:
    """Return the analytic signal of bins `first` to `last` of `x`, which is freed of its mean and padded to `n` samples."""
    mean = math.fsum(x) / len(x)
    padded = [value - mean for value in x] + [0.0] * (n - len(x))
    transform = ComplexFFT(n)
    bins = pairs(transform.forward([number for value in padded for number in (value, 0.0)]))
    kept = [0j] * n
    for k in range(first, last + 1):
        value = bins[k]
        if prewhiten:
            value = value / abs(value) * n / 2 / math.sqrt(last - first + 1) if value else value
        kept[k] = value if 2 * k == n else 2 * value
    return pairs(transform.inverse([number for value in kept for number in (value.real, value.imag)]))


def pairs(numbers: Sequence[float]) -> list[complex]:
    """Return the complex numbers of pairs real, imaginary."""
    return [complex(*numbers[i : i + 2]) for i in range(0, len(numbers), 2)]


class Envelope:
    """Spectrum of the squared envelope; see `cython_ext.envelope.Envelope`. The envelope in time has all samples here."""

    def __init__(
        self, samples: int, rate_hz: float, low_hz: float, high_hz: float, max_hz: float, *, prewhiten: bool = False
    ) -> None:
        if samples < 16 or not 0 < rate_hz < math.inf or not 0 <= low_hz < high_hz <= rate_hz / 2 or not 0 < max_hz <= rate_hz / 2:
            raise ValueError("no such envelope")
        self.samples = samples
        self.n = next_fast_length(samples)
        self.bin_hz = rate_hz / self.n
        self.bins = math.floor(max_hz / self.bin_hz + 1e-6) + 1
        self.prewhiten = prewhiten
        self._first = max(1, math.ceil(low_hz / self.bin_hz - 1e-6))
        self._last = min(self.n // 2, math.floor(high_hz / self.bin_hz + 1e-6))
        if self._last <= self._first:
            raise ValueError("the band holds fewer than 2 bins")

    def envelope(self, x: Sequence[float]) -> array[float]:
        """Return the squared envelope at each sample."""
        if len(x) != self.samples:
            raise ValueError("the number of samples does not fit")
        signal = analytic(x, self.n, self._first, self._last, prewhiten=self.prewhiten)
        return array("f", [abs(value) ** 2 for value in signal[: self.samples]])

    def spectrum(self, x: Sequence[float], out: array[float] | None = None) -> array[float]:
        """Return the one-sided amplitude spectrum of the squared envelope from 0 Hz on."""
        squares = self.envelope(x)
        window = [0.5 - 0.5 * math.cos(2 * math.pi * i / self.samples) for i in range(self.samples)]
        mean = math.fsum(square * w for square, w in zip(squares, window, strict=True)) / math.fsum(window)
        windowed = [(square - mean) * w for square, w in zip(squares, window, strict=True)] + [0.0] * (self.n - self.samples)
        bins = pairs(ComplexFFT(self.n).forward([number for value in windowed for number in (value, 0.0)]))
        out = array("f", bytes(4 * self.bins)) if out is None else out
        for k in range(self.bins):
            out[k] = abs(bins[k]) / math.fsum(window) * (1 if k == 0 or 2 * k == self.n else 2)
        return out
