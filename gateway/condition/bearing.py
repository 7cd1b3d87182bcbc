"""The verdict on a bearing: which of its parts is damaged, from one record of acceleration and the speed of the shaft.

The record is used whole. Its spectrum is prewhitened (every bin the same magnitude, so that no tone of a shaft or gear hides
anything), and the squared envelope of a few bands is searched for the combs of the four faults (`cython_ext.bearing`); the best
band counts for each. A damaged rolling element that slides shows no rate of its own, but it passes the load once per turn of the
cage: lines of the cage without those of a race count for the element. Only when these lines hardly fall off, as those of a blow
shorter than the distance of two elements do, they speak of the cage itself. Prewhitening: Borghesani et al., Mechanical Systems
and Signal Processing 36 (2013) 370-384; envelopes of bearings: Randall and Antoni, ibid. 25 (2011) 485-520.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from cython_ext.bearing import BearingScores
from cython_ext.envelope import Envelope
from cython_ext.shaft import floor_of, shaft_speed
from cython_ext.spectrum import Welch, next_fast_length
from gateway.config.bearing import LEAST_TURNS, Bearing
from gateway.model import Quality

Label = Literal["outer", "inner", "element", "cage", "none"]

VERDICTS: dict[Label, str] = {
    "outer": "outer race",
    "inner": "inner race",
    "element": "rolling element",
    "cage": "cage",
    "none": "none",
}
"""A label in words."""

THRESHOLD_DB = 12.0
"""A fault that scores less is none. Frozen: see docs/bearings.md for the figures it gives."""

LEAST_TURNS_OF_CAGE = 60
"""The same for the cage, which turns at 0.4 times the shaft."""

FLAT_DB = 4.0
"""Lines 5 to 7 of the cage that are no further below the first four: a short blow, not the load zone."""

SURE_SPEED_DB = 10.0
"""A comb of shaft harmonics that stands out so far gives the speed; below, the speed given is taken as it is."""

LOWEST_HZ = 500.0
"""Below, shafts and gears speak, not the resonances that a damaged bearing strikes."""

HIGHEST_SHARE = 0.475
"""Of the rate: above, the sensor's filter."""


ROUNDING_SHARE = 1e-7
"""Of the power: a floor of the spectrum below this is what a converter makes of pure tones by rounding. It repeats as they do, and
prewhitening would raise it. A sensor on a machine hears a thousand times more."""


class Line(Struct, frozen=True):
    """One line of the envelope's spectrum that a verdict rests on."""

    hz: float
    db: float


