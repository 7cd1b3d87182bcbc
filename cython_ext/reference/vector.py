"""The feature vector of a window in plain Python: the other references, one after another."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence

from cython_ext.results import Statistics

from .bands import band_rms, displacement_rms, harmonics, high_frequency_index, velocity_rms
from .bearing import BearingScores
from .envelope import Envelope
from .spectrum import Welch, next_fast_length
from .statistics import statistics

NAN = math.nan


class Channel:
    """Measures windows of `n` samples; see `cython_ext.vector.Channel`."""

    def __init__(
        self,
        n: int,
        rate_hz: float,
        *,
        nfft: int | None = None,
        bands: Iterable[tuple[float, float]] = (),
        orders: int = 10,
        order_step: float = 1.0,
        unit_m_s2: float | None = None,
        iso_hz: tuple[float, float] = (10.0, 1000.0),
        envelope: tuple[float, float] | None = None,
        envelope_max_hz: float | None = None,
        prewhiten: bool = True,
        bearing: tuple[float, float, float, float] | None = None,
    ) -> None:
        self.n, self.rate_hz, self.bands, self.orders, self.order_step = n, rate_hz, tuple(bands), orders, order_step
        self.unit_m_s2, self.iso_hz = unit_m_s2, iso_hz
        most = min(n, max(2, int(rate_hz)))
        segment = next(m for m in range(most, 0, -1) if next_fast_length(m) <= most) if nfft is None else nfft
        self.welch = Welch(next_fast_length(segment) if nfft is None else nfft, rate_hz)
        band = (min(500.0, 0.1 * rate_hz), 0.475 * rate_hz) if envelope is None else envelope
        max_hz = min(1000.0, rate_hz / 2) if envelope_max_hz is None else envelope_max_hz
        self.envelope = Envelope(n, rate_hz, *band, max_hz, prewhiten=prewhiten)
        self.scores = BearingScores(self.envelope.bins, self.envelope.bin_hz, *bearing) if bearing else None
        self.psd, self.spectrum = array("d"), array("f")

    @property
    def names(self) -> tuple[str, ...]:
        """What each number of a result is."""
        names = [*Statistics._fields, "velocity_rms", "displacement_rms", "high_frequency_rms", "high_frequency_peaks"]
        names += [f"band_{i}" for i, _ in enumerate(self.bands, 1)]
        names += [f"order_{(i + 1) * self.order_step:g}" for i in range(self.orders)]
        if self.scores:
            kinds = ("outer", "inner", "element", "cage")
            names += [*(f"{kind}_db" for kind in kinds), "cage_tail_db", *(f"{kind}_hz" for kind in kinds)]
        return tuple(names)

    def measure(self, x: Sequence[float], shaft_hz: float = NAN) -> array[float]:
        """Return the features of a window."""
        if len(x) != self.n:
            raise ValueError("the number of samples does not fit")
        self.psd, bin_hz = self.welch.psd(x), self.welch.bin_hz
        self.spectrum = self.envelope.spectrum(x)
        known = 0 < shaft_hz < math.inf
        numbers: list[float] = [*statistics(x), *self._iso(bin_hz), *high_frequency_index(x, self.psd, bin_hz)]
        reachable = [low <= self.rate_hz / 2 for low, _ in self.bands]
        numbers += [band_rms(self.psd, bin_hz, *band) if ok else NAN for band, ok in zip(self.bands, reachable, strict=True)]
        orders = array("d", [NAN] * self.orders)
        numbers += harmonics(self.psd, bin_hz, shaft_hz, self.order_step, self.order_step, orders) if known else orders
        if self.scores:
            numbers += self.scores.scores(self.spectrum, shaft_hz) if known else [NAN] * 9
        return array("d", numbers)

    def _iso(self, bin_hz: float) -> tuple[float, float]:
        if self.unit_m_s2 is None or self.iso_hz[1] > self.rate_hz / 2:
            return NAN, NAN
        velocity, displacement = (rms(self.psd, bin_hz, *self.iso_hz) for rms in (velocity_rms, displacement_rms))
        return velocity * self.unit_m_s2, displacement * self.unit_m_s2
