"""The power cepstrum in plain Python."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from .spectrum import ComplexFFT, next_fast_length


class Cepstrum:
    """The inverse transform of the logarithm of the power spectrum; see `cython_ext.cepstrum.Cepstrum`."""

    def __init__(self, samples: int, rate_hz: float) -> None:
        self.samples = samples
        self.n = next_fast_length(samples)
        self.points = self.n // 2 + 1
        self.step_s = 1 / rate_hz

    def power(self, x: Sequence[float], out: array[float] | None = None) -> array[float]:
        """Return the cepstrum at quefrencies 0, 1/rate, 2/rate …"""
        if len(x) != self.samples:
            raise ValueError("the number of samples does not fit")
        mean = math.fsum(x) / len(x)
        windowed = [(value - mean) * (0.5 - 0.5 * math.cos(2 * math.pi * i / len(x))) for i, value in enumerate(x)]
        transform = ComplexFFT(self.n)
        bins = transform.forward([number for value in windowed + [0.0] * (self.n - len(x)) for number in (value, 0.0)])
        powers = [bins[2 * k] ** 2 + bins[2 * k + 1] ** 2 for k in range(self.n)]
        least = 1e-12 * max(powers)
        logs = [math.log(max(power, least)) if least > 0 else 0.0 for power in powers]
        cepstrum = transform.inverse([number for value in logs for number in (value, 0.0)])[::2]
        out = array("f", bytes(4 * self.points)) if out is None else out
        for i in range(self.points):
            out[i] = cepstrum[i]
        return out