class Scores(Struct, frozen=True):
    """Scores of the four faults in dB; None where the record does not allow one."""

    outer: float | None = None
    inner: float | None = None
    element: float | None = None
    cage: float | None = None


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What a record tells about a bearing.

    Attributes:
        label: the damaged part, or none.
        score_db: score of that part; the highest of all where there is none.
        scores: of every fault.
        lines: first lines of the comb of the part, the best score's where there is no fault.
        shaft_hz: the speed that was taken: found near the one given, or that.
        found_speed: whether it was found in the record.
        quality: BAD where there is no verdict; label is none then, and `reason` says why.
        reason: why there is no verdict, or what the record leaves open.
    """

    label: Label = "none"
    score_db: float | None = None
    scores: Scores = Scores()
    lines: tuple[Line, ...] = ()
    shaft_hz: float | None = None
    found_speed: bool = False
    quality: Quality = Quality.GOOD
    reason: str = ""

    @property
    def verdict(self) -> str:
        """The label in words."""
        return VERDICTS[self.label]


class BearingDetector:
    """Judges records of `n` samples at one rate for one bearing; one thread at a time.

    Args:
        n: samples per record, as many as it has; 8 s and more are good.
        rate_hz: samples per second.
        bearing: the bearing beside the sensor.

    Raises:
        ValueError: n is below 16, or the rate not above 0.
    """

    def __init__(self, n: int, rate_hz: float, bearing: Bearing) -> None:
        if n < 16:
            raise ValueError(f"{n} samples are too few for a verdict on a bearing")
        if not 0 < rate_hz < math.inf:
            raise ValueError(f"a rate of {rate_hz} Hz; it must be above 0")
        self.n = n
        self.rate_hz = rate_hz
        self.bearing = bearing
        self._speeds = Welch(_fast_length_within(n), rate_hz)
        self._end_hz = 0.0
        self._bands: list[_Band] = []

    def diagnose(self, samples: array[float], shaft_hz: float | None) -> Diagnosis:
        """Return the verdict on a record of acceleration in any unit.

        Args:
            samples: n float32 samples.
            shaft_hz: speed of the shaft, right to 3 %; None where it is not known.

        Raises:
            ValueError: the number of samples is another.
        """
        if len(samples) != self.n:
            raise ValueError(f"{len(samples)} samples for a record of {self.n}")
        if shaft_hz is None or not 0 < shaft_hz < math.inf:
            return _no_verdict(
                "the speed of the shaft is not known" if shaft_hz is None else f"a shaft does not turn at {shaft_hz} Hz"
            )
        if reason := self._too_little(shaft_hz):
            return _no_verdict(reason, shaft_hz)
        psd = self._speeds.psd(samples)
        power, floor = floor_of(psd, min(len(psd) - 1, math.ceil(LOWEST_HZ / self._speeds.bin_hz)))
        if not power > 0:
            return _no_verdict("the signal is constant" if power == 0 else "the signal holds values that are no numbers", shaft_hz)
        if floor < ROUNDING_SHARE * power:
            return _no_verdict(f"above {LOWEST_HZ:g} Hz the signal holds nothing but tones and rounding", shaft_hz)
        speed_hz, speed_db = shaft_speed(psd, self._speeds.bin_hz, shaft_hz)
        found = speed_db >= SURE_SPEED_DB
        if found:
            shaft_hz = speed_hz
        self._prepare(shaft_hz)
        scored = [band.scored(samples, shaft_hz) for band in self._bands]
        if not any(math.isfinite(score) for band in scored for score in band[:2]):
            return _no_verdict(f"a rate of {self.rate_hz:g} Hz is too low for the lines of this bearing at this speed", shaft_hz)
        return self._judged(scored, shaft_hz, found)

    def _too_little(self, shaft_hz: float) -> str:
        turns = self.n / self.rate_hz * shaft_hz
        if turns < LEAST_TURNS:
            return f"the record holds {turns:.3g} turns of the shaft; a verdict takes {LEAST_TURNS}: {LEAST_TURNS / shaft_hz:.2g} s"
        if HIGHEST_SHARE * self.rate_hz < 2 * LOWEST_HZ:
            needed = 2 * LOWEST_HZ / HIGHEST_SHARE
            return f"a rate of {self.rate_hz:g} Hz does not reach the resonances of a bearing; it takes {needed:.0f} Hz"
        return ""

    def _prepare(self, shaft_hz: float) -> None:
        """Make the envelopes reach the highest line, and some more, so that a little more speed finds them ready."""
        bearing = self.bearing
        wanted_hz = (4.1 * max(bearing.outer, bearing.inner, 2 * bearing.element) + 1.5) * shaft_hz
        if not self._end_hz / 2 < wanted_hz <= self._end_hz:
            self._end_hz = 1.2 * wanted_hz
            self._bands = [_Band(self.n, self.rate_hz, low, high, self._end_hz, bearing) for low, high in bands(self.rate_hz)]

    def _judged(self, scored: list[array[float]], shaft_hz: float, found: bool) -> Diagnosis:
        best = [max(range(len(scored)), key=lambda band: _or_nothing(scored[band][kind])) for kind in range(4)]
        outer, inner, turning, comb = (_or_nothing(scored[best[kind]][kind]) for kind in range(4))
        tail = _or_nothing(scored[best[3]][4])
        resolved = self.n / self.rate_hz * shaft_hz >= LEAST_TURNS_OF_CAGE
        flat = tail >= comb - FLAT_DB
        by_load = resolved and not flat and max(outer, inner, turning) < THRESHOLD_DB <= comb
        scores = {
            "outer": outer,
            "inner": inner,
            "element": max(turning, comb) if by_load else turning,
            "cage": comb if flat else tail,
        }
        if not resolved:
            scores["cage"] = -1.0
        winner = max(scores, key=lambda kind: scores[kind])
        label: Label = winner if scores[winner] >= THRESHOLD_DB else "none"  # type: ignore[assignment]
        kind = 3 if winner == "cage" or (winner == "element" and by_load) else list(scores).index(winner)
        return Diagnosis(
            label=label,
            score_db=scores[winner],
            scores=Scores(**{name: score if score >= 0 else None for name, score in scores.items()}),
            lines=self._bands[best[kind]].lines(scored[best[kind]][5 + kind], shaft_hz),
            shaft_hz=shaft_hz,
            found_speed=found,
            reason="; ".join(self._left_open(shaft_hz, resolved)),
        )

    def _left_open(self, shaft_hz: float, resolved: bool) -> Iterator[str]:
        """Yield what a longer record would tell."""
        if not resolved:
            yield f"the cage takes {LEAST_TURNS_OF_CAGE} turns of the shaft: {LEAST_TURNS_OF_CAGE / shaft_hz:.2g} s"
        bearing = self.bearing
        for part, rate in (("outer race", bearing.outer), ("inner race", bearing.inner), ("rolling element", 2 * bearing.element)):
            apart = abs(rate - round(rate)) * shaft_hz
            if apart < 3 * self.rate_hz / self.n:
                needed = f"it takes {3 / apart:.2g} s" if apart > 0.1 else "a longer record would not help"
                yield f"{part}: {rate:.3f} times the shaft is hardly told from {round(rate)} times the shaft; {needed}"


class _Band:
    """The envelope of one band and its scores."""

    def __init__(self, n: int, rate_hz: float, low_hz: float, high_hz: float, end_hz: float, bearing: Bearing) -> None:
        # the envelope of a band holds nothing beyond the band's width
        end_hz = min(end_hz, 0.95 * (high_hz - low_hz))
        self._envelope = Envelope(n, rate_hz, low_hz, high_hz, end_hz, prewhiten=True)
        self._spectrum = array("f", bytes(4 * self._envelope.bins))
        self._scores = BearingScores(
            self._envelope.bins, self._envelope.bin_hz, bearing.outer, bearing.inner, bearing.element, bearing.cage
        )
        self._shaft_hz = 0.0

    def scored(self, samples: array[float], shaft_hz: float) -> array[float]:
        """Return the nine numbers of `BearingScores.scores`."""
        self._envelope.spectrum(samples, self._spectrum)
        return self._scores.scores(self._spectrum, shaft_hz)

    def lines(self, rate_hz: float, shaft_hz: float) -> tuple[Line, ...]:
        """Return the first four lines of a comb in the spectrum that was scored last."""
        found = ((k * rate_hz, self._scores.level(self._spectrum, shaft_hz, k * rate_hz)) for k in range(1, 5) if rate_hz > 0)
        return tuple(Line(hz, db) for hz, db in found if math.isfinite(db))


def bands(rate_hz: float) -> list[tuple[float, float]]:
    """Return the bands in Hz that are searched: the whole range, and its octaves from the top, the lowest one wider."""
    top = HIGHEST_SHARE * rate_hz
    found = [(LOWEST_HZ, top)]
    for edge in (rate_hz / 4, rate_hz / 8):
        if edge < 2 * LOWEST_HZ:
            break
        found.append((edge, top))
        top = edge
    return [*found, (LOWEST_HZ, top)] if len(found) > 1 else found


def _no_verdict(reason: str, shaft_hz: float | None = None) -> Diagnosis:
    return Diagnosis(quality=Quality.BAD, reason=reason, shaft_hz=shaft_hz)


def _or_nothing(score: float) -> float:
    """Return a score that can be compared: one that there is none of is below all."""
    return score if math.isfinite(score) else -1.0


def _fast_length_within(n: int) -> int:
    """Return the longest length up to n that the FFT takes."""
    n -= n % 2
    while next_fast_length(n) != n:
        n -= 2
    return n
