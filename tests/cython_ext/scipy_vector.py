"""The feature vector of `cython_ext.vector.Channel` as one writes it in numpy and scipy: oracle of tests, anchor of the bench."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
import scipy.signal
import scipy.stats

TOLERANCES = (0.008, 0.008, 0.008, 0.015)


class ScipyVector:
    """Same arguments and names as `Channel`, for windows that can be measured; what does not change is computed once."""

    def __init__(
        self,
        n: int,
        rate_hz: float,
        *,
        nfft: int,
        bands: Sequence[tuple[float, float]],
        envelope: tuple[float, float],
        envelope_max_hz: float,
        bearing: tuple[float, float, float, float],
        orders: int = 10,
    ) -> None:
        self.n, self.rate_hz, self.nfft, self.bands, self.orders = n, rate_hz, nfft, bands, orders
        self.rates = np.array(bearing) * (1, 1, 2, 1)
        self.window = scipy.signal.get_window("hann", n)
        hz = scipy.fft.rfftfreq(n, 1 / rate_hz)
        self.outside = (hz < envelope[0]) | (hz > envelope[1])
        self.envelope_hz = hz[hz <= envelope_max_hz]

    def measure(self, x: np.ndarray, shaft_hz: float) -> list[float]:
        """Return the features in the order of `Channel.names`."""
        hz, psd = scipy.signal.welch(x, self.rate_hz, nperseg=self.nfft)
        return [*self.statistics(x), *self.spectral(x, hz, psd, shaft_hz), *self.scores(self.spectrum(x), shaft_hz)]

    def statistics(self, x: np.ndarray) -> list[float]:
        """Return the fields of `Statistics`."""
        mean, low, high = x.mean(), x.min(), x.max()
        d = x - mean
        distance = np.abs(d)
        rms, peak, absolute = np.sqrt(np.mean(d * d)), distance.max(), distance.mean()
        extreme = (x == low) | (x == high)
        run = extreme[:-2] & extreme[1:-1] & extreme[2:]
        clipped = 0.0
        if run.any():
            clipped = np.mean(np.r_[run, False, False] | np.r_[False, run, False] | np.r_[False, False, run])
        kurtosis, skewness = scipy.stats.kurtosis(x, fisher=False), scipy.stats.skew(x)
        shapes = rms / absolute, peak / absolute, peak / np.sqrt(distance).mean() ** 2
        crossings = np.count_nonzero(np.diff(d >= 0))
        wrong = np.count_nonzero(~np.isfinite(x))
        return [len(x), mean, rms, peak, high - low, peak / rms, skewness, kurtosis, low, high, *shapes, crossings, clipped, wrong]

    def spectral(self, x: np.ndarray, hz: np.ndarray, psd: np.ndarray, shaft_hz: float) -> list[float]:
        """Return velocity, displacement, high frequency, bands and orders."""
        bin_hz = hz[1]

        def power(low: float, high: float, exponent: int = 0) -> float:
            """Mean square in a band; an edge between two bins gives the nearest half weight."""
            first, last = int(low / bin_hz + 0.5), min(int(high / bin_hz + 0.5), len(hz) - 1)
            weights = np.ones(last - first + 1)
            weights[0] = 1 if np.isclose(low, hz[first]) else 0.5
            weights[-1] = 1 if np.isclose(high, hz[last]) or high > hz[-1] else 0.5
            return np.sum(weights * psd[first : last + 1] / (2 * np.pi * hz[first : last + 1]) ** exponent) * bin_hz

        velocity, displacement = 1e3 * np.sqrt(power(10, 1000, 2)), 1e6 * np.sqrt(power(10, 1000, 4))
        d = x - x.mean()
        beyond = np.abs(d) > 3.5 * np.sqrt(np.mean(d * d))
        peaks = np.count_nonzero(beyond[1:] & ~beyond[:-1]) + beyond[0]
        bands = [np.sqrt(power(low, high)) for low, high in ((5000, 10_000), *self.bands)]
        orders = []
        for k in range(1, self.orders + 1):
            near = np.abs(hz - k * shaft_hz) <= max(1.5 * bin_hz, 0.01 * k * shaft_hz)
            orders.append(np.sqrt(2 * psd[near].sum() * bin_hz))
        return [velocity, displacement, bands[0], peaks, *bands[1:], *orders]

    def spectrum(self, x: np.ndarray) -> np.ndarray:
        """Return the amplitudes of the squared envelope of the prewhitened band."""
        bins = scipy.fft.rfft(x - x.mean())
        bins[self.outside] = 0
        bins /= np.maximum(np.abs(bins), 1e-30)
        squared = np.abs(scipy.signal.hilbert(scipy.fft.irfft(bins, self.n))) ** 2
        squared -= np.average(squared, weights=self.window)
        amplitudes = 2 / self.window.sum() * np.abs(scipy.fft.rfft(squared * self.window))
        return amplitudes[: len(self.envelope_hz)] / self.scale()

    def scale(self) -> float:
        """Mean of the squared envelope of a band whose bins all have magnitude 1."""
        return 4 * np.count_nonzero(~self.outside) / self.n**2

    def scores(self, spectrum: np.ndarray, shaft_hz: float) -> list[float]:
        """Return the scores of the four faults, the level of the cage's tail, and the rates found."""
        hz, bin_hz = self.envelope_hz, self.envelope_hz[1]
        order = np.round(hz / shaft_hz)
        of_shaft = (order >= 1) & (np.abs(hz - order * shaft_hz) <= 1.000001 * np.maximum(2 * bin_hz, 0.001 * hz))
        lines = np.where(of_shaft, 0, spectrum)
        widest = np.max(np.lib.stride_tricks.sliding_window_view(lines, 3), axis=1)  # widest[i] is about bin i + 1
        half = max(5, int(0.3 * shaft_hz / bin_hz))

        def level(nominal: float, rates: np.ndarray) -> np.ndarray:
            middle = int(nominal / bin_hz + 0.5)
            around = np.sort(spectrum[max(1, middle - half) : middle + half + 1])
            with np.errstate(divide="ignore"):
                return np.clip(20 * np.log10(widest[(rates / bin_hz + 0.5).astype(int) - 1] / around[len(around) // 2]), 0, 40)

        scores, found = [], []
        for rate, tolerance, sidebands in zip(self.rates * shaft_hz, TOLERANCES, (False, True, False, False), strict=True):
            rates = np.linspace(rate * (1 - tolerance), rate * (1 + tolerance), max(3, int(16 * tolerance * rate / bin_hz) + 1))
            total = np.average([level(k * rate, k * rates) for k in (1, 2, 3, 4)], axis=0, weights=(2, 1, 1, 1))
            if sidebands:
                beside = [(k, side * shaft_hz) for k in (1, 2, 3) for side in (-1, 1)]
                total = (total + np.mean([level(k * rate + side, k * rates + side) for k, side in beside], axis=0)) / 2
            scores.append(total.max())
            found.append(np.mean(rates[total == total.max()]))
        tail = np.median([level(k * found[3], np.array([k * found[3]]))[0] for k in (5, 6, 7)])
        return [*scores, tail, *found]
